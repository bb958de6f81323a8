"""Waiting for an event, with a limit instead of a sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def wait_for(what: Callable[[], Value], limit_s: float = 30.0, every_s: float = 0.02) -> Value:
    """The first true value of `what()`; fails if there is none within `limit_s` seconds."""
    end = time.monotonic() + limit_s
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < end, f"not within {limit_s:g} s: {getattr(what, '__qualname__', what)}"
        time.sleep(every_s)


def stays(what: Callable[[], bool], for_s: float) -> bool:
    """Whether `what()` is true now and all through the next `for_s` seconds."""
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        if not what():
            return False
        time.sleep(0.02)
    return what()
