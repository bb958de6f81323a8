"""When days and weeks begin, by the clock of a time zone.

A day begins at a full hour of the wall clock (a bar's day ends at 4), a week on Monday. Where the clock skips that hour, the day begins
as the clock jumps; where the hour comes twice, at the first.
"""

from __future__ import annotations

import datetime
import zoneinfo

LATEST_MS = 253_370_764_800_000
"""The year 9999 begins. What is later counts as this: `datetime` has no year 10000, which zones east of Greenwich would need."""
_NEVER_MS = 2**62


def find_zone(name: str) -> datetime.tzinfo | None:
    """The time zone with a name of the IANA database, such as `Europe/Berlin`. None where there is none of that name."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None


def past_ms(moment: datetime.datetime, zone: datetime.tzinfo, now_ms: int) -> int:
    """A time that somebody entered, without a zone, in Unix milliseconds. What the clock shows twice is the later one that is past.

    Raises ValueError and OverflowError for years that Unix times do not have.
    """
    shown = [round(moment.replace(tzinfo=zone, fold=fold).timestamp() * 1000) for fold in (0, 1)]
    return max((at_ms for at_ms in shown if at_ms <= now_ms), default=min(shown))


def day_start(now_ms: int, zone: datetime.tzinfo, begins_hour: int) -> int:
    """When the day of `now_ms` began, in Unix milliseconds. `begins_hour` is 0 to 23."""
    return _begin_ms(_day_of(now_ms, zone, begins_hour), zone, begins_hour)


def day_end(at_ms: int, zone: datetime.tzinfo, begins_hour: int) -> int:
    """When the day of `at_ms` ends, in Unix milliseconds: as the next one begins. The day of `LATEST_MS` does not end."""
    day = _day_of(at_ms, zone, begins_hour)
    if day == _day_of(LATEST_MS, zone, begins_hour):
        return _NEVER_MS
    return _begin_ms(day + datetime.timedelta(days=1), zone, begins_hour)


def week_start(now_ms: int, zone: datetime.tzinfo, begins_hour: int) -> int:
    """When the Monday of the week of `now_ms` began, in Unix milliseconds."""
    day = _day_of(now_ms, zone, begins_hour)
    return _begin_ms(day - datetime.timedelta(days=day.weekday()), zone, begins_hour)


def _day_of(now_ms: int, zone: datetime.tzinfo, begins_hour: int) -> datetime.date:
    """The last day that has begun by `now_ms`. The clock can go back over midnight, so the next date is a candidate, too."""
    now_ms = min(now_ms, LATEST_MS)
    date = datetime.datetime.fromtimestamp(now_ms // 1000, zone).date() + datetime.timedelta(days=1)
    while _begin_ms(date, zone, begins_hour) > now_ms:
        date -= datetime.timedelta(days=1)
    return date


def _begin_ms(date: datetime.date, zone: datetime.tzinfo, hour: int) -> int:
    wall = datetime.datetime.combine(date, datetime.time(hour), zone)
    # A time that the clock skips has two readings: by the offset after the jump (fold 1) it is before the jump, by that before it is not.
    after, before = int(wall.replace(fold=1).timestamp()), int(wall.timestamp())
    if after >= before:
        return before * 1000
    return _jump(after, before, zone) * 1000


def _jump(low: int, high: int, zone: datetime.tzinfo) -> int:
    """The second of the change of offset between `low` (before it) and `high` (at it or after it)."""
    offset = datetime.datetime.fromtimestamp(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high
