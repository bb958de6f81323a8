"""The alarms in the database, and what the watch needs to know to begin and end them.

Each beginning and each end puts a row into the outbox of notifications, in the same transaction; see `notifications.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from .database import Connection, insert_into
from .ranges import keys_of, table_of
from .records import Alarm
from .schema import alarm, client, notification, ping

RUN_MS = 25 * 3600 * 1000
"""How far back the beginning of a run of temperatures is searched: more than the longest interval between pings, a day."""

_COLUMNS = (alarm.c.key, alarm.c.client, alarm.c.tap, alarm.c.kind, alarm.c.began_ms, alarm.c.ended_ms)


def open_alarms(c: Connection, client_keys: Sequence[int] | None = None) -> list[Alarm]:
    """The alarms that last, of these clients or (None) of all, the oldest first."""
    query = sa.select(*_COLUMNS).where(alarm.c.ended_ms.is_(None)).order_by(alarm.c.began_ms, alarm.c.key)
    if client_keys is not None:
        wanted = keys_of(c, client_keys)
        query = query.join_from(wanted, alarm, wanted.c.key == alarm.c.client)
    return _alarms(c, query)


def alarms_of(c: Connection, client_key: int, since_ms: int) -> list[Alarm]:
    """The alarms of a client that lasted at `since_ms` or later, the oldest first."""
    lasted = alarm.c.ended_ms.is_(None) | (alarm.c.ended_ms >= since_ms)
    return _alarms(c, sa.select(*_COLUMNS).where(alarm.c.client == client_key, lasted).order_by(alarm.c.began_ms, alarm.c.key))


def last_alarms(c: Connection, client_key: int, limit: int) -> list[Alarm]:
    """The newest `limit` alarms of a client, the newest first."""
    newest = sa.select(*_COLUMNS).where(alarm.c.client == client_key).order_by(alarm.c.began_ms.desc(), alarm.c.key.desc())
    return _alarms(c, newest.limit(limit))


def begin_alarm(c: Connection, client: int, tap: int | None, kind: str, began_ms: int, *, now_ms: int | None = None) -> Alarm:
    """Begins an alarm. If it already lasts, it is returned as it is: another leader was faster.

    `now_ms` is the time for the outbox (default `began_ms`): a silence can have begun while no server ran.
    """
    row = {"client": client, "tap": tap, "kind": kind, "began_ms": began_ms, "ended_ms": None}
    inserted = c.execute(insert_into(c, alarm).values(**row).on_conflict_do_nothing())
    same_tap = alarm.c.tap.is_(None) if tap is None else alarm.c.tap == tap
    which = (alarm.c.client == client) & same_tap & (alarm.c.kind == kind) & alarm.c.ended_ms.is_(None)
    begun = _alarms(c, sa.select(*_COLUMNS).where(which))[0]
    if inserted.rowcount:
        _put_into_outbox(c, begun.key, False, began_ms if now_ms is None else now_ms)
    return begun


def end_alarm(c: Connection, key: int, ended_ms: int, *, now_ms: int | None = None, notify: bool = True) -> bool:
    """Ends an alarm, not before it began; False if it is over already. Without `notify` nobody is notified of the end."""
    ended = sa.case((alarm.c.began_ms > ended_ms, alarm.c.began_ms), else_=ended_ms)
    if not c.execute(sa.update(alarm).where(alarm.c.key == key, alarm.c.ended_ms.is_(None)).values(ended_ms=ended)).rowcount:
        return False
    if notify:
        _put_into_outbox(c, key, True, ended_ms if now_ms is None else now_ms)
    return True


def beyond_since(c: Connection, client_keys: Sequence[int], *, warm: bool, since_ms: int) -> dict[int, int]:
    """Since when each client's temperature is beyond its limit without a break: above `warmest`, or (not `warm`) below `coldest`.

    By the readings' own times, not before `since_ms`. A client whose last reading is within its limit is not in the answer.
    """
    wanted = keys_of(c, client_keys)
    recent = ping.join(wanted, (ping.c.client == wanted.c.key) & (ping.c.at_ms >= since_ms))
    within = ping.c.temp <= client.c.warmest if warm else ping.c.temp >= client.c.coldest
    last_within = (
        sa.select(ping.c.client, sa.func.max(ping.c.at_ms).label("at_ms"))
        .select_from(recent.join(client, client.c.key == wanted.c.key))
        .where(within)
        .group_by(ping.c.client)
        .subquery("last_within")
    )
    query = (
        sa.select(ping.c.client, sa.func.min(ping.c.at_ms))
        .select_from(recent.outerjoin(last_within, ping.c.client == last_within.c.client))
        .where(ping.c.at_ms > sa.func.coalesce(last_within.c.at_ms, since_ms - 1))
        .group_by(ping.c.client)
    )
    return {int(key): int(at_ms) for key, at_ms in c.execute(query)}


def ever_beyond(c: Connection, since: Mapping[int, int], *, warm: bool) -> set[int]:
    """Which of the clients had a temperature beyond its present limit, `warmest` or `coldest`, each at its time in `since` or later."""
    wanted = table_of(c, "wanted", ["client", "since_ms"], since.items())
    beyond = ping.c.temp > client.c.warmest if warm else ping.c.temp < client.c.coldest
    seen = sa.exists().where(ping.c.client == wanted.c.client, ping.c.at_ms >= wanted.c.since_ms, beyond)
    query = sa.select(wanted.c.client).select_from(wanted.join(client, client.c.key == wanted.c.client)).where(seen)
    return {int(key) for key in c.execute(query).scalars()}


def _alarms(c: Connection, query: Any) -> list[Alarm]:
    return [Alarm(*row) for row in c.execute(query)]


def _put_into_outbox(c: Connection, key: int, ending: bool, made_ms: int) -> None:
    c.execute(sa.insert(notification).values(alarm=key, ending=ending, made_ms=made_ms, delivered=""))
