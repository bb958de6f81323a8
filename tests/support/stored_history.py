"""A database with clients, pings and pours, put in as the ingest does it."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from kegnet.server.storage import Connection, open_database, schema
from kegnet.server.storage.clients import set_client
from kegnet.server.storage.insert import Inserter
from kegnet.server.storage.messages import VerifiedMessage, VerifiedPing, VerifiedPour
from kegnet.server.storage.records import Client, Tap
from kegnet.server.storage.taps import set_tap

HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
NOW = 1_795_618_800_000
"""A Wednesday, 15:00 UTC."""


class History:
    """The database at `url`, which it makes."""

    def __init__(self, url: str) -> None:
        self.database = open_database(url)
        self._inserter = Inserter(self.database)
        self._numbers = itertools.count()

    def close(self) -> None:
        self.database.close()

    def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """A function of the storage, in a transaction of its own."""
        with self.database.writing() as connection:
            return function(connection, *arguments, **named)

    def waits_for_a_lock(self) -> bool:
        """Whether one transaction waits for another. PostgreSQL only."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        with self.reading() as connection:
            return bool(connection.exec_driver_sql(query).scalar() == 1)

    def client(self, name: str = "Garage", added_ms: int = NOW - 400 * DAY_MS) -> Client:
        with self.database.writing() as connection:
            return set_client(connection, str(uuid.uuid4()), now_ms=added_ms, public_key="x", name=name)

    def tap(self, client: Client, pin: int = 0, **fields: Any) -> Tap:
        with self.database.writing() as connection:
            return set_tap(connection, client.key, pin, **fields)

    def insert(self, messages: list[VerifiedMessage]) -> list[bool]:
        return self._inserter.insert(messages)

    def verified_ping(
        self, client: Client, at_ms: int, temp: int, received_ms: int | None = None, ts_ms: int | None = None
    ) -> VerifiedPing:
        received_ms, ts_ms = at_ms + 300 if received_ms is None else received_ms, at_ms if ts_ms is None else ts_ms
        return VerifiedPing(client.key, ts_ms, self._digest(), False, temp, at_ms, received_ms)

    def ping(self, client: Client, at_ms: int, temp: int = 4000, received_ms: int | None = None, ts_ms: int | None = None) -> None:
        self.insert([self.verified_ping(client, at_ms, temp, received_ms, ts_ms)])

    def pour(
        self, client: Client, pin: int, at_ms: int, pulses: int = 5600, *, received_ms: int | None = None, ts_ms: int | None = None
    ) -> int:
        """The key of a new pour."""
        made = self.verified_pour(client, pin, at_ms, pulses, received_ms, ts_ms)
        self.insert([made])
        with self.reading() as connection:
            return int(connection.execute(sa.select(schema.pour.c.key).where(schema.pour.c.digest == made.digest)).scalar_one())

    def verified_pour(
        self, client: Client, pin: int, at_ms: int, pulses: int = 5600, received_ms: int | None = None, ts_ms: int | None = None
    ) -> VerifiedPour:
        received_ms, ts_ms = at_ms + 300 if received_ms is None else received_ms, at_ms if ts_ms is None else ts_ms
        return VerifiedPour(client.key, ts_ms, self._digest(), False, pin, pulses, 8000, at_ms, received_ms)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self.database.reading() as connection:
            yield connection

    def rows(self, table: sa.Table) -> list[tuple[Any, ...]]:
        """All rows of a table, by its key."""
        with self.reading() as connection:
            return [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns))]

    def _digest(self) -> bytes:
        return hashlib.sha256(str(next(self._numbers)).encode()).digest()
