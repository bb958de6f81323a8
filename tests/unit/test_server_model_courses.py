"""The level of a keg over time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from kegnet.server.model.courses import course_of


def test_a_level_falls_with_each_pour_and_never_below_empty() -> None:
    assert course_of(1000, [(1, 300.0), (2, 0.0), (3, 800.0), (4, 10.0)], 9) == [(1, 700), (2, 700), (3, 0), (4, 0)]
    assert course_of(1000, [], 9) == []


@given(st.integers(1, 500), st.integers(1, 60))
def test_a_long_course_is_shortened_and_its_end_is_kept(number: int, most: int) -> None:
    poured = [(each, 1.0) for each in range(number)]
    course = course_of(1000, poured, most)
    assert len(course) <= most
    assert course[-1] == (number - 1, 1000 - number)
    assert set(course) <= set(course_of(1000, poured, number))
