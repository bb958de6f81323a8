"""`/healthz`: whether a message would be accepted now."""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import dataclass

from .outage import Outage
from .storage import Database, StorageError, UnavailableError
from .storage.refusals import forget_refusals

REMEMBERED_S = 2.0
"""Balancers ask often, and each from its own hosts."""
FREE_BYTES = 4 * 1024 * 1024
"""With less than that on its disk, SQLite can refuse the next write."""
_KEPT_MINUTES = 10


@dataclass(frozen=True)
class Health:
    """Whether a write would work; `text` is the reason if not."""

    good: bool
    text: str


class HealthCheck:
    """Tries a transaction that writes, at most every `REMEMBERED_S`. For the event loop's thread."""

    def __init__(self, database: Database, outage: Outage) -> None:
        self._database = database
        self._outage = outage
        self._until = 0.0
        self._health = Health(good=False, text="not checked yet")
        self._lock = asyncio.Lock()

    async def health(self) -> Health:
        """The state now, or a moment ago."""
        async with self._lock:
            if time.monotonic() >= self._until:
                self._health = await asyncio.to_thread(self._check)
                self._until = time.monotonic() + REMEMBERED_S
                if self._health.good:
                    self._outage.over()
                else:
                    self._outage.began(self._health.text)
        return self._health

    def _check(self) -> Health:
        """Forgetting old refusals takes the locks of a write and mostly changes nothing, so no disk is worn by it."""
        try:
            with self._database.writing() as connection:
                forget_refusals(connection, time.time_ns() // (60 * 10**9) - _KEPT_MINUTES)
        except (UnavailableError, StorageError) as error:
            return Health(good=False, text=str(error))
        file = self._database.file
        if file is not None and shutil.disk_usage(file.path.parent).free < FREE_BYTES:
            return Health(good=False, text=f"{self._database.shown}: the disk is full")
        return Health(good=True, text="ok")
