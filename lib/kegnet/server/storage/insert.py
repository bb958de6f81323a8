"""Puts a batch of messages into the tables, and finds out which of them are new.

At thousands of messages a second each microsecond counts. So the statements are INSERTs of many rows that go to the driver as they are:
one call of the driver, during which other threads run, for hundreds of messages.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import sqlalchemy as sa

from . import schema
from .clients import lock_clients
from .database import Connection, Database
from .feed import Change, announce
from .messages import VerifiedMessage, VerifiedPour
from .repeats import stored_before
from .thinning import thinned_before_ms

_ROWS = 500
"""Rows of one statement; SQLite takes 32,766 parameters."""
_COLUMNS = {
    "ping": ("client", "ts_ms", "digest", "ts_seconds", "temp", "at_ms", "received_ms"),
    "tap": ("client", "pin", "name", "hidden"),
    "pour": ("client", "ts_ms", "digest", "ts_seconds", "pin", "pulses", "et_ms", "at_ms", "received_ms"),
}
_KEY_COLUMNS = 3
_PING_AT_MS, _PING_RECEIVED_MS = (_COLUMNS["ping"].index(name) for name in ("at_ms", "received_ms"))

_Key = tuple[int, int, bytes]
_Row = tuple[Any, ...]


class _SomeAreKnownError(Exception):
    """Not all rows of the batch are new."""


class _Batch(NamedTuple):
    """The rows to add. `untimed` are the messages among them whose sender has no clock."""

    pings: dict[_Key, _Row]
    pours: dict[_Key, _Row]
    untimed: dict[_Key, VerifiedMessage]

    def drop(self, keys: Collection[_Key]) -> None:
        """Removes rows."""
        for part in self:
            for key in keys:
                part.pop(key, None)


class Inserter:
    """Used by one thread. It remembers which taps are in the table, and the clients' uuids."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._taps: set[tuple[int, int]] = set()
        self._uuids: dict[int, str] = {}

    def insert(self, messages: Sequence[VerifiedMessage]) -> list[bool]:
        """Commits the messages; which of them are new. Of two that are the same the first is. Raises UnavailableError, StorageError."""
        batch = _Batch({}, {}, {})
        pings, pours, untimed = batch
        keys, first = [], dict[tuple[int, bytes], VerifiedMessage]()
        for m in messages:
            if m.repeat_ms:
                m = first.setdefault((m.client, m.digest), m)
                untimed[m.client, m.ts_ms, m.digest] = m
            key = (m.client, m.ts_ms, m.digest)
            keys.append(key)
            if isinstance(m, VerifiedPour):
                pours.setdefault(key, (*key, m.ts_seconds, m.pin, m.pulses, m.et_ms, m.at_ms, m.received_ms))
            else:
                pings.setdefault(key, (*key, m.ts_seconds, m.temp, m.at_ms, m.received_ms))
        known: set[_Key] = set()
        while not self._try(batch):
            known |= self._drop_known(batch)
        self._taps.update((row[0], row[4]) for row in pours.values())
        return _news(keys, known)

    def _try(self, batch: _Batch) -> bool:
        """Commits all of them. False: some are in the tables already, and nothing was done. That is rare, so it is not asked beforehand."""
        try:
            with self._database.writing() as connection:
                _require_first(connection, batch.untimed)
                self._write(connection, batch.pings, batch.pours)
        except _SomeAreKnownError:
            return False
        return True

    def _drop_known(self, batch: _Batch) -> set[_Key]:
        """Removes those that are in the tables; which they are."""
        with self._database.reading() as connection:
            known = _known(connection, "ping", batch.pings) | _known(connection, "pour", batch.pours)
            known |= stored_before(connection, batch.untimed.values())
        batch.drop(known)
        return known

    def _write(self, connection: Connection, pings: Mapping[_Key, _Row], pours: Mapping[_Key, _Row]) -> None:
        taps = {(row[0], row[4]) for row in pours.values()} - self._taps
        added = _add_taps(connection, taps)
        if pings:
            before_ms = thinned_before_ms(connection)
            # What was thinned is older than the receipt, except by a wrong clock.
            pings = {key: row for key, row in pings.items() if row[_PING_AT_MS] >= before_ms or before_ms > row[_PING_RECEIVED_MS]}
        _add(connection, "ping", pings)
        _add(connection, "pour", pours)
        kinds = {kind for kind, rows in (("ping", pings), ("pour", pours), ("tap", added)) if rows}
        if kinds:
            clients = {key[0] for key in chain(pings, pours)}
            announce(connection, Change(frozenset(self._known_uuids(connection, clients)), frozenset(kinds)))

    def _known_uuids(self, connection: Connection, clients: set[int]) -> list[str]:
        missing = clients - self._uuids.keys()
        if missing:
            client = schema.client
            query = sa.select(client.c.key, client.c.uuid).where(client.c.key.in_(sorted(missing)))
            self._uuids.update((row.key, row.uuid) for row in connection.execute(query))
        return [self._uuids[key] for key in clients]


