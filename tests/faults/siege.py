"""A client beset by its own machine: its spool or its sensor is sick, its server is well and keeps a ledger."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import support.keg
from faults.conftest import Tally
from faults.ordeal import STOPPED_WITHIN_S
from support.keg import Keg
from support.ledger import Ledger
from support.scripted_server import ScriptedServer
from support.wait import wait_for

WITHOUT_PRIVILEGES = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
"""Before a command: as root only in name, whom the permissions of files bind like anybody else."""


class Siege:
    """The client, its server's books, and what was poured, told by its `ts`."""

    def __init__(self, keg: Keg, server: ScriptedServer, tally: Tally) -> None:
        self.keg = keg
        self.server = server
        self.tally = tally
        self.ledger = Ledger()
        self.made: set[str] = set()
        server.pour_answer = self.ledger.answer

    def line(self) -> str:
        """The line of another pour."""
        ts = str(len(self.made) + 1)
        self.made.add(ts)
        return f"0,586,8213,{ts}\n"

    def pour(self, name: str | None = None, into: Path | None = None, mtime_s: float | None = None) -> Path:
        """Drops another pour into the spool, or into what is mounted there: whole, by a rename."""
        name = name or f"{len(self.made) + 1}.pour"
        temporary = (into or self.keg.spool) / f"{name[:200]}.tmp"
        temporary.write_text(self.line())
        if mtime_s is not None:
            os.utime(temporary, (mtime_s, mtime_s))
        return temporary.rename(temporary.with_name(name))

    def all_arrive(self, limit_s: float = 15.0) -> None:
        """Waits until the server has every pour."""
        wait_for(lambda: self.made <= self.ledger.accepted.keys(), limit_s)

    def is_survived(self, kept: set[str] = frozenset(), limit_s: float = 15.0) -> None:  # type: ignore[assignment]
        """A pour dropped in now still goes out; SIGTERM ends the client in time and with 0; and nothing but `kept` is missing."""
        last = self.pour()
        wait_for(lambda: str(len(self.made)) in self.ledger.accepted and not last.exists(), limit_s)
        self.keg.signal(signal.SIGTERM)
        assert self.keg.wait_for_end(STOPPED_WITHIN_S) == 0
        self.tally.settle(self.made, self.ledger, kept)


def runs_under(keg: Keg, monkeypatch: pytest.MonkeyPatch, *command: str) -> None:
    """Has the client started by `command`, among its own mounts."""
    script = keg.folder / "interpreter"
    script.write_text(f'#!/bin/sh\nset -e\nexec {shlex.join(command)} {support.keg.PYTHON} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setattr(support.keg, "PYTHON", str(script))


def fifo_with_a_writer(path: Path) -> None:
    """Makes a FIFO whose reader would wait for ever."""
    os.mkfifo(path)
    os.open(path, os.O_RDWR | os.O_NONBLOCK)


@contextmanager
def mounted(folder: Path, *words: str | Path) -> Iterator[None]:
    """Mounts what `words` say at `folder`, for the client as well if it starts now."""
    subprocess.run(["mount", *words, folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def needs_loop_devices() -> None:
    """Skips the test where a file cannot be mounted."""
    if not os.path.exists("/dev/loop-control"):
        pytest.skip("there are no loop devices here")


def ext4(image: Path, kilobytes: int, inodes: int, journal: bool = False) -> Path:
    """Makes the file `image` an ext4 file system, to be mounted with `-o loop`; gives its path."""
    needs_loop_devices()
    features = "has_journal" if journal else "^dir_index"
    subprocess.run(["mkfs.ext4", "-q", "-b", "1024", "-m", "0", "-O", features, "-N", str(inodes), image, f"{kilobytes}k"], check=True)
    return image
