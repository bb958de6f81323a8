"""Which pours wait, in which order: a bounded number of names in memory, without I/O. Times are monotonic seconds."""

from __future__ import annotations

import heapq
from collections.abc import Set
from dataclasses import dataclass, field, replace

from ..retry import Attempts
from .files import Stamp
from .watch import Report

Age = tuple[float, str]
"""Orders pours of equally many failures: the modification time in nanoseconds, then the name."""

_LONG_AGO = float("-inf")
_NEVER = float("inf")


@dataclass(frozen=True)
class Entry:
    """A pour that waits.

    `reported` is the stamp that it had when inotify reported it as finished, and `report` is how. `stamp` is the one that
    it had when it was last looked at, and `since` is when it was first seen with that one. `wait_until`: not to be read before.
    """

    name: str
    mtime_ns: float
    attempts: Attempts = field(default_factory=Attempts)
    report: Report | None = None
    reported: Stamp | None = None
    stamp: Stamp | None = None
    since: float = 0.0
    wait_until: float = _LONG_AGO

    @property
    def due(self) -> float:
        """When it may be read and sent, as far as its own history says."""
        return max(self.wait_until, self.attempts.due)

    @property
    def sort_key(self) -> tuple[bool, int, float, str]:
        """By the attempts, then oldest first."""
        return *self.attempts.sort_key, self.mtime_ns, self.name


class Queue:
    """Names with what is known of them. Entries are replaced, never changed."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        # Both heaps contain outdated items; they are dropped when they come to the top.
        self._due: list[tuple[bool, int, float, str]] = []
        self._later: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    @property
    def held(self) -> int:
        """How many are not due yet, at most."""
        return len(self._later)

    def names(self) -> Set[str]:
        """All names."""
        return self._entries.keys()

    def get(self, name: str) -> Entry | None:
        """What is known of `name`."""
        return self._entries.get(name)

    def put(self, entry: Entry) -> None:
        """Adds `entry`, or replaces what was known of its name."""
        old = self._entries.get(entry.name)
        self._entries[entry.name] = entry
        if old is None or (old.due, old.sort_key) != (entry.due, entry.sort_key):
            heapq.heappush(self._later, (entry.due, entry.name))

    def remove(self, name: str) -> None:
        """Forgets `name`."""
        self._entries.pop(name, None)

    def forget_attempts(self) -> None:
        """Makes every entry look as if it had never been tried."""
        for entry in list(self._entries.values()):
            self.put(replace(entry, attempts=Attempts()))

    def clear(self) -> None:
        """Forgets everything."""
        self._entries.clear()
        self._due.clear()
        self._later.clear()

    def next(self, now: float) -> Entry | None:
        """The first of the entries that are due."""
        while self._later and self._later[0][0] <= now:
            due, name = heapq.heappop(self._later)
            entry = self._entries.get(name)
            if entry is not None and entry.due == due:
                heapq.heappush(self._due, entry.sort_key)
        while self._due:
            entry = self._entries.get(self._due[0][-1])
            if entry is not None and entry.sort_key == self._due[0] and entry.due <= now:
                return entry
            heapq.heappop(self._due)
        return None

    def next_due(self, now: float) -> float:
        """When `next()` has an entry."""
        if self.next(now) is not None:
            return now
        while self._later:
            due, name = self._later[0]
            entry = self._entries.get(name)
            if entry is not None and entry.due == due:
                return due
            heapq.heappop(self._later)
        return _NEVER
