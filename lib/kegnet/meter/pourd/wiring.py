"""The numbers of wiringPi, which pourd uses, as the GPIO numbers of the header."""

from __future__ import annotations

from ...core.problem import ProblemError
from ..gpio_uapi import Bias

GPIO_NUMBERS = {
    0: 17, 1: 18, 2: 27, 3: 22, 4: 23, 5: 24, 6: 25, 7: 4, 8: 2, 9: 3, 10: 8, 11: 7, 12: 10, 13: 9, 14: 11, 15: 14, 16: 15,
    21: 5, 22: 6, 23: 13, 24: 19, 25: 26, 26: 12, 27: 16, 28: 20, 29: 21, 30: 0, 31: 1,
}  # fmt: skip
"""GPIO number by wiringPi number, for the lines of the header."""

_LAST_PULLED_UP = 8


def gpio_number(number: int) -> int:
    """The GPIO number of a wiringPi number. Raises ProblemError."""
    try:
        return GPIO_NUMBERS[number]
    except KeyError as error:
        fix = "add the flow meter by hand, with the GPIO number of its pin: sudo kegnet-meter --setup"
        raise ProblemError(f"pin {number} is not a wiringPi number of a line of the GPIO header", fix) from error


def power_on_bias(gpio: int) -> Bias:
    """The resistor that the line has since power-on ("BCM2835 ARM Peripherals", GPIO alternative functions).

    pourd never changes it, and a line that nothing is connected to makes no pulses with it.
    """
    return Bias.PULL_UP if gpio <= _LAST_PULLED_UP else Bias.PULL_DOWN
