"""Backoff as a value: no sleeping."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from kegnet.backoff import Backoff


def test_the_ceiling_doubles_from_5_s_to_600_s() -> None:
    backoff, ceilings = Backoff(), []
    for _ in range(9):
        ceilings.append(backoff.ceiling_s())
        backoff.failed(now=0)
    assert ceilings == [5, 10, 20, 40, 80, 160, 320, 600, 600]


@given(st.integers(0, 5000), st.floats(0, 1e6), st.floats(0, 3600), st.integers())
def test_the_delay_lies_between_what_was_asked_for_and_the_ceiling_over_it(failures: int, now: float, asked_s: float, seed: int) -> None:
    backoff = Backoff(source=random.Random(seed))
    backoff.failures = failures
    ceiling = backoff.ceiling_s()
    backoff.failed(now, asked_s)
    assert now + asked_s <= backoff.due <= now + asked_s + ceiling


def test_the_jitter_is_full_until_the_cap_has_been_reached() -> None:
    delays = []
    for seed in range(1000):
        backoff = Backoff(source=random.Random(seed))
        backoff.failures = 7
        assert backoff.ceiling_s() == 600
        backoff.failed(now=0)
        delays.append(backoff.due)
    tenths = [sum(tenth * 60 <= delay < tenth * 60 + 60 for delay in delays) for tenth in range(10)]
    assert min(tenths) > 60, "each tenth of the range gets its share"


def test_at_the_cap_the_pace_is_even() -> None:
    backoff = Backoff()
    backoff.failures = 8
    for _ in range(1000):
        backoff.failed(now=0)
        assert 540 <= backoff.due <= 600


def test_success_starts_over() -> None:
    backoff = Backoff()
    backoff.failed(now=100)
    backoff.succeeded()
    assert backoff.due < 0
    assert backoff.ceiling_s() == 5
