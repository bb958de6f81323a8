"""The values for the pages of a tap: its pours by day, its level, its kegs, the hours in which people drink."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from ..model.courses import course_of
from ..model.days import day_end, day_start
from ..model.heat import WEEKDAYS, Heat, busiest, heat_of, hours_of, shade
from ..model.levels import DAY_MS, WEEK_MS, left_ml
from ..model.pours import Correction, CorrectionKind
from ..storage import Connection
from ..storage.bins import Bin, poured_in_bins
from ..storage.keg_history import PouredKeg
from ..storage.pour_details import PourDetails, details_of
from ..storage.pours import poured_ml
from ..storage.records import Keg, Pour, Tap
from ..storage.settings import Household
from ..storage.taps import taps_by_key
from . import times

HEAT_WEEKS = 8
QUARTER_MS = 900_000
"""Every offset from UTC is a multiple of it, so each bin belongs to one hour of the local clock."""
POINTS_AT_MOST = 2000
MINUTE_MS = 60_000
_MINUTES_UNTIL_MS = 90 * DAY_MS
"""A keg that is on for longer has a level for each quarter of an hour instead of each minute. In every zone, days begin at a quarter."""


@dataclass(frozen=True)
class PourLine:
    """A pour in a list, with the tap whose flow meter counted it."""

    details: PourDetails
    meter: Tap | None

    @property
    def pour(self) -> Pour:
        """The pour as it counts."""
        return self.details.pour

    @property
    def measured(self) -> bool:
        """Whether its volume was corrected."""
        return any(each.kind is CorrectionKind.VOLUME for each in self.details.corrections)

    @property
    def came_from(self) -> Tap | None:
        """The tap from which it was moved."""
        return self.meter if self.meter is not None and self.meter.key != self.pour.tap else None


@dataclass(frozen=True)
class PourDay:
    """Pours of a day of the household, newest first. `drunk_ml` is the drunk amount of the whole day, also if the list has a part of it."""

    start_ms: int
    lines: tuple[PourLine, ...]
    drunk_ml: float


@dataclass(frozen=True)
class LevelDay:
    """A day of a keg: when it began, the amount that left the keg, and the level at its end."""

    start_ms: int
    out_ml: float
    left_ml: float


@dataclass(frozen=True)
class HeatMap:
    """Hours and weekdays. `hours` are those of the columns, `most` is the largest cell."""

    cells: Heat
    hours: Sequence[int]
    most: float
    best: str
    total_ml: float

    def shade(self, millilitres: float) -> int:
        """How dark a cell is, 0 to `SHADES`."""
        return shade(millilitres, self.most)


def pour_days(connection: Connection, tap: Tap, pours: Sequence[Pour], home: Household) -> list[PourDay]:
    """Pours of a tap that are newest first, by days."""
    details = details_of(connection, pours)
    taps = taps_by_key(connection, {each.meter for each in details})
    lines = [PourLine(each, taps.get(each.meter)) for each in details]
    zone, hour = times.zone_of(home.time_zone), home.day_begins_hour
    days = [(start_ms, tuple(day)) for start_ms, day in groupby(lines, lambda line: day_start(line.pour.at_ms, zone, hour))]
    sums = poured_ml(connection, [(tap.key, start_ms, day_end(start_ms, zone, hour)) for start_ms, _ in days])
    return [PourDay(start_ms, day, drunk_ml) for (start_ms, day), (_, drunk_ml) in zip(days, sums, strict=True)]


def active_corrections(details: PourDetails) -> dict[str, Correction]:
    """The correction that counts of each kind, by the kind's name."""
    return {each.kind.value: each for each in details.corrections}


def level_bins(connection: Connection, keg: Keg, now_ms: int) -> list[Bin]:
    """The amounts that left a keg while it was on."""
    # Includes pours of a client whose clock is a little ahead.
    until_ms = now_ms + DAY_MS if keg.off_ms is None else keg.off_ms
    bin_ms = MINUTE_MS if until_ms - keg.on_ms <= _MINUTES_UNTIL_MS else QUARTER_MS
    return poured_in_bins(connection, keg.tap, keg.on_ms, until_ms, bin_ms)


def level_points(keg: Keg, bins: Iterable[Bin]) -> list[tuple[int, float]]:
    """When and how much was left in a keg: when it was put on, and after its pours. Empty if its contents were not entered."""
    if keg.start_ml is None:
        return []
    poured = [(max(each.at_ms, keg.on_ms), each.out_ml) for each in bins]
    return [(keg.on_ms, float(keg.start_ml)), *course_of(keg.start_ml, poured, POINTS_AT_MOST)]


def level_days(keg: Keg, bins: Iterable[Bin], home: Household) -> list[LevelDay]:
    """The same by days, newest first, without days on which nothing left the keg."""
    zone, out, days = times.zone_of(home.time_zone), 0.0, []
    for start_ms, of_day in groupby(bins, lambda each: day_start(each.at_ms, zone, home.day_begins_hour)):
        today = sum(each.out_ml for each in of_day)
        out += today
        days.append(LevelDay(start_ms, today, left_ml(keg.start_ml or 0, out)))
    return days[::-1]


def heat_map(connection: Connection, tap: Tap, home: Household, now_ms: int) -> HeatMap:
    """What was drunk in the last weeks, by hours and weekdays."""
    zone = times.zone_of(home.time_zone)
    bins = poured_in_bins(connection, tap.key, now_ms - HEAT_WEEKS * WEEK_MS, now_ms, QUARTER_MS)
    cells = heat_of(((each.at_ms, each.drunk_ml) for each in bins), zone, home.day_begins_hour)
    best, hours = busiest(cells), hours_of(home.day_begins_hour)
    text = "" if best is None else f"{WEEKDAYS[best[0]]}s from {hours[best[1]]} to {(hours[best[1]] + 1) % 24} o'clock"
    return HeatMap(cells, hours, 0.0 if best is None else best[2], text, sum(map(sum, cells)))


def days_on(keg: Keg, now_ms: int) -> float:
    """How many days a keg was on so far, at least one."""
    return max(1.0, ((now_ms if keg.off_ms is None else keg.off_ms) - keg.on_ms) / DAY_MS)


def a_day_ml(poured: PouredKeg, now_ms: int) -> float:
    """What was drunk of a keg on each day."""
    return poured.drunk_ml / days_on(poured.keg, now_ms)
