"""The library of beers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from . import schema
from .records import Beer

_beer, _picture = schema.beer.c, schema.picture.c
_PICTURE_MS = sa.select(_picture.made_ms).where(_picture.beer == _beer.key).scalar_subquery()
BEER_COLUMNS = (_beer.key, _beer.name, _beer.brewery, _beer.style, _beer.abv_percent, _beer.ibu, _beer.srm, _beer.notes, _PICTURE_MS)
"""The columns of a `Beer`, in its order."""
_EMPTY: dict[str, Any] = {"brewery": "", "style": "", "notes": ""}


def beers(connection: sa.engine.Connection) -> list[Beer]:
    """All beers that were not removed, by name."""
    query = sa.select(*BEER_COLUMNS).where(_beer.removed_ms.is_(None)).order_by(_beer.name, _beer.key)
    return [Beer(*row) for row in connection.execute(query)]


def find_beer(connection: sa.engine.Connection, key: int) -> Beer | None:
    """The beer with that key, if it was not removed."""
    row = connection.execute(sa.select(*BEER_COLUMNS).where(_beer.key == key, _beer.removed_ms.is_(None))).first()
    return None if row is None else Beer(*row)


def set_beer(connection: sa.engine.Connection, key: int | None, **fields: object) -> Beer | None:
    """Adds a beer (`key` None; `name` is needed), or changes what is given of it. None where there is no such beer."""
    if key is None:
        added = connection.execute(sa.insert(schema.beer).values({**_EMPTY, **fields}))
        return find_beer(connection, added.inserted_primary_key[0])
    if fields:
        connection.execute(sa.update(schema.beer).where(_beer.key == key).values(fields))
    return find_beer(connection, key)


def find_any_beer(connection: sa.engine.Connection, key: int) -> tuple[Beer, bool] | None:
    """The beer with that key, and whether it was removed from the library."""
    row = connection.execute(sa.select(*BEER_COLUMNS, _beer.removed_ms.is_not(None)).where(_beer.key == key)).first()
    return None if row is None else (Beer(*row[:-1]), bool(row[-1]))


def remove_beer(connection: sa.engine.Connection, key: int, now_ms: int) -> bool:
    """Removes a beer from the library; kegs keep it. Whether there was one."""
    done = connection.execute(sa.update(schema.beer).where(_beer.key == key, _beer.removed_ms.is_(None)).values(removed_ms=now_ms))
    return bool(done.rowcount)


def restore_beer(connection: sa.engine.Connection, key: int) -> bool:
    """Puts a removed beer back into the library. Returns whether there was one."""
    done = connection.execute(sa.update(schema.beer).where(_beer.key == key, _beer.removed_ms.is_not(None)).values(removed_ms=None))
    return bool(done.rowcount)
