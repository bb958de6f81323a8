"""The database: its connections and transactions, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from . import sqlite_file
from .errors import StorageError, UnavailableError, is_read_only, translated
from .feed import clear, send_after_commit, send_before_commit
from .migrate import migrate

Connection = sa.engine.Connection
"""A connection within a transaction. Only this package looks into it."""

_POOL_SIZE = 8
_POOL_OVERFLOW = 8
_POOL_WAIT_S = 10
_POSTGRESQL_LIMITS = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "fallback_application_name": "kegnet-server",
}
"""A server that vanished without closing its connections is noticed within 15 s (libpq's connection parameters)."""

_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
"""What is accepted must survive a crash, also where the administrator prefers speed for other programs."""


class Database:
    """A pool of connections to one database, for many threads. Made by `open_database`."""

    def __init__(self, engine: sa.engine.Engine, file: sqlite_file.SqliteFile | None) -> None:
        self.shown = _shown(engine.url)
        self.postgresql = file is None
        self.file = file
        self._engine = engine
        if file is None:
            self._reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            self._writer = engine.execution_options()
        else:
            self._reader = engine.execution_options()
            self._writer = engine.execution_options(**{sqlite_file.WRITING: True})

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection whose queries all see the same state, and which is not for writing. Raises UnavailableError, StorageError."""
        self._require_file()
        with translated(self.shown), self._reader.connect() as connection, connection.begin() as transaction:
            yield connection
            transaction.rollback()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: committed and durable at the end, then announced; rolled back after an exception.

        Raises UnavailableError, StorageError.
        """
        with translated(self.shown), self._writer.connect() as connection:
            clear(connection)
            try:
                with connection.begin():
                    self._require_file()
                    yield connection
                    send_before_commit(connection)
            except sa.exc.DBAPIError as error:
                if is_read_only(error):
                    # A standby now: the next connections go to the primary, where the URL names several hosts.
                    connection.invalidate()
                    self._engine.dispose()
                raise
            # A commit into a file that nobody can find any more is lost.
            self._require_file()
            send_after_commit(connection, self.file)

    def raw_connection(self) -> Any:
        """A psycopg2 connection of its own, in autocommit mode, outside of the pool; the caller closes it."""
        with translated(self.shown):
            # Engine.raw_connection() does not translate errors in SQLAlchemy 2.
            connection = self._engine.connect()
            connection.detach()
            dbapi: Any = connection.connection.dbapi_connection
            dbapi.autocommit = True
            return dbapi

    def close(self) -> None:
        """Closes the connections."""
        self._engine.dispose()

    def _require_file(self) -> None:
        if self.file is not None and not self.file.is_in_place():
            raise UnavailableError(f"{self.shown}: the file was replaced or deleted; restart kegnet-server")


def insert_into(connection: Connection, table: sa.Table) -> Any:
    """An INSERT into `table` that has the methods for ON CONFLICT, which SQLAlchemy has for each database separately."""
    return (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table)


def open_database(url: str) -> Database:
    """The database at `url`, with its tables made or brought up to date.

    `url` is as SQLAlchemy has it: `sqlite:////var/lib/kegnet-server/kegnet.sqlite` or `postgresql://user@host/name`.
    Raises StorageError, UnavailableError.
    """
    parsed = _parse(url)
    shown = _shown(parsed)
    if parsed.get_backend_name() == "sqlite":
        path = Path(parsed.database or "").absolute()
        sqlite_file.require_usable(path, shown)
        with translated(shown):
            engine = sqlite_file.create_engine(parsed, path)
            database = Database(engine, sqlite_file.SqliteFile(path))
    else:
        database = Database(_postgresql_engine(parsed, shown), None)
    try:
        with database.writing() as connection:
            migrated = migrate(connection, database.shown, database.file)
        if migrated and database.file is not None:
            database.file.compact()
    except BaseException:
        database.close()
        raise
    return database


def _parse(url: str) -> sa.engine.URL:
    example = "write sqlite:////var/lib/kegnet-server/kegnet.sqlite or postgresql://USER@HOST/NAME"
    try:
        parsed = sa.engine.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # The text could contain a password.
        raise StorageError("the database's URL is not one", example) from None
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg2"):
        raise StorageError(f"{_shown(parsed)}: this is neither SQLite nor PostgreSQL", example)
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StorageError(f"{_shown(parsed)}: a database in memory keeps nothing", "name a file: " + example)
    if parsed.get_backend_name() == "sqlite" and parsed.query:
        raise StorageError(f"{_shown(parsed)}: SQLite has no options here", "name a file without a question mark: " + example)
    return parsed


def _postgresql_engine(url: sa.engine.URL, shown: str) -> sa.engine.Engine:
    limits = {name: value for name, value in _POSTGRESQL_LIMITS.items() if name not in url.query}
    try:
        engine = sa.create_engine(
            # From SQLAlchemy 2.1 on, another driver is the default.
            url.set(drivername="postgresql+psycopg2"),
            future=True,
            pool_pre_ping=True,
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_OVERFLOW,
            pool_timeout=_POOL_WAIT_S,
            connect_args=limits,
        )
    except ImportError as error:
        raise StorageError(f"{shown}: {error}", "sudo apt install python3-psycopg2") from error
    except sa.exc.ArgumentError as error:
        raise StorageError(f"{shown}: {error}", "write postgresql://USER@HOST/NAME") from error
    sa.event.listen(engine, "connect", _require_durable_commits)
    return engine


def _require_durable_commits(dbapi: Any, _record: object) -> None:
    with dbapi.cursor() as cursor:
        cursor.execute(_DURABLE)
    dbapi.commit()


def _shown(url: sa.engine.URL) -> str:
    """The URL without its passwords and its driver. libpq reads passwords from the query, too."""
    shown = url.set(drivername=url.get_backend_name()).difference_update_query(["password", "sslpassword"])
    return shown.render_as_string(hide_password=True)
