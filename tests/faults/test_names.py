"""A server's name that does not resolve, hangs, or changes its address: no pour is lost, and the client follows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dnslib
import pytest
from faults.conftest import FaultCounts
from faults.faulty_server import FaultyServerCase, pours
from support.keg import Keg
from support.moody import Moody
from support.names import NAME, NameServer
from support.pki import Certificate, issue
from support.wait import wait_for


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
def case(moody_keg: Keg, moody: Moody, names: NameServer, counts: FaultCounts) -> FaultyServerCase:
    """A client that knows its server by name."""
    moody_keg.parameters["serviceBaseURL"] = f"https://{NAME}:{moody.port}/rest/v2"
    moody_keg.resolv_conf.write_text(f"nameserver {names.address}\nsearch lan\n")
    return FaultyServerCase(moody_keg, moody, counts)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (dnslib.RCODE.NXDOMAIN, "Name or service not known"),
        (dnslib.RCODE.SERVFAIL, "Temporary failure in name resolution"),
        (dnslib.RCODE.REFUSED, "Temporary failure in name resolution"),
        (None, "Temporary failure in name resolution"),
        ("127.0.0.9", "Connection refused"),
    ],
    ids=["does not exist", "servers fail", "refused", "silence", "a wrong address"],
)
def test_a_name_that_does_not_lead_to_the_server_keeps_the_pour(
    case: FaultyServerCase, names: NameServer, reply: str | int | None, words: str
) -> None:
    names.reply = reply
    case.check_during_fault(words)
    names.reply = "127.0.0.1"
    case.check_recovery()


def test_silent_name_servers_do_not_hold_up_the_end(case: FaultyServerCase, names: NameServer) -> None:
    names.reply = None
    case.keg.resolv_conf.write_text(f"nameserver {names.address}\n" * 2 + "search lan home\n")
    case.keg.start()
    wait_for(lambda: names.asked)
    case.stop_in_time()
    names.reply, case.server.mood = "127.0.0.1", case.ledger.answer
    case.keg.start()
    case.check_all_sent()


def test_a_server_that_moves_is_followed(case: FaultyServerCase, names: NameServer, certificate: Certificate) -> None:
    case.server.mood = case.ledger.answer
    case.keg.start()
    wait_for(lambda: not case.keg.waiting())
    case.server.leave()
    case.server.hang_up()
    moved = Moody(certificate, "127.0.0.2", case.server.port)
    moved.mood = case.ledger.answer
    case.made |= pours(case.keg, first=100)
    case.keg.journal.wait("server unavailable: Connection refused")
    names.reply = "127.0.0.2"
    case.check_all_sent()
    moved.close()


def test_other_name_servers_are_taken_over(case: FaultyServerCase, names: NameServer) -> None:
    """As they come with another network."""
    names.reply = None
    case.check_during_fault("Temporary failure in name resolution")
    others = NameServer()
    case.keg.resolv_conf.write_text(f"nameserver {others.address}\n")
    case.check_recovery()
    others.close()
