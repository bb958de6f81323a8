"""A server's name that does not resolve, hangs, or changes its address: no pour is lost, and the client follows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dnslib
import pytest
from faults.conftest import Tally
from faults.ordeal import Ordeal, pours
from support.keg import Keg
from support.names import NAME, NameServer
from support.pki import Certificate, issue
from support.scripted_server import ScriptedServer
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
def ordeal(scripted_keg: Keg, scripted_server: ScriptedServer, names: NameServer, tally: Tally) -> Ordeal:
    """A client that knows its server by name."""
    scripted_keg.parameters["serviceBaseURL"] = f"https://{NAME}:{scripted_server.port}/rest/v2"
    scripted_keg.resolv_conf.write_text(f"nameserver {names.address}\nsearch lan\n")
    return Ordeal(scripted_keg, scripted_server, tally)


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
    ordeal: Ordeal, names: NameServer, reply: str | int | None, words: str
) -> None:
    names.reply = reply
    ordeal.is_endured(words)
    names.reply = "127.0.0.1"
    ordeal.is_over()


def test_silent_name_servers_do_not_hold_up_the_end(ordeal: Ordeal, names: NameServer) -> None:
    names.reply = None
    ordeal.keg.resolv_conf.write_text(f"nameserver {names.address}\n" * 2 + "search lan home\n")
    ordeal.keg.start()
    wait_for(lambda: names.queries)
    ordeal.is_left()
    names.reply, ordeal.server.pour_answer = "127.0.0.1", ordeal.ledger.answer
    ordeal.keg.start()
    ordeal.is_settled()


def test_a_server_that_moves_is_followed(ordeal: Ordeal, names: NameServer, certificate: Certificate) -> None:
    ordeal.server.pour_answer = ordeal.ledger.answer
    ordeal.keg.start()
    wait_for(lambda: not ordeal.keg.waiting())
    ordeal.server.stop_listening()
    ordeal.server.reset_connections()
    moved = ScriptedServer(certificate, "127.0.0.2", ordeal.server.port)
    moved.pour_answer = ordeal.ledger.answer
    ordeal.made |= pours(ordeal.keg, first=100)
    ordeal.keg.syslog.wait("server unavailable: Connection refused")
    names.reply = "127.0.0.2"
    ordeal.is_settled()
    moved.close()


def test_other_name_servers_are_taken_over(ordeal: Ordeal, names: NameServer) -> None:
    """As they come with another network."""
    names.reply = None
    ordeal.is_endured("Temporary failure in name resolution")
    others = NameServer()
    ordeal.keg.resolv_conf.write_text(f"nameserver {others.address}\n")
    ordeal.is_over()
    others.close()
