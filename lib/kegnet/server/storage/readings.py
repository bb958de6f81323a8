"""Temperatures, and when a client was heard of.

The newest reading of a client is the one with the greatest `at_ms`. That is right although clocks are wrong: `at_ms` is never later than
5 minutes after the receipt, so a clock that was ahead cannot hide the readings that follow for longer than that.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from ..model.alarms import Heard
from . import schema
from .ranges import MOST_MS, keys_of, per_row, table_of
from .records import Course, Reading

HOUR_MS = 3600 * 1000
HEARD = 8
"""How many times of receipt of each kind `heard` gives."""
_hour, _ping, _pour, _tap = schema.hour.c, schema.ping.c, schema.pour.c, schema.tap.c


def latest_readings(connection: sa.engine.Connection, client_keys: Sequence[int]) -> dict[int, Reading]:
    """The newest reading of each client that has one, by the client's key."""
    wanted, newest = keys_of(connection, client_keys), schema.ping.alias("newest").c
    # By way of `ts_ms`, for the time that counts is not in the primary key, by which a row is found.
    ts_ms = sa.select(newest.ts_ms).where(newest.client == wanted.c.key).order_by(newest.at_ms.desc(), newest.ts_ms.desc()).limit(1)
    same = sa.and_(_ping.client == wanted.c.key, _ping.ts_ms == ts_ms.correlate(wanted).scalar_subquery())
    source, found = per_row(connection, wanted, schema.ping, same)
    query = sa.select(found.client, found.at_ms, found.received_ms, found.temp).select_from(source)
    # Several readings can have the same `ts_ms`. The last one counts, and of equal ones always the same one.
    rows = sorted(tuple(row) for row in connection.execute(query))
    return {client: Reading(at_ms, received_ms, temp) for client, at_ms, received_ms, temp in rows}


def course(connection: sa.engine.Connection, client_key: int, since_ms: int, until_ms: int, bin_ms: int) -> list[Course]:
    """The temperatures in bins of `bin_ms`, oldest first. A bin begins at a multiple of `bin_ms`; one without a reading is missing.

    The first and the last bin are whole: the same readings always give the same bins. Thinned hours are in the bins of an hour or more;
    among smaller bins they stay hours.
    """
    since_ms, until_ms = since_ms - since_ms % bin_ms, until_ms + -until_ms % bin_ms
    bins: dict[int, list[Any]] = {}
    lengths: dict[int, int] = {}
    for query, length_ms in ((_ping_bins, bin_ms), (_hour_bins, max(bin_ms, HOUR_MS))):
        for at_ms, *values in connection.execute(query(client_key, since_ms, until_ms, length_ms)):
            bins.setdefault(int(at_ms), []).append(values)
            lengths[int(at_ms)] = length_ms
    return [_joined(at_ms, lengths[at_ms], bins[at_ms]) for at_ms in sorted(bins)]


