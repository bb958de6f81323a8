"""A wall clock that is wrong, and is set while the client runs: no storm of pings, and no silence."""

from __future__ import annotations

import time

import pytest
from faults.conftest import FaultCounts
from faults.hosts import Hosts
from support.wait import wait_for
from system.guest import ONE_AT_A_TIME

pytestmark = ONE_AT_A_TIME

INTERVAL_S = 3
WATCHED_S = 12
SLOW_S = 90
"""The guest is slow."""
YEAR_S = 365 * 86_400


def pings(hosts: Hosts) -> int:
    """How many pings the bar gets in the next `WATCHED_S` seconds of the guest's."""
    start_s = hosts.uptime_s()
    wait_for(lambda: hosts.uptime_s() > start_s + WATCHED_S, SLOW_S, every_s=0.5)
    return sum(start_s < at_s <= start_s + WATCHED_S for at_s in hosts.pinged_at_s())


def neither_storm_nor_silence(pings: int) -> bool:
    """Whether that is about one an interval."""
    return WATCHED_S / INTERVAL_S / 2 <= pings <= WATCHED_S / INTERVAL_S * 2


@pytest.mark.parametrize(
    "years", [8, -8 / 365, 60, -0.01], ids=["forward by years", "back by days", "to the next century", "back a little"]
)
def test_a_clock_that_steps_brings_neither_storm_nor_silence(hosts: Hosts, years: float, counts: FaultCounts) -> None:
    hosts.set_clock(time.time() + 30 * 86_400)
    hosts.configure("http", INTERVAL_S)
    wait_for(lambda: hosts.messages("/ping"), SLOW_S, every_s=0.5)
    hosts.set_clock(time.time() + 30 * 86_400 + years * YEAR_S)
    assert neither_storm_nor_silence(pings(hosts))
    stamped_s = int(hosts.messages("/ping")[-1]["ts"]) / 1000
    assert abs(stamped_s - int(hosts.guest.sh("date +%s"))) < 20, "a ping has the time of the clock as it stands"
    for touched in ("now", "1975-01-01", "2090-01-01"):
        hosts.pours(1, touched)
    wait_for(lambda: not hosts.waiting(), SLOW_S, every_s=0.5)
    counts.check_delivery(hosts.made, hosts.ledger())


def test_a_clock_that_falls_back_to_1970_keeps_everything_until_it_is_set(hosts: Hosts, counts: FaultCounts) -> None:
    hosts.set_clock(time.time())
    hosts.configure("http", INTERVAL_S)
    wait_for(lambda: hosts.messages("/ping"), SLOW_S, every_s=0.5)
    said = hosts.guest.log().count("the clock stands at")
    hosts.set_clock(3600)  # The kernel refuses a time before its own start.
    wait_for(lambda: hosts.guest.log().count("the clock stands at 1970") > said, SLOW_S, every_s=0.5)
    hosts.pours(3)
    assert pings(hosts) == 0
    assert hosts.waiting() == hosts.made
    assert hosts.guest.property("StatusText").startswith("the clock is not set")
    assert hosts.guest.log().count("the clock stands at") == said + 1, "a lasting state is said once"
    hosts.set_clock(time.time())
    wait_for(lambda: not hosts.waiting(), SLOW_S, every_s=0.5)
    assert neither_storm_nor_silence(pings(hosts))
    counts.check_delivery(hosts.made, hosts.ledger())
