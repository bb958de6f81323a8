"""The length of time that a chart shows, and the marks of its time axis. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from enum import Enum

from . import times

_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000
BINS_MS = (_MINUTE_MS, 10 * _MINUTE_MS, _HOUR_MS, 3 * _HOUR_MS, 6 * _HOUR_MS, 12 * _HOUR_MS, _DAY_MS, 7 * _DAY_MS)
"""The lengths of bins. Each begins at a multiple of its length in Unix time, so that the same temperatures always make the same bins."""
POINTS = 400
"""A chart has fewer bins than this."""


def bin_length(length_ms: int, points: int) -> int:
    """The length of bins with which a stretch of time has fewer than `points`: the first of `BINS_MS`, else multiples of a week."""
    week_ms = BINS_MS[-1]
    longest_ms = week_ms * (length_ms // (week_ms * points) + 1)
    return next((bin_ms for bin_ms in BINS_MS if length_ms // bin_ms < points), longest_ms)


class Span(Enum):
    """A length of time that a chart shows: its name in URLs, its title, its length and the length of a bin in milliseconds."""

    HOUR = "1h", "1 hour", _HOUR_MS
    DAY = "24h", "24 hours", _DAY_MS
    WEEK = "7d", "7 days", 7 * _DAY_MS
    MONTH = "30d", "30 days", 30 * _DAY_MS
    QUARTER = "90d", "90 days", 90 * _DAY_MS
    YEAR = "1y", "1 year", 365 * _DAY_MS

    def __init__(self, label: str, title: str, length_ms: int) -> None:
        self.label = label
        self.title = title
        self.length_ms = length_ms
        self.bin_ms = bin_length(length_ms, POINTS)

    @classmethod
    def of(cls, label: str) -> Span | None:
        """The span with that name."""
        return next((span for span in cls if span.label == label), None)

    def bounds(self, now_ms: int) -> tuple[int, int]:
        """The start and the end of the chart at `now_ms`: multiples of a bin, so that the same data give the same picture."""
        until_ms = (now_ms // self.bin_ms + 1) * self.bin_ms
        return until_ms - self.length_ms, until_ms


def local_ticks(since_ms: int, span: Span, zone: tzinfo) -> Iterator[tuple[int, str, bool]]:
    """The marks from `since_ms` on, in local time: Unix milliseconds, label, and whether it is minor."""
    first, until_ms = times.local(since_ms, zone).date(), since_ms + span.length_ms
    for number in range(span.length_ms // _DAY_MS + 2):
        day = first + timedelta(days=number)
        for at, label, minor in _labels(day, span):
            at_ms = round(datetime.combine(day, at, zone).timestamp() * 1000)
            if since_ms <= at_ms < until_ms:
                yield at_ms, label, minor


def _labels(day: date, span: Span) -> list[tuple[time, str, bool]]:
    """The marks of a day: every ten minutes, every sixth hour, every day, every Monday, the 1st and the 15th, or the 1st of a month."""
    midnight, name = time(), f"{day:%-d %b}"
    match span:
        case Span.HOUR:
            return [(time(hour, minute), f"{hour:02}:{minute:02}", minute % 20 > 0) for hour in range(24) for minute in range(0, 60, 10)]
        case Span.DAY:
            return [(midnight, name, False), *((time(hour), f"{hour:02}:00", False) for hour in (6, 12, 18))]
        case Span.WEEK:
            return [(midnight, f"{day:%a %-d}", bool(day.toordinal() % 2))]
        case Span.MONTH:
            return [(midnight, name, False)] if day.weekday() == 0 else []
        case Span.QUARTER:
            return [(midnight, name, day.day == 15)] if day.day in (1, 15) else []
        case Span.YEAR:
            return [(midnight, f"{day:%b}", bool(day.month % 2))] if day.day == 1 else []
