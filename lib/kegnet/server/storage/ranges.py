"""Rows of integers as a table of a query, so that one query serves any number of clients and taps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

MOST_MS = 2**62
"""Later than any time in a table."""


def table_of(connection: sa.engine.Connection, name: str, columns: Sequence[str], rows: Iterable[Sequence[int]]) -> Any:
    """A table with the name `name` for the FROM of a query. It goes to the database as one parameter a column, never as one a row."""
    numbers = [list(row) for row in rows]
    if connection.dialect.name == "postgresql":
        return _unnested(name, columns, numbers)
    element = sa.func.json_each(json.dumps(numbers)).table_valued("value", name=f"{name}_json")
    values = [
        sa.func.json_extract(element.c.value, f"$[{place}]", type_=sa.BigInteger).label(column) for place, column in enumerate(columns)
    ]
    return sa.select(*values).select_from(element).subquery(name)


def keys_of(connection: sa.engine.Connection, keys: Iterable[int]) -> Any:
    """A table `wanted` with the column `key`."""
    return table_of(connection, "wanted", ["key"], ([key] for key in dict.fromkeys(keys)))


def per_row(connection: sa.engine.Connection, outer: Any, table: sa.Table, where: Any) -> tuple[Any, Any]:
    """A FROM of `outer` with the rows of `table` that match each of its rows by an index, and the columns of the latter.

    PostgreSQL may otherwise prefer to read the whole table, which grows with the years; it does not look into a LATERAL with an OFFSET.
    """
    if connection.dialect.name != "postgresql":
        return outer.join(table, where), table.c
    found = sa.select(table).where(where).offset(0).correlate_except(table).lateral(f"each_{table.name}")
    return outer.join(found, sa.true()), found.c


def _unnested(name: str, columns: Sequence[str], rows: Sequence[Sequence[int]]) -> Any:
    kind = postgresql.ARRAY(sa.BigInteger)
    arrays = [sa.cast(sa.literal([row[place] for row in rows], kind), kind) for place in range(len(columns))]
    return sa.func.unnest(*arrays).table_valued(*(sa.column(column, sa.BigInteger) for column in columns), name=name).render_derived()
