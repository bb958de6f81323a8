"""The pictures of beers."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from . import schema

_picture = schema.picture.c


@dataclass(frozen=True)
class Picture:
    """The picture of a beer. `made_ms`, the time when it was stored, is its version."""

    media_type: str
    made_ms: int
    data: bytes


def find_picture(connection: sa.engine.Connection, beer_key: int) -> Picture | None:
    """The picture of a beer."""
    row = connection.execute(sa.select(_picture.media_type, _picture.made_ms, _picture.data).where(_picture.beer == beer_key)).first()
    return None if row is None else Picture(row.media_type, row.made_ms, bytes(row.data))


def set_picture(connection: sa.engine.Connection, beer_key: int, picture: Picture) -> None:
    """Stores the picture of a beer, and replaces the previous one."""
    remove_picture(connection, beer_key)
    values = {"media_type": picture.media_type, "made_ms": picture.made_ms, "data": picture.data}
    connection.execute(sa.insert(schema.picture).values(beer=beer_key, **values))


def remove_picture(connection: sa.engine.Connection, beer_key: int) -> bool:
    """Removes the picture of a beer. Returns whether there was one."""
    return bool(connection.execute(sa.delete(schema.picture).where(_picture.beer == beer_key)).rowcount)
