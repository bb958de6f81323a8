"""Writes pours into the spool, so that neither a kill nor a power cut loses one or makes two of it.

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
| any `X.running` that nobody holds | a crash | the next start | `X.running`, final, then `X.pour` |
| `X.running.tmp` | the next content of `X.running`; after a crash nothing | the next start | nothing |

A file gets new content by a rename of a temporary file after fsync(2), so it has the old content or the new one. Every rename is
followed by an fsync of the directory. Pours that cannot be written wait in memory.

The caller keeps what `held()` returns in the state file of the pin, which outlives a kill, but not a reboot. Between two steps it saves
that file again, so that at every moment a pour is either in the state file or in the spool, and never in both:

| step | the state file | the spool | a kill after it |
| --- | --- | --- | --- |
| the pour ends: `end()`, save | has the pour | nothing, or a checkpoint | the next process does the following steps |
| `name_next()`, save | has the pour, with its name | as before | likewise, with the same name |
| `write_next()` | as before | `X.running`, final | likewise: the file is written again |
| save | has the pour no more | as before | `complete()` publishes the file |
| `publish_next()` | as before | `X.pour` | nothing is left to do |
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..core.messages import Pour, PourError
from . import files
from .checkpoint import LIMIT_BYTES, Checkpoint, CheckpointError, Clock
from .state import Unwritten

UNWRITTEN_LIMIT = 1000
"""Upper bound on ended pours in memory that could not be written."""
RUNNING = ".running"
_OURS = re.compile(r"[0-9]+(\.[0-9]+)?\.running(\.tmp)?")


@dataclass(frozen=True)
class Written:
    """A pour in the spool: its file's name, the GPIO number of its line, and what was counted."""

    name: str
    pin: int
    checkpoint: Checkpoint


@dataclass
class Completed:
    """What a search for `.running` files found.

    `pours` are the `.pour` files made of them, `unreadable` are names, and `timeless` is how many wait for the clock.
    """

    pours: list[tuple[str, Pour]] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    timeless: int = 0


