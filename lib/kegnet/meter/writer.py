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
| save | has the pour no more | as before | `leftovers` publishes the file |
| `publish_next()` | as before | `X.pour` | nothing is left to do |
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from dataclasses import dataclass, replace

from ..core.messages import Pour
from . import files
from .checkpoint import Checkpoint, Clock
from .files import RUNNING
from .state import Unwritten

UNWRITTEN_LIMIT = 1000
"""Upper bound on ended pours in memory that could not be written."""


@dataclass(frozen=True)
class Written:
    """A pour in the spool: its file's name, the GPIO number of its line, and what was counted."""

    name: str
    pin: int
    checkpoint: Checkpoint


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
    def names(self) -> set[str]:
        """The names of the `.running` files that this process holds."""
        names = {*self._running.values(), *(entry.name for _, entry in self._unwritten), *(written.name for written, _ in self._final)}
        return names - {""}

    @property
    def unwritten_pours(self) -> list[tuple[int, Checkpoint]]:
        """The ended pours that are in memory only, with their pins."""
        return [(pin, entry.checkpoint) for pin, entry in self._unwritten if entry.checkpoint is not None]

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
        self._running[pin] = files.free_name(directory, checkpoint.stem, RUNNING, self.names)
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
        """The running pour of a pin is left to `leftovers`: the pin is not in the configuration any more."""
        self._running.pop(pin, None)

    def name_next(self, directory: int) -> bool:
        """Gives the oldest pour that is in memory only its name. Returns whether `held()` has changed by that. Raises OSError."""
        pin, entry = self._unwritten[0]
        if entry.name or entry.checkpoint is None:
            return False
        name = files.free_name(directory, entry.checkpoint.stem, RUNNING, self.names)
        self._unwritten[0] = (pin, replace(entry, name=name))
        return True

    def write_next(self, directory: int, clock: Clock | None) -> Written | None:
        """Writes the oldest pour that is in memory only into its `.running` file, or removes the file if it is not to be sent.

        The pour is for `publish_next()`. Without a clock it is for `leftovers`, and returned. Raises OSError: it stays in memory.
        """
        pin, entry = self._unwritten[0]
        timeless = None
        if entry.checkpoint is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(entry.name, dir_fd=directory)
            # After a power cut it must not be back: `leftovers` would send it.
            os.fsync(directory)
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
            name = files.publish(directory, written.name, f"{pour.pin}{pour.ts}")
        except FileNotFoundError:
            # The spool was replaced by another directory in between.
            files.replace(directory, written.name, pour.line())
            name = files.publish(directory, written.name, f"{pour.pin}{pour.ts}")
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
        for name in self.names:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
        os.fsync(directory)
        self._running.clear()
        kept = [(pin, replace(entry, name="")) for pin, entry in self._unwritten if entry.checkpoint is not None]
        self._unwritten = deque(kept)
