"""The chart of a client's temperature: its geometry, pure. `templates/chart.svg` draws it.

A band from the least to the most temperature of each bin, a line of the means, and the alarm limits over the whole width.
Nothing is drawn where no temperature was received. The x axis is linear in Unix time; only its labels are local time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from ..model.gaps import gaps_before
from ..model.units import Units
from ..storage.records import Client, Course
from .spans import Span as Span
from .spans import local_ticks

WIDTH, HEIGHT = 900, 300
LEFT, RIGHT, TOP, BOTTOM = 100, 16, 14, 40
"""The margins around the plot, in the units of the picture."""
LABEL = 110
"""The width of a label on a narrow screen."""


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
            f"{x(point.at_ms + point.length_ms // 2):.1f},{y(units.degrees(value)):.1f}" for point, value in zip(run, values, strict=True)
        )

    lines, bands = [], []
    for run in runs(points):
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


def runs(points: Sequence[Course]) -> list[list[Course]]:
    """`points` cut at the gaps."""
    found: list[list[Course]] = []
    for point, gap in zip(points, gaps_before(points), strict=True):
        if found and not gap:
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