class PourWriter:
    """The pours of one daemon on their way into the spool. `pin` is the GPIO number of a line.

    `directory` is a descriptor of the spool. It can be another one at each call.
    """

    def __init__(self) -> None:
        self._running: dict[int, str] = {}
        self._unwritten: deque[tuple[int, Unwritten]] = deque()
        self._final: deque[tuple[Written, Pour]] = deque()

    @property
    def pending(self) -> bool:
        """Whether anything is to be written, removed or renamed."""
        return bool(self._unwritten or self._final)

    @property
    def unwritten(self) -> int:
        """How many ended pours are in memory only."""
        return sum(entry.checkpoint is not None for _, entry in self._unwritten)

    def held(self, pin: int) -> tuple[str, tuple[Unwritten, ...]]:
        """For the state file: the name of the pin's `.running` file, empty if there is none, and what is not in the spool yet."""
        return self._running.get(pin, ""), tuple(entry for number, entry in self._unwritten if number == pin)

    def restore(self, pin: int, file: str, unwritten: tuple[Unwritten, ...]) -> None:
        """Goes on with what `held()` returned in an earlier process."""
        if file:
            self._running[pin] = file
        self._unwritten.extend((pin, entry) for entry in unwritten)

    def reserve(self, directory: int, pin: int, checkpoint: Checkpoint) -> bool:
        """Chooses the name of the running pour's file. Returns whether `held()` has changed by that. Raises OSError."""
        if pin in self._running:
            return False
        self._running[pin] = files.free_name(directory, checkpoint.stem, RUNNING, self._used())
        return True

    def checkpoint(self, directory: int, pin: int, checkpoint: Checkpoint) -> None:
        """Writes what the running pour of a pin has counted so far, after `reserve()`. Raises OSError."""
        files.replace(directory, self._running[pin], checkpoint.line())

    def discard(self, pin: int) -> None:
        """The file of the running pour of a pin is to be removed, if there is one: nothing of it is sent."""
        if pin in self._running:
            self._unwritten.append((pin, Unwritten(self._running.pop(pin), None)))

    def end(self, pin: int, checkpoint: Checkpoint) -> bool:
        """Takes over a pour that has ended. Returns whether there was room for it in memory."""
        name = self._running.pop(pin, "")
        if self.unwritten >= UNWRITTEN_LIMIT:
            return False
        self._unwritten.append((pin, Unwritten(name, replace(checkpoint, has_ended=True))))
        return True

    @property
    def next_pin(self) -> int:
        """The pin of the oldest pour that is in memory only."""
        return self._unwritten[0][0]

    def release(self, pin: int) -> None:
        """The running pour of a pin is left to `complete()`: the pin is not in the configuration any more."""
        self._running.pop(pin, None)

    def name_next(self, directory: int) -> bool:
        """Gives the oldest pour that is in memory only its name. Returns whether `held()` has changed by that. Raises OSError."""
        pin, entry = self._unwritten[0]
        if entry.name or entry.checkpoint is None:
            return False
        name = files.free_name(directory, entry.checkpoint.stem, RUNNING, self._used())
        self._unwritten[0] = (pin, replace(entry, name=name))
        return True

    def write_next(self, directory: int, clock: Clock | None) -> Written | None:
        """Writes the oldest pour that is in memory only into its `.running` file, or removes the file if it is not to be sent.

        The pour is for `publish_next()`. Without a clock it is for `complete()`, and returned. Raises OSError: it stays in memory.
        """
        pin, entry = self._unwritten[0]
        timeless = None
        if entry.checkpoint is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(entry.name, dir_fd=directory)
        else:
            pour = entry.checkpoint.pour(clock)
            files.replace(directory, entry.name, entry.checkpoint.line() if pour is None else pour.line())
            written = Written(entry.name, pin, entry.checkpoint)
            if pour is None:
                timeless = written
            else:
                self._final.append((written, pour))
        self._unwritten.popleft()
        return timeless

    def publish_next(self, directory: int) -> Written | None:
        """Renames the oldest final `.running` file to `.pour`. Returns it, or None if there is none. Raises OSError."""
        if not self._final:
            return None
        written, pour = self._final[0]
        try:
            name = _publish(directory, written.name, pour)
        except FileNotFoundError:
            # The spool was replaced by another directory in between.
            files.replace(directory, written.name, pour.line())
            name = _publish(directory, written.name, pour)
        self._final.popleft()
        # If this fails, the pour has its name all the same: a second try would make another one.
        os.fsync(directory)
        return replace(written, name=name)

    def leave(self, directory: int) -> None:
        """What is not final yet goes into another directory from now on: removes its files from this one, and forgets their names.

        Raises OSError.
        """
        while self._final:
            self.publish_next(directory)
        for name in self._used():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
        self._running.clear()
        kept = [(pin, replace(entry, name="")) for pin, entry in self._unwritten if entry.checkpoint is not None]
        self._unwritten = deque(kept)

    def resume(self, directory: int, boot_id: str, pins: Mapping[int, int]) -> dict[int, Checkpoint]:
        """The pours that ran in this boot when the last process ended, by pin: they go on. Raises OSError.

        `pins` has the GPIO numbers of the lines whose state file is missing, by the flow meter's number on the server.
        """
        resumed = {}
        for name in self._left(directory):
            with contextlib.suppress(CheckpointError):
                found = Checkpoint.parse(files.read(directory, name, LIMIT_BYTES))
                pin = pins.get(found.pin)
                if found.boot_id == boot_id and not found.has_ended and pin is not None and pin not in self._running:
                    self._running[pin] = name
                    resumed[pin] = found
        return resumed

    def complete(self, directory: int, clock: Clock | None, completed: Completed) -> None:
        """Makes a `.pour` of each `.running` file that is not in use, as far as its time is known. Raises OSError.

        Adds what was done to `completed`. This is for the start, and for the moment when the clock has been set.
        """
        for name in self._left(directory):
            try:
                pour = _pour_in(files.read(directory, name, LIMIT_BYTES), clock)
            except CheckpointError:
                completed.unreadable.append(name)
                continue
            if pour is None:
                completed.timeless += 1
                continue
            files.replace(directory, name, pour.line())
            completed.pours.append((_publish(directory, name, pour), pour))
            os.fsync(directory)

    def _used(self) -> set[str]:
        """The names of the `.running` files that this process holds."""
        names = {*self._running.values(), *(entry.name for _, entry in self._unwritten), *(written.name for written, _ in self._final)}
        return names - {""}

    def _left(self, directory: int) -> list[str]:
        """The `.running` files of earlier processes, and of pours that have ended. Removes temporary files: nothing is being written."""
        used = self._used()
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
