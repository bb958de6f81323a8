"""How much is in a keg, and how long it lasts."""

from __future__ import annotations

from .alarms import EMPTY_PERCENT, LOW_PERCENT

DAY_MS = 24 * 3600 * 1000
WEEK_MS = 7 * DAY_MS


class OverfullError(ValueError):
    """A keg contained more than its new size when it was put on."""


def resized_start_ml(start_ml: int | None, size_ml: int | None, new_size_ml: int | None) -> int | None:
    """What a keg contained when it was put on, after a correction of its size. A keg that was full stays full.

    None: unknown. A keg without a size and without contents was entered as full. Raises OverfullError.
    """
    if new_size_ml is None or new_size_ml == size_ml:
        return start_ml
    if start_ml == size_ml:
        return new_size_ml
    if start_ml is not None and start_ml > new_size_ml:
        raise OverfullError
    return start_ml


def left_ml(start_ml: float, out_ml: float) -> float:
    """What is left of `start_ml` after `out_ml` left the keg. Never below 0: a flow meter counts gas and foam, too."""
    return max(0.0, start_ml - out_ml)


def rate_since(on_ms: int, now_ms: int) -> int:
    """From when on the pours tell how fast a keg empties: the last 7 days, or since the keg is on."""
    return max(on_ms, now_ms - WEEK_MS)


def lasts_ms(left: float, out_ml: float, since_ms: int, now_ms: int) -> int | None:
    """How long `left` millilitres last at the rate at which `out_ml` left the keg since `since_ms`.

    The rate is over a day at least: the first evening of a keg is no forecast. None where nothing left the keg.
    """
    if out_ml <= 0:
        return None
    return round(left / out_ml * max(DAY_MS, now_ms - since_ms))


def keg_state(on: bool, left: float | None, full: float | None) -> str:
    """The state of a tap's keg for the pages: `none` without a keg, else `empty`, `low` or `ok`. An unknown level is `ok`.

    `full` is its size in millilitres. The limits are those of the alarms, without their hysteresis.
    """
    if not on:
        return "none"
    if left is None or not full:
        return "ok"
    percent = 100 * left / full
    return "empty" if percent <= EMPTY_PERCENT else "low" if percent <= LOW_PERCENT else "ok"


def level(left: float | None, full: float | None) -> float | None:
    """How full a keg is, from 0 to 1 with 3 decimals; None where that is unknown."""
    return None if left is None or not full else round(min(1.0, left / full), 3)


def glasses(left: float | None, glass_ml: int) -> int | None:
    """How many whole glasses are left."""
    return None if left is None else int(left // glass_ml)
