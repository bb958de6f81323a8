"""A wall clock that is wrong, and is set while the client runs: neither too many pings nor none, and no torn pour."""

from __future__ import annotations

import time

import pytest
from faults.conftest import FaultCounts
from faults.hosts import SPOOL, Hosts
from support.wait import wait_for
from system.guest import ONE_AT_A_TIME

pytestmark = ONE_AT_A_TIME

INTERVAL_S = 3
WATCHED_S = 12
SLOW_S = 90
"""The guest is slow."""
YEAR_S = 365 * 86_400


def pings(hosts: Hosts) -> int:
    """How many pings the server gets in the next `WATCHED_S` seconds of the guest."""
    start_s = hosts.uptime_s()
    wait_for(lambda: hosts.uptime_s() > start_s + WATCHED_S, SLOW_S, every_s=0.5)
    return sum(start_s < at_s <= start_s + WATCHED_S for at_s in hosts.pinged_at_s())


def as_many_as_usual(pings: int) -> bool:
    """Whether that is about one per interval."""
    return WATCHED_S / INTERVAL_S / 2 <= pings <= WATCHED_S / INTERVAL_S * 2


@pytest.mark.parametrize(
    "years", [8, -8 / 365, 60, -0.01], ids=["forward by years", "back by days", "to the next century", "back a little"]
)
def test_a_clock_that_steps_changes_no_schedule(hosts: Hosts, years: float, counts: FaultCounts) -> None:
    hosts.set_clock(time.time() + 30 * 86_400)
    hosts.configure("http", INTERVAL_S)
    wait_for(lambda: hosts.messages("/ping"), SLOW_S, every_s=0.5)
    hosts.set_clock(time.time() + 30 * 86_400 + years * YEAR_S)
    # A busy machine can hold the guest up.
    assert any(as_many_as_usual(pings(hosts)) for _ in range(3))
    stamped_s = int(hosts.messages("/ping")[-1]["ts"]) / 1000
    assert abs(stamped_s - int(hosts.guest.sh("date +%s"))) < 20, "a ping has the current time of the clock"
    for touched in ("now", "1975-01-01", "2090-01-01"):
        hosts.pours(1, touched)
    wait_for(lambda: not hosts.waiting(), SLOW_S, every_s=0.5)
    counts.check_delivery(hosts.made, hosts.ledger())


def test_a_clock_that_steps_forward_makes_no_file_old(hosts: Hosts, counts: FaultCounts) -> None:
    """A file that was written just before the step is neither sent torn nor set aside."""
    hosts.set_clock(time.time())
    hosts.configure("http", 3600)
    wait_for(lambda: hosts.messages("/ping"), SLOW_S, every_s=0.5)
    hosts.made = {"1372686435017", "1372686435018"}
    hosts.guest.sh(
        f"cd {SPOOL} && systemctl stop kegnet-client && printf 0,586,8213,13726 > half.pour && printf 0,586 > less.pour && "
        "systemctl start kegnet-client && date --set='+5 hours'"
    )
    start_s = hosts.uptime_s()
    wait_for(lambda: hosts.uptime_s() > start_s + 15, SLOW_S, every_s=0.5)
    assert hosts.messages("/pour") == []
    assert hosts.waiting() == {"half", "less"}
    hosts.guest.sh(f"cd {SPOOL} && printf '86435017\\n' >> half.pour && printf ',8213,1372686435018\\n' >> less.pour")
    wait_for(lambda: not hosts.waiting(), SLOW_S, every_s=0.5)
    counts.check_delivery(hosts.made, hosts.ledger())


def test_a_clock_that_falls_back_to_1970_keeps_everything_until_it_is_set(hosts: Hosts, counts: FaultCounts) -> None:
    hosts.set_clock(time.time())
    hosts.configure("http", INTERVAL_S)
    wait_for(lambda: hosts.messages("/ping"), SLOW_S, every_s=0.5)
    lines = hosts.guest.log().count("the clock shows")
    hosts.set_clock(3600)  # The kernel refuses a time before its own start.
    wait_for(lambda: hosts.guest.log().count("the clock shows 1970") > lines, SLOW_S, every_s=0.5)
    hosts.pours(3)
    assert pings(hosts) == 0
    assert hosts.waiting() == hosts.made
    assert hosts.guest.property("StatusText").startswith("the clock is not set")
    assert hosts.guest.log().count("the clock shows") == lines + 1, "a lasting state is logged once"
    hosts.set_clock(time.time())
    wait_for(lambda: not hosts.waiting(), SLOW_S, every_s=0.5)
    assert as_many_as_usual(pings(hosts))
    counts.check_delivery(hosts.made, hosts.ledger())
