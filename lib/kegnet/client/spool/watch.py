"""Watches a directory: inotify(7) through pyinotify, and mounts through proc(5), because inotify does not report mounts."""

from __future__ import annotations

import contextlib
import enum
import os
from dataclasses import dataclass, field
from pathlib import Path

import pyinotify


class WatchError(Exception):
    """The directory cannot be watched. The text is the reason."""


class Report(enum.Enum):
    """How inotify reported a file as finished."""

    CLOSED = "closed"
    RENAMED = "renamed in"


@dataclass
class Events:
    """What inotify reported.

    `names`: files that were renamed in or closed after writing. `missed`: others may be lost. `replaced`: the
    directory, one above it, or a symbolic link on its path was moved or removed.
    """

    names: dict[str, Report] = field(default_factory=dict)
    missed: bool = False
    replaced: bool = False


class Watch:
    """An inotify watch on the directory `path` for names that end in `suffix`, and on its path.

    The directories and symbolic links of the path are watched only for their own move or removal; events inside them do not
    wake the process. Only the parent directory also reports deletions and renames in it, because the kernel does not report
    the removal of an open directory itself.
    """

    _FINISHED = pyinotify.IN_MOVED_TO | pyinotify.IN_CLOSE_WRITE
    _GONE = pyinotify.IN_DELETE_SELF | pyinotify.IN_MOVE_SELF

    def __init__(self, path: Path, suffix: str) -> None:
        """Raises WatchError: there is no such directory, or no inotify watch left on this machine."""
        self._suffix = suffix
        self._name = os.path.basename(os.path.realpath(path))
        self._parent = -1
        self._events = Events()
        try:
            self._manager = pyinotify.WatchManager()
        except OSError as error:
            raise WatchError(str(error)) from error
        self.descriptor: int = self._manager.get_fd()
        self._notifier = pyinotify.Notifier(self._manager, self._on_event)
        try:
            self._add(path, self._FINISHED | self._GONE | pyinotify.IN_ONLYDIR)
            self._add_path(path)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):  # A part of the path has just been replaced.
                raise WatchError(error.strerror or str(error)) from error
            raise

    def read(self) -> Events:
        """Reads the events since the last call. Blocks if there are none."""
        self._events = Events()
        try:
            self._notifier.read_events()
        except UnicodeDecodeError:
            # pyinotify drops the events after a name that is not UTF-8, so the directory must be read.
            self._events.missed = True
        self._notifier.process_events()
        return self._events

    def close(self) -> None:
        """Stops watching."""
        self._notifier.stop()

    def _add_path(self, path: Path) -> None:
        parent = Path(os.path.realpath(path)).parent
        for component in {*path_components(path), parent}:
            events = self._GONE | (pyinotify.IN_DELETE | pyinotify.IN_MOVED_TO if component == parent else 0)
            with contextlib.suppress(WatchError):  # A directory that may be entered but not read cannot be watched.
                descriptor = self._add(component, events | pyinotify.IN_DONT_FOLLOW)
                self._parent = descriptor if component == parent else self._parent

    def _add(self, path: Path, events: int) -> int:
        """Returns the watch descriptor."""
        try:
            return int(self._manager.add_watch(str(path), events, quiet=False)[str(path)])
        except pyinotify.WatchManagerError as error:
            raise WatchError(str(error)) from error

    def _on_event(self, event: pyinotify.Event) -> None:
        if event.mask & pyinotify.IN_Q_OVERFLOW:
            self._events.missed = True
        elif event.mask & (self._GONE | pyinotify.IN_UNMOUNT | pyinotify.IN_IGNORED):
            self._events.replaced = True
        elif event.wd == self._parent:
            self._events.replaced = self._events.replaced or event.name == self._name
        elif event.mask & self._FINISHED and event.name.endswith(self._suffix):
            self._events.names[event.name] = Report.RENAMED if event.mask & pyinotify.IN_MOVED_TO else Report.CLOSED


def path_components(path: Path) -> list[Path]:
    """The directories and symbolic links that the kernel follows to resolve `path`, without `/` and the last directory."""
    components: list[Path] = []
    pending = list(path.parts[1:])
    place = Path("/")
    while pending and len(components) < 100:
        part = pending.pop(0)
        place = place.parent if part == ".." else place / part
        if place.is_symlink():
            components.append(place)
            target = Path(os.readlink(place))
            place = Path("/") if target.is_absolute() else place.parent
            pending = [*(part for part in target.parts if part != "/"), *pending]
        elif pending:
            components.append(place)
    return components


def open_mount_table() -> int | None:
    """A descriptor on which poll(2) reports that something was mounted or unmounted, see proc(5); None if there is none."""
    try:
        return os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
