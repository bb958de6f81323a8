"""The monthly partitions of the pings on PostgreSQL. What has no partition is in the default one, `ping_other`."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from .database import Connection

MONTHS_AHEAD = 2
_LOCK_LIMIT_MS = 2000


def prepare_partitions(connection: Connection, now_ms: int) -> None:
    """Makes the partitions of this month and the next ones. Pings of these months that are in the default one move. No-op on SQLite.

    Raises UnavailableError if a lock is not free within two seconds, for example during a download.
    """
    if connection.dialect.name != "postgresql":
        return
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    for ahead in range(MONTHS_AHEAD + 1):
        _prepare(connection, _month(now, ahead), _month(now, ahead + 1))


def _month(now: datetime, ahead: int) -> datetime:
    """The beginning of the month that is `ahead` months later."""
    months = now.year * 12 + now.month - 1 + ahead
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def _exists(connection: Connection, name: str) -> bool:
    return bool(connection.execute(sa.text("SELECT to_regclass(:name) IS NOT NULL"), {"name": name}).scalar())


def _prepare(connection: Connection, begins: datetime, ends: datetime) -> None:
    name = f"ping_{begins:%Y_%m}"
    if _exists(connection, name):
        return
    span = {"least": int(begins.timestamp() * 1000), "most": int(ends.timestamp() * 1000)}
    execute = connection.exec_driver_sql
    # New messages wait behind these locks, so a backup that reads the table for hours must not delay them.
    execute(f"SET LOCAL lock_timeout = {_LOCK_LIMIT_MS}")
    # Another process could add to the default partition, or make this one, meanwhile.
    execute("LOCK TABLE ping IN SHARE ROW EXCLUSIVE MODE")
    if _exists(connection, name):
        return
    execute(f"CREATE TABLE {name} (LIKE ping INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    deleted = "DELETE FROM ping_other WHERE ts_ms >= %(least)s AND ts_ms < %(most)s RETURNING *"
    execute(f"WITH moved AS ({deleted}) INSERT INTO {name} SELECT * FROM moved", span)  # noqa: S608
    execute(f"ALTER TABLE ping ATTACH PARTITION {name} FOR VALUES FROM ({span['least']}) TO ({span['most']})")
