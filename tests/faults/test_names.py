"""A server's name that is not resolved, or slowly, or to another address: no pour is lost, and the client recovers."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import dnslib
import pytest
from faults.conftest import FaultCounts
from faults.faulty_server import NO_CONNECTION, NOT_ACCEPTED, FaultyServerCase, full_backlog, pours
from support.keg import Keg
from support.names import NAME, NameServer
from support.pki import Certificate, issue
from support.scripted_server import ScriptedServer
from support.wait import wait_for

RESOLVER_S = 30
"""Two types of addresses, two attempts of 2 s, and what a busy machine may add."""


@pytest.fixture
def names() -> Iterator[NameServer]:
    """The name server."""
    server = NameServer()
    yield server
    server.close()


@pytest.fixture
def certificate(run_folder: Path, ca: Certificate) -> Certificate:
    return issue(ca, run_folder, "named", f"DNS:{NAME}")


@pytest.fixture
def case(scripted_keg: Keg, scripted_server: ScriptedServer, names: NameServer, counts: FaultCounts) -> FaultyServerCase:
    """A client whose `serviceBaseURL` contains a name."""
    scripted_keg.parameters["serviceBaseURL"] = f"https://{NAME}:{scripted_server.port}/rest/v2"
    scripted_keg.resolv_conf.write_text(f"nameserver {names.address}\nsearch lan\n")
    return FaultyServerCase(scripted_keg, scripted_server, counts, NO_CONNECTION)


@pytest.mark.parametrize(
    ("reply", "pattern"),
    [
        (dnslib.RCODE.NXDOMAIN, "Name or service not known"),
        (dnslib.RCODE.SERVFAIL, "Temporary failure in name resolution"),
        (dnslib.RCODE.REFUSED, "Temporary failure in name resolution"),
        ("127.0.0.9", "Connection refused"),
    ],
    ids=["does not exist", "servers fail", "refused", "a wrong address"],
)
def test_a_name_that_does_not_resolve_to_the_server_keeps_the_pour(
    case: FaultyServerCase, names: NameServer, reply: str | int, pattern: str
) -> None:
    names.reply = reply
    case.check_during_fault(pattern)
    names.reply = "127.0.0.1"
    case.check_recovery()


def test_a_silent_name_server_is_an_outage_and_delays_the_end_by_the_resolvers_time_out(case: FaultyServerCase, names: NameServer) -> None:
    """No signal interrupts getaddrinfo(3). systemd kills the client after TimeoutStopSec, by which nothing is lost."""
    case.keg.resolv_conf.write_text(f"nameserver {names.address}\noptions timeout:2 attempts:2\n")
    names.reply = None
    case.keg.start()
    case.keg.syslog.wait(f"{NO_CONNECTION}Temporary failure in name resolution", RESOLVER_S)
    asked = names.queries
    wait_for(lambda: names.queries > asked, RESOLVER_S)
    case.keg.signal(signal.SIGTERM)
    assert case.keg.wait_for_end(RESOLVER_S) == 0
    case.keg.start()
    asked = names.queries
    wait_for(lambda: names.queries > asked)
    case.keg.signal(signal.SIGKILL)
    case.keg.wait_for_end()
    names.reply, case.server.pour_answer = "127.0.0.1", case.ledger.answer
    case.keg.start()
    case.check_all_sent()


def test_a_lost_packet_or_a_slow_name_server_is_no_outage(case: FaultyServerCase, names: NameServer) -> None:
    """With the resolver's default time-outs."""
    case.server.pour_answer = case.ledger.answer
    for delay_s, lost in ((0.0, 1), (1.3, 0)):
        names.delay_s, names.lost = delay_s, lost
        case.keg.start()
        case.check_all_sent()
        assert case.keg.stop() == 0
        assert not case.keg.syslog.lines(f"{NO_CONNECTION}|{NOT_ACCEPTED}")
        case.made |= pours(case.keg, 1, first=len(case.made) + 1)
    case.keg.start()
    case.check_all_sent()
    assert names.lost == 0


def test_four_dead_addresses_do_not_hide_the_fifth(case: FaultyServerCase, names: NameServer) -> None:
    dead = [f"127.0.0.{number}" for number in range(11, 15)]
    case.server.pour_answer, names.reply = case.ledger.answer, [*dead, "127.0.0.1"]
    with contextlib.ExitStack() as stack:
        for address in dead:
            stack.enter_context(full_backlog((address, case.server.port)))
        case.keg.start()
        case.check_all_sent(limit_s=30)
        assert not case.keg.syslog.lines(f"{NO_CONNECTION}|{NOT_ACCEPTED}")
        assert case.keg.stop() == 0


def test_a_server_that_moves_is_followed(case: FaultyServerCase, names: NameServer, certificate: Certificate) -> None:
    case.server.pour_answer = case.ledger.answer
    case.keg.start()
    wait_for(lambda: not case.keg.waiting())
    case.server.stop_listening()
    case.server.reset_connections()
    moved = ScriptedServer(certificate, "127.0.0.2", case.server.port)
    moved.pour_answer = case.ledger.answer
    case.made |= pours(case.keg, first=100)
    case.keg.syslog.wait(f"{NO_CONNECTION}Connection refused")
    names.reply = "127.0.0.2"
    case.check_all_sent()
    moved.close()


def test_other_name_servers_are_used_as_soon_as_they_are_configured(case: FaultyServerCase, names: NameServer) -> None:
    """As after a change to another network."""
    names.reply = dnslib.RCODE.SERVFAIL
    case.check_during_fault("Temporary failure in name resolution")
    others = NameServer()
    case.keg.resolv_conf.write_text(f"nameserver {others.address}\n")
    case.check_recovery()
    others.close()
