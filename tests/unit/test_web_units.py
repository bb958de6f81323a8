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
def test_a_volume_is_the_same_after_a_form_was_sent_unchanged(volume: str) -> None:
    units = Units(volume=volume)
    for millilitres in (0, 1, 10, 330, 473, 5000, 18_927, 19_000, 58_670):
        assert units.keg_ml(float(units.keg_number(millilitres))) == millilitres
        assert round(units.pour_ml(float(units.pour_number(millilitres)))) == millilitres
    assert round(units.pour_ml(float(units.pour_number(476.814, 3))), 3) == 476.814


@pytest.mark.parametrize(
    ("volume", "typed"),
    [("oz", "16"), ("oz", "12"), ("oz", "10"), ("oz", "5.5"), ("pt", "1.25"), ("imp-pt", "0.5"), ("l", "0.33"), ("l", "200")],
)
def test_an_entered_volume_is_shown_as_it_was_entered(volume: str, typed: str) -> None:
    units = Units(volume=volume)
    assert units.pour_number(round(units.pour_ml(float(typed)))) == typed
    assert units.keg_number(units.keg_ml(float(typed))) == typed
    assert units.pour_number(round(units.pour_ml(16.123), 3), 3) == "16.123"


@pytest.mark.parametrize(
    ("temperature", "typed"),
    [("C", "4.25"), ("C", "3.75"), ("C", "-0.125"), ("C", "0"), ("C", "100"), ("F", "38.25"), ("F", "-4"), ("F", "40.1")],
)
def test_an_entered_temperature_is_shown_as_it_was_entered(temperature: str, typed: str) -> None:
    units = Units(temperature)
    stored = units.millicelsius(float(typed))
    assert units.temp_number(stored) == typed
    for millicelsius in range(-50, 50):
        assert units.millicelsius(float(units.temp_number(millicelsius))) == millicelsius


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
