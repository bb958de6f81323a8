"""What a fleet of clients does to a server that comes back: the short form of tests/bench/fleet.py."""

from __future__ import annotations

import pytest
from bench.fleet import LIMIT, Course, Scenario, simulate
from kegnet.client.outcome import Outcome

NOISE = 1.1
"""A small fleet's minutes differ more than a large one's."""


@pytest.mark.parametrize(
    ("clients", "outage_s", "outcome"),
    [
        (10_000, 600, Outcome.NO_CONNECTION),
        (5_000, 3600, Outcome.NO_CONNECTION),
        (2_000, 36_000, Outcome.NO_CONNECTION),
        (5_000, 3600, Outcome.FAILED),
        (5_000, 3600, Outcome.BUSY),
    ],
)
def test_a_fleet_comes_back_from_an_outage_with_at_most_four_times_its_pings(clients: int, outage_s: float, outcome: Outcome) -> None:
    course = simulate(Scenario("outage", clients, outage_s, outcome=outcome), processes=1)
    assert course.peak_pings <= LIMIT * NOISE
    assert course.peak_pings_after(15) < 1.3, "it is as evenly spread as before"


def test_full_spools_do_not_add_pings() -> None:
    course = simulate(Scenario("full spools", 3_000, 3600, full_spools=0.1), processes=1)
    assert course.peak_pings <= LIMIT * NOISE
    assert sum(course.messages) > 3_000 * 0.1 * 100 / 2


def test_clients_that_start_together_are_spread_from_the_second_minute_on() -> None:
    course: Course = simulate(Scenario("power cut", 5_000, 0, power_cut_s=60), processes=1)
    assert course.peak_pings_after(1) < 1.3
