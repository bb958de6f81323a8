"""Times as text, in the time zone of the installation. No value of a row raises here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from ..model.days import find_zone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = 253_370_764_800_000
"""The year 9999 begins. What is later is shown as this: `datetime` has no year 10000, which zones east of Greenwich would need."""


def zone_of(name: str) -> tzinfo:
    """The time zone of that IANA name; UTC where this system does not know it."""
    return find_zone(name) or UTC


def local(at_ms: int, zone: tzinfo) -> datetime:
    """Unix milliseconds as a time with zone."""
    return (_EPOCH + timedelta(milliseconds=min(max(at_ms, 0), _LATEST_MS))).astimezone(zone)


def iso(at_ms: int, zone: tzinfo) -> str:
    """For `<time datetime>` and CSV, for example `2026-11-30T01:24:05+01:00`."""
    return local(at_ms, zone).isoformat(timespec="seconds")


def short(at_ms: int, zone: tzinfo) -> str:
    """Without the year and the zone, for example `Mon 30 Nov, 01:24`."""
    return local(at_ms, zone).strftime("%a %-d %b, %H:%M")


def text(at_ms: int, zone: tzinfo) -> str:
    """For people everywhere, for example `Mon 30 Nov 2026, 01:24 CET`."""
    return local(at_ms, zone).strftime("%a %-d %b %Y, %H:%M %Z")
