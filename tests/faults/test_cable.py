"""Two hosts and a bad cable: packets are lost, late, damaged, or none arrive for minutes."""

from __future__ import annotations

import time

import pytest
from faults.conftest import FaultCounts
from faults.faulty_server import GROWTH_KB, STOPPED_WITHIN_S
from faults.hosts import Hosts
from support.wait import wait_for
from system.guest import ONE_AT_A_TIME

pytestmark = ONE_AT_A_TIME

POURS = 5
SLOW_S = 120
"""TCP waits long where a fifth of all packets is lost in both directions, and the guest is slow."""
STEP_S = 5
CAP_S = 600
REQUEST_S = 30


def bad_cable(hosts: Hosts, how: str) -> None:
    """netem does this to each packet, on both ends (tc-netem(8))."""
    for end in ("client", "server"):
        hosts.guest.sh(f"tc -n {end} qdisc replace dev cable root netem {how}")


@pytest.mark.parametrize(
    "how",
    ["loss 20%", "delay 500ms 300ms", "delay 50ms 20ms reorder 25% 50% duplicate 20% corrupt 3%"],
    ids=["loss", "delay", "disorder"],
)
def test_a_bad_cable_loses_no_pour(hosts: Hosts, how: str, counts: FaultCounts) -> None:
    hosts.configure("https", 3600)
    bad_cable(hosts, how)
    before_kb = hosts.peak_kb()
    hosts.pours(POURS)
    wait_for(lambda: not hosts.waiting(), SLOW_S, every_s=0.5)
    assert hosts.peak_kb() < before_kb + GROWTH_KB
    bad_cable(hosts, "limit 1000")
    hosts.guest.sh("systemctl stop kegnet-client")
    counts.check_delivery(hosts.made, hosts.ledger())


def test_a_cable_unplugged_for_minutes_loses_no_pour(hosts: Hosts, counts: FaultCounts, request: pytest.FixtureRequest) -> None:
    hosts.configure("https", 3600)
    wait_for(lambda: hosts.messages("/ping"), SLOW_S, every_s=0.5)
    again = hosts.guest.log().count("server available again after")
    hosts.guest.sh("ip -n server link set cable down")
    connections = hosts.connections()
    hosts.pours(POURS)
    wait_for(lambda: hosts.connections() > connections, SLOW_S, every_s=0.2)
    hosts.guest.sh("systemctl stop kegnet-client")
    stopped_us, ended_us = (int(hosts.guest.property(f"{moment}TimestampMonotonic")) for moment in ("ActiveExit", "ExecMainExit"))
    assert 0 < ended_us - stopped_us < STOPPED_WITHIN_S * 1_000_000
    hosts.guest.sh("systemctl start kegnet-client")
    before_kb, connections = hosts.peak_kb(), hosts.connections()
    time.sleep(60 * request.config.getoption("--minutes"))
    assert hosts.waiting() == hosts.made
    assert hosts.peak_kb() < before_kb + GROWTH_KB
    failures = hosts.connections() - connections
    hosts.guest.sh("ip -n server link set cable up")
    wait_for(lambda: not hosts.waiting(), min(CAP_S, STEP_S * 2**failures) + REQUEST_S, every_s=0.5)
    hosts.guest.sh("systemctl stop kegnet-client")
    wait_for(lambda: hosts.guest.log().count("server available again after") > again, SLOW_S, every_s=0.5)
    counts.check_delivery(hosts.made, hosts.ledger())
