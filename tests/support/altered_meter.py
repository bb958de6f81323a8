#!/usr/bin/env python3
"""Runs lib/meter.py in surroundings that a test cannot make: another release date, another boot, a slow disk, or a kill at one system call.

usage: altered_meter.py [release=UNIX_S] [settled=S] [synchronised=PATH] [slow=S] [kill=NUMBER] [count=PATH] -- WORDS OF THE COMMAND LINE
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lib"))

import meter
from kegnet.core import clock
from kegnet.meter import wall_clock
from kegnet.meter.wall_clock import WallClock

CALLS = ("open", "read", "write", "fsync", "rename", "unlink", "close")


class Killer:
    """Counts the system calls of the module os that the daemon makes, and kills the process before number `kill`."""

    def __init__(self, kill: int | None, count_file: str | None) -> None:
        self._kill = kill
        self._count = 0
        self._file = None if count_file is None else os.open(count_file, os.O_WRONLY | os.O_CREAT)
        self._pwrite = os.pwrite
        for name in CALLS:
            setattr(os, name, self._counted(getattr(os, name)))

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def function(*arguments: Any, **options: Any) -> Any:
            if self._count == self._kill:
                os.kill(os.getpid(), signal.SIGKILL)
            self._count += 1
            if self._file is not None:
                self._pwrite(self._file, f"{self._count}\n".encode(), 0)
            return real(*arguments, **options)

        return function


def slow_down(delay_s: float) -> None:
    """Makes each fsync(2) take so much longer."""
    real = os.fsync

    def fsync(fd: Any) -> None:
        time.sleep(delay_s)
        real(fd)

    os.fsync = fsync


def main() -> None:
    """Alters what the words say, and runs the daemon."""
    end = sys.argv.index("--")
    words = dict(word.split("=", 1) for word in sys.argv[1:end])
    clock.RELEASE_MONTH_S = int(words.get("release", clock.RELEASE_MONTH_S))
    wall_clock.SETTLED_NS = int(words.get("settled", "300")) * 10**9
    if path := words.get("synchronised"):
        # The default of an argument was evaluated when the module was imported.
        WallClock.__init__.__defaults__ = (Path(path),)
    if delay_s := float(words.get("slow", "0")):
        slow_down(delay_s)
    if "kill" in words or "count" in words:
        Killer(int(words["kill"]) if "kill" in words else None, words.get("count"))
    sys.argv = ["kegnet-meter", *sys.argv[end + 1 :]]
    meter.main()


if __name__ == "__main__":
    main()
