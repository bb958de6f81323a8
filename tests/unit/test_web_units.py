"""Temperatures, volumes and durations as text."""

from __future__ import annotations

from datetime import UTC

import pytest
from kegnet.server.model.choices import Choices
from kegnet.server.model.units import Units, ago, span
from kegnet.server.web.times import Clock


@pytest.mark.parametrize(
    ("units", "pour", "keg"),
    [
        (Units(volume="l"), "0.33 l", "19.0 l"),
        (Units(volume="oz"), "11 fl oz", "5.02 gal"),
        (Units(volume="pt"), "0.7 pt", "40.2 pt"),
        (Units(volume="imp-pt"), "0.6 imp. pt", "33.4 imp. pt"),
    ],
)
def test_pours_and_kegs_are_in_the_units_of_the_reader(units: Units, pour: str, keg: str) -> None:
    assert units.pour(330) == pour
    assert units.keg(19_000) == keg


def test_temperatures_are_in_the_degrees_of_the_reader() -> None:
    assert Units("C").temp(4187) == "4.2 °C"
    assert Units("F").temp(4187) == "39.5 °F"
    assert Units("C").temp(-20) == "0.0 °C", "no negative zero"
    assert Units("F").millicelsius(Units("F").degrees(4187)) == 4187


@pytest.mark.parametrize("volume", ["l", "oz", "pt", "imp-pt"])
def test_the_size_of_a_keg_is_the_same_after_a_form_was_sent_unchanged(volume: str) -> None:
    units = Units(volume=volume)
    number = units.keg_number(18_927)
    assert abs(units.keg_ml(float(number)) - 18_927) <= 2


def test_an_unknown_unit_is_the_default() -> None:
    assert Units.of({"temperature": "K", "volume": "firkin"}) == Units("C", "l")
    assert Units.of({"temperature": "F", "volume": "oz"}) == Units("F", "oz")
    assert Units.of({}) == Units("C", "l")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "just now"), (0, "just now"), (59.9, "just now"), (60, "1 minute ago"), (89, "1 minute ago"), (91, "2 minutes ago"),
        (59.6 * 60, "1 hour ago"), (23 * 3600, "23 hours ago"), (23.6 * 3600, "1 day ago"), (36 * 3600, "2 days ago"),
        (8000 * 86400, "8000 days ago"),
    ],
)  # fmt: skip
def test_an_age_is_a_few_words(seconds: float, text: str) -> None:
    assert ago(0, round(1000 * seconds)) == text


def test_a_short_duration_is_not_zero_minutes() -> None:
    assert span(100) == "less than a minute"


def test_times_of_a_tap_are_as_the_reader_has_chosen() -> None:
    evening_ms = 1_796_074_020_000
    clock = Clock(UTC)
    assert (clock.time(evening_ms), clock.date(evening_ms)) == ("21:27", "30 Nov 2026")
    chosen = Clock(UTC, Choices(clock="12", dates="iso"))
    assert (chosen.time(evening_ms), chosen.date(evening_ms), chosen.weekday(evening_ms)) == ("9:27 PM", "2026-11-30", "Monday, 2026-11-30")
    assert (clock.full(evening_ms), chosen.full(evening_ms)) == ("Mon 30 Nov 2026, 21:27 UTC", "Mon 2026-11-30, 9:27 PM UTC")
