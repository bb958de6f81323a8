"""The spool directory: which pours wait, oldest first; how one is read, removed, or set aside.

A `.pour` file leaves in one of two ways only: `remove()`, for what the server has accepted, or `quarantine()`,
a rename to `.fail`. Neither needs an fsync(2): should a power cut undo the unlink or the rename, the pour is
there again and is sent again, to be dropped by the server as the repeat that it is. That a pour's own bytes
are on the disk before its name is, is for whoever writes it.

inotify(7) names the files that were renamed in or closed after writing. Only so many names are kept; for more,
after a queue overflow, and after the directory was removed and made anew, the directory itself is looked at.
"""

from __future__ import annotations

import enum
import errno
import heapq
import logging
import os
import stat
import time
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pyinotify

SUFFIX = ".pour"
FAIL_SUFFIX = ".fail"
BATCH = 1000
"""How many names one look at the directory takes, at most."""
REMEMBERED = 4 * BATCH
"""How many names are kept, at most, put-off ones included."""
UNSETTLED = 100
"""How many pours whose fate is decided may wait for a directory that lets itself be changed."""
LOOK_AGAIN_S = 600.0
"""How often the directory is looked at although nothing was heard of it: a mount over it says nothing."""
WATCHLESS_S = 5.0
"""How often it is looked at while it cannot be watched."""
SETTLE_AGAIN_S = 60.0
"""How often an unlink or a rename that failed is tried again."""

_NAME_LIMIT_BYTES = 255
_NEVER = float("inf")
_AT_ONCE = float("-inf")

log = logging.getLogger(__name__)


class SpoolError(Exception):
    """The spool, or a file in it, cannot be used; the text says why."""


class NotAFileError(SpoolError):
    """What bears a pour's name is a FIFO, a link, a directory or the like."""


class GoneError(SpoolError):
    """There is no such file any more."""


class Fate(enum.Enum):
    """The two ways out of the spool."""

    REMOVE = "removed"
    SET_ASIDE = "set aside"


class Stamp(NamedTuple):
    """Which file, in which state, stood under a name. Changed content and another file have another stamp."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """The stamp in what stat(2) says."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class Content(NamedTuple):
    """The beginning of a file, and the stamp that it had then."""

    head: bytes
    stamp: Stamp


@dataclass
class _Waiting:
    """A name in line. Seconds are monotonic.

    `announced`: inotify has said that its writer is done. `due`: not to be looked at before. `stamp`: how it was
    when it was looked at last, and `stamp_since`, since when it is known to have been so.
    """

    announced: bool = False
    due: float = _AT_ONCE
    stamp: Stamp | None = None
    stamp_since: float = 0.0


@dataclass
class _Unsettled:
    """A pour whose fate is decided, but whose unlink or rename has failed; tried again when `due`."""

    fate: Fate
    stamp: Stamp
    due: float


