"""The signals that end or reload a daemon."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from types import FrameType


class Signals:
    """SIGTERM, SIGINT and SIGHUP as bytes in a pipe, written by the interpreter's own handler, so that none is lost."""

    def __init__(self, on_stop: Callable[[], None] | None = None) -> None:
        """`on_stop` is called in the handler of SIGTERM and SIGINT, between two instructions of the program."""
        self._stop = b""
        self._stop_hook = on_stop
        self._read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
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
        # In case the pipe is full. This alone is not enough: an exception of `on_stop` can interrupt this handler.
        self._stop = bytes([number])
        if self._stop_hook is not None:
            self._stop_hook()
