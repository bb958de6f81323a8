"""A day of temperatures as one small line, without axes. Pure."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping

WIDTH, HEIGHT = 100.0, 28.0
MARGIN = 3.0
SLOTS = 48
SLOT_MS = 30 * 60 * 1000
"""The line has a point for each half hour of a day."""
_LEAST_RANGE = 2000
"""The least height, in thousandths of a degree, so that noise of a constant temperature is a flat line."""
_GAP = 2
"""A pause of more than this many of the client's usual intervals is a gap."""


def slot_of(at_ms: int) -> int:
    """The number of the slot that contains a time."""
    return at_ms // SLOT_MS


def sparkline(values: Mapping[int, int], last: int) -> str:
    """SVG path data, `WIDTH` by `HEIGHT`, of temperatures by slot; `last` is the slot at the right edge. Empty without any.

    Gaps are empty. A value between two gaps is a dot: the round cap of a line without length.
    """
    slots = sorted(slot for slot in values if last - SLOTS < slot <= last)
    if not slots:
        return ""
    distances = [after - before for before, after in itertools.pairwise(slots)]
    longest = _GAP * statistics.median_low(distances) if distances else 0
    low, high = _range([values[slot] for slot in slots])
    parts: list[str] = []
    for slot, distance in zip(slots, [None, *distances], strict=True):
        x = WIDTH - MARGIN - (last - slot) * (WIDTH - 2 * MARGIN) / (SLOTS - 1)
        y = MARGIN + (high - values[slot]) * (HEIGHT - 2 * MARGIN) / (high - low)
        parts.append(f"{'M' if distance is None or distance > longest else 'L'}{x:.1f} {y:.1f}")
    return _with_dots(parts)


def _range(values: list[int]) -> tuple[float, float]:
    low, high = min(values), max(values)
    missing = max(0, _LEAST_RANGE - (high - low)) / 2
    return low - missing, high + missing


def _with_dots(parts: list[str]) -> str:
    """The path, with a line of no length where a point has no neighbour."""
    ends = [*(part[0] == "M" for part in parts[1:]), True]
    return "".join(part + ("h0" if part[0] == "M" and end else "") for part, end in zip(parts, ends, strict=True))
