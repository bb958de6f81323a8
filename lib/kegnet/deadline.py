"""One deadline over a piece of work that blocks, in a program with a single thread.

A socket's time-out starts anew with every byte, so a server that drips one byte a second is never late. An
interval timer (setitimer(2)) is not fooled: its signal interrupts whatever call blocks, and the handler raises.
The timer runs on the kernel's own clock, which no step of the wall clock moves.
"""

from __future__ import annotations

import signal
import time
from types import FrameType
from typing import Callable, TypeVar

Result = TypeVar("Result")

_REPEAT_S = 0.25
_armed = False
_hurry_until = float("inf")


class DeadlineExceeded(BaseException):
    """The work took too long. Not an Exception, so that no library's `except Exception` can swallow it."""


def within(limit_s: float, work: Callable[[], Result]) -> Result:
    """What `work()` returns; raises DeadlineExceeded if that takes more than `limit_s` seconds.

    Main thread only, and not nested. Call `install()` first.
    """
    global _armed
    try:
        try:
            _armed = True
            # The timer repeats, for an exception raised while a finalizer runs is dropped by the interpreter.
            signal.setitimer(signal.ITIMER_REAL, limit_s, _REPEAT_S)
            if _hurry_until < float("inf"):
                _ring_in(_hurry_until - time.monotonic())
            return work()
        finally:
            _armed = False
    finally:
        # The signal may have struck just before the line above; the next one is _REPEAT_S away.
        _armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)


def shorten(limit_s: float) -> None:
    """Leaves the work in hand, and all to come, `limit_s` seconds at most, taken together. For signal handlers."""
    global _hurry_until
    _hurry_until = min(_hurry_until, time.monotonic() + limit_s)
    if _armed:
        _ring_in(limit_s)


def _ring_in(limit_s: float) -> None:
    """Has the timer ring in `limit_s` seconds, unless it rings sooner anyway."""
    remaining_s, _ = signal.getitimer(signal.ITIMER_REAL)
    signal.setitimer(signal.ITIMER_REAL, max(min(remaining_s, limit_s), 0.001), _REPEAT_S)


def install() -> None:
    """Takes SIGALRM for this module."""
    signal.signal(signal.SIGALRM, _ring)


def _ring(_number: int, _frame: FrameType | None) -> None:
    if _armed:
        raise DeadlineExceeded
