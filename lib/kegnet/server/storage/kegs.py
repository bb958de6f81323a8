"""Kegs: which beer is on which tap, from when until when."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ..model.days import find_zone
from . import schema
from .beers import BEER_COLUMNS
from .errors import StorageError
from .pours import poured_ml
from .ranges import MOST_MS, keys_of
from .records import Beer, Keg
from .settings import household

_keg, _tap = schema.keg.c, schema.tap.c
MOST_START_ML = 2 * 10**8
"""Upper bound on the contents of a keg when it was put on. A level above it does not fit into the column."""
_MINUTE_MS = 60_000
_COLUMNS = (_keg.key, _keg.tap, _keg.on_ms, _keg.off_ms, _keg.volume_ml, _keg.start_ml)


class TooEarlyError(StorageError):
    """A keg was not put on or taken off, because the tap had another one then."""


def kegs_on(connection: sa.engine.Connection, tap_keys: Sequence[int]) -> dict[int, Keg]:
    """The kegs that are on, by the key of their tap."""
    wanted, earlier = keys_of(connection, tap_keys), schema.keg.alias("earlier")
    # Only the last keg of a tap can be on, however many there were.
    last = (
        sa.select(earlier.c.key)
        .where(earlier.c.tap == wanted.c.key, earlier.c.undone_ms.is_(None))
        .order_by(earlier.c.on_ms.desc(), earlier.c.key.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = _query(wanted.join(schema.keg, _keg.key == last)).where(_keg.off_ms.is_(None))
    return {keg.tap: keg for keg in map(_keg_of, connection.execute(query))}


def kegs_of(connection: sa.engine.Connection, tap_key: int, limit: int, offset: int = 0) -> list[Keg]:
    """The last kegs of a tap, newest first, without the newest `offset` of them."""
    query = _query(schema.keg).where(_keg.tap == tap_key, _keg.undone_ms.is_(None)).order_by(_keg.on_ms.desc(), _keg.key.desc())
    return [_keg_of(row) for row in connection.execute(query.limit(limit).offset(offset))]


def find_keg(connection: sa.engine.Connection, keg_key: int) -> Keg | None:
    """The keg with that key, if it was not undone."""
    row = connection.execute(_query(schema.keg).where(_keg.key == keg_key, _keg.undone_ms.is_(None))).first()
    return None if row is None else _keg_of(row)


def put_on(
    connection: sa.engine.Connection, tap_key: int, *, beer: int | None, on_ms: int, volume_ml: int | None, start_ml: int | None
) -> Keg:
    """Puts a keg on a tap, and takes the one before off at that time. `beer` is a key.

    A keg that was taken off at that time already was not replaced: the new one is on a millisecond later, see `undo_keg()`.
    Raises TooEarlyError, and changes nothing, where a keg was put on or taken off later than that.
    """
    lock_tap(connection, tap_key)
    before = next(iter(kegs_of(connection, tap_key, 1)), None)
    if before is not None:
        last_ms = before.on_ms + 1 if before.off_ms is None else before.off_ms
        if on_ms < last_ms:
            what = "has a keg since" if before.off_ms is None else "had another keg until"
            raise _too_early(connection, what, before.off_ms or before.on_ms, last_ms)
        if before.off_ms is None:
            _set(connection, before.key, off_ms=on_ms)
        elif before.off_ms == on_ms:
            on_ms += 1
    fields = {"tap": tap_key, "beer": beer, "on_ms": on_ms, "volume_ml": volume_ml, "start_ml": start_ml}
    added = connection.execute(sa.insert(schema.keg).values(fields)).inserted_primary_key[0]
    keg = find_keg(connection, added)
    assert keg is not None  # noqa: S101
    return keg


def take_off(connection: sa.engine.Connection, keg_key: int, off_ms: int) -> None:
    """Takes a keg off. One that is off already stays as it is. Raises StorageError where it was put on later than that."""
    keg = _locked_keg(connection, keg_key)
    if keg is None or keg.off_ms is not None:
        return
    if off_ms <= keg.on_ms:
        raise _too_early(connection, "has this keg since", keg.on_ms, keg.on_ms + 1)
    _set(connection, keg_key, off_ms=off_ms)


def put_back(connection: sa.engine.Connection, keg_key: int) -> None:
    """Undoes the removal of a keg from its tap. Raises StorageError if another keg was put on since."""
    keg = _locked_keg(connection, keg_key)
    if keg is None or keg.off_ms is None:
        return
    if kegs_of(connection, keg.tap, 1)[0].key != keg.key:
        raise StorageError("another keg was put on since", "undo that keg first")
    _set(connection, keg_key, off_ms=None)


def undo_keg(connection: sa.engine.Connection, keg_key: int, now_ms: int) -> None:
    """Undoes that a keg was put on: the one that it replaced is on as long as this one was.

    The replaced keg is the one that was taken off at the very millisecond at which this one was put on.
    """
    keg = _locked_keg(connection, keg_key)
    if keg is None:
        return
    _set(connection, keg_key, undone_ms=now_ms)
    replaced = sa.and_(_keg.tap == keg.tap, _keg.off_ms == keg.on_ms, _keg.undone_ms.is_(None))
    connection.execute(sa.update(schema.keg).where(replaced).values(off_ms=keg.off_ms))


def change_keg(connection: sa.engine.Connection, keg_key: int, **fields: int | None) -> None:
    """Changes `beer` (a key), `volume_ml` or `start_ml` of a keg."""
    unknown = fields.keys() - {"beer", "volume_ml", "start_ml"}
    if unknown:
        raise TypeError(f"no such field of a keg: {', '.join(sorted(unknown))}")
    _set(connection, keg_key, **fields)


def set_level(connection: sa.engine.Connection, keg_key: int, left_ml: int, now_ms: int) -> None:
    """Sets the present contents of the keg. The contents when it was put on are these plus its pours.

    Raises StorageError if the result is over `MOST_START_ML`.
    """
    keg = find_keg(connection, keg_key)
    if keg is not None:
        # As `overview` counts them: a client's clock can be a little ahead.
        until_ms = MOST_MS if keg.off_ms is None else min(now_ms + 1, keg.off_ms)
        ((out_ml, _),) = poured_ml(connection, [(keg.tap, keg.on_ms, until_ms)])
        start_ml = left_ml + round(out_ml)
        if start_ml > MOST_START_ML:
            raise StorageError(
                f"this level is not possible: {out_ml / 1000:.0f} litres have been poured since the keg was put on", "put a new keg on"
            )
        _set(connection, keg_key, start_ml=start_ml)


def lock_tap(connection: sa.engine.Connection, tap_key: Any) -> None:
    """Lets concurrent changes of a tap's kegs happen one after the other. On SQLite every transaction that writes does so."""
    connection.execute(sa.select(_tap.key).where(_tap.key == tap_key).with_for_update(key_share=True))


