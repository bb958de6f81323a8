"""How much is in a keg, and how long it lasts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

DAY_MS = 24 * 3600 * 1000
WEEK_MS = 7 * DAY_MS


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


def course_of(start_ml: float, poured: Sequence[tuple[int, float]], most: int) -> list[tuple[int, float]]:
    """What is left at each time of `poured`: pairs of when and the millilitres that left the keg, oldest first.

    At most `most` pairs: if there are more, only the last of several is in the result, and the level at each is still right.
    """
    total = itertools.accumulate(out for _, out in poured)
    levels = [(at_ms, left_ml(start_ml, out)) for (at_ms, _), out in zip(poured, total, strict=True)]
    step = -(-len(levels) // most)
    return levels if step <= 1 else levels[(len(levels) - 1) % step :: step]
