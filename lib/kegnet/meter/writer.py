"""Writes pours into the spool, so that neither a crash nor a power cut loses one or makes two of it.

A pour is one file all the way. `X` is `<pin><ts>`, or `<pin><ts>.2` and so on where that name is taken.

| what is there | state | event | becomes |
| --- | --- | --- | --- |
| nothing | too small or too short for a file | a checkpoint, or the end of the pour | `X.running` |
| `X.running`, pouring | a pour runs | another checkpoint | `X.running`, rewritten |
| | | it turns out to be a drip or a leak | nothing |
| | | it ends, the clock is set | `X.running`, final |
| | | it ends, the clock is not set | `X.running`, finished |
| `X.running`, finished | the Unix time is unknown | the clock is set | `X.running`, final |
| `X.running`, final | its content is the line of the pour | a rename | `X.pour`, which is the client's |
| any `X.running` | a crash | the next start | `X.running`, final, then `X.pour` |
| `X.running.tmp` | the next content of `X.running`; after a crash nothing | the next start | nothing |

A file gets new content by a rename of a temporary file after fsync(2), so it has the old content or the new one. Every rename is
followed by an fsync of the directory. Pours that cannot be written wait in memory.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import deque
from dataclasses import dataclass, field, replace

from ..core.messages import Pour, PourError
from . import files
from .checkpoint import LIMIT_BYTES, Checkpoint, CheckpointError, Clock

UNWRITTEN_LIMIT = 1000
"""Upper bound on ended pours in memory that could not be written."""
RUNNING = ".running"
_OURS = re.compile(r"[0-9]+(\.[0-9]+)?\.running(\.tmp)?")


@dataclass
class _Unwritten:
    """An ended pour, and the name of its `.running` file; empty before it has one."""

    checkpoint: Checkpoint
    name: str


@dataclass
class Completed:
    """What a search for `.running` files found: the `.pour` files made of them, and the names of the others."""

    pours: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


class PourWriter:
    """The pours of one daemon on their way into the spool.

    `directory` is a descriptor of the spool. It can be another one at each call.
    """

    def __init__(self) -> None:
        self._running: dict[int, str] = {}
        self._unwritten: deque[_Unwritten] = deque()

    @property
    def unwritten(self) -> int:
        """How many ended pours are in memory only."""
        return len(self._unwritten)

    def checkpoint(self, directory: int, checkpoint: Checkpoint) -> None:
        """Writes what the running pour of a pin has counted so far. Raises OSError."""
        name = self._running.get(checkpoint.pin) or files.free_name(directory, checkpoint.stem, RUNNING)
        self._running[checkpoint.pin] = name
        files.replace(directory, name, checkpoint.line())

    def discard(self, directory: int, pin: int) -> None:
        """Removes the file of the running pour of a pin, if there is one: nothing of it is sent. Raises OSError."""
        if pin in self._running:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._running[pin], dir_fd=directory)
            del self._running[pin]

    def end(self, checkpoint: Checkpoint) -> bool:
        """Takes over a pour that has ended; `write_next()` writes it. Returns whether there was room for it in memory."""
        name = self._running.pop(checkpoint.pin, "")
        if len(self._unwritten) == UNWRITTEN_LIMIT:
            return False
        self._unwritten.append(_Unwritten(replace(checkpoint, has_ended=True), name))
        return True

    def write_next(self, directory: int, clock: Clock | None) -> str | None:
        """Writes the oldest pour that is in memory only. Returns the name of its `.pour` file.

        Without a clock it becomes a `.running` file, for `complete()`, and the result is None. Raises OSError: it stays in memory.
        """
        oldest = self._unwritten[0]
        oldest.name = oldest.name or files.free_name(directory, oldest.checkpoint.stem, RUNNING)
        pour = oldest.checkpoint.pour(clock)
        files.replace(directory, oldest.name, oldest.checkpoint.line() if pour is None else pour.line())
        published = None if pour is None else _publish(directory, oldest.name, pour)
        self._unwritten.popleft()
        # If this fails, the pour has its name all the same: a second try would make another one.
        os.fsync(directory)
        return published

    def resume(self, directory: int, boot_id: str) -> dict[int, Checkpoint]:
        """The pours that ran in this boot when the last process ended, by pin: they go on. Raises OSError."""
        resumed = {}
        for name in self._left(directory):
            with contextlib.suppress(CheckpointError):
                found = Checkpoint.parse(files.read(directory, name, LIMIT_BYTES))
                if found.boot_id == boot_id and not found.has_ended and found.pin not in self._running:
                    self._running[found.pin] = name
                    resumed[found.pin] = found
        return resumed

    def complete(self, directory: int, clock: Clock | None) -> Completed:
        """Makes a `.pour` of each `.running` file that is not in use, as far as its time is known. Raises OSError.

        This is for the start, and for the moment when the clock has been set.
        """
        completed = Completed()
        for name in self._left(directory):
            try:
                pour = _pour_in(files.read(directory, name, LIMIT_BYTES), clock)
            except CheckpointError:
                completed.unreadable.append(name)
                continue
            if pour is not None:
                files.replace(directory, name, pour.line())
                completed.pours.append(_publish(directory, name, pour))
                os.fsync(directory)
        return completed

    def _left(self, directory: int) -> list[str]:
        """The `.running` files of earlier processes, and of pours that have ended. Removes temporary files: nothing is being written."""
        used = {*self._running.values(), *(unwritten.name for unwritten in self._unwritten)}
        names = sorted(name for name in os.listdir(directory) if _OURS.fullmatch(name))
        for name in names:
            if name.endswith(files.TEMPORARY):
                os.unlink(name, dir_fd=directory)
        return [name for name in names if not name.endswith(files.TEMPORARY) and name not in used]


def _pour_in(content: bytes, clock: Clock | None) -> Pour | None:
    """The pour in a `.running` file; None if its time is not known yet. Raises CheckpointError."""
    try:
        return Pour.parse(content)
    except PourError:
        return Checkpoint.parse(content).pour(clock)


def _publish(directory: int, name: str, pour: Pour) -> str:
    """Renames `name` to a free `.pour` name and returns that. Not link(2) and unlink(2): a crash between them would make two pours."""
    free = files.free_name(directory, f"{pour.pin}{pour.ts}", ".pour")
    os.rename(name, free, src_dir_fd=directory, dst_dir_fd=directory)
    return free
