"""The level of a keg over time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from .levels import left_ml


def course_of(start_ml: float, poured: Sequence[tuple[int, float]], most: int) -> list[tuple[int, float]]:
    """The level after each of `poured`, which are pairs of a time and the millilitres that were poured, oldest first.

    The result has at most `most` pairs. With more pours, it contains only the last one of several; each level stays exact.
    """
    total = itertools.accumulate(out for _, out in poured)
    levels = [(at_ms, left_ml(start_ml, out)) for (at_ms, _), out in zip(poured, total, strict=True)]
    step = -(-len(levels) // most)
    return levels if step <= 1 else levels[(len(levels) - 1) % step :: step]
