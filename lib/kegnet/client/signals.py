"""The signals that end or reload the daemon."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType

from . import deadline

STOP_WITHIN_S = 5.0
"""Limit for a request in progress after SIGTERM."""


class Signals:
    """SIGTERM, SIGINT and SIGHUP as bytes in a pipe, written by the interpreter's own handler, so that none is lost."""

    def __init__(self) -> None:
        self._stop = b""
        self._read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        deadline.install()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGHUP, lambda *_: None)

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._read_end

    def read(self) -> bytes:
        """The numbers of the signals since the last call."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self._read_end, 4096) + self._stop
        return self._stop

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        # In case the pipe is full. This alone is not enough: an alarm can interrupt this handler.
        self._stop = bytes([number])
        deadline.shorten(STOP_WITHIN_S)
