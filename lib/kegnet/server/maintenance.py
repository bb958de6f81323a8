"""Upkeep of the database: partitions of the next months, old temperatures, old refusals, old log-ins."""

from __future__ import annotations

import asyncio
import logging
import time

from .storage import Connection, Database, UnavailableError
from .storage.logins import forget_logins
from .storage.partitions import prepare_partitions
from .storage.refusals import forget_refusals
from .storage.settings import household
from .storage.thinning import lower_future_time, newest_ping_ms, thin

INTERVAL_S = 3600.0
DAY_MS = 24 * 3600 * 1000
_PINGS_AT_ONCE = 5000
_BETWEEN_S = 0.2
"""Pause between two transactions: messages come first."""
_KEPT_MINUTES = 60

log = logging.getLogger(__name__)


async def maintain(database: Database) -> None:
    """Runs at once and then hourly, until it is cancelled. Raises UnavailableError."""
    while True:
        before_ms = await asyncio.to_thread(prepare, database, _now_ms())
        if before_ms is not None:
            while await asyncio.to_thread(_thin, database, before_ms):
                await asyncio.sleep(_BETWEEN_S)
        await asyncio.sleep(INTERVAL_S)


def prepare(database: Database, now_ms: int) -> int | None:
    """What is done before temperatures are thinned out; before which time they are, or None: they are not."""
    try:
        with database.writing() as connection:
            prepare_partitions(connection, now_ms)
    except UnavailableError as error:
        log.warning("the partitions of the next months are made later: %s", error)
    with database.writing() as connection:
        forget_refusals(connection, now_ms // 60_000 - _KEPT_MINUTES)
        forget_logins(connection, now_ms)
        return _thin_before_ms(connection, now_ms)


def _thin_before_ms(connection: Connection, now_ms: int) -> int | None:
    retention_days = household(connection).retention_days
    if lower_future_time(connection, now_ms, now_ms - (retention_days or 1) * DAY_MS):
        log.warning("temperatures were thinned out by a clock that was ahead; those that come from now on are stored again")
    newest_ms = newest_ping_ms(connection)
    if retention_days is None or newest_ms is None:
        return None
    # A clock that is ahead must not thin out temperatures of today. The newest ping has the time of its client.
    return min(now_ms, newest_ms) - retention_days * DAY_MS


def _thin(database: Database, before_ms: int) -> int:
    with database.writing() as connection:
        return thin(connection, before_ms, _PINGS_AT_ONCE)


def _now_ms() -> int:
    return time.time_ns() // 10**6
