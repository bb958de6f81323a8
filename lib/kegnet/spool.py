"""The spool directory: which pours wait, oldest first, and which have been done with.

inotify(7) names the files that were renamed in or closed after writing. Only so many names are kept; for more,
after a queue overflow, and after another directory came to stand there, the directory itself is looked at: in
rounds, each going on from the last name that it gave, so that what cannot be sent hides nothing that can.
"""

from __future__ import annotations

import contextlib
import heapq
import logging
import os
import select
import stat
import time
from collections import OrderedDict
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import pourfile
from .pourfile import FAIL_SUFFIX, LEAVING, SUFFIX, Content, Fate, GoneError, SpoolError, Stamp
from .watch import Heard, Watch, WatchError, mount_table

BATCH = 10_000
"""How many names one look at the directory takes, at most: enough that a look at 100,000 costs each pour next to nothing."""
REMEMBERED = BATCH + 1000
"""How many names are kept, at most; those that cannot be sent leave room for a batch of others."""
UNSETTLED = 100
"""How many pours whose fate is decided may wait for a directory that lets itself be changed."""
LOOK_AGAIN_S = 600.0
"""How often the directory is looked at although nothing was heard of it."""
WATCHLESS_S = 5.0
"""How often it is looked at while it cannot be watched."""
SETTLE_AGAIN_S = 60.0
"""How often an unlink or a rename that failed is tried again."""

_NEVER = float("inf")
_AT_ONCE = float("-inf")
Age = tuple[float, str]
"""What pours are ordered by: the modification time, in nanoseconds, and for those of one time the name."""
_START: Age = (_AT_ONCE, "")

log = logging.getLogger(__name__)


@dataclass
class _Waiting:
    """A name in line. Seconds are monotonic.

    `whole`: how it was when inotify said that it had been renamed in. `due`: not to be looked at before. `stamp`:
    how it was when it was looked at last, and `stamp_since`, since when it is known to have been so.
    """

    whole: Stamp | None = None
    due: float = _AT_ONCE
    stamp: Stamp | None = None
    stamp_since: float = 0.0


