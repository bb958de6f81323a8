"""A program in a pseudo terminal, and what is on its screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_SEQUENCE = re.compile(r"\033\[([?0-9;]*)([A-Za-z])|(\r|\n)|([^\033\r\n]+)")


class Screen:
    """What a terminal shows, as far as the programs use it: lines, the cursor up, and erasing below."""

    def __init__(self) -> None:
        self.lines: list[str] = [""]
        self.cursor_is_hidden = False
        self._row = self._column = 0

    def write(self, text: str) -> None:
        """Interprets output."""
        for argument, command, control, shown in _SEQUENCE.findall(text):
            if command == "A":
                self._row = max(0, self._row - int(argument or 1))
            elif command == "J":
                self.lines[self._row :] = [self.lines[self._row][: self._column]]
            elif command in "hl" and argument == "?25":
                self.cursor_is_hidden = command == "l"
            elif control == "\r":
                self._column = 0
            elif control == "\n":
                self._row += 1
                while len(self.lines) <= self._row:
                    self.lines.append("")
            elif shown:
                line = self.lines[self._row].ljust(self._column)
                self.lines[self._row] = line[: self._column] + shown + line[self._column + len(shown) :]
                self._column += len(shown)

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(self.lines)


class Terminal:
    """A command in a pseudo terminal of 80 columns, or of other ones."""

    def __init__(
        self, command: Sequence[str | Path], environment: Mapping[str, str], columns: int = 80, rows: int = 24, pass_fds: Sequence[int] = ()
    ) -> None:
        self._descriptor, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        env = {"PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8", **environment}
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, pass_fds=pass_fds, start_new_session=True
        )
        os.close(theirs)
        self.raw = ""
        self._pending = b""

    def read(self, limit_s: float = 0.05) -> bool:
        """Takes what the program has written, and waits a little for more. Returns False when there will be no more."""
        if select.select([self._descriptor], [], [], limit_s)[0]:
            try:
                self._pending += os.read(self._descriptor, 65536)
            except OSError:
                # EIO: the program has ended.
                return False
            complete = self._pending.decode("utf-8", "ignore")
            self._pending = self._pending[len(complete.encode()) :]
            self.raw += complete
        return True

    @property
    def screen(self) -> Screen:
        """What is shown now."""
        self.read()
        screen = Screen()
        screen.write(self.raw)
        return screen

    def wait_for(self, *texts: str, limit_s: float = 30.0) -> Screen:
        """Waits until the screen shows all the texts at the same time: a drawing arrives in pieces."""
        end = time.monotonic() + limit_s
        while True:
            screen = self.screen
            missing = [text for text in texts if text not in screen.text]
            if not missing:
                return screen
            assert time.monotonic() < end, f"{missing} is not shown:\n{screen.text}"

    def type(self, text: str) -> None:
        """Types on the keyboard."""
        os.write(self._descriptor, text.encode())

    def end(self, number: signal.Signals | None = None, limit_s: float = 30.0) -> int:
        """Sends a signal, if one is given, and waits for the end. The exit status."""
        if number is not None:
            self.process.send_signal(number)
        end = time.monotonic() + limit_s
        while self.read() or self.process.poll() is None:
            assert time.monotonic() < end, f"it did not end:\n{self.screen.text}"
        return self.process.returncode

    def close(self) -> None:
        """Kills the program if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._descriptor)
