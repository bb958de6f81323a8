"""Days and weeks by the clock of a time zone, also where the clock changes."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kegnet.server.model.days import day_end, day_start, find_zone, past_ms, week_start

HOUR_MS = 3600 * 1000
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [
    "Europe/Berlin",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Africa/Casablanca",
    "UTC",
]


def ms(text: str) -> int:
    """Unix milliseconds of an ISO time with an offset."""
    return round(datetime.datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("zone", "now", "hour", "begins"),
    [
        # An ordinary day.
        ("Europe/Berlin", "2026-11-25T15:00:00+01:00", 0, "2026-11-25T00:00:00+01:00"),
        ("Europe/Berlin", "2026-11-25T03:59:59+01:00", 4, "2026-11-24T04:00:00+01:00"),
        ("Europe/Berlin", "2026-11-25T04:00:00+01:00", 4, "2026-11-25T04:00:00+01:00"),
        # The day on which an hour is missing, and that on which it comes twice.
        ("Europe/Berlin", "2026-03-29T15:00:00+02:00", 0, "2026-03-29T00:00:00+01:00"),
        ("Europe/Berlin", "2026-10-25T15:00:00+01:00", 0, "2026-10-25T00:00:00+02:00"),
        # The day begins at the hour that is missing: as the clock jumps to 3.
        ("Europe/Berlin", "2026-03-29T03:00:00+02:00", 2, "2026-03-29T03:00:00+02:00"),
        ("Europe/Berlin", "2026-03-29T01:59:59+01:00", 2, "2026-03-28T02:00:00+01:00"),
        # It begins at the hour that comes twice: at the first one.
        ("Europe/Berlin", "2026-10-25T02:00:00+02:00", 2, "2026-10-25T02:00:00+02:00"),
        ("Europe/Berlin", "2026-10-25T02:30:00+01:00", 2, "2026-10-25T02:00:00+02:00"),
        # Midnight does not exist in Santiago's spring, and 23 o'clock comes twice in its autumn.
        ("America/Santiago", "2026-09-06T12:00:00-03:00", 0, "2026-09-06T01:00:00-03:00"),
        ("America/Santiago", "2026-09-05T23:59:59-04:00", 0, "2026-09-05T00:00:00-04:00"),
        ("America/Santiago", "2026-04-04T23:30:00-04:00", 0, "2026-04-04T00:00:00-03:00"),
        ("America/Santiago", "2026-04-05T00:00:00-04:00", 0, "2026-04-05T00:00:00-04:00"),
        # Half an hour on Lord Howe.
        ("Australia/Lord_Howe", "2026-10-04T12:00:00+11:00", 2, "2026-10-04T02:30:00+11:00"),
        ("Australia/Lord_Howe", "2026-04-05T12:00:00+10:30", 0, "2026-04-05T00:00:00+11:00"),
        # Samoa had no 30 December 2011.
        ("Pacific/Apia", "2011-12-31T12:00:00+14:00", 0, "2011-12-31T00:00:00+14:00"),
        # St. John's changed at 00:01 in those years: midnight comes twice in autumn.
        ("America/St_Johns", "2006-10-28T23:30:00-03:30", 0, "2006-10-29T00:00:00-02:30"),
        # The clock of Toronto jumped from 23:30 to 0:30 in 1919, over the day's beginning.
        ("America/Toronto", "1919-03-31T12:00:00-04:00", 0, "1919-03-31T00:30:00-04:00"),
    ],
)
def test_a_day_begins_at_its_hour_of_the_wall_clock(zone: str, now: str, hour: int, begins: str) -> None:
    assert day_start(ms(now), ZoneInfo(zone), hour) == ms(begins)


@pytest.mark.parametrize(
    ("zone", "now", "hour", "begins"),
    [
        ("Europe/Berlin", "2026-11-25T15:00:00+01:00", 0, "2026-11-23T00:00:00+01:00"),
        ("Europe/Berlin", "2026-03-29T15:00:00+02:00", 0, "2026-03-23T00:00:00+01:00"),
        ("Europe/Berlin", "2026-10-25T15:00:00+01:00", 0, "2026-10-19T00:00:00+02:00"),
        ("Europe/Berlin", "2026-11-23T03:00:00+01:00", 4, "2026-11-16T04:00:00+01:00"),
        ("Europe/Berlin", "2026-11-23T04:00:00+01:00", 4, "2026-11-23T04:00:00+01:00"),
        ("America/Santiago", "2026-09-06T12:00:00-03:00", 0, "2026-08-31T00:00:00-04:00"),
    ],
)
def test_a_week_begins_on_monday(zone: str, now: str, hour: int, begins: str) -> None:
    assert week_start(ms(now), ZoneInfo(zone), hour) == ms(begins)


@given(st.sampled_from(ZONES), st.integers(ms("1980-01-01T00:00:00+00:00"), ms("2040-01-01T00:00:00+00:00")), st.integers(0, 23))
def test_a_day_has_begun_and_is_not_over(zone: str, now_ms: int, hour: int) -> None:
    where = ZoneInfo(zone)
    begins = day_start(now_ms, where, hour)
    assert now_ms - 49 * HOUR_MS < begins <= now_ms
    assert day_start(begins, where, hour) == begins
    assert day_start(begins - 1, where, hour) < begins
    assert begins % 1000 == 0


@given(st.sampled_from(ZONES), st.integers(ms("1980-01-01T00:00:00+00:00"), ms("2040-01-01T00:00:00+00:00")), st.integers(0, 23))
def test_a_day_ends_as_the_next_one_begins(zone: str, now_ms: int, hour: int) -> None:
    where = ZoneInfo(zone)
    ends = day_end(now_ms, where, hour)
    assert now_ms < ends
    assert day_start(ends, where, hour) == ends
    assert day_start(ends - 1, where, hour) == day_start(now_ms, where, hour)


@given(st.sampled_from(ZONES), st.integers(ms("1980-01-01T00:00:00+00:00"), ms("2040-01-01T00:00:00+00:00")), st.integers(0, 23))
def test_a_week_begins_as_one_of_its_days_does(zone: str, now_ms: int, hour: int) -> None:
    where = ZoneInfo(zone)
    begins = week_start(now_ms, where, hour)
    assert begins <= day_start(now_ms, where, hour) < begins + 8 * 24 * HOUR_MS
    assert day_start(begins, where, hour) == week_start(begins, where, hour) == begins


@pytest.mark.parametrize("name", ["Europe/Nowhere", "", "Europe", "../../etc/passwd", "/etc/localtime", "x" * 5000, "Europe/Ber\0lin"])
def test_an_unknown_time_zone_is_none(name: str) -> None:
    assert find_zone(name) is None


def test_a_time_zone_is_found_by_its_name() -> None:
    assert find_zone("Europe/Berlin") == ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"])
@pytest.mark.parametrize("hour", [0, 23])
def test_a_time_that_no_calendar_has_is_of_the_first_day_of_the_year_9999(zone: str, hour: int) -> None:
    at_ms = 253_402_300_799_999
    first = datetime.datetime(9999, 1, 1, tzinfo=datetime.UTC).timestamp() * 1000
    assert abs(day_start(at_ms, ZoneInfo(zone), hour) - first) < 2 * 86_400_000
    assert week_start(at_ms, ZoneInfo(zone), hour) <= day_start(at_ms, ZoneInfo(zone), hour)
    assert day_end(at_ms, ZoneInfo(zone), hour) > 2 * at_ms


@pytest.mark.parametrize(
    ("entered", "now", "expected"),
    [
        ("2026-10-25T02:05", "2026-10-25T01:10", "2026-10-25T01:05"),
        ("2026-10-25T02:05", "2026-10-25T00:10", "2026-10-25T00:05"),
        ("2026-10-25T02:05", "2026-11-01T00:00", "2026-10-25T01:05"),
        ("2026-03-29T02:30", "2026-03-30T00:00", "2026-03-29T01:30"),
        ("2026-07-01T12:00", "2026-07-01T09:00", "2026-07-01T10:00"),
    ],
    ids=["second", "first", "later", "skipped", "future"],
)
def test_an_entered_time_that_the_clock_shows_twice_is_the_later_past_one(entered: str, now: str, expected: str) -> None:
    now_ms, expected_ms = (round(datetime.datetime.fromisoformat(f"{text}+00:00").timestamp() * 1000) for text in (now, expected))
    assert past_ms(datetime.datetime.fromisoformat(entered), BERLIN, now_ms) == expected_ms
