"""A day of temperatures as one small line."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from kegnet.server.model.sparkline import HEIGHT, MARGIN, SLOT_MS, SLOTS, WIDTH, slot_of, sparkline

LAST = 1000


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]


def test_a_slot_is_half_an_hour_of_a_day() -> None:
    assert SLOTS * SLOT_MS == 24 * 3600 * 1000
    assert [slot_of(at_ms) for at_ms in (0, SLOT_MS - 1, SLOT_MS)] == [0, 0, 1]


def test_it_goes_from_the_left_edge_to_the_right_one_and_warm_is_up() -> None:
    path = sparkline({LAST - SLOTS + 1: 2000, LAST - SLOTS + 2: 4000, LAST - 1: 3000, LAST: 6000}, LAST)
    (first, *_), last = points(path), points(path)[-1]
    assert first == (MARGIN, HEIGHT - MARGIN)
    assert last == (WIDTH - MARGIN, MARGIN)


def test_nothing_is_drawn_where_nothing_was_sent() -> None:
    path = sparkline({LAST - 9: 4000, LAST - 8: 4000, LAST - 7: 4000, LAST - 2: 4000, LAST - 1: 4000, LAST: 4000}, LAST)
    assert re.sub(r"[\d. ]+", "", path) == "MLLMLL"


def test_a_client_that_sends_seldom_has_no_gaps() -> None:
    assert sparkline(dict.fromkeys(range(LAST - 40, LAST, 4), 4000), LAST).count("M") == 1


def test_a_lone_value_is_a_dot() -> None:
    assert sparkline({LAST: 4000}, LAST) == f"M{WIDTH - MARGIN:.1f} {HEIGHT / 2:.1f}h0"
    assert sparkline({LAST - 20: 4000, LAST - 1: 4000, LAST: 4000}, LAST).startswith("M57.0 14.0h0M")


def test_noise_is_no_mountain() -> None:
    heights = [y for _, y in points(sparkline({LAST - 1: 4000, LAST: 4100}, LAST))]
    assert max(heights) - min(heights) < 2


def test_without_values_of_this_day_there_is_no_line() -> None:
    assert sparkline({}, LAST) == ""
    assert sparkline({LAST - SLOTS: 4000, LAST + 1: 4000}, LAST) == ""


@given(st.dictionaries(st.integers(LAST - 60, LAST + 5), st.integers(-273_000, 1_000_000)))
def test_it_stays_inside_the_picture(values: dict[int, int]) -> None:
    for x, y in points(sparkline(values, LAST)):
        assert MARGIN - 0.05 <= x <= WIDTH - MARGIN + 0.05
        assert MARGIN - 0.05 <= y <= HEIGHT - MARGIN + 0.05