def samples(connection: sa.engine.Connection, client_keys: Sequence[int], slot_ms: int, slots: range) -> dict[int, dict[int, int]]:
    """The last temperature of each client in each of `slots`, by client and by slot. A slot is `slot_ms` long; empty ones are left out.

    A slot costs one index lookup, however often a client sends.
    """
    rows = [(key, slot * slot_ms, (slot + 1) * slot_ms) for key in dict.fromkeys(client_keys) for slot in slots]
    wanted = table_of(connection, "wanted", ["client", "from_ms", "until_ms"], rows).c
    within = (_ping.client == wanted.client, _ping.at_ms >= wanted.from_ms, _ping.at_ms < wanted.until_ms)
    temp = sa.select(_ping.temp).where(*within).order_by(_ping.at_ms.desc()).limit(1).scalar_subquery()
    found: dict[int, dict[int, int]] = {key: {} for key in client_keys}
    for client, from_ms, value in connection.execute(sa.select(wanted.client, wanted.from_ms, temp)):
        if value is not None:
            found[client][from_ms // slot_ms] = value
    return found


def heard(connection: sa.engine.Connection, client_keys: Sequence[int], until_ms: int) -> dict[int, Heard]:
    """When the last messages of each client were received until `until_ms`, oldest first; `HEARD` pings and pours at most."""
    wanted = keys_of(connection, client_keys)
    nth = sa.select(_ping.at_ms).where(_ping.client == wanted.c.key, _ping.received_ms <= until_ms)
    pings = _since(connection, schema.ping, ["client"], _nth(connection, nth, sa.select(wanted.c.key), wanted), until_ms)
    last_pings, last_pours = _last(client_keys, pings), pours_heard(connection, client_keys, until_ms)
    return {key: Heard(last_pings[key], last_pours[key]) for key in client_keys}


def pours_heard(connection: sa.engine.Connection, client_keys: Sequence[int], until_ms: int) -> dict[int, list[int]]:
    """When the last pours that each client sent were received, as in `heard`: also deleted ones and those that were moved elsewhere."""
    wanted = keys_of(connection, client_keys)
    of_tap = sa.select(_pour.at_ms).where(_pour.client == _tap.client, _pour.pin == _tap.pin, _pour.received_ms <= until_ms)
    taps = sa.select(_tap.client, _tap.pin).join_from(wanted, schema.tap, _tap.client == wanted.c.key)
    pours = _since(connection, schema.pour, ["client", "pin"], _nth(connection, of_tap, taps, schema.tap), until_ms)
    return _last(client_keys, pours)


def stream_readings(connection: sa.engine.Connection, client_key: int) -> Iterator[Reading]:
    """All readings of a client, oldest first. A thinned hour is one reading of its mean. A few hundred at a time are in memory."""
    hours = sa.select(_hour.from_ms, _hour.from_ms, _hour.mean).where(_hour.client == client_key).order_by(_hour.from_ms)
    pings = sa.select(_ping.at_ms, _ping.received_ms, _ping.temp).where(_ping.client == client_key).order_by(_ping.at_ms)
    return heapq.merge(*(_read(connection, query) for query in (hours, pings)), key=lambda reading: reading.at_ms)


def _read(connection: sa.engine.Connection, query: Any) -> Iterator[Reading]:
    for at_ms, received_ms, temp in connection.execute(query, execution_options={"yield_per": 500}):
        yield Reading(at_ms, received_ms, round(temp))


def _ping_bins(client_key: int, since_ms: int, until_ms: int, bin_ms: int) -> Any:
    start = (_ping.at_ms - _ping.at_ms % sa.literal_column(str(bin_ms))).label("start")
    number = sa.func.count()
    query = sa.select(start, sa.func.sum(_ping.temp), sa.func.min(_ping.temp), sa.func.max(_ping.temp), number)
    return query.where(_ping.client == client_key, _ping.at_ms >= since_ms, _ping.at_ms < until_ms).group_by(start)


def _hour_bins(client_key: int, since_ms: int, until_ms: int, bin_ms: int) -> Any:
    start = (_hour.from_ms - _hour.from_ms % sa.literal_column(str(bin_ms))).label("start")
    columns = (sa.func.sum(_hour.mean * _hour.number), sa.func.min(_hour.least), sa.func.max(_hour.most), sa.func.sum(_hour.number))
    query = sa.select(start, *columns)
    return query.where(_hour.client == client_key, _hour.from_ms >= since_ms, _hour.from_ms < until_ms).group_by(start)


def _joined(at_ms: int, length_ms: int, parts: Sequence[Any]) -> Course:
    """One stretch of parts of (sum, least, most, number)."""
    total, number = sum(float(part[0]) for part in parts), sum(int(part[3]) for part in parts)
    return Course(at_ms, length_ms, total / number, min(part[1] for part in parts), max(part[2] for part in parts), number)


def _last(client_keys: Sequence[int], rows: Any) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {key: [] for key in client_keys}
    for client, received_ms in rows:
        found[client].append(received_ms)
    return {client: sorted(times)[-HEARD:] for client, times in found.items()}


def _nth(connection: sa.engine.Connection, newest: Any, query: Any, correlated: Any) -> list[list[int]]:
    """The rows of `query`, each with the `at_ms` of the `HEARD`-th newest message of `newest`."""
    at_ms: sa.ColumnElement[int] = sa.column("at_ms", sa.BigInteger)
    nth = newest.order_by(at_ms.desc()).offset(HEARD - 1).limit(1).correlate(correlated).scalar_subquery()
    return [[*keys, 0 if since_ms is None else since_ms] for *keys, since_ms in connection.execute(query.add_columns(nth))]


def _since(connection: sa.engine.Connection, table: sa.Table, columns: list[str], rows: list[list[int]], until_ms: int) -> Any:
    wanted = table_of(connection, "since", [*columns, "since_ms"], rows)
    on = [table.c[column] == wanted.c[column] for column in columns]
    # Without an end, SQLite expects half of all rows, and reads the whole table.
    from_then_on = table.c.at_ms.between(wanted.c.since_ms, MOST_MS)
    source, found = per_row(connection, wanted, table, sa.and_(*on, from_then_on))
    return connection.execute(sa.select(found.client, found.received_ms).select_from(source).where(found.received_ms <= until_ms))