def _require_first(connection: Connection, untimed: Mapping[_Key, VerifiedMessage]) -> None:
    """Requires that none of them is stored, with whatever time, and that no other server stores one before this transaction ends."""
    if untimed:
        lock_clients(connection, {client for client, _, _ in untimed})
        if stored_before(connection, untimed.values()):
            raise _SomeAreKnownError


def _add_taps(connection: Connection, taps: Collection[tuple[int, int]]) -> int:
    """Adds the taps that are not in the table. Returns how many."""
    rows = [(client, pin, f"tap {pin}", False) for client, pin in sorted(taps)]
    return sum(_execute(connection, "tap", rows[start : start + _ROWS]) for start in range(0, len(rows), _ROWS))


def _add(connection: Connection, table: str, rows: Mapping[_Key, _Row]) -> None:
    # In one order everywhere: two servers with the same messages then never wait for each other.
    ordered = [rows[key] for key in sorted(rows)]
    for start in range(0, len(ordered), _ROWS):
        part = ordered[start : start + _ROWS]
        if _execute(connection, table, part) != len(part):
            raise _SomeAreKnownError


def _execute(connection: Connection, table: str, rows: Sequence[_Row]) -> int:
    """How many rows were added."""
    statement = _insert(table, len(rows), connection.dialect.name == "postgresql")
    return int(connection.exec_driver_sql(statement, tuple(chain.from_iterable(rows))).rowcount)


def _known(connection: Connection, table: str, rows: Mapping[_Key, _Row]) -> set[_Key]:
    ordered = sorted(rows)
    found: set[_Key] = set()
    for start in range(0, len(ordered), _ROWS):
        part = ordered[start : start + _ROWS]
        statement = select_known(table, len(part), connection.dialect.name == "postgresql")
        for client, ts_ms, digest in connection.exec_driver_sql(statement, tuple(chain.from_iterable(part))):
            found.add((client, ts_ms, bytes(digest)))
    return found


def _news(keys: Sequence[_Key], known: set[_Key]) -> list[bool]:
    seen, news = set(known), []
    for key in keys:
        news.append(key not in seen)
        seen.add(key)
    return news


@lru_cache
def _insert(table: str, rows: int, postgresql: bool) -> str:
    columns = _COLUMNS[table]
    values = _groups(rows, len(columns), postgresql)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values} ON CONFLICT DO NOTHING"  # noqa: S608


@lru_cache
def select_known(table: str, rows: int, postgresql: bool) -> str:
    """A query for those of so many keys that are in `table`. Written so that SQLite looks each up, instead of reading the whole table."""
    keys = _groups(rows, _KEY_COLUMNS, postgresql)
    found = "k.client = w.client AND k.ts_ms = w.ts_ms AND k.digest = w.digest"
    wanted = f"WITH wanted (client, ts_ms, digest) AS (VALUES {keys}) SELECT client, ts_ms, digest FROM wanted w"  # noqa: S608
    return f"{wanted} WHERE EXISTS (SELECT 1 FROM {table} k WHERE {found})"  # noqa: S608


def _groups(rows: int, columns: int, postgresql: bool) -> str:
    mark = "%s" if postgresql else "?"
    return ", ".join(["(" + ", ".join([mark] * columns) + ")"] * rows)
