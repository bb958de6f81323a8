"""A time limit for blocking calls in a program with one thread.

A socket's time-out restarts with every byte, so a server that sends one byte a second never exceeds it. An
interval timer (setitimer(2)) does not depend on that: its signal interrupts any blocking system call, and the
handler raises. Steps of the wall clock do not affect the timer.
"""

from __future__ import annotations

import signal
import time
from types import FrameType, TracebackType

STOP_WITHIN_S = 5.0
"""Limit for a request in progress after SIGTERM."""
_REPEAT_S = 0.25
"""Python discards an exception that is raised in a finalizer, so the timer repeats."""

_current: time_limit | None = None
_end_at = float("inf")


class DeadlineExceeded(BaseException):
    """The time limit is exceeded. A BaseException, so that no library's `except Exception` handles it."""


class time_limit:  # noqa: N801 - a context manager, used like a function
    """`with time_limit(30):` raises DeadlineExceeded if the block takes longer than 30 s.

    Main thread only, not nested, and `install()` must have been called. `expired` is true afterwards if the limit interrupted
    the block. Then objects that the block used may be inconsistent, and a lock may stay locked.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self.expired = False

    def __enter__(self) -> time_limit:
        global _current
        _current = self
        signal.setitimer(signal.ITIMER_REAL, max(min(self._limit_s, _end_at - time.monotonic()), 0.001), _REPEAT_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None) -> None:
        global _current
        # `_on_alarm` does not raise in this function, see `_NOT_INTERRUPTED`.
        _current = None
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self.expired and error is not None and kind is not DeadlineExceeded:
            # A library has wrapped the interruption in its own error.
            raise DeadlineExceeded from error


def shorten(limit_s: float) -> None:
    """Ends the current block, and all later ones, `limit_s` seconds from now at the latest. For signal handlers."""
    global _end_at
    _end_at = min(_end_at, time.monotonic() + limit_s)
    if _current is not None:
        remaining_s, _ = signal.getitimer(signal.ITIMER_REAL)
        signal.setitimer(signal.ITIMER_REAL, max(min(remaining_s, limit_s), 0.001), _REPEAT_S)


def end_soon() -> None:
    """Shortens everything to `STOP_WITHIN_S`. For the handler of SIGTERM."""
    shorten(STOP_WITHIN_S)


def install() -> None:
    """Reserves SIGALRM for this module."""
    signal.signal(signal.SIGALRM, _on_alarm)


def _on_alarm(_number: int, frame: FrameType | None) -> None:
    limit = _current
    if limit is None or (frame is not None and frame.f_code in _NOT_INTERRUPTED):
        return
    limit.expired = True
    raise DeadlineExceeded


_NOT_INTERRUPTED = (time_limit.__enter__.__code__, time_limit.__exit__.__code__)
"""An exception raised in one of these would leave the timer running. Nothing is lost: the alarm repeats, or the block has ended."""