@dataclass
class _Unsettled:
    """A pour whose fate is decided, but whose unlink or rename has failed; tried again when `due`."""

    fate: Fate
    content: Content
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
        self.unwatched = ""
        self.waiting = 0
        self.set_aside = 0
        # Unlike a dict, whose first entry is behind the places of all that have left it, as long as it has not been made anew.
        self._line: OrderedDict[str, _Waiting] = OrderedDict()
        self._unsettled: dict[str, _Unsettled] = {}
        self._watch: Watch | None = None
        self._identity = (0, 0)
        self._mounts = mount_table()
        self._more = False
        self._round = _START
        self._look_due = now
        self.tend(now)

    def close(self) -> None:
        """Stops watching."""
        self._unwatch()
        if self._mounts is not None:
            os.close(self._mounts)
            self._mounts = None

    @property
    def trouble(self) -> str:
        """What is wrong with the directory, in words; empty if nothing is."""
        if self._unsettled and not self.unwatched:
            return f"cannot be changed: {len(self._unsettled)} pours that are done with are still there"
        return self.unwatched

    # What waits.

    def descriptors(self) -> dict[int, int]:
        """What to poll, and for which events; when there is one, call `take_events()`."""
        watches = {} if self._watch is None else {self._watch.descriptor: select.POLLIN}
        return watches if self._mounts is None else {**watches, self._mounts: select.POLLPRI}

    def take_events(self, descriptor: int, now: float) -> None:
        """Takes what one of `descriptors()` has to say."""
        if descriptor == self._mounts:
            if not self._stands():
                self._look_due = now
        elif self._watch is not None and descriptor == self._watch.descriptor:
            self._take(self._watch.hear(), now)

    def tend_due(self, now: float) -> float:
        """When `tend()` has something to do."""
        if self._wants_more(now):
            return now
        return min(self._look_due, min((entry.due for entry in self._unsettled.values()), default=_NEVER))

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
        if now >= self._look_due or self._wants_more(now):
            self._look(now)

    def oldest(self, now: float) -> str | None:
        """The name that is first in line of those to be looked at now."""
        if self._blocked():
            return None
        return next((name for name, entry in self._line.items() if entry.due <= now), None)

    def oldest_after(self, name: str, now: float) -> str | None:
        """The name that is next, once the first in line, `name`, has gone."""
        return next((other for other, entry in self._line.items() if entry.due <= now and other != name), None)

    def put_off(self, name: str, until: float) -> None:
        """Looks at `name` again, but not before `until`."""
        self._line[name].due = until

    def leave_alone(self, name: str, until: float = _NEVER) -> None:
        """Looks at `name`, which cannot be sent, again if inotify speaks of it, or from `until` on."""
        if len(self._line) <= REMEMBERED - BATCH:
            self.put_off(name, until)
        else:
            # The line is for those who can go: a later look at the directory meets it again.
            del self._line[name]
            self._look_due = min(self._look_due, until)

    def send_to_the_back(self, name: str) -> None:
        """Lets the others in line go before `name`."""
        self._line.move_to_end(name)

    # One pour.

    def read(self, name: str, limit_bytes: int) -> Content:
        """The first `limit_bytes` of the pour `name`. Never blocks and never leaves the directory.

        Raises GoneError, NotAFileError, or SpoolError if it cannot be read.
        """
        try:
            return pourfile.read(self.path, name, limit_bytes)
        except FileNotFoundError as error:
            raise GoneError("it is gone") from error
        except OSError as error:
            raise SpoolError(f"it cannot be read ({error.strerror})") from error

    def stands(self, name: str, content: Content) -> bool:
        """Whether `name` still seems to stand for what was read as `content`."""
        try:
            return pourfile.stands(self.path, name, content)
        except OSError:
            return False

    def is_whole(self, name: str, stamp: Stamp) -> bool:
        """Whether inotify has said that `name` was renamed in, and it has not changed since."""
        return self._line[name].whole == stamp

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

    def settle(self, name: str, content: Content, fate: Fate, now: float) -> None:
        """Lets the pour that was read as `content` leave the spool.

        If the directory does not let it go, only that is tried again: it is not handed out any more. If
        `name` stands for something else by now, that takes its place in the line.
        """
        self.forget(name)
        self._settle(name, _Unsettled(fate, content, now), now)

    # Inside.

    def _settle(self, name: str, entry: _Unsettled, now: float) -> None:
        known = self._unsettled.pop(name, None)
        place = name
        try:
            if pourfile.stands(self.path, name, entry.content):
                place = pourfile.step_aside(self.path, name)
                if pourfile.holds(self.path, place, entry.content):
                    pourfile.leave(self.path, place, name, entry.fate)
                    self.set_aside += entry.fate is Fate.SET_ASIDE
                    return
            self._line[place] = _Waiting()
            self.waiting += 1
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
            self._unsettled[place] = entry

    def _blocked(self) -> bool:
        return len(self._unsettled) >= UNSETTLED

    def _wants_more(self, now: float) -> bool:
        return self._more and not self._blocked() and len(self._line) < REMEMBERED and self.oldest(now) is None

    def _take(self, heard: Heard, now: float) -> None:
        for name, renamed in heard.names.items():
            self._announce(name, renamed, now)
        if heard.missed or heard.directory_gone:
            # Nor is it known any more that the watch is on the directory that stands there: another may have its inode number.
            self._unwatch()
            self._more, self._round = True, _START
        if heard.directory_gone:
            self._look_due = now

    def _announce(self, name: str, renamed: bool, now: float) -> None:
        if name in self._unsettled:
            self._unsettled[name].due = now
            return
        if name.endswith(LEAVING + SUFFIX):
            return
        age, whole = _START, None
        with contextlib.suppress(OSError):
            status = os.lstat(os.path.join(self.path, name))
            age, whole = (status.st_mtime_ns, name), Stamp.of(status) if renamed else None
        if name in self._line:
            self._line[name].due, self._line[name].whole = _AT_ONCE, whole
            return
        self.waiting += 1
        if self._more and age > self._round:
            return
        if len(self._line) < REMEMBERED:
            self._line[name] = _Waiting(whole)
        else:
            self._more, self._round = True, _START

    def _look(self, now: float) -> None:
        """Sees to it that the directory is watched, and puts the oldest names that are not in line there."""
        for name in [name for name, entry in self._line.items() if entry.due == _NEVER and not os.path.lexists(self.path / name)]:
            del self._line[name]
        try:
            trouble = self._watch_it()
            census = _Census(self.path, self._line, self._unsettled, self._round if self._more else _START)
            oldest = heapq.nsmallest(BATCH, census)[: max(0, REMEMBERED - len(self._line))]
        except OSError as error:
            self._line.clear()
            self._unwatch()
            census = _Census(self.path, (), (), _START)
            trouble, oldest = f"cannot be read ({error.strerror})", []
        self._line.update((name, _Waiting()) for _, name in oldest)
        self.waiting, self.set_aside = census.waiting, census.set_aside
        self._more = len(oldest) < census.new
        self._round = oldest[-1] if oldest else census.after
        self._look_due = now + (WATCHLESS_S if trouble else LOOK_AGAIN_S)
        self.unwatched = trouble

    def _stands(self) -> bool:
        """Whether the directory at `path` is the one that was looked at."""
        try:
            return _identity(self.path) == self._identity
        except OSError:
            return False

    def _watch_it(self) -> str:
        """Watches what stands at `path` now; what keeps it from that, if anything. Raises OSError if it is gone."""
        identity = _identity(self.path)
        if identity != self._identity:
            self._unwatch()
            self._identity, self._more = identity, False
        try:
            self._watch = self._watch or Watch(self.path, SUFFIX)
        except WatchError as error:
            return f"cannot be watched ({error})"
        return ""

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None


def _identity(path: Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


class _Census:
    """One pass over the directory: gives age and name of each pour `after` one, in neither `line` nor `unsettled`, and counts."""

    def __init__(self, path: Path, line: Container[str], unsettled: Container[str], after: Age) -> None:
        self._path = path
        self._line = line
        self._unsettled = unsettled
        self.after = after
        self.waiting = 0
        self.set_aside = 0
        self.new = 0

    def __iter__(self) -> Iterator[Age]:
        with os.scandir(self._path) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX + FAIL_SUFFIX):
                    self.set_aside += 1
                if entry.name.endswith(SUFFIX) and entry.name not in self._unsettled:
                    # A file that a tired disk cannot say anything about does not hide the others.
                    with contextlib.suppress(OSError):
                        yield from self._count(entry)

    def _count(self, entry: os.DirEntry[str]) -> Iterator[Age]:
        if entry.is_dir(follow_symlinks=False):
            return
        self.waiting += 1
        if entry.name in self._line:
            return
        age = (entry.stat(follow_symlinks=False).st_mtime_ns, entry.name)
        if age > self.after:
            self.new += 1
            yield age
