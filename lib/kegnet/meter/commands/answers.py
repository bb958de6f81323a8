"""The lines of standard input, which can be waited for together with edges."""

from __future__ import annotations

import os
import select
import signal
import sys


class Answers:
    """What the user types, by lines. One object for a program, because it uses the wakeup descriptor of the signals."""

    def __init__(self) -> None:
        self.has_ended = False
        self._input = sys.stdin.fileno()
        self._buffer = b""
        # Without this, Ctrl-C just before poll() would not end it: KeyboardInterrupt is raised only when poll() has returned.
        self._signals, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)

    def line(self) -> str | None:
        """The oldest line that was read and not returned yet, without blanks at its ends; None if there is none."""
        line, newline, rest = self._buffer.partition(b"\n")
        if not newline:
            return None
        self._buffer = rest
        return line.decode("utf-8", "replace").strip()

    def wait(self, other: int | None = None, limit_s: float | None = None) -> None:
        """Waits for input and reads it. Returns also when the descriptor `other` is readable, `limit_s` is over, or a signal has come."""
        poll = select.poll()
        for descriptor in (self._input, self._signals, other):
            if descriptor is not None:
                poll.register(descriptor, select.POLLIN)
        ready = poll.poll(None if limit_s is None else limit_s * 1000)
        if any(descriptor == self._signals for descriptor, _ in ready):
            os.read(self._signals, 4096)
        if any(descriptor == self._input for descriptor, _ in ready):
            received = os.read(self._input, 4096)
            self.has_ended = not received
            self._buffer += received

    def ask(self, question: str) -> str | None:
        """Prints the question and returns the answer; None at the end of the input."""
        print(question, end="", flush=True)
        while (line := self.line()) is None and not self.has_ended:
            self.wait()
        return line
