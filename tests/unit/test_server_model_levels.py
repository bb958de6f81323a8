"""What is left in a keg, and how long it lasts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kegnet.server.model.levels import (
    DAY_MS,
    WEEK_MS,
    OverfullError,
    glasses,
    keg_state,
    lasts_ms,
    left_ml,
    level,
    rate_since,
    resized_start_ml,
)

NOW = 1_796_000_000_000
VOLUMES = st.floats(0, 1e9)


def test_what_left_the_keg_is_not_in_it() -> None:
    assert left_ml(19_000, 500.5) == 18_499.5


def test_a_keg_is_never_less_than_empty() -> None:
    assert left_ml(19_000, 19_000) == 0
    assert left_ml(19_000, 19_000.5) == 0


@given(VOLUMES, VOLUMES)
def test_a_level_is_from_nothing_to_what_it_was(start: float, out: float) -> None:
    assert 0 <= left_ml(start, out) <= start


@pytest.mark.parametrize(
    ("start", "size", "new", "expected"),
    [
        (19_000, 19_000, 30_000, 30_000),
        (50_000, 50_000, 19_000, 19_000),
        (12_000, 19_000, 12_000, 12_000),
        (20_000, 19_000, 19_000, 20_000),
        (19_000, 19_000, None, 19_000),
        (19_000, None, 19_000, 19_000),
        (None, None, 19_000, 19_000),
        (None, 30_000, 19_000, None),
    ],
)
def test_a_full_keg_stays_full_when_its_size_is_corrected(
    start: int | None, size: int | None, new: int | None, expected: int | None
) -> None:
    assert resized_start_ml(start, size, new) == expected


@pytest.mark.parametrize("size", [19_000, None])
def test_a_keg_cannot_be_smaller_than_what_it_contained(size: int | None) -> None:
    with pytest.raises(OverfullError):
        resized_start_ml(12_001, size, 12_000)


def test_the_rate_is_of_a_week_or_since_the_keg_is_on() -> None:
    assert (DAY_MS, WEEK_MS) == (86_400_000, 604_800_000)
    assert rate_since(NOW - 30 * DAY_MS, NOW) == NOW - 7 * DAY_MS
    assert rate_since(NOW - 3 * DAY_MS, NOW) == NOW - 3 * DAY_MS


def test_a_keg_lasts_as_long_as_the_rate_says() -> None:
    assert lasts_ms(8000, 2000, NOW - 2 * DAY_MS, NOW) == 8 * DAY_MS
    assert lasts_ms(1, 3, NOW - DAY_MS, NOW) == 28_800_000


def test_the_first_hour_counts_as_a_day() -> None:
    assert lasts_ms(8000, 2000, NOW - 3_600_000, NOW) == 4 * DAY_MS
    assert lasts_ms(8000, 2000, NOW - DAY_MS - 4, NOW) == 4 * DAY_MS + 16


@pytest.mark.parametrize("out", [0, -1])
def test_a_keg_of_which_nothing_is_drunk_has_no_forecast(out: float) -> None:
    assert lasts_ms(8000, out, NOW - DAY_MS, NOW) is None


def test_a_few_drops_are_a_rate() -> None:
    assert lasts_ms(8000, 0.5, NOW - DAY_MS, NOW) == 16_000 * DAY_MS


def test_an_empty_keg_lasts_no_time() -> None:
    assert lasts_ms(0, 2000, NOW - DAY_MS, NOW) == 0


@pytest.mark.parametrize(
    ("left", "full", "expected"),
    [
        (19_000, 19_000, "ok"),
        (1901, 19_000, "ok"),
        (1900, 19_000, "low"),
        (191, 19_000, "low"),
        (190, 19_000, "empty"),
        (0, 19_000, "empty"),
    ],
)
def test_a_keg_is_low_and_empty_where_its_alarms_begin(left: float, full: float, expected: str) -> None:
    assert keg_state(True, left, full) == expected


def test_what_is_unknown_is_no_state() -> None:
    assert keg_state(False, None, None) == "none"
    assert keg_state(True, None, 19_000) == keg_state(True, 100, None) == keg_state(True, 100, 0) == "ok"
    assert level(None, 19_000) is level(5, None) is level(5, 0) is glasses(None, 330) is None


def test_a_level_is_a_part_of_the_keg() -> None:
    assert (level(0, 19_000), level(9500, 19_000), level(20_000, 19_000)) == (0, 0.5, 1)


def test_glasses_are_whole() -> None:
    assert [glasses(left, 330) for left in (0, 329, 330, 18_999)] == [0, 0, 1, 57]
