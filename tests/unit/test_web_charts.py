"""The chart of a temperature."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from kegnet.server.model.units import Units
from kegnet.server.storage.records import Client, Course
from kegnet.server.web import charts, times
from kegnet.server.web.charts import Span, chart, runs, scale

BERLIN = ZoneInfo("Europe/Berlin")
HOUR_MS = 3_600_000


def client(coldest: int | None = None, warmest: int | None = None) -> Client:
    return Client(1, "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11", "Garage", "kegnet", "", 0, coldest, warmest)


def points(*hours: int, least: int = 4000, most: int = 5000) -> list[Course]:
    return [Course(hour * HOUR_MS, HOUR_MS, (least + most) / 2, least, most, 1) for hour in hours]


def at_ms(year: int, month: int, day: int, hour: int) -> int:
    return round(datetime(year, month, day, hour, tzinfo=BERLIN).timestamp() * 1000)


def xs(path: str) -> list[float]:
    return [float(x) for x in re.findall(r"([0-9.]+),", path)]


def test_an_outage_is_a_gap_in_the_line_and_in_the_band() -> None:
    drawn = chart(points(0, 1, 2, 50, 51), client(), Span.WEEK, 0, Units(), BERLIN)
    assert [len(xs(line)) for line in drawn.lines] == [3, 2]
    assert len(drawn.bands) == 2


def test_a_client_that_reports_seldom_has_no_gaps() -> None:
    assert len(runs(points(*range(0, 100, 4)))) == 1
    assert len(runs(points(0, 4, 8, 12, 30, 34))) == 2
    assert runs([]) == []
    assert len(runs(points(7))) == 1


def test_the_peak_of_a_bin_is_in_the_picture() -> None:
    peak = [*points(0, 1), Course(2 * HOUR_MS, HOUR_MS, 6000.0, 4000, 16_000, 2), *points(3)]
    drawn = chart(peak, client(), Span.WEEK, 0, Units(), BERLIN)
    heights = [float(y) for y in re.findall(r",([0-9.]+)", drawn.bands[0])]
    top = {tick.label: tick.at for tick in drawn.y_ticks}["15°"]
    assert min(heights) < top, "16° is above 15°"


def test_alarm_limits_are_in_the_picture_whatever_the_temperatures() -> None:
    drawn = chart(points(0, 1), client(coldest=-8000, warmest=30_000), Span.WEEK, 0, Units("F"), BERLIN)
    assert len(drawn.limits) == 2
    assert all(charts.TOP <= limit <= charts.HEIGHT - charts.BOTTOM for limit in drawn.limits)
    assert chart([], client(), Span.WEEK, 0, Units(), BERLIN).lines == ()


def test_the_same_data_gives_the_same_bins_at_any_moment_of_a_bin() -> None:
    for span in Span:
        start_ms = 50_000 * span.bin_ms
        assert span.bounds(start_ms) == span.bounds(start_ms + span.bin_ms - 1)
        assert span.bounds(start_ms)[0] % span.bin_ms == 0
        assert span.bounds(start_ms)[1] == start_ms + span.bin_ms, "the present bin is in it"


@pytest.mark.parametrize("night", [(2026, 10, 25), (2026, 3, 29)], ids=["autumn", "spring"])
def test_the_axis_never_goes_backwards_when_the_clocks_change(night: tuple[int, int, int]) -> None:
    since_ms = at_ms(*night, 0)
    course = [Course(since_ms + number * 600_000, 600_000, 4000.0, 4000, 4000, 1) for number in range(144)]
    drawn = chart(course, client(), Span.DAY, since_ms, Units(), BERLIN)
    (line,) = drawn.lines
    assert xs(line) == sorted(xs(line))
    assert [tick.at for tick in drawn.x_ticks] == sorted(tick.at for tick in drawn.x_ticks)
    assert [tick.label for tick in drawn.x_ticks][:4] == [f"{night[2]} {'Oct' if night[1] == 10 else 'Mar'}", "06:00", "12:00", "18:00"]


def test_labels_are_local_time_and_not_ambiguous() -> None:
    drawn = chart(points(0), client(), Span.WEEK, at_ms(2026, 3, 7, 12), Units(), BERLIN)
    assert [tick.label for tick in drawn.x_ticks][:2] == ["Sun 8", "Mon 9"]
    drawn = chart(points(0), client(), Span.QUARTER, at_ms(2026, 3, 7, 12), Units(), BERLIN)
    assert [tick.label for tick in drawn.x_ticks] == ["15 Mar", "1 Apr", "15 Apr", "1 May", "15 May", "1 Jun"]


@pytest.mark.parametrize("values", [[], [4.2], [4.0, 4.0, 4.1], [-55.0, 125.0], [0.04, 0.06]])
def test_the_labels_of_the_y_axis_are_a_few_different_ones(values: list[float]) -> None:
    low, high, step = scale(values)
    labels = [f"{low + number * step:z.{charts.decimals(step)}f}" for number in range(round((high - low) / step) + 1)]
    assert 3 <= len(set(labels)) == len(labels) <= 7
    assert not values or low <= min(values) <= max(values) <= high


def test_a_time_that_no_calendar_has_is_shown_as_the_last_one_that_it_has() -> None:
    kiritimati = ZoneInfo("Pacific/Kiritimati")
    assert times.iso(253_402_300_799_999, kiritimati).startswith("9999-01-01T14:00:00+14:00")
    assert times.Clock(kiritimati).full(10**18)
    assert times.iso(-1, BERLIN) == "1970-01-01T01:00:00+01:00"
    assert times.Clock(BERLIN).full(at_ms(2026, 11, 30, 1)) == "Mon 30 Nov 2026, 01:00 CET"


def test_an_unknown_time_zone_is_utc() -> None:
    assert times.zone_of("Mars/Olympus Mons") is UTC
    assert times.zone_of("../../etc/passwd") is UTC