def _locked_keg(connection: sa.engine.Connection, keg_key: int) -> Keg | None:
    """The keg as it is after all concurrent changes of its tap."""
    lock_tap(connection, sa.select(_keg.tap).where(_keg.key == keg_key).scalar_subquery())
    return find_keg(connection, keg_key)


def _set(connection: sa.engine.Connection, keg_key: int, **fields: int | None) -> None:
    if fields:
        connection.execute(sa.update(schema.keg).where(_keg.key == keg_key).values(fields))


def _query(source: Any) -> Any:
    return sa.select(*_COLUMNS, *BEER_COLUMNS).select_from(source.outerjoin(schema.beer, schema.beer.c.key == _keg.beer))


def _keg_of(row: Any) -> Keg:
    key, tap, on_ms, off_ms, volume_ml, start_ml, *beer = row
    return Keg(key, tap, None if beer[0] is None else Beer(*beer), on_ms, off_ms, volume_ml, start_ml)


def _too_early(connection: sa.engine.Connection, what: str, at_ms: int, first_ms: int) -> TooEarlyError:
    """The error with the household's time. `first_ms` is the first possible time; a user enters a minute."""
    zone = find_zone(household(connection).time_zone) or datetime.UTC
    at, first = (datetime.datetime.fromtimestamp(ms / 1000, zone) for ms in (at_ms, -(-first_ms // _MINUTE_MS) * _MINUTE_MS))
    fix = f"enter {first:%Y-%m-%d %H:%M} or a later time, or undo that keg first"
    return TooEarlyError(f"the tap {what} {at:%Y-%m-%d %H:%M %Z}", fix)
