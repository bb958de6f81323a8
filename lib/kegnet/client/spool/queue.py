"""The queue: a bounded number of names in memory, ordered. No I/O. Times are monotonic seconds."""

from __future__ import annotations

import heapq
from collections.abc import Set
from dataclasses import dataclass, field, replace

from ..retry import Attempts
from .files import Stamp
from .watch import Report

Age = tuple[float, str]
"""Orders pours with the same number of failures: the modification time in nanoseconds, then the name."""

_LONG_AGO = float("-inf")
_NEVER = float("inf")


@dataclass(frozen=True)
class Entry:
    """A pour that waits.

    `reported`: its stamp (not a flag) when inotify reported it as finished; `report`: how. `stamp`: its last known stamp;
    `since`: when that was first seen. `wait_until`: not read before.
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
        """When it is due by its own history; the lane may hold it longer."""
        return max(self.wait_until, self.attempts.due)

    @property
    def sort_key(self) -> tuple[bool, int, float, str]:
        """By the attempts, then oldest first."""
        return *self.attempts.sort_key, self.mtime_ns, self.name


class Queue:
    """Entries by name. They are replaced, never modified."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        # Outdated items stay in the heaps until they reach the top.
        self._due: list[tuple[bool, int, float, str]] = []
        self._later: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    @property
    def held(self) -> int:
        """Upper bound on entries that are not due."""
        return len(self._later)

    def names(self) -> Set[str]:
        """All names."""
        return self._entries.keys()

    def get(self, name: str) -> Entry | None:
        """The entry of `name`."""
        return self._entries.get(name)

    def put(self, entry: Entry) -> None:
        """Adds `entry`, or replaces the entry of its name."""
        old = self._entries.get(entry.name)
        self._entries[entry.name] = entry
        if old is None or (old.due, old.sort_key) != (entry.due, entry.sort_key):
            heapq.heappush(self._later, (entry.due, entry.name))

    def remove(self, name: str) -> None:
        """Forgets `name`."""
        self._entries.pop(name, None)

    def forget_attempts(self) -> None:
        """Resets the history of every entry."""
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
        """When the next entry is due."""
        if self.next(now) is not None:
            return now
        while self._later:
            due, name = self._later[0]
            entry = self._entries.get(name)
            if entry is not None and entry.due == due:
                return due
            heapq.heappop(self._later)
        return _NEVER
