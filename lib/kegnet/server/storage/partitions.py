"""The monthly partitions of the pings on PostgreSQL. What has no partition is in the default one, `ping_other`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import sqlalchemy as sa

from .database import Connection

MONTHS_AHEAD = 2
_FIRST_YEAR = 2020
"""No ping of this program is older. One with an earlier time stays in the default partition."""
_LOCK_LIMIT_MS = 2000


def prepare_partitions(connection: Connection, now_ms: int) -> None:
    """Makes the partitions of this month and the next ones. Pings of these months that are in the default one move. No-op on SQLite.

    Raises UnavailableError if a lock is not free within two seconds, for example during a download.
    """
    if connection.dialect.name != "postgresql":
        return
    # New messages wait behind the locks below, so a backup that reads the table for hours must not delay them.
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LOCK_LIMIT_MS}")
    now = _time(now_ms)
    for ahead in range(MONTHS_AHEAD + 1):
        _prepare(connection, _month(now, ahead))


def prepare_partitions_of(connection: Connection, times_ms: Iterable[int], now_ms: int) -> None:
    """Makes the partitions of the months of these times, which can be as late as those of `prepare_partitions`. No-op on SQLite.

    An impossible time gets no partition: each costs memory and time in every query. Until the transaction ends, no other one reads or
    adds pings.
    """
    if connection.dialect.name != "postgresql":
        return
    first_ms, end_ms = _ms(datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC)), _ms(_month(_time(now_ms), MONTHS_AHEAD + 1))
    for month in sorted({_month(_time(time_ms), 0) for time_ms in times_ms if first_ms <= time_ms < end_ms}):
        _prepare(connection, month)


def _time(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def _ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def _month(now: datetime, ahead: int) -> datetime:
    """The beginning of the month that is `ahead` months later."""
    months = now.year * 12 + now.month - 1 + ahead
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def _exists(connection: Connection, name: str) -> bool:
    return bool(connection.execute(sa.text("SELECT to_regclass(:name) IS NOT NULL"), {"name": name}).scalar())


def _prepare(connection: Connection, begins: datetime) -> None:
    name = f"ping_{begins:%Y_%m}"
    if _exists(connection, name):
        return
    span = {"least": _ms(begins), "most": _ms(_month(begins, 1))}
    execute = connection.exec_driver_sql
    # Another process could add to the default partition, or make this one, meanwhile.
    execute("LOCK TABLE ping IN SHARE ROW EXCLUSIVE MODE")
    if _exists(connection, name):
        return
    execute(f"CREATE TABLE {name} (LIKE ping INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    deleted = "DELETE FROM ping_other WHERE ts_ms >= %(least)s AND ts_ms < %(most)s RETURNING *"
    execute(f"WITH moved AS ({deleted}) INSERT INTO {name} SELECT * FROM moved", span)  # noqa: S608
    execute(f"ALTER TABLE ping ATTACH PARTITION {name} FOR VALUES FROM ({span['least']}) TO ({span['most']})")
