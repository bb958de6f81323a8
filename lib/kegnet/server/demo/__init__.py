"""The demo: the real meter, client and server, with a simulated fridge and simulated flow meters. `__main__` runs it."""

from .simulated import FlowMeter, crc8, w1_slave

PINS = (5, 6, 13, 19, 21, 26)
"""The flow meters of the demo."""
PASSWORD = "demo-beer"  # noqa: S105
"""The password for changes in the demo. It protects nothing."""

__all__ = ["PASSWORD", "PINS", "FlowMeter", "crc8", "w1_slave"]
