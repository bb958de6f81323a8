"""Opens, locks, watches and lists the spool directory."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import heapq
import os
import select
import shlex
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from .files import FAIL_SUFFIX, SUFFIX
from .queue import Age
from .watch import Events, Watch, WatchError, open_mount_table

_INOTIFY_FIX = "fix: raise fs.inotify.max_user_watches and max_user_instances"


class DirectoryError(Exception):
    """The directory cannot be used. The text is the reason and the fix."""


@dataclass(frozen=True)
class Listing:
    """One reading of the directory.

    `oldest`: the oldest pours, up to the requested number, oldest first. `more`: there are others. `waiting` and
    `set_aside` count all files.
    """

    oldest: list[Age]
    more: bool
    waiting: int
    set_aside: int


class SpoolDirectory:
    """An open directory at `path`. `warning` is a problem that does not prevent its use."""

    def __init__(self, path: Path) -> None:
        """Raises DirectoryError."""
        self._path = path
        self.warning = self._lock_warning = ""
        self.descriptor = _open(path)
        self._watch: Watch | None = None
        self._mounts = open_mount_table()
        try:
            self._lock()
            self.watch()
            self._require_current()
        except BaseException:
            # A descriptor that is not closed keeps the lock, and this process would wait for itself.
            self.close()
            raise

    def close(self) -> None:
        """Releases the lock and the watch."""
        self.unwatch()
        os.close(self.descriptor)
        if self._mounts is not None:
            os.close(self._mounts)

    def is_current(self) -> bool:
        """Whether `path` is still this directory, through the same mount."""
        try:
            descriptor = os.open(self._path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            same = os.path.samestat(os.fstat(descriptor), os.fstat(self.descriptor))
            return same and _mount_id(descriptor) == _mount_id(self.descriptor)
        finally:
            os.close(descriptor)

    def _require_current(self) -> None:
        """Raises DirectoryError if there is another directory at `path` now: the watch is of that one."""
        if not self.is_current():
            raise DirectoryError("was replaced or removed while it was opened; it is tried again")

    @property
    def is_watched(self) -> bool:
        """Whether inotify watches the directory."""
        return self._watch is not None

    def descriptors(self) -> dict[int, int]:
        """The descriptors to poll, and the events of each."""
        watched = {} if self._watch is None else {self._watch.descriptor: select.POLLIN}
        return watched if self._mounts is None else {**watched, self._mounts: select.POLLPRI}

    def watch(self) -> None:
        """Watches the directory and everything on the path to it."""
        self.warning = self._lock_warning
        try:
            self._watch = Watch(self._path, SUFFIX)
        except WatchError as error:
            self.warning = "; ".join(
                filter(None, [self._lock_warning, f"cannot be watched ({error}): it is read every 5 s instead; {_INOTIFY_FIX}"])
            )

    def unwatch(self) -> None:
        """Stops watching: the events are out of date, or some were missed."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def read_events(self, descriptor: int) -> Events:
        """Reads the events of one of `descriptors()`."""
        if self._watch is not None and descriptor == self._watch.descriptor:
            return self._watch.read()
        return Events(replaced=not self.is_current())

    def list_oldest(self, known: Container[str], after: Age, limit: int) -> Listing:
        """The oldest pours that are not in `known` and are younger than `after`, and the counts. Raises OSError."""
        counts = _Counts()
        oldest = heapq.nsmallest(limit + 1, counts.unknown_pours(self.descriptor, known, after))
        return Listing(oldest[:limit], len(oldest) > limit, counts.waiting, counts.set_aside)

    def _lock(self) -> None:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DirectoryError(
                "is in use by another kegnet-client; fix: stop the other client, or give this one another spool"
            ) from error
        except OSError as error:
            self._lock_warning = f"cannot be locked ({error.strerror}); fix: make sure that only one client uses it"


class _Counts:
    """Counts the files in a directory while it is read."""

    def __init__(self) -> None:
        self.waiting = 0
        self.set_aside = 0

    def unknown_pours(self, directory: int, known: Container[str], after: Age) -> Iterator[Age]:
        """Yields the age of each pour that is not in `known` and is younger than `after`."""
        with os.scandir(directory) as entries:
            for entry in entries:
                # An unreadable entry on a damaged disk must not hide the others.
                with contextlib.suppress(OSError):
                    if entry.name.endswith(SUFFIX + FAIL_SUFFIX):
                        self.set_aside += entry.is_file(follow_symlinks=False)
                    elif entry.name.endswith(SUFFIX) and not entry.is_dir(follow_symlinks=False):
                        self.waiting += entry.is_file(follow_symlinks=False)
                        if entry.name not in known:
                            age = (entry.stat(follow_symlinks=False).st_mtime_ns, entry.name)
                            if age > after:
                                yield age


def _mount_id(descriptor: int) -> str:
    """The mount through which `descriptor` was opened (proc(5)); empty if the kernel does not report it."""
    with contextlib.suppress(OSError), open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as info:
        return next((line for line in info if line.startswith("mnt_id:")), "")
    return ""


def _open(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise DirectoryError(f"does not exist; fix: mkdir -p {shlex.quote(str(path))}") from error
    except NotADirectoryError as error:
        raise DirectoryError("is not a directory; fix: move it away, or name another spool") from error
    except OSError as error:
        raise DirectoryError(f"cannot be opened ({error.strerror}); fix: let the client's user read it") from error
    if not os.access(".", os.X_OK, dir_fd=descriptor):
        os.close(descriptor)
        raise DirectoryError(f"cannot be entered ({os.strerror(errno.EACCES)}); fix: let the client's user enter it")
    return descriptor
