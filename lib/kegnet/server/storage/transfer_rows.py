"""A row of a table as JSON values, and back, with each value checked by the type of its column."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ..model.pours import CorrectionKind

_TIMES = frozenset(
    {"at_ms", "received_ms", "added_ms", "removed_ms", "on_ms", "off_ms", "from_ms", "made_ms", "undone_ms", "began_ms", "ended_ms"}
)
_YEAR_10000_MS = 253_402_300_800_000
"""Nobody's calendar goes on after it."""
_COUNTS = frozenset({"pulses_per_litre", "number"})


class LineError(Exception):
    """A line that cannot be imported. The text is the reason, `line` its number from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def json_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """The columns of a row as JSON has them."""
    return {str(name): value.hex() if isinstance(value, bytes | memoryview) else value for name, value in row.items()}


def checked_row(table: sa.Table, line: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a row from JSON. Raises LineError."""
    unknown, missing = values.keys() - table.c.keys(), table.c.keys() - values.keys()
    if unknown:
        raise LineError(line, f"{table.name} has no {', '.join(map(repr, sorted(unknown)))}")
    if missing:
        raise LineError(line, f"{table.name} needs {', '.join(map(repr, sorted(missing)))}")
    return {name: _checked(table.c[name], line, value) for name, value in values.items()}


def _checked(column: sa.Column[Any], line: int, value: Any) -> Any:
    if value is None and column.nullable:
        return None
    kind = column.type
    found: bytes | bool | float | str | None
    if isinstance(kind, sa.LargeBinary):
        found = _bytes(value, kind.length)
    elif isinstance(kind, sa.Boolean):
        found = value if isinstance(value, bool) else None
    elif isinstance(kind, sa.Integer):
        found = _integer(value, 63 if isinstance(kind, sa.BigInteger) else 31)
    elif isinstance(kind, sa.Float):
        found = _number(value)
    else:
        found = _text(value, kind.length if isinstance(kind, sa.String) else None)
    if found is None or not _is_possible(column, found):
        raise LineError(line, f"{column.table.name}: {value!r:.60} is no value of {column.name!r}")
    return found


def _is_possible(column: sa.Column[Any], value: Any) -> bool:
    """Values that the server never writes, and could not work with."""
    if column.name in _TIMES:
        return bool(0 <= value < _YEAR_10000_MS)
    if column.name in _COUNTS:
        return bool(value >= 1)
    return (column.table.name, column.name) != ("correction", "kind") or value in list(CorrectionKind)


def _bytes(value: Any, length: int | None) -> bytes | None:
    try:
        found = bytes.fromhex(value)
    except (TypeError, ValueError):
        return None
    return found if length in (None, len(found)) else None


def _integer(value: Any, bits: int) -> int | None:
    return value if type(value) is int and -(2**bits) <= value < 2**bits else None


def _number(value: Any) -> float | None:
    """An integer can be larger than each float."""
    try:
        return float(value) if type(value) in (int, float) and math.isfinite(value) else None
    except OverflowError:
        return None


def _text(value: Any, length: int | None) -> str | None:
    """PostgreSQL's texts have no NUL, and its encoding no lone surrogates."""
    if not isinstance(value, str) or "\0" in value or (length is not None and len(value) > length):
        return None
    return value if value.isascii() or value.encode("utf-8", "replace").decode() == value else None
