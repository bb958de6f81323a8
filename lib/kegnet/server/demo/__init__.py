"""The demo: the real meter, client and server, with a simulated fridge and simulated flow meters. `__main__` runs it."""

from .simulated import FlowMeter, crc8, w1_slave

PINS = (0, 2)
"""The flow meters of the demo."""

__all__ = ["PINS", "FlowMeter", "crc8", "w1_slave"]
