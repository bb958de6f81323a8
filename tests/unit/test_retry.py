"""The backoff, the ping schedule and the fate of a pour, as values: no sleeping."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kegnet.client.outcome import Fate, Outcome, Result
from kegnet.client.retry import Attempts, PingSchedule, Retry, backoff_s

LONG_AGO = float("-inf")


def result(outcome: Outcome, retry_after_s: float = 0.0) -> Result:
    return Result(outcome, outcome.value, retry_after_s)


@pytest.mark.parametrize(("failures", "ceiling_s"), enumerate([5, 10, 20, 40, 80, 160, 320, 600, 600]))
def test_the_delay_is_drawn_evenly_up_to_a_ceiling_that_doubles_from_5_s_to_600_s(failures: int, ceiling_s: float) -> None:
    source = random.Random(1)
    delays = [backoff_s(failures, source) for _ in range(2000)]
    assert 0 <= min(delays) < max(delays) <= ceiling_s
    tenths = [sum(tenth <= delay * 10 / ceiling_s < tenth + 1 for delay in delays) for tenth in range(10)]
    assert min(tenths) > 120, "each tenth of the range gets its share"


def test_an_outage_may_last() -> None:
    assert 0 <= backoff_s(10**6, random.Random(1)) <= 600


def test_the_first_ping_is_due_at_once_and_the_second_within_an_interval() -> None:
    seconds = []
    for seed in range(1000):
        schedule = PingSchedule(600, random.Random(seed))
        assert schedule.due == LONG_AGO
        schedule.sent(now=1000)
        seconds.append(schedule.due - 1000)
    tenths = [sum(tenth * 60 <= second < tenth * 60 + 60 for second in seconds) for tenth in range(10)]
    assert sum(tenths) == 1000
    assert min(tenths) > 60, "each tenth of the interval gets its share"


@given(st.integers(1, 86_400), st.floats(0, 1e9), st.integers())
def test_a_late_ping_does_not_move_those_after_it(interval_s: int, late_s: float, seed: int) -> None:
    schedule = PingSchedule(interval_s, random.Random(seed))
    schedule.sent(now=0)
    due = schedule.due
    schedule.sent(now=due + late_s)
    assert due + late_s < schedule.due <= due + late_s + 1.03 * interval_s + 1e-3


def test_intervals_differ_by_three_per_cent() -> None:
    schedule = PingSchedule(600, random.Random(1))
    schedule.sent(now=0)
    for _ in range(100):
        due = schedule.due
        schedule.sent(now=due)
        assert 582 <= schedule.due - due <= 618


def test_a_ping_that_was_sent_early_does_not_move_the_schedule() -> None:
    schedule = PingSchedule(600, random.Random(1))
    schedule.sent(now=0)
    due = schedule.due
    schedule.sent(now=due - 1)
    assert schedule.due == due


@given(st.floats(1, 3600), st.integers())
def test_a_busy_endpoint_gets_nothing_before_retry_after_and_soon_after_it(asked_s: float, seed: int) -> None:
    retry = Retry(600, source=random.Random(seed))
    fate, attempts = retry.record_pour("x", Attempts(), result(Outcome.BUSY, asked_s), now=100)
    assert fate is Fate.KEEP
    assert 100 + asked_s <= retry.pour_at(attempts, LONG_AGO, now=100) <= 100 + asked_s + max(5, asked_s / 10)
    assert retry.ping_at(attempts) == LONG_AGO, "the other endpoint is not busy"


def test_without_retry_after_a_busy_endpoint_gets_a_backoff() -> None:
    retry = Retry(600)
    for _ in range(20):
        _, attempts = retry.record_pour("x", Attempts(), result(Outcome.BUSY), now=100)
    assert 100 < retry.pour_at(attempts, LONG_AGO, now=100) <= 700


@pytest.mark.parametrize(
    ("outcome", "fate"),
    [(Outcome.ACCEPTED, Fate.DELETE), (Outcome.INVALID, Fate.SET_ASIDE)]
    + [(outcome, Fate.KEEP) for outcome in (Outcome.REFUSED, Outcome.BUSY, Outcome.FAILED, Outcome.NO_CONNECTION)],
)
def test_each_outcome_decides_the_fate_of_the_file(outcome: Outcome, fate: Fate) -> None:
    assert Retry(600).record_pour("x", Attempts(), result(outcome), now=0)[0] is fate


def test_a_failure_to_connect_does_not_count_for_the_order() -> None:
    retry = Retry(600)
    assert retry.record_pour("x", Attempts(), result(Outcome.NO_CONNECTION), now=0)[1] == Attempts()
    for outcome in (Outcome.FAILED, Outcome.BUSY, Outcome.REFUSED):
        assert retry.record_pour("x", Attempts(), result(outcome), now=0)[1].sort_key > Attempts().sort_key


def test_a_sensor_without_a_reading_holds_pings_until_it_is_read_again() -> None:
    retry = Retry(600)
    retry.record_no_reading(again_at=70)
    assert retry.ping_at(None) == 70
    assert Retry(600, has_sensor=False).ping_at(None) == float("inf")
