"""The ping schedule as a value, and what a fleet of clients makes of it and of the backoff."""

from __future__ import annotations

import random

from bench import fleet
from hypothesis import given
from hypothesis import strategies as st
from kegnet.schedule import Schedule


def test_the_first_is_at_once_and_the_second_within_an_interval() -> None:
    seconds = []
    for seed in range(1000):
        schedule = Schedule(600, random.Random(seed))
        assert schedule.due == float("-inf")
        schedule.done(now=1000)
        seconds.append(schedule.due - 1000)
    assert all(0 <= second <= 600 for second in seconds)
    tenths = [sum(tenth * 60 <= second < tenth * 60 + 60 for second in seconds) for tenth in range(10)]
    assert min(tenths) > 60, "each tenth of the interval gets its share"


@given(st.integers(1, 86_400), st.floats(0, 1e9), st.integers())
def test_one_that_comes_late_does_not_put_off_those_after_it(interval_s: int, late_s: float, seed: int) -> None:
    schedule = Schedule(interval_s, random.Random(seed))
    schedule.done(now=0)
    due = schedule.due
    schedule.done(now=due + late_s)
    assert due + late_s < schedule.due <= due + late_s + 1.03 * interval_s + 1e-3


def test_intervals_differ_by_a_few_per_cent() -> None:
    schedule = Schedule(600)
    schedule.done(now=0)
    for _ in range(100):
        due = schedule.due
        schedule.done(now=due)
        assert 582 <= schedule.due - due <= 618


def test_a_first_ping_that_cannot_be_sent_stays_due_and_a_later_one_is_left_for_the_next_time() -> None:
    schedule = Schedule(600)
    schedule.leave_until(100)
    assert schedule.due == float("-inf")
    schedule.done(now=105)
    due = schedule.due
    schedule.leave_until(due)
    assert schedule.due == due
    schedule.leave_until(due + 10)
    assert due + 582 <= schedule.due <= due + 618


def test_a_fleet_does_not_come_back_in_a_wave() -> None:
    short, long, cut = fleet.courses(10_000)
    for course in (short, long):
        assert course.limit is not None
        assert course.peak <= course.limit * 1.1, "a tenth is the noise of so small a fleet"
    assert max(cut.after[3:]) < 1.3 * cut.steady, "those who started together are spread after the minute in which they did"
