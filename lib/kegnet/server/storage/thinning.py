"""Thinning: old pings become hours with their least, mean and most temperature.

A ping's row is also what tells that the message was accepted before. So the setting `thinned_before_ms` remains when the rows are gone: the
writer accepts a ping from before that time, and does not store it. Pings that are timed by their receipt stay: a replay of one would be
timed by its own receipt, and count anew. The newest ping of a client stays, too: it is what the pages show.

A wrong clock must not stop the storing of later pings. So what is old is counted from the newest ping, and a time in the future, which
only a wrong clock can leave, keeps no ping away, and is lowered by the next maintenance.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from . import schema
from .settings import get_setting, set_setting

HOUR_MS = 3600 * 1000
_SETTING = "thinned_before_ms"
_client, _hour, _ping, _setting = schema.client.c, schema.hour.c, schema.ping.c, schema.setting.c
# The writer asks for each batch.
_THINNED_BEFORE = sa.select(_setting.value).where(_setting.name == _SETTING).with_for_update(read=True)


def thinned_before_ms(connection: sa.engine.Connection) -> int:
    """Pings with an earlier `at_ms` must not be stored, if it is not after their receipt. 0 where nothing was thinned.

    Call it in the transaction that stores pings: until its end no other transaction changes the answer.
    """
    return int(connection.execute(_THINNED_BEFORE).scalar() or 0)


def newest_ping_ms(connection: sa.engine.Connection) -> int | None:
    """The latest `at_ms` of all pings. None: there is no ping."""
    newest = sa.select(sa.func.max(_ping.at_ms)).where(_ping.client == _client.key).correlate(schema.client).scalar_subquery()
    newest_ms = connection.execute(sa.select(sa.func.max(newest)).select_from(schema.client)).scalar()
    return None if newest_ms is None else int(newest_ms)


def lower_future_time(connection: sa.engine.Connection, now_ms: int, to_ms: int) -> bool:
    """Lowers `thinned_before_ms` to `to_ms` if it is after `now_ms`. Whether it was."""
    if int(get_setting(connection, _SETTING) or 0) <= now_ms:
        return False
    set_setting(connection, _SETTING, str(to_ms - to_ms % HOUR_MS))
    return True


def thin(connection: sa.engine.Connection, before_ms: int, limit: int) -> int:
    """Turns pings of the hours that end by `before_ms` into rows of `hour`: about `limit` of them at most.

    Their number. 0: nothing is left to do.
    """
    before_ms -= before_ms % HOUR_MS
    if before_ms > int(get_setting(connection, _SETTING) or 0):
        set_setting(connection, _SETTING, str(before_ms))
    done = 0
    for client, newest_ms in connection.execute(_clients(before_ms)).all():
        if done >= limit:
            break
        done += _thin_client(connection, client, min(before_ms, newest_ms), limit - done)
    return done


def _clients(before_ms: int) -> Any:
    """The clients that have something to thin, each with the `at_ms` of its newest ping."""
    newest = sa.select(sa.func.max(_ping.at_ms)).where(_ping.client == _client.key).correlate(schema.client).scalar_subquery()
    at_ms = sa.select(_client.key, newest.label("newest_ms")).subquery()
    older = sa.select(_ping.client).where(_ping.client == at_ms.c.key, _ping.at_ms < at_ms.c.newest_ms, *_thinnable(before_ms))
    return sa.select(at_ms.c.key, at_ms.c.newest_ms).where(sa.exists(older.correlate(at_ms))).order_by(at_ms.c.key)


def _thinnable(before_ms: int) -> tuple[Any, ...]:
    # With a bound on `ts_ms`, too, PostgreSQL looks into the old partitions only.
    return _ping.at_ms < before_ms, _ping.ts_ms < before_ms, _ping.ts_ms == _ping.at_ms


def _thin_client(connection: sa.engine.Connection, client: int, before_ms: int, limit: int) -> int:
    mine = _ping.client == client
    next_ms = sa.select(_ping.at_ms).where(mine, *_thinnable(before_ms)).order_by(_ping.at_ms).offset(limit).limit(1)
    first_ms = sa.select(sa.func.min(_ping.at_ms)).where(mine, *_thinnable(before_ms))
    end_ms = connection.execute(next_ms).scalar()
    if end_ms is not None:
        # At least one: more pings than `limit` can have the same time.
        before_ms = max(end_ms, connection.execute(first_ms).scalar_one() + 1)
    start = (_ping.at_ms - _ping.at_ms % sa.literal_column(str(HOUR_MS))).label("start")
    values = (sa.func.sum(_ping.temp), sa.func.min(_ping.temp), sa.func.max(_ping.temp), sa.func.count())
    for from_ms, total, least, most, number in connection.execute(
        sa.select(start, *values).where(mine, *_thinnable(before_ms)).group_by(start)
    ).all():
        _add(connection, client, int(from_ms), int(total), least, most, number)
    return int(connection.execute(sa.delete(schema.ping).where(mine, *_thinnable(before_ms))).rowcount)


def _add(connection: sa.engine.Connection, client: int, from_ms: int, total: int, least: int, most: int, number: int) -> None:
    """Adds pings to an hour, which may have a part of its pings already."""
    where = sa.and_(_hour.client == client, _hour.from_ms == from_ms)
    before = connection.execute(sa.select(schema.hour).where(where)).first()
    if before is not None:
        least, most = min(least, before.least), max(most, before.most)
        total, number = total + before.mean * before.number, number + before.number
        connection.execute(sa.delete(schema.hour).where(where))
    row = {"client": client, "from_ms": from_ms, "mean": total / number, "least": least, "most": most, "number": number}
    connection.execute(sa.insert(schema.hour).values(row))
