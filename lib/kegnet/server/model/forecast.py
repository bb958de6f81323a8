"""Until when a keg lasts, as text for a card. Pure: no I/O, no clock. static/format.js computes the same."""

from __future__ import annotations

import datetime

_DAY_MS = 24 * 3600 * 1000
_EVENING, _NOON, _MORNING = 17, 12, 5
"""Hours of the local clock. "Tonight" is from the evening to the next morning."""


def until(lasts_ms: int, now_ms: int, zone: datetime.tzinfo) -> str:
    """When a keg that lasts for `lasts_ms` is empty, for example `until tonight`, `until Saturday`, `11 days`, `3 weeks`.

    The weekday is that of the clock in `zone`. It is unique for up to six days ahead.
    """
    end = _local(now_ms + min(lasts_ms, 3650 * _DAY_MS), zone)
    days = (end.date() - _local(now_ms, zone).date()).days
    if days == 0 and end.hour < _EVENING:
        return "until noon" if end.hour < _NOON else "until this afternoon"
    if days == 0 or (days == 1 and end.hour < _MORNING):
        return "until tonight"
    if days == 1:
        return "until tomorrow"
    return f"until {end:%A}" if days < 7 else _long(days)


def _long(days: int) -> str:
    """A number of at least 7 days as text, rounded down, so that a keg lasts at least as long as it is forecast."""
    if days < 21:
        return f"{days} days"
    if days < 84:
        return f"{days // 7} weeks"
    return f"{days // 30} months" if days < 365 else "more than a year"


def _local(at_ms: int, zone: datetime.tzinfo) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at_ms / 1000, zone)
