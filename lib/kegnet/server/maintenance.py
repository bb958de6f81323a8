"""Upkeep of the database: partitions of the next months, old temperatures, old refusals, old log-ins."""

from __future__ import annotations

import asyncio
import time

from .storage import Database
from .storage.logins import forget_logins
from .storage.partitions import prepare_partitions
from .storage.refusals import forget_refusals
from .storage.settings import household
from .storage.thinning import thin

INTERVAL_S = 3600.0
DAY_MS = 24 * 3600 * 1000
_PINGS_AT_ONCE = 5000
_BETWEEN_S = 0.2
"""Pause between two transactions: messages come first."""
_KEPT_MINUTES = 60


async def maintain(database: Database) -> None:
    """Runs at once and then hourly, until it is cancelled. Raises UnavailableError."""
    while True:
        retention_days = await asyncio.to_thread(_prepare, database)
        if retention_days is not None:
            before_ms = _now_ms() - retention_days * DAY_MS
            while await asyncio.to_thread(_thin, database, before_ms):
                await asyncio.sleep(_BETWEEN_S)
        await asyncio.sleep(INTERVAL_S)


def _prepare(database: Database) -> int | None:
    """How many days single temperatures are kept; None: for ever."""
    with database.writing() as connection:
        prepare_partitions(connection, _now_ms())
        forget_refusals(connection, _now_ms() // 60_000 - _KEPT_MINUTES)
        forget_logins(connection, _now_ms())
        return household(connection).retention_days


def _thin(database: Database, before_ms: int) -> int:
    with database.writing() as connection:
        return thin(connection, before_ms, _PINGS_AT_ONCE)


def _now_ms() -> int:
    return time.time_ns() // 10**6
