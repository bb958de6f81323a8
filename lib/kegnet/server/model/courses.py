"""The level of a keg over time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from .levels import left_ml


def course_of(start_ml: float, poured: Sequence[tuple[int, float]], most: int) -> list[tuple[int, float]]:
    """What is left at each time of `poured`: pairs of when and the millilitres that left the keg, oldest first.

    At most `most` pairs: if there are more, only the last of several is in the result, and the level at each is still right.
    """
    total = itertools.accumulate(out for _, out in poured)
    levels = [(at_ms, left_ml(start_ml, out)) for (at_ms, _), out in zip(poured, total, strict=True)]
    step = -(-len(levels) // most)
    return levels if step <= 1 else levels[(len(levels) - 1) % step :: step]
