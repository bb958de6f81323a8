"""What the kernel tells of a directory: inotify(7), and for what is mounted over it, which inotify does not, proc(5)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pyinotify


class WatchError(Exception):
    """The directory cannot be watched; the text says why."""


@dataclass
class Heard:
    """What inotify said: names whose writers are done, and whether they were renamed in; and whether it may have left some out."""

    names: dict[str, bool] = field(default_factory=dict)
    missed: bool = False
    directory_gone: bool = False


class Watch:
    """An inotify watch on the directory `path`, by pyinotify: it tells of names that end in `suffix`."""

    _WRITTEN = pyinotify.IN_MOVED_TO | pyinotify.IN_CLOSE_WRITE
    _GONE = pyinotify.IN_DELETE_SELF | pyinotify.IN_MOVE_SELF | pyinotify.IN_UNMOUNT | pyinotify.IN_IGNORED

    def __init__(self, path: Path, suffix: str) -> None:
        """Raises WatchError: no such directory, or no watch left on this machine."""
        self._suffix = suffix
        self._heard = Heard()
        events = self._WRITTEN | pyinotify.IN_DELETE_SELF | pyinotify.IN_MOVE_SELF | pyinotify.IN_ONLYDIR
        try:
            manager = pyinotify.WatchManager()
        except OSError as error:
            raise WatchError(str(error)) from error
        self.descriptor: int = manager.get_fd()
        self._notifier = pyinotify.Notifier(manager, self._take)
        try:
            manager.add_watch(str(path), events, quiet=False)
        except pyinotify.WatchManagerError as error:
            self.close()
            raise WatchError(str(error)) from error

    def hear(self) -> Heard:
        """What has been said since the last call; waits for it if nothing has."""
        self._heard = Heard()
        try:
            self._notifier.read_events()
        except UnicodeDecodeError:
            # pyinotify decodes names strictly, and has thrown away what came after one that is not UTF-8.
            self._heard.missed = True
        self._notifier.process_events()
        return self._heard

    def close(self) -> None:
        """Stops watching."""
        self._notifier.stop()

    def _take(self, event: pyinotify.Event) -> None:
        if event.mask & pyinotify.IN_Q_OVERFLOW:
            self._heard.missed = True
        elif event.mask & self._GONE:
            self._heard.directory_gone = True
        elif event.mask & self._WRITTEN and event.name.endswith(self._suffix):
            self._heard.names[event.name] = bool(event.mask & pyinotify.IN_MOVED_TO)


def mount_table() -> int | None:
    """A descriptor of which poll(2) tells that something was mounted or unmounted, see proc(5); None where there is none."""
    try:
        return os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
