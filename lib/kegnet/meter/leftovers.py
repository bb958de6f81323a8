"""The `.running` files that nobody holds: of earlier processes and boots, and of pours that ended before the clock was set."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from ..core.messages import Pour, PourError
from . import files
from .checkpoint import LIMIT_BYTES, Checkpoint, CheckpointError, Clock

_OURS = re.compile(r"[0-9]+(\.[0-9]+)?\.running(\.tmp)?")


@dataclass
class Completed:
    """What `complete()` found.

    `pours` are the `.pour` files that it made, `unreadable` are names, and `timeless` is how many wait for the clock. If `is_all` is
    False, there was no time for the others.
    """

    pours: list[tuple[str, Pour]] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    timeless: int = 0
    is_all: bool = True


def running(directory: int, boot_id: str) -> dict[str, Checkpoint]:
    """The pours that ran in this boot when the last process ended, by the names of their files. Raises OSError."""
    found = {}
    for name in _left(directory, ()):
        with contextlib.suppress(CheckpointError):
            checkpoint = Checkpoint.parse(files.read(directory, name, LIMIT_BYTES))
            if checkpoint.boot_id == boot_id and not checkpoint.has_ended:
                found[name] = checkpoint
    return found


def complete(directory: int, clock: Clock | None, held: Collection[str], completed: Completed, end_s: float = float("inf")) -> None:
    """Makes a `.pour` of each `.running` file that is not `held`, as far as its time is known. Raises OSError.

    Adds what was done to `completed`. This is for the start, and for the moment when the clock has been set. It stops at `end_s`, in
    monotonic seconds: a card can take minutes for the pours of a long time without a clock.
    """
    for name in _left(directory, held):
        try:
            pour = _pour_in(files.read(directory, name, LIMIT_BYTES), clock)
        except CheckpointError:
            completed.unreadable.append(name)
            continue
        if pour is None:
            completed.timeless += 1
            continue
        if time.monotonic() >= end_s:
            completed.is_all = False
            return
        files.replace(directory, name, pour.line())
        completed.pours.append((files.publish(directory, name, f"{pour.pin}{pour.ts}"), pour))
        os.fsync(directory)


def _left(directory: int, held: Collection[str]) -> list[str]:
    """The names of `.running` files that are not `held`. Removes temporary files: nothing is being written."""
    names = sorted(name for name in os.listdir(directory) if _OURS.fullmatch(name))
    for name in names:
        if name.endswith(files.TEMPORARY):
            # What cannot be removed, such as a directory of that name, must not keep the others waiting.
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=directory)
    return [name for name in names if not name.endswith(files.TEMPORARY) and name not in held]


def _pour_in(content: bytes, clock: Clock | None) -> Pour | None:
    """The pour in a `.running` file; None if its time is not known yet. Raises CheckpointError."""
    try:
        return Pour.parse(content)
    except PourError:
        return Checkpoint.parse(content).pour(clock)
