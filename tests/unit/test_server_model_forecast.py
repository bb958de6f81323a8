"""Until when a keg lasts, in words."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kegnet.server.model.forecast import until

BERLIN = ZoneInfo("Europe/Berlin")
HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
WEDNESDAY_10 = round(datetime.datetime(2026, 11, 25, 10, tzinfo=BERLIN).timestamp() * 1000)


@pytest.mark.parametrize(
    ("lasts_ms", "text"),
    [
        (HOUR_MS, "until noon"),
        (2 * HOUR_MS, "until this afternoon"),
        (7 * HOUR_MS - 1, "until this afternoon"),
        (7 * HOUR_MS, "until tonight"),
        (19 * HOUR_MS - 1, "until tonight"),
        (19 * HOUR_MS, "until tomorrow"),
        (38 * HOUR_MS - 1, "until tomorrow"),
        (38 * HOUR_MS, "until Friday"),
        (6 * DAY_MS, "until Tuesday"),
        (7 * DAY_MS, "7 days"),
        (20 * DAY_MS, "20 days"),
        (21 * DAY_MS, "3 weeks"),
        (83 * DAY_MS, "11 weeks"),
        (84 * DAY_MS, "2 months"),
        (364 * DAY_MS, "12 months"),
        (365 * DAY_MS, "more than a year"),
    ],
)
def test_the_farther_the_rougher(lasts_ms: int, text: str) -> None:
    assert until(lasts_ms, WEDNESDAY_10, BERLIN) == text


def test_weekdays_are_those_of_the_installation() -> None:
    assert until(50 * HOUR_MS, WEDNESDAY_10, ZoneInfo("Pacific/Auckland")) == "until Saturday"


@given(st.integers(0, 10**30), st.integers(0, 4 * 10**12))
def test_there_is_always_a_word(lasts_ms: int, now_ms: int) -> None:
    assert until(lasts_ms, now_ms, BERLIN)
