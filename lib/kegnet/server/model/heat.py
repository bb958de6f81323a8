"""When people drink: how much was poured in each hour of each weekday."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SHADES = 5
Heat = Sequence[Sequence[float]]
"""Millilitres: a row for each weekday from Monday on, a column for each hour of the household's day."""


def heat_of(bins: Iterable[tuple[int, float]], zone: datetime.tzinfo, begins_hour: int) -> Heat:
    """The sums of pairs of Unix milliseconds and millilitres, by the wall clock of `zone`.

    A day begins at `begins_hour`, which is the first column. Pours before that hour count for the day before.
    """
    sums = [[0.0] * 24 for _ in WEEKDAYS]
    for at_ms, millilitres in bins:
        local = datetime.datetime.fromtimestamp(at_ms // 1000, zone)
        weekday = (local.weekday() - (local.hour < begins_hour)) % 7
        sums[weekday][(local.hour - begins_hour) % 24] += millilitres
    return sums


def hours_of(begins_hour: int) -> list[int]:
    """The hours of the wall clock, in the order of the columns."""
    return [(begins_hour + number) % 24 for number in range(24)]


def shade(millilitres: float, most: float) -> int:
    """How dark a cell is: 0 for nothing, else 1 to `SHADES`. `most` is the largest cell."""
    if millilitres <= 0 or most <= 0:
        return 0
    return min(SHADES, 1 + int(SHADES * millilitres / most))


def busiest(heat: Heat) -> tuple[int, int, float] | None:
    """The weekday, the column and the millilitres of the largest cell. None if nothing was poured."""
    cells = ((weekday, column, millilitres) for weekday, row in enumerate(heat) for column, millilitres in enumerate(row))
    best = max(cells, key=lambda cell: cell[2])
    return best if best[2] > 0 else None
