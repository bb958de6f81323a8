"""The fields of a keg in a form: its beer, its size, its contents (as a volume or by weight), and since when it is on."""

from __future__ import annotations

from datetime import datetime, tzinfo

from ..model.days import past_ms
from ..model.levels import OverfullError, resized_start_ml
from ..model.units import Units
from ..model.weights import BEER_DENSITY, GRAMS, LEAST_DENSITY, MOST_DENSITY, WeightError, contents_ml
from ..storage import Connection
from ..storage.beers import beers, find_any_beer, find_beer, set_beer
from ..storage.records import Keg
from .forms import Form
from .tap_place import required_number

LARGEST_KEG_ML = 10**8
HEAVIEST_G = 10**8
OVERFULL = 1.05
"""Kegs contain a little more than their size. A weight above this is wrong."""
NO_BEER, OTHER_SIZE = "", "other"


def beer_of(connection: Connection, form: Form, own: int | None = None) -> int | None:
    """The key of the beer: `new_beer`, a name, which is added to the library if it is new; else `beer`, a key. None: no name.

    `own` is the key of the keg's present beer. The keg can keep it, also when it was removed from the library.
    """
    name = form.name("new_beer", may_be_empty=True)
    if name:
        known = next((beer for beer in beers(connection) if beer.name == name), None)
        return known.key if known is not None else None
    chosen = form.typed.get("beer", NO_BEER)
    if chosen == NO_BEER:
        return None
    key = form.whole("beer", 1, 2**31 - 1)
    if key is None or (key != own and find_beer(connection, key) is None):
        form.errors["beer"] = "choose a beer of the list"
    return key


def earlier_beer_of(connection: Connection, form: Form) -> int | None:
    """The key of the beer that an undo gives a keg again, also when it was removed from the library. None: no name."""
    key = form.whole("beer", 1, 2**31 - 1)
    if key is not None and find_any_beer(connection, key) is None:
        form.errors["beer"] = "there is no such beer"
    return key


def added_beer(connection: Connection, form: Form, known: int | None) -> int | None:
    """The key of the beer, after `beer_of` and without errors: a new name is added to the library."""
    name = form.name("new_beer", may_be_empty=True)
    if known is None and name:
        added = set_beer(connection, None, name=name)
        return None if added is None else added.key
    return known


def size_of(form: Form, units: Units) -> int | None:
    """The size in millilitres: `size` from the list, or the number in `volume` if `size` is `other` or absent. None: unknown."""
    if form.typed.get("size", OTHER_SIZE) == OTHER_SIZE:
        return _millilitres(form, "volume", units)
    return form.whole("size", 1, LARGEST_KEG_ML)


def changed_size_of(form: Form, units: Units, keg: Keg) -> int | None:
    """The size of a keg after a change. `other` without `volume` is no change."""
    if form.typed.get("size", OTHER_SIZE) == OTHER_SIZE and "volume" not in form.typed:
        return keg.volume_ml
    return size_of(form, units)


def start_of(form: Form, units: Units, keg: Keg, size_ml: int | None) -> int | None:
    """The contents in millilitres when the keg was put on, after a correction of its size."""
    try:
        return resized_start_ml(keg.start_ml, keg.volume_ml, size_ml)
    except OverfullError:
        field = "volume" if form.typed.get("size", OTHER_SIZE) == OTHER_SIZE else "size"
        less = f"this is less than the {units.keg(keg.start_ml or 0)} that it contained when it was put on"
        form.errors[field] = f"{less}; enter a larger size, or also how much is left"
        return keg.start_ml


def contents_of(form: Form, units: Units, size_ml: int | None) -> int | None:
    """The contents of the keg, by `contents`: `full`, `part` (`start`, a number) or `weight`. None: unknown, or unchanged (`keep`)."""
    match form.typed.get("contents", "full"):
        case "full":
            return size_ml
        case "part":
            start = _required_millilitres(form, "start", units)
            if start is None or size_ml is None:
                return start
            # The size as the page names it is rounded: 5.2 gal for a keg of 5.16 gal.
            if start > size_ml and units.keg_size(start) != units.keg_size(size_ml):
                form.errors["start"] = "enter no more than the size of the keg"
            return min(start, size_ml)
        case "weight":
            return _weighed(form, units, size_ml)
        case "keep":
            return None
        case _:
            form.errors["contents"] = "choose how much is in the keg"
            return None


def since_of(form: Form, zone: tzinfo, now_ms: int) -> int:
    """Since when the keg is on: `on`, a local time, or now."""
    text = form.typed.get("on", "").strip()
    if not text:
        return now_ms
    try:
        at_ms = past_ms(datetime.fromisoformat(text), zone, now_ms)
    except (ValueError, OverflowError, OSError):
        at_ms = -1
    if not 0 <= at_ms <= now_ms:
        form.errors["on"] = "enter a date and a time in the past, for example 2026-11-30 20:15"
    return at_ms


def _weighed(form: Form, units: Units, size_ml: int | None) -> int | None:
    unit = form.typed.get("weight_unit", "kg")
    grams = GRAMS.get(unit)
    if grams is None:
        form.errors["weight_unit"] = "choose kg or lb"
        return None
    gross, tare = (required_number(form, field, 0.001, HEAVIEST_G / grams) for field in ("gross", "tare"))
    density = form.number("density", LEAST_DENSITY, MOST_DENSITY) if form.has("density") else None
    if form.errors or gross is None or tare is None:
        return None
    try:
        found = contents_ml(gross * grams, tare * grams, BEER_DENSITY if density is None else density)
    except WeightError as error:
        form.errors["gross"] = f"{error.problem}; {error.fix}"
        return None
    if size_ml is not None and found > OVERFULL * size_ml:
        form.errors["gross"] = f"that would be {units.keg(found)}, more than fits into the keg; check both weights, and their unit"
    return found if size_ml is None else min(found, size_ml)


def _millilitres(form: Form, field: str, units: Units) -> int | None:
    number = form.number(field, 0.01, LARGEST_KEG_ML / units.keg_ml(1))
    return None if number is None else units.keg_ml(number)


def _required_millilitres(form: Form, field: str, units: Units) -> int | None:
    number = required_number(form, field, 0, LARGEST_KEG_ML / units.keg_ml(1))
    return None if number is None else units.keg_ml(number)
