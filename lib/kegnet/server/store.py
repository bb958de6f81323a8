"""What the server keeps, in SQLite or PostgreSQL, by SQLAlchemy. What is said to be kept is committed.

A message is kept once, however often it comes: its signature, which is deterministic, is its key.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from . import schema

MIGRATIONS = Path(__file__).with_name("migrations")
PULSES_PER_LITRE = 5600
"""What the usual flow meters give."""
_SECONDS_UP_TO = 100_000_000_000
"""A time below it is in seconds: as milliseconds it would be before March 1973, as seconds it goes on until the year 5138."""
_BUSY_S = 30
_TABLES = {"ping": schema.ping, "pour": schema.pour}


class StoreError(Exception):
    """The database cannot be used, or not for that; the text says why."""


@dataclass(frozen=True)
class Client:
    """Who may speak. Temperatures in thousandths of a degree Celsius bound what is no alarm; None is no bound."""

    id: str
    name: str
    public_key: str
    added_ms: int
    coldest: int | None
    warmest: int | None


@dataclass(frozen=True)
class Tap:
    """A flow meter of a client. `keg_ml` and `tapped_ms` are None where nobody has said how large the keg is, and since when it is on."""

    client: str
    pin: int
    name: str
    pulses_per_litre: int
    keg_ml: int | None
    tapped_ms: int | None

    def litres(self, pulses: int) -> float:
        """What so many pulses are."""
        return pulses / self.pulses_per_litre


def in_ms(ts: int) -> int:
    """A message's time in Unix milliseconds: v1 of the API, and pours from its days, have seconds."""
    return ts * 1000 if abs(ts) < _SECONDS_UP_TO else ts


class Store:
    """The database at `url`, as SQLAlchemy has them: `sqlite:////var/lib/kegnet/kegnet.sqlite`, `postgresql://…`. For several threads."""

    def __init__(self, url: str, clock_ms: Callable[[], int] = lambda: time.time_ns() // 10**6) -> None:
        """Makes the tables, or brings them up to date. Raises StoreError."""
        self._clock_ms = clock_ms
        try:
            self._engine = sa.create_engine(url, future=True, pool_pre_ping=not url.startswith("sqlite"), **_pool(url))
            if self._engine.dialect.name == "sqlite":
                sa.event.listen(self._engine, "connect", _on_connect)
            self._insert: Any = (postgresql if self._engine.dialect.name == "postgresql" else sqlite).insert
            self._migrate()
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            raise StoreError(f"{_without_password(url)}: {_first_line(error)}") from error

    def close(self) -> None:
        """Drops the connections."""
        self._engine.dispose()

    def _migrate(self) -> None:
        config = alembic.config.Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self._engine.begin() as connection:
            if self._engine.dialect.name == "postgresql":
                # Two servers that start together: one migrates, the other waits.
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(5600)"))
            else:
                # The same, and all or nothing: the driver alone begins no transaction before a CREATE TABLE.
                connection.execute(sa.text("BEGIN IMMEDIATE"))
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")

    @contextmanager
    def reading(self) -> Iterator[sa.engine.Connection]:
        """A connection for a few reads that belong together."""
        with self._engine.connect() as connection:
            yield connection

    # What comes in.

    def keep(self, endpoint: str, api: str, fields: Mapping[str, str]) -> bool:
        """Commits a message; whether it was new.

        `endpoint` is `ping` or `pour`, `api` is `v1` or `v2`, `fields` are its form fields with `sig`.
        """
        numbers = {name: int(value) for name, value in fields.items() if name not in ("id", "sig")}
        values = {
            **numbers,
            "sig": fields["sig"],
            "api": api,
            "id": fields["id"].lower(),
            "at_ms": in_ms(numbers["ts"]),
            "received_ms": self._clock_ms(),
        }
        with self._engine.begin() as connection:
            done = connection.execute(self._insert(_TABLES[endpoint]).values(values).on_conflict_do_nothing(index_elements=["sig"]))
        return bool(done.rowcount == 1)

    # Clients and taps.

    def clients(self) -> list[Client]:
        """All, by name."""
        with self.reading() as connection:
            rows = connection.execute(sa.select(schema.client).order_by(schema.client.c.name, schema.client.c.id))
            return [Client(**row._mapping) for row in rows]

    def client(self, client_id: str) -> Client | None:
        """The one of that UUID, if it is known."""
        with self.reading() as connection:
            row = connection.execute(sa.select(schema.client).where(schema.client.c.id == client_id.lower())).first()
        return None if row is None else Client(**row._mapping)

    def set_client(self, client_id: str, **values: object) -> None:
        """Adds a client, or changes what is named of it: `name`, `public_key`, `coldest`, `warmest`."""
        key = client_id.lower()
        added = {"id": key, "name": key[:8], "added_ms": self._clock_ms(), **values}
        self._set(schema.client, {"id": key}, added, values)

    def remove_client(self, client_id: str) -> bool:
        """Takes a client and its taps away; whether there was one. Its pings and pours stay."""
        with self._engine.begin() as connection:
            done = connection.execute(sa.delete(schema.client).where(schema.client.c.id == client_id.lower()))
        return bool(done.rowcount)

    def taps(self) -> list[Tap]:
        """All, by client and pin."""
        with self.reading() as connection:
            rows = connection.execute(sa.select(schema.tap).order_by(schema.tap.c.client, schema.tap.c.pin))
            return [Tap(**row._mapping) for row in rows]

    def set_tap(self, client_id: str, pin: int, **values: object) -> None:
        """Adds a tap, or changes `name`, `pulses_per_litre`, `keg_ml` or `tapped_ms` of it. Raises StoreError: no such client."""
        key = {"client": client_id.lower(), "pin": pin}
        if self.client(client_id) is None:
            raise StoreError(f"client {client_id}: is not known; add it first")
        self._set(schema.tap, key, {"name": f"tap {pin}", "pulses_per_litre": PULSES_PER_LITRE, **key, **values}, values)

    def remove_tap(self, client_id: str, pin: int) -> bool:
        """Takes a tap away; whether there was one."""
        where = (schema.tap.c.client == client_id.lower()) & (schema.tap.c.pin == pin)
        with self._engine.begin() as connection:
            return bool(connection.execute(sa.delete(schema.tap).where(where)).rowcount)

    # Settings.

    def setting(self, name: str) -> str | None:
        """What is set under that name."""
        with self.reading() as connection:
            row = connection.execute(sa.select(schema.setting.c.value).where(schema.setting.c.name == name)).first()
        return None if row is None else str(row[0])

    def set_setting(self, name: str, value: str) -> None:
        """Sets it."""
        self._set(schema.setting, {"name": name}, {"name": name, "value": value}, {"value": value})

    def _set(self, table: sa.Table, key: Mapping[str, object], added: Mapping[str, object], changed: Mapping[str, object]) -> None:
        where = sa.and_(*(table.c[name] == value for name, value in key.items()))
        with self._engine.begin() as connection:
            if not (changed and connection.execute(sa.update(table).where(where).values(changed)).rowcount):
                connection.execute(self._insert(table).values(added).on_conflict_do_nothing(index_elements=list(key)))


def _pool(url: str) -> dict[str, object]:
    # SQLite has one writer at a time; who comes second waits for the first.
    return {"connect_args": {"timeout": _BUSY_S}} if url.startswith("sqlite") else {"pool_size": 8}


def _on_connect(connection: Any, _record: object) -> None:
    """SQLite as a server wants it: readers beside a writer, and on the disk before it is said to be."""
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _without_password(url: str) -> str:
    return re.sub("(://[^:/@]*):[^@]*@", r"\1:***@", url)


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0]
