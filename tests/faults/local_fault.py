"""A client whose spool or sensor is faulty, and a server without faults that records what it accepts."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults.conftest import FaultCounts
from faults.faulty_server import STOPPED_WITHIN_S
from support.keg import Keg
from support.ledger import Ledger
from support.scripted_server import ScriptedServer
from support.wait import wait_for

WITHOUT_PRIVILEGES = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
"""Before a command: as root without the right to ignore the permissions of files."""


class LocalFaultCase:
    """The client, the pours that its server has accepted, and all that were made, identified by their `ts`."""

    def __init__(self, keg: Keg, server: ScriptedServer, counts: FaultCounts) -> None:
        self.keg = keg
        self.server = server
        self.counts = counts
        self.ledger = Ledger()
        self.made: set[str] = set()
        server.pour_answer = self.ledger.answer

    def line(self) -> str:
        """The line of another pour."""
        ts = str(max(map(int, self.made), default=0) + 1)
        self.made.add(ts)
        return f"0,586,8213,{ts}\n"

    def pour(self, name: str | None = None, into: Path | None = None, mtime_s: float | None = None) -> Path:
        """Renames another pour into the spool, or into the directory `into`."""
        name = name or f"{len(self.made) + 1}.pour"
        temporary = (into or self.keg.spool) / f"{name[:200]}.tmp"
        temporary.write_text(self.line())
        if mtime_s is not None:
            os.utime(temporary, (mtime_s, mtime_s))
        return temporary.rename(temporary.with_name(name))

    def wait_until_all_accepted(self, limit_s: float = 30.0) -> None:
        """Waits until the server has every pour."""
        wait_for(lambda: self.made <= self.ledger.accepted.keys(), limit_s)

    def accepted_s(self) -> float:
        """How long another pour needs until the server has it."""
        begun = time.monotonic()
        self.pour()
        self.wait_until_all_accepted()
        return time.monotonic() - begun

    def check_survived(self, kept: set[str] = frozenset(), limit_s: float = 30.0) -> None:  # type: ignore[assignment]
        """A pour that arrives now is sent; SIGTERM ends the client in time and with 0; and nothing but `kept` is missing."""
        last = self.pour()
        ts = max(self.made, key=int)
        wait_for(lambda: ts in self.ledger.accepted and not last.exists(), limit_s)
        self.keg.signal(signal.SIGTERM)
        assert self.keg.wait_for_end(STOPPED_WITHIN_S) == 0
        self.counts.check_delivery(self.made, self.ledger, kept)


def runs_under(keg: Keg, *command: str) -> None:
    """The client is started by `command`, in its own mount namespace."""
    script = keg.folder / "interpreter"
    script.write_text(f'#!/bin/sh\nset -e\nexec {shlex.join(command)} {keg.python} "$@"\n')
    script.chmod(0o755)
    keg.python = str(script)


def fifo_with_a_writer(path: Path) -> None:
    """Makes a FIFO whose reader would wait forever."""
    os.mkfifo(path)
    os.open(path, os.O_RDWR | os.O_NONBLOCK)


@contextmanager
def mounted(folder: Path, *words: str | Path) -> Iterator[None]:
    """Mounts at `folder` with these arguments of mount(8); also for a client that is started meanwhile."""
    subprocess.run(["mount", *words, folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def needs_loop_devices() -> None:
    """Skips the test if a file cannot be mounted."""
    if not os.path.exists("/dev/loop-control"):
        pytest.skip("no loop devices")


def ext4(image: Path, kilobytes: int, inodes: int, journal: bool = False, content: Path | None = None) -> Path:
    """Makes an ext4 file system in the file `image`, with the files of `content`, to be mounted with `-o loop`. Returns `image`."""
    needs_loop_devices()
    features = "has_journal" if journal else "^dir_index"
    command: list[str | Path] = ["mkfs.ext4", "-q", "-b", "1024", "-m", "0", "-O", features, "-N", str(inodes)]
    if content is not None:
        command += ["-d", content]
    subprocess.run([*command, image, f"{kilobytes}k"], check=True)
    return image
