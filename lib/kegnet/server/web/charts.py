"""The chart of a client's temperature: its geometry, pure. `templates/chart.svg` draws it.

A band from the least to the most temperature of each bin, a line of the means, and the alarm limits over the whole width.
Nothing is drawn where no temperature was received. The x axis is linear in Unix time; only its labels are local time.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from enum import Enum

from ..model.units import Units
from ..storage.records import Client, Course
from . import times

WIDTH, HEIGHT = 900, 300
LEFT, RIGHT, TOP, BOTTOM = 100, 16, 14, 40
"""The margins around the plot, in the units of the picture."""
LABEL = 110
"""The width of a label on a narrow screen."""
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_GAP_MEDIANS = 2.5
"""A pause of so many times the usual distance between two points is a gap."""


class Span(Enum):
    """How much time a chart shows: its name in URLs, its title, its length and the length of a bin in milliseconds."""

    DAY = "24h", "24 hours", _DAY_MS, 10 * 60_000
    WEEK = "7d", "7 days", 7 * _DAY_MS, _HOUR_MS
    QUARTER = "90d", "90 days", 90 * _DAY_MS, 12 * _HOUR_MS

    def __init__(self, label: str, title: str, length_ms: int, bin_ms: int) -> None:
        self.label = label
        self.title = title
        self.length_ms = length_ms
        self.bin_ms = bin_ms

    @classmethod
    def of(cls, label: str) -> Span | None:
        """The span with that name."""
        return next((span for span in cls if span.label == label), None)

    def bounds(self, now_ms: int) -> tuple[int, int]:
        """The start and the end of the chart at `now_ms`: multiples of a bin, so that the same data gives the same picture."""
        until_ms = (now_ms // self.bin_ms + 1) * self.bin_ms
        return until_ms - self.length_ms, until_ms


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, and its label. A `minor` one has no label on a narrow screen."""

    at: float
    label: str
    minor: bool = False

    @property
    def label_at(self) -> float:
        """The middle of the label below the x axis: at the mark, unless it would be cut off at the edge of the picture."""
        return min(max(self.at, LABEL / 2), WIDTH - LABEL / 2)


@dataclass(frozen=True)
class Chart:
    """What the template draws, in the units of the picture. `lines` and `bands` are SVG path data, `limits` are heights."""

    lines: tuple[str, ...]
    bands: tuple[str, ...]
    limits: tuple[float, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def chart(points: Sequence[Course], client: Client, span: Span, since_ms: int, units: Units, zone: tzinfo) -> Chart:
    """The chart of `points`, whose bins are those of `span`, from `since_ms` on."""
    limits = [units.degrees(limit) for limit in (client.coldest, client.warmest) if limit is not None]
    degrees = [units.degrees(value) for point in points for value in (point.least, point.most)]
    low, high, step = scale([*degrees, *limits])

    def x(at_ms: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (at_ms - since_ms) / span.length_ms

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    def path(run: Sequence[Course], values: Sequence[float]) -> str:
        return " ".join(
            f"{x(point.at_ms + span.bin_ms // 2):.1f},{y(units.degrees(value)):.1f}" for point, value in zip(run, values, strict=True)
        )

    lines, bands = [], []
    for run in runs(points, span.bin_ms):
        # The zero-length end draws a single point as a dot, by the round cap of the line.
        lines.append(f"M{path(run, [point.mean for point in run])}h0")
        back = run[::-1]
        bands.append(f"M{path(run, [point.most for point in run])} {path(back, [point.least for point in back])}Z")
    return Chart(
        lines=tuple(lines),
        bands=tuple(bands),
        limits=tuple(round(y(limit), 1) for limit in limits),
        x_ticks=tuple(Tick(round(x(at_ms), 1), label, minor) for at_ms, label, minor in local_ticks(since_ms, span, zone)),
        y_ticks=tuple(Tick(round(y(value), 1), f"{value:z.{decimals(step)}f}°") for value in _multiples(low, high, step)),
    )


def runs(points: Sequence[Course], bin_ms: int) -> list[list[Course]]:
    """`points` cut at the gaps, where the client sent nothing for much longer than it usually does."""
    distances = [after.at_ms - before.at_ms for before, after in itertools.pairwise(points)]
    longest_ms = max(2 * bin_ms, _GAP_MEDIANS * statistics.median(distances)) if distances else 0.0
    found: list[list[Course]] = []
    for point in points:
        if found and point.at_ms - found[-1][-1].at_ms <= longest_ms:
            found[-1].append(point)
        else:
            found.append([point])
    return found


def scale(values: Sequence[float]) -> tuple[float, float, float]:
    """The lowest and the highest value of the y axis, and the distance of its ticks, around `values`."""
    low, high = (min(values), max(values)) if values else (0.0, 10.0)
    if high - low < 1:
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / 4
    magnitude = 10 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= raw)
    return math.floor(low / step) * step, math.ceil(high / step) * step, step


def decimals(step: float) -> int:
    """How many decimals the labels of an axis with that step need."""
    return max(0, -math.floor(math.log10(step)))


def _multiples(low: float, high: float, step: float) -> list[float]:
    return [low + number * step for number in range(round((high - low) / step) + 1)]


def local_ticks(since_ms: int, span: Span, zone: tzinfo) -> Iterator[tuple[int, str, bool]]:
    """Every sixth hour, every day, or the 1st and the 15th of each month, in local time: Unix milliseconds, label, minor."""
    first, until_ms = times.local(since_ms, zone).date(), since_ms + span.length_ms
    for number in range(span.length_ms // _DAY_MS + 2):
        day = first + timedelta(days=number)
        for hour, label in _labels(day, span):
            at_ms = round(datetime.combine(day, time(hour), zone).timestamp() * 1000)
            if since_ms <= at_ms < until_ms:
                yield at_ms, label, span is Span.WEEK and bool(number % 2)


def _labels(day: date, span: Span) -> list[tuple[int, str]]:
    if span is Span.DAY:
        return [(0, f"{day:%-d %b}"), (6, "06:00"), (12, "12:00"), (18, "18:00")]
    if span is Span.WEEK:
        return [(0, f"{day:%a %-d}")]
    return [(0, f"{day:%-d %b}")] if day.day in (1, 15) else []
