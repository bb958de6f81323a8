"""The lines of standard input, which can be waited for together with edges."""

from __future__ import annotations

import os
import sys


class Answers:
    """What the user types, by lines. `descriptor` is readable when there is more, and at the end of the input."""

    def __init__(self) -> None:
        self.descriptor = sys.stdin.fileno()
        self.has_ended = False
        self._buffer = b""

    def line(self) -> str | None:
        """The oldest line that was read and not returned yet, without blanks at its ends; None if there is none."""
        line, newline, rest = self._buffer.partition(b"\n")
        if not newline:
            return None
        self._buffer = rest
        return line.decode("utf-8", "replace").strip()

    def read(self) -> None:
        """Reads what there is; blocks if there is nothing."""
        received = os.read(self.descriptor, 4096)
        self.has_ended = not received
        self._buffer += received

    def ask(self, question: str) -> str | None:
        """Prints the question and returns the answer; None at the end of the input."""
        print(question, end="", flush=True)
        while (line := self.line()) is None and not self.has_ended:
            self.read()
        return line
