"""Export and import of everything as JSON lines, from any database to any other.

The first line names the format, the last one the number of rows of each table. Each line in between is a row: the name of its table under
`table`, and its columns. Keys are kept. Bytes are in hexadecimal.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from kegnet.core.syslog_handler import escape_name

from . import schema
from .database import Database
from .errors import StorageError
from .feed import EVERYTHING, announce
from .partitions import prepare_partitions_of
from .settings import get_setting, put_setting, set_household
from .transfer_rows import LineError, checked_row, json_row

FORMAT, VERSION = "kegnet-server", 1
SECRET_SETTINGS = ("password hash", "session key", "wall token", "registration code")
"""Settings that are not exported."""
_READERS_PASSWORD, NOT_EXPORTED = "readers' password hash", "not exported"
"""A setting, and its value in an export. It is no hash, so no password matches: after an import only the administrator can read."""
TABLES = tuple(
    getattr(schema, name)
    for name in ("client", "beer", "picture", "tap", "meter", "keg", "pour", "correction", "ping", "hour", "alarm", "setting")
)
"""What is exported, each table after those that its rows refer to."""
_ROWS = 1000
_FIX = "export again, and import that file"


def export_lines(database: Database) -> Iterator[str]:
    """All lines of the export, as of one moment. The rows are read as the lines are taken."""
    yield json.dumps({"format": FORMAT, "version": VERSION}) + "\n"
    counts = dict.fromkeys((table.name for table in TABLES), 0)
    with database.reading() as connection:
        for table in TABLES:
            for row in connection.execute(_everything(table), execution_options={"yield_per": _ROWS}):
                counts[table.name] += 1
                yield json.dumps({"table": table.name, **json_row(row._mapping)}, ensure_ascii=False) + "\n"
    yield json.dumps({"end": True, "rows": counts}) + "\n"


def import_lines(database: Database, lines: Iterable[str], now_ms: int) -> dict[str, int]:
    """Imports an export into an empty database: all or nothing. The number of rows of each table.

    `now_ms` is Unix time in milliseconds: PostgreSQL gets no partitions of a far future.
    Raises StorageError: the database is not empty, or a line is wrong, which is named.
    """
    numbered = enumerate(lines, 1)
    with database.writing() as connection:
        _require_empty(connection)
        readers_password = get_setting(connection, _READERS_PASSWORD)
        try:
            _read_header(next(numbered, None))
            reader = _Reader(numbered)
            for table, group in itertools.groupby(reader.rows(), key=lambda each: each[0]):
                while batch := [(line, values) for _, line, values in itertools.islice(group, _ROWS)]:
                    if table is schema.ping:
                        # Later, the partition of a month would be made by a search in all pings, while new ones wait.
                        prepare_partitions_of(connection, _own_times_ms(batch), now_ms)
                    _insert(connection, table, batch)
            reader.require_complete()
            _require_settings(connection)
        except LineError as error:
            raise StorageError(f"line {error.line}: {error}", _FIX) from error
        if readers_password is not None:
            put_setting(connection, _READERS_PASSWORD, readers_password)
        if database.postgresql:
            _advance_sequences(connection)
        announce(connection, EVERYTHING)
    return reader.counts


def needs_readers_password(connection: sa.engine.Connection) -> bool:
    """Reading needed a password where this database was exported, and no new one is set."""
    return get_setting(connection, _READERS_PASSWORD) == NOT_EXPORTED


def _everything(table: sa.Table) -> Any:
    if table is not schema.setting:
        return sa.select(table).order_by(*table.primary_key.columns)
    name, value = table.c.name, table.c.value
    shown = sa.case((name == _READERS_PASSWORD, NOT_EXPORTED), else_=value).label("value")
    return sa.select(name, shown).where(name.not_in(SECRET_SETTINGS)).order_by(name)


def _require_empty(connection: sa.engine.Connection) -> None:
    for table in TABLES:
        if table is not schema.setting and connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None:
            fix = "name a new database with --database, or in the configuration"
            raise StorageError(f"the database is not empty: there are rows in {table.name}", fix)


def _read_header(first: tuple[int, str] | None) -> None:
    header = {} if first is None else _parsed(*first)
    if header.get("format") != FORMAT:
        raise LineError(1, "this is no export of kegnet-server")
    if header.get("version") != VERSION:
        raise LineError(1, f"this program reads version {VERSION} of the format, not {header.get('version')!r}")


class _Reader:
    """Reads the rows of the lines after the first one, and counts them."""

    def __init__(self, numbered: Iterator[tuple[int, str]]) -> None:
        self._numbered = numbered
        self._end: dict[str, Any] | None = None
        self._line = 1
        self.counts = {table.name: 0 for table in TABLES}

    def rows(self) -> Iterator[tuple[sa.Table, int, dict[str, Any]]]:
        """Each row with its table and the number of its line. Raises LineError."""
        tables = {table.name: table for table in TABLES}
        for number, line in self._numbered:
            values = _parsed(number, line)
            if self._end is not None:
                raise LineError(number, "nothing can follow the last line")
            self._line = number
            if values.get("end") is True:
                self._end = values
                continue
            table = tables.get(str(values.pop("table", None)))
            if table is None:
                raise LineError(number, "this is a row of no table")
            self.counts[table.name] += 1
            yield table, number, checked_row(table, number, values)

    def require_complete(self) -> None:
        """The last line was there, and agrees with the rows. Raises LineError."""
        if self._end is None:
            raise LineError(self._line, "the file ends here, before its last line: it is not complete")
        if self._end.get("rows") != self.counts:
            raise LineError(self._line, f"rows are missing: this file has {self.counts}, its last line says {self._end.get('rows')}")


def _require_settings(connection: sa.engine.Connection) -> None:
    try:
        set_household(connection)
    except ValueError as error:
        problem = f"the settings cannot be imported: {escape_name(str(error))}"
        raise StorageError(problem, "correct the lines of the table setting") from error


def _parsed(number: int, line: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LineError(number, "this is not JSON") from error
    if not isinstance(values, dict):
        raise LineError(number, "this is not a JSON object")
    return values


def _own_times_ms(pings: list[tuple[int, dict[str, Any]]]) -> Iterator[int]:
    """The times of those pings that count by their own time: those of a wrong clock do not."""
    return (values["ts_ms"] for _, values in pings if values["ts_ms"] == values["at_ms"])


def _insert(connection: sa.engine.Connection, table: sa.Table, rows: list[tuple[int, dict[str, Any]]]) -> None:
    """Inserts rows. One at a time if that fails, to find the wrong one."""
    if table is schema.setting:
        # An empty database has settings of its own, such as its random id.
        names = [values["name"] for _, values in rows]
        connection.execute(sa.delete(table).where(table.c.name.in_(names)))
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(table), [values for _, values in rows])
    except sa.exc.IntegrityError as error:
        if len(rows) == 1:
            raise LineError(rows[0][0], "this row refers to one that is missing, or is there twice") from error
        for row in rows:
            _insert(connection, table, [row])


def _advance_sequences(connection: sa.engine.Connection) -> None:
    """PostgreSQL counts keys by sequences, which do not notice rows with a key of their own."""
    for table in TABLES:
        if "key" in table.c:
            greatest = connection.execute(sa.select(sa.func.max(table.c.key))).scalar()
            if greatest is not None:
                connection.execute(sa.select(sa.func.setval(sa.func.pg_get_serial_sequence(table.name, "key"), greatest)))
