"""The spool: finds waiting pours, returns one at a time, and removes finished ones.

inotify(7) names the files that were renamed in or closed after writing. The directory is read at the start, after an event
queue overflow, after it was replaced, every 10 minutes, and when it contains more pours than the memory.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from ...core.syslog_handler import HourlyLimit
from ..outcome import Fate
from ..retry import Attempts
from . import files
from .directory import DirectoryError, SpoolDirectory
from .files import Content
from .queue import Age, Entry, Queue
from .removals import Finished, RemovalResult, Removals
from .watch import Report

BATCH_NAMES = 10_000  # Upper bound on names taken from one reading of the directory: ten for a backlog of 100,000.
HELD_NAMES = 5000  # Upper bound on names in memory that are not due: they wait for a backoff, or to be complete.
MEMORY_NAMES = BATCH_NAMES + HELD_NAMES  # Upper bound on names in memory.
LOOK_AGAIN_S = 600.0
LOOK_PAUSE_S = 1.0  # Between two readings after missed events. pyinotify misses some at each name that is not UTF-8.
NOT_USABLE_S = 5.0  # Interval at which a directory that cannot be opened or watched is read.

_LONG_AGO = float("-inf")
_NEVER = float("inf")
_START: Age = (_LONG_AGO, "")

log = logging.getLogger(__name__)


class Spool:
    """The directory `path`. `now` is always `time.monotonic()` seconds.

    `waiting` and `set_aside` count files. `arrived_at`: when inotify last reported a pour.
    """

    def __init__(self, path: Path, now: float) -> None:
        """Opens the directory if possible, and reads it."""
        self.path = path
        self.waiting = 0
        self.set_aside = 0
        self.arrived_at = _LONG_AGO
        self._queue = Queue()
        self._removals = Removals()
        self._directory: SpoolDirectory | None = None
        self._more_on_disk = False
        self._last_listed = _START
        self._failures = 0
        self._refresh_due = now
        self._refreshed_at = _LONG_AGO
        self._problem = ""
        self._problem_limit = HourlyLimit()
        self.maintain(now)

    def close(self) -> None:
        """Releases the directory."""
        self._close_directory()

    @property
    def problem(self) -> str:
        """The problem of the directory; empty if there is none."""
        if len(self._removals) and not self._problem:
            count = len(self._removals)
            return f"does not permit the removal of {count} finished pour{'s' if count > 1 else ''}"
        return self._problem

    # The queue.

    def descriptors(self) -> dict[int, int]:
        """The descriptors to poll, and the events of each. After an event, call `read_events()`."""
        return self._directory.descriptors() if self._directory else {}

    def read_events(self, descriptor: int, now: float) -> None:
        """Reads the events of one of `descriptors()`."""
        if self._directory is None:
            return
        events = self._directory.read_events(descriptor)
        for name, report in events.names.items():
            self._add_reported(self._directory, name, report, now)
        if events.replaced:
            self._directory.unwatch()
            self._refresh_due = now
        elif events.missed:
            self._refresh_due = min(self._refresh_due, max(now, self._refreshed_at + LOOK_PAUSE_S))

    def maintain_due(self, now: float) -> float:
        """When `maintain()` is due."""
        if self._needs_more(now):
            return now
        return min(self._refresh_due, self._removals.due if self._directory else _NEVER)

    def maintain(self, now: float) -> None:
        """Retries removals, and reads the directory, if that is due."""
        if self._directory is not None:
            for removed in self._removals.retry(self._directory.descriptor, now):
                self._note(removed)
        if now >= self._refresh_due or self._needs_more(now):
            self._refresh(now)

    def next_due(self, now: float) -> float:
        """When a pour is due."""
        return _NEVER if self._removals.full else self._queue.next_due(now)

    def next(self, now: float) -> Entry | None:
        """The first of the due pours."""
        return None if self._removals.full else self._queue.next(now)

    def forget_attempts(self) -> None:
        """Resets the history of every pour."""
        self._queue.forget_attempts()

    # One pour.

    def read(self, name: str, limit_bytes: int) -> Content:
        """The first `limit_bytes` of the pour `name`. Raises NotAFileError or OSError, FileNotFoundError among them."""
        if self._directory is None:
            raise FileNotFoundError(name)
        return files.read(self._directory.descriptor, name, limit_bytes)

    def observe(self, entry: Entry, content: Content, now: float) -> tuple[Report | None, float]:
        """Records that the file has `content`. Returns how inotify reported this state, and its known age in seconds."""
        if entry.stamp != content.stamp:
            self._queue.put(replace(entry, stamp=content.stamp, since=now))
            return None, 0.0
        return entry.report if entry.reported == content.stamp else None, now - entry.since

    def put_off(self, name: str, until: float) -> None:
        """Holds `name` until `until`, or until inotify reports it."""
        if (entry := self._queue.get(name)) is not None:
            self._hold(replace(entry, wait_until=until))

    def drop(self, name: str, look_at: float = _NEVER) -> None:
        """Forgets `name`, whose file stays. Found again by a reading, at `look_at` at the latest, or when inotify reports it."""
        self._queue.remove(name)
        self._refresh_due = min(self._refresh_due, look_at)

    def forget(self, name: str) -> None:
        """Removes `name`, whose file is gone, from the queue."""
        if name in self._queue:
            self._queue.remove(name)
            self.waiting = max(0, self.waiting - 1)

    def apply(self, name: str, content: Content, fate: Fate, attempts: Attempts, reason: str, now: float) -> None:
        """Deletes, sets aside or keeps the pour that was read as `content`. `reason` is for a pour that is set aside.

        If the directory does not permit the removal, only the removal is retried. If another file has `name` now, it is queued.
        """
        if fate is Fate.KEEP:
            if (entry := self._queue.get(name)) is not None:
                self._hold(replace(entry, attempts=attempts))
            return
        self.forget(name)
        if self._directory is not None:
            self._note(self._removals.remove(self._directory.descriptor, name, Finished(fate, content, reason, now), now))

    # Private.

    def _hold(self, entry: Entry) -> None:
        if self._queue.held < HELD_NAMES:
            self._queue.put(entry)
        else:
            # Memory is reserved for pours that can be sent. A later reading finds this one again, without its history.
            self.drop(entry.name, entry.due)

    def _note(self, removed: RemovalResult) -> None:
        self.set_aside += removed.set_aside
        if removed.waits_as is not None:
            self._queue.put(Entry(removed.waits_as, _LONG_AGO))
            self.waiting += 1

    def _needs_more(self, now: float) -> bool:
        return self._more_on_disk and not self._removals.full and len(self._queue) < MEMORY_NAMES and self._queue.next(now) is None

    def _add_reported(self, directory: SpoolDirectory, name: str, report: Report, now: float) -> None:
        if name in self._removals:
            self._removals.retry_at(name, now)
            return
        try:
            stamp = files.stamp(directory.descriptor, name)
        except OSError:
            return  # It is gone. Our own renames are reported, too.
        self.arrived_at = now
        old = self._queue.get(name)
        if old is not None and old.stamp == stamp:
            self._queue.put(replace(old, report=report, reported=stamp, wait_until=_LONG_AGO))
            return
        if old is None:
            self.waiting += 1
            if len(self._queue) >= MEMORY_NAMES:
                self._more_on_disk, self._last_listed = True, _START
            if self._more_on_disk and (stamp.mtime_ns, name) > self._last_listed:
                return  # Not kept in memory: a later reading finds it in its order.
        self._queue.put(Entry(name, stamp.mtime_ns, report=report, reported=stamp, stamp=stamp, since=now))

    def _refresh(self, now: float) -> None:
        """Opens, locks and watches the directory if needed, and queues its oldest unknown pours."""
        self._refreshed_at = now
        try:
            directory = self._open_directory()
            after = self._last_listed if self._more_on_disk else _START
            limit = max(0, min(BATCH_NAMES, MEMORY_NAMES - len(self._queue)))
            listing = directory.list_oldest(self._queue.names() | self._removals.names(), after, limit)
        except (DirectoryError, OSError) as error:
            self._close_directory()
            self.waiting = self.set_aside = 0
            problem = f"cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error)
            self._set_problem(problem, now)
            # It may be in the middle of a replacement: try soon, then less often.
            self._refresh_due = now + min(NOT_USABLE_S, 0.1 * 4.0**self._failures)
            self._failures = min(self._failures + 1, 10)
            return
        self._failures = 0
        for mtime_ns, name in listing.oldest:
            self._queue.put(Entry(name, mtime_ns))
        self.waiting, self.set_aside = max(0, listing.waiting - len(self._removals)), listing.set_aside
        self._more_on_disk = listing.more
        self._last_listed = listing.oldest[-1] if listing.oldest else self._last_listed
        self._refresh_due = now + (LOOK_AGAIN_S if directory.is_watched else NOT_USABLE_S)
        self._set_problem(directory.warning, now)

    def _open_directory(self) -> SpoolDirectory:
        """The directory at `path` as it is now. Raises DirectoryError."""
        if self._directory is not None:
            if self._directory.is_current():
                if not self._directory.is_watched:
                    self._directory.watch()
                return self._directory
            self._close_directory()
        self._directory = SpoolDirectory(self.path)
        return self._directory

    def _close_directory(self) -> None:
        if self._directory is not None:
            self._directory.close()
            self._directory = None
        self._queue.clear()
        self._more_on_disk, self._last_listed = False, _START

    def _set_problem(self, problem: str, now: float) -> None:
        self._problem = problem
        if problem and self._problem_limit.allows(problem, now):
            log.error("spool %s %s", self.path, problem)
        elif not problem and self._problem_limit.end():
            log.info("spool %s can be used again", self.path)
