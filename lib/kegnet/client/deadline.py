"""One time limit over blocking calls, in a program with a single thread.

A socket's time-out starts anew with every byte, so a server that sends one byte a second never exceeds it. An
interval timer (setitimer(2)) does not depend on that: its signal interrupts any blocking system call, and the
handler raises. The timer runs on the kernel's own clock, which no step of the wall clock moves.
"""

from __future__ import annotations

import signal
import time
from types import FrameType, TracebackType

_REPEAT_S = 0.25
"""The interpreter drops an exception that is raised while a finalizer runs, so the timer repeats."""

_current: time_limit | None = None
_end_at = float("inf")


class DeadlineExceeded(BaseException):
    """The work took too long. Not an Exception, so that no library's `except Exception` handles it."""


class time_limit:  # noqa: N801 - a context manager, used like a function
    """`with time_limit(30):` raises DeadlineExceeded if the block takes longer than 30 s.

    Main thread only, not nested, and `install()` must have been called. `expired` tells afterwards whether the limit
    interrupted the block: then whatever the block used may be in any state, and a lock in it may stay locked for ever.
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
        # The handler does not raise in here, see below.
        _current = None
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self.expired and error is not None and kind is not DeadlineExceeded:
            # A library has wrapped the interruption in an error of its own.
            raise DeadlineExceeded from error


def shorten(limit_s: float) -> None:
    """Ends the current block, and all later ones, `limit_s` seconds from now at the latest. For signal handlers."""
    global _end_at
    _end_at = min(_end_at, time.monotonic() + limit_s)
    if _current is not None:
        remaining_s, _ = signal.getitimer(signal.ITIMER_REAL)
        signal.setitimer(signal.ITIMER_REAL, max(min(remaining_s, limit_s), 0.001), _REPEAT_S)


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
"""An exception out of one of these would leave the timer running. The alarm repeats, or the block has ended."""
