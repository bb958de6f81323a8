"""The first keg of a new installation: it is entered before any tap exists, and put on a tap later."""

from __future__ import annotations

import json
from dataclasses import dataclass

import sqlalchemy as sa

from .beers import find_beer, set_beer
from .database import Connection
from .feed import Change, announce
from .kegs import kegs_of, kegs_on, put_on
from .records import Beer, Client, Tap
from .schema import keg, pour
from .settings import get_setting, locked_setting, put_setting

_NAME = "first keg"


@dataclass(frozen=True)
class FirstKeg:
    """The entered beer and size; `volume_ml` is None without a size."""

    beer: Beer
    volume_ml: int | None


def remember_first_keg(c: Connection, beer_name: str, volume_ml: int | None) -> None:
    """Adds the beer to the library, and stores its keg, which has no tap yet."""
    beer = set_beer(c, None, name=beer_name)
    assert beer is not None, "it was added"  # noqa: S101
    put_setting(c, _NAME, json.dumps([beer.key, volume_ml]))


def first_keg(c: Connection) -> FirstKeg | None:
    """The keg without a tap. None also if its beer was removed, or was put on at the page of a tap."""
    value = get_setting(c, _NAME)
    if value is None:
        return None
    key, volume_ml = json.loads(value)
    beer = find_beer(c, key)
    is_on = c.execute(sa.select(keg.c.key).where(keg.c.beer == key, keg.c.undone_ms.is_(None)).limit(1)).first()
    return None if beer is None or is_on else FirstKeg(beer, volume_ml)


def forget_first_keg(c: Connection) -> None:
    """Removes the keg without a tap."""
    put_setting(c, _NAME, None)


def put_first_keg_on(c: Connection, client: Client, tap: Tap, now_ms: int) -> bool:
    """Puts the keg on a tap, from its first pour on, but not before the previous keg was off. False: none waits, or the tap has a keg.

    Of concurrent calls, one succeeds.
    """
    locked_setting(c, _NAME)
    waits = first_keg(c)
    if waits is None or kegs_on(c, [tap.key]):
        return False
    first = c.execute(sa.select(sa.func.min(pour.c.at_ms)).where(pour.c.client == client.key, pour.c.pin == tap.pin)).scalar()
    on_ms = now_ms if first is None else min(first, now_ms)
    for before in kegs_of(c, tap.key, 1):
        on_ms = max(on_ms, before.off_ms or 0)
    put_on(c, tap.key, beer=waits.beer.key, on_ms=on_ms, volume_ml=waits.volume_ml, start_ml=waits.volume_ml)
    forget_first_keg(c)
    announce(c, Change(frozenset({client.uuid}), frozenset({"tap"})))
    return True
