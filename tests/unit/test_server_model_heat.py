"""Hours and weekdays."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from kegnet.server.model.heat import busiest, heat_of, hours_of, shade

BERLIN = ZoneInfo("Europe/Berlin")


def ms(*when: int, zone: object = BERLIN) -> int:
    return round(datetime(*when, tzinfo=zone).timestamp() * 1000)  # type: ignore[arg-type, misc]


def test_hours_are_those_of_the_wall_clock_in_summer_and_in_winter() -> None:
    heat = heat_of([(ms(2026, 7, 3, 20, 15), 300.0), (ms(2026, 11, 27, 20, 45), 200.0)], BERLIN, 0)
    assert heat[4][20] == 500
    assert sum(map(sum, heat)) == 500


def test_what_is_poured_after_midnight_belongs_to_the_evening_before() -> None:
    heat = heat_of([(ms(2026, 11, 28, 3, 59), 300.0), (ms(2026, 11, 28, 4, 0), 200.0), (ms(2026, 11, 30, 1, 0), 100.0)], BERLIN, 4)
    assert heat[4][23] == 300, "Saturday 3:59 is the last hour of Friday"
    assert heat[5][0] == 200
    assert heat[6][21] == 100, "Monday 1:00 is Sunday's"
    assert hours_of(4)[:2] == [4, 5]
    assert hours_of(4)[-1] == 3
    assert hours_of(0) == list(range(24))


def test_zones_with_odd_offsets_have_their_own_hours() -> None:
    at_ms = ms(2026, 11, 25, 15, 0, zone=UTC)
    assert heat_of([(at_ms, 1.0)], ZoneInfo("Asia/Kathmandu"), 0)[2][20] == 1


@pytest.mark.parametrize(("millilitres", "step"), [(0, 0), (1, 1), (199, 1), (200, 2), (500, 3), (999, 5), (1000, 5)])
def test_more_is_darker(millilitres: float, step: int) -> None:
    assert shade(millilitres, 1000) == step


def test_the_busiest_hour_is_found_or_there_is_none() -> None:
    assert shade(0, 0) == 0
    assert busiest(heat_of([], BERLIN, 0)) is None
    assert busiest(heat_of([(ms(2026, 11, 27, 20, 0), 300.0), (ms(2026, 11, 26, 20, 0), 200.0)], BERLIN, 0)) == (4, 20, 300.0)
