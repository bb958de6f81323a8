"""The programs that the demo runs, and what they print."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


class Process:
    """A child whose lines are printed behind `label`. Its output is a pseudo-terminal, so that it writes each line at once."""

    def __init__(self, label: str, *command: str | Path, pass_fds: Sequence[int] = ()) -> None:
        self.label = label
        self._unfinished = b""
        self._terminal, theirs = pty.openpty()
        self.child = subprocess.Popen(
            [sys.executable, "-B", *command],
            stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, start_new_session=True, pass_fds=pass_fds,
        )  # fmt: skip
        os.close(theirs)

    def fileno(self) -> int:
        """The descriptor to poll before `show()`."""
        return self._terminal

    def show(self) -> list[str]:
        """Waits for output of the child, prints it, and returns its lines; none once it has ended."""
        lines: list[bytes] = []
        while not lines:
            try:
                output = os.read(self._terminal, 4096)
            except OSError:  # A pseudo-terminal reports the end of the file like this.
                return []
            *lines, self._unfinished = (self._unfinished + output).split(b"\n")
        texts = [line.decode("utf-8", "replace").rstrip() for line in lines]
        for text in texts:
            print(f"{self.label:6} | {text}", flush=True)
        return texts

    def show_until(self, text: str) -> str:
        """Prints the output until a line contains `text`, and returns that line; an empty one if the child has ended before."""
        while lines := self.show():
            for line in lines:
                if text in line:
                    return line
        return ""

    def end(self) -> None:
        """Tells the child to end."""
        self.child.terminate()

    def wait(self) -> None:
        """Waits until the child has ended, and prints its last output, unless nobody can read it."""
        with contextlib.suppress(OSError):
            while self.show():
                continue
        os.close(self._terminal)
        self.child.wait()