class Spool:
    """The directory `path`, and what is known of it. `now` is always `time.monotonic()` seconds."""

    def __init__(self, path: Path, now: float) -> None:
        """Watches `path` and looks at what is there already. Raises SpoolError if it is no usable directory."""
        try:
            is_directory = stat.S_ISDIR(os.stat(path).st_mode)
        except FileNotFoundError:
            is_directory = False
        except OSError as error:
            raise SpoolError(f"the client cannot get there ({error.strerror}); name a directory that its user may enter") from error
        if not is_directory:
            raise SpoolError(f"there is no such directory; make it with: mkdir -p {path}")
        if not os.access(path, os.R_OK | os.X_OK):
            raise SpoolError("the client's user cannot read it; give it to a group of that user")
        self.path = path
        self._trouble = ""
        self.waiting = 0
        self.set_aside = 0
        self._line: dict[str, _Waiting] = {}
        self._unsettled: dict[str, _Unsettled] = {}
        self._watch: _Watch | None = None
        self._more = False
        self._look_due = now
        self.tend(now)

    def close(self) -> None:
        """Stops watching."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    @property
    def trouble(self) -> str:
        """What is wrong with the directory, in words; empty if nothing is."""
        if self._unsettled and not self._trouble:
            return f"cannot be changed: {len(self._unsettled)} pours that are done with are still there"
        return self._trouble

    # What waits.

    def fileno(self) -> int | None:
        """The descriptor to poll, then to call `take_events()`; None while the directory cannot be watched."""
        return self._watch.descriptor if self._watch is not None else None

    def take_events(self, now: float) -> None:
        """Takes what inotify has to say. Call it when `fileno()` is readable."""
        if self._watch is None:
            return
        heard = self._watch.hear()
        for name in heard.names:
            self._announce(name, now)
        self._more = self._more or heard.missed
        if heard.directory_gone:
            self.close()
            self._look_due = now

    def tend_due(self, now: float) -> float:
        """When `tend()` has something to do."""
        if self._more and not self._blocked() and self.oldest(now) is None:
            return now
        return min([self._look_due, *(entry.due for entry in self._unsettled.values())])

    def oldest_due(self, now: float) -> float:
        """When `oldest()` has a name to give, as far as is known."""
        if self.oldest(now) is not None:
            return now
        if self._blocked():
            return _NEVER
        return min((entry.due for entry in self._line.values()), default=_NEVER)

    def tend(self, now: float) -> None:
        """Keeps house: tries again what could not be settled, and looks at the directory where that is due."""
        for name, entry in [item for item in self._unsettled.items() if item[1].due <= now]:
            self._settle(name, entry, now)
        if now >= self._look_due or (self._more and self.oldest(now) is None):
            self._look(now)

    def oldest(self, now: float) -> str | None:
        """The name that is first in line of those to be looked at now."""
        if self._blocked():
            return None
        return next((name for name, entry in self._line.items() if entry.due <= now), None)

    def put_off(self, name: str, until: float) -> None:
        """Looks at `name` again, but not before `until`."""
        self._line[name].due = until

    def leave_alone(self, name: str) -> None:
        """Looks at `name` again only if inotify speaks of it."""
        self.put_off(name, _NEVER)

    def send_to_the_back(self, name: str) -> None:
        """Lets the others in line go before `name`."""
        self._line[name] = self._line.pop(name)

    # One pour.

    def read(self, name: str, limit_bytes: int) -> Content:
        """The first `limit_bytes` of the pour `name`. Never blocks and never leaves the directory.

        Raises GoneError, NotAFileError, or SpoolError if it cannot be read.
        """
        path = self.path / name
        try:
            # Before the open, because opening a device may already do something.
            if not stat.S_ISREG(os.lstat(path).st_mode):
                raise NotAFileError("it is not a regular file")
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            try:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise NotAFileError("it is not a regular file")
                return Content(os.read(descriptor, limit_bytes), Stamp.of(status))
            finally:
                os.close(descriptor)
        except FileNotFoundError as error:
            raise GoneError("it is gone") from error
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise NotAFileError("it is a symbolic link") from error
            raise SpoolError(f"it cannot be read ({error.strerror})") from error

    def announced(self, name: str) -> bool:
        """Whether inotify has said that the writer of `name` is done."""
        return self._line[name].announced

    def unchanged_s(self, name: str, stamp: Stamp, now: float) -> float:
        """For how many seconds `name` is known to have been as `stamp` says, at least.

        By its modification time or, for that may lie in the future on a machine without a clock, by since
        when it has been seen so.
        """
        entry = self._line[name]
        if entry.stamp != stamp:
            entry.stamp, entry.stamp_since = stamp, now
        return max(time.time() - stamp.mtime_ns / 1e9, now - entry.stamp_since)

    def forget(self, name: str) -> None:
        """Takes `name` out of the line; the file, if any, is not touched."""
        if self._line.pop(name, None) is not None:
            self.waiting = max(0, self.waiting - 1)

    def settle(self, name: str, stamp: Stamp, fate: Fate, now: float) -> None:
        """Lets the pour that was read with `stamp` leave the spool.

        If the directory does not let it go, only that is tried again: it is not handed out any more. If
        `name` stands for something else by now, that takes its place in the line.
        """
        self.forget(name)
        self._settle(name, _Unsettled(fate, stamp, now), now)

    # Inside.

    def _settle(self, name: str, entry: _Unsettled, now: float) -> None:
        path = self.path / name
        known = self._unsettled.pop(name, None)
        try:
            if Stamp.of(os.lstat(path)) != entry.stamp:
                self._line[name] = _Waiting()
                self.waiting += 1
            elif entry.fate is Fate.REMOVE:
                os.unlink(path)
            else:
                os.rename(path, self._free_fail_path(name))
                self.set_aside += 1
        except FileNotFoundError:
            return
        except OSError as error:
            if known is None:
                log.error(
                    "%s was to be %s, but the spool does not let it go (%s): it is not sent again, only that is tried again",
                    name,
                    entry.fate.value,
                    error.strerror,
                )
            entry.due = now + SETTLE_AGAIN_S
            self._unsettled[name] = entry

    def _free_fail_path(self, name: str) -> Path:
        """Where `name` is set aside: `X.pour.fail`, or `X.2.pour.fail` if there is one from before, and so on."""
        stem = os.fsencode(name[: -len(SUFFIX)])
        for number in count(1):
            ending = os.fsencode(("" if number == 1 else f".{number}") + SUFFIX + FAIL_SUFFIX)
            path = self.path / os.fsdecode(stem[: _NAME_LIMIT_BYTES - len(ending)] + ending)
            if not os.path.lexists(path):
                return path
        raise AssertionError("count() ends never")

    def _blocked(self) -> bool:
        return len(self._unsettled) >= UNSETTLED

    def _announce(self, name: str, now: float) -> None:
        if name in self._unsettled:
            self._unsettled[name].due = now
        elif name in self._line:
            self._line[name].announced = True
            self._line[name].due = _AT_ONCE
        else:
            self.waiting += 1
            if self._more or len(self._line) >= REMEMBERED:
                self._more = True
            else:
                self._line[name] = _Waiting(announced=True)

    def _look(self, now: float) -> None:
        """Sees to it that the directory is watched, and puts the oldest names that are not in line there."""
        for name in [name for name, entry in self._line.items() if entry.due == _NEVER and not os.path.lexists(self.path / name)]:
            del self._line[name]
        census = _Census(self.path, self._line, self._unsettled)
        try:
            trouble = self._watch_it()
            oldest = heapq.nsmallest(BATCH, census)[: max(0, REMEMBERED - len(self._line))]
        except OSError as error:
            self._line.clear()
            census = _Census(self.path, (), ())
            trouble, oldest = f"cannot be read ({error.strerror})", []
            self.close()
        self._line.update((name, _Waiting()) for _, name in oldest)
        self.waiting, self.set_aside = census.waiting, census.set_aside
        self._more = 0 < len(oldest) < census.new
        no_room = census.new > 0 and not oldest
        self._look_due = now + (WATCHLESS_S if trouble else SETTLE_AGAIN_S if no_room else LOOK_AGAIN_S)
        self._report(trouble)

    def _watch_it(self) -> str:
        """Watches what stands at `path` now; what keeps it from that, if anything. Raises OSError if it is gone."""
        status = os.stat(self.path)
        identity = (status.st_dev, status.st_ino)
        if self._watch is not None and self._watch.identity == identity:
            return ""
        self.close()
        try:
            self._watch = _Watch(self.path, identity)
        except (OSError, pyinotify.WatchManagerError) as error:
            return f"cannot be watched ({error})"
        return ""

    def _report(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.error("spool %s %s: looking every %g s", self.path, trouble, WATCHLESS_S)
        elif self._trouble and not trouble:
            log.info("spool %s is watched again", self.path)
        self._trouble = trouble


class _Census:
    """One pass over the directory: gives age and name of each pour in neither `line` nor `unsettled`, and counts."""

    def __init__(self, path: Path, line: Container[str], unsettled: Container[str]) -> None:
        self._path = path
        self._line = line
        self._unsettled = unsettled
        self.waiting = 0
        self.set_aside = 0
        self.new = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        with os.scandir(self._path) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX + FAIL_SUFFIX):
                    self.set_aside += 1
                if not entry.name.endswith(SUFFIX) or entry.is_dir(follow_symlinks=False) or entry.name in self._unsettled:
                    continue
                self.waiting += 1
                if entry.name in self._line:
                    continue
                try:
                    mtime_ns = entry.stat(follow_symlinks=False).st_mtime_ns
                except FileNotFoundError:
                    continue
                self.new += 1
                yield mtime_ns, entry.name


@dataclass
class _Heard:
    """What inotify said: names whose writers are done, and whether it may have left some out."""

    names: list[str] = field(default_factory=list)
    missed: bool = False
    directory_gone: bool = False


class _Watch:
    """An inotify watch on one directory, by pyinotify."""

    _WRITTEN = pyinotify.IN_MOVED_TO | pyinotify.IN_CLOSE_WRITE
    _GONE = pyinotify.IN_DELETE_SELF | pyinotify.IN_MOVE_SELF | pyinotify.IN_UNMOUNT | pyinotify.IN_IGNORED

    def __init__(self, path: Path, identity: tuple[int, int]) -> None:
        """Raises OSError or pyinotify.WatchManagerError: no such directory, or no watch left on this machine."""
        self.identity = identity
        manager = pyinotify.WatchManager()
        self.descriptor: int = manager.get_fd()
        self._notifier = pyinotify.Notifier(manager, self._take)
        self._heard = _Heard()
        events = self._WRITTEN | pyinotify.IN_DELETE_SELF | pyinotify.IN_MOVE_SELF | pyinotify.IN_ONLYDIR
        try:
            manager.add_watch(str(path), events, quiet=False)
        except pyinotify.WatchManagerError:
            self.close()
            raise

    def hear(self) -> _Heard:
        """What has been said since the last call; waits for it if nothing has."""
        self._heard = _Heard()
        try:
            self._notifier.read_events()
        except UnicodeDecodeError:
            # pyinotify decodes names strictly, and has thrown away what came after one that is not UTF-8.
            self._heard.missed = True
        self._notifier.process_events()
        return self._heard

    def close(self) -> None:
        self._notifier.stop()

    def _take(self, event: pyinotify.Event) -> None:
        if event.mask & pyinotify.IN_Q_OVERFLOW:
            self._heard.missed = True
        elif event.mask & self._GONE:
            self._heard.directory_gone = True
        elif event.mask & self._WRITTEN and event.name.endswith(SUFFIX):
            self._heard.names.append(event.name)
