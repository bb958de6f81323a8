"""The library of beers for the pages: the number of kegs of each beer, and the taps where it is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from . import schema
from .beers import beers
from .pours import poured_ml
from .ranges import MOST_MS
from .records import Beer

_client, _keg, _tap = schema.client.c, schema.keg.c, schema.tap.c


@dataclass(frozen=True)
class Place:
    """A tap with its names. `client` is a UUID. `removed_ms` is when the client was removed: its taps have no pages any more."""

    client: str
    client_name: str
    pin: int
    tap_name: str
    removed_ms: int | None


@dataclass(frozen=True)
class LibraryBeer:
    """A beer with the number of its kegs, the one on tap among them, and the taps where it is on."""

    beer: Beer
    kegs: int
    places: tuple[Place, ...]


@dataclass(frozen=True)
class PastKeg:
    """A keg of a beer. `off_ms` is None while it is on; `poured_ml` is what left it."""

    place: Place
    on_ms: int
    off_ms: int | None
    volume_ml: int | None
    poured_ml: float


def library(connection: sa.engine.Connection) -> list[LibraryBeer]:
    """All beers that were not removed, by name, without regard to case."""
    numbers = sa.select(_keg.beer, sa.func.count()).where(_keg.beer.is_not(None), _keg.undone_ms.is_(None)).group_by(_keg.beer)
    kegs: dict[int, int] = {row[0]: row[1] for row in connection.execute(numbers)}
    places = _places_on(connection, _keg.beer.is_not(None))
    found = [LibraryBeer(beer, kegs.get(beer.key, 0), tuple(places.get(beer.key, ()))) for beer in beers(connection)]
    return sorted(found, key=lambda each: (each.beer.name.casefold(), each.beer.brewery.casefold(), each.beer.key))


def places_of(connection: sa.engine.Connection, beer_key: int) -> list[Place]:
    """The taps where a beer is on."""
    return _places_on(connection, _keg.beer == beer_key).get(beer_key, [])


def kegs_of_beer(connection: sa.engine.Connection, beer_key: int, limit: int) -> list[PastKeg]:
    """The last kegs of a beer, newest first."""
    columns = (*_PLACE, _keg.tap, _keg.on_ms, _keg.off_ms, _keg.volume_ml)
    query = _kegs(*columns).where(_keg.beer == beer_key).order_by(_keg.on_ms.desc(), _keg.key.desc()).limit(limit)
    rows = list(connection.execute(query))
    poured = poured_ml(connection, [(row.tap, row.on_ms, row.off_ms or MOST_MS) for row in rows])
    return [
        PastKeg(Place(*row[: len(_PLACE)]), row.on_ms, row.off_ms, row.volume_ml, out_ml)
        for row, (out_ml, _) in zip(rows, poured, strict=True)
    ]


_PLACE = (_client.uuid, _client.name, _tap.pin, _tap.name, _client.removed_ms)
"""The columns of a `Place`, in its order."""


def _places_on(connection: sa.engine.Connection, where: Any) -> dict[int, list[Place]]:
    """The taps of beers that are on, by the key of the beer: without hidden taps and removed clients."""
    shown = (_keg.off_ms.is_(None), _tap.hidden.is_(False), _client.removed_ms.is_(None))
    query = _kegs(_keg.beer, *_PLACE).where(where, *shown).order_by(_client.name, _tap.pin)
    found: dict[int, list[Place]] = {}
    for beer, *place in connection.execute(query):
        found.setdefault(beer, []).append(Place(*place))
    return found


def _kegs(*columns: Any) -> Any:
    """A query of kegs with their tap and client."""
    joined = schema.keg.join(schema.tap, _tap.key == _keg.tap).join(schema.client, _client.key == _tap.client)
    return sa.select(*columns).select_from(joined).where(_keg.undone_ms.is_(None))
