"""The network from hell, over real sockets: no pour is lost, nothing hangs, and the client comes back by itself."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults.conftest import Tally
from faults.ordeal import GROWTH_KB, Ordeal, peak_kb, pours
from faults.wreckage import ANSWERS, GREETINGS, ODD_ANSWERS, shows
from support.keg import Keg
from support.pki import Certificate, authority, issue
from support.scripted_server import Answer, Connection, Handshake, Request, ScriptedServer, answers
from support.wait import stays, wait_for


@pytest.fixture
def ordeal(scripted_keg: Keg, scripted_server: ScriptedServer, tally: Tally) -> Ordeal:
    return Ordeal(scripted_keg, scripted_server, tally)


@pytest.mark.parametrize(("first_answer", "words"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_is_none_keeps_the_pour(ordeal: Ordeal, first_answer: Answer, words: str) -> None:
    ordeal.server.pour_answer = first_answer
    ordeal.is_endured(words)
    ordeal.is_over()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_captive_portal_that_takes_anything_takes_no_pour(ordeal: Ordeal, status: int, certificate: Certificate) -> None:
    portal = ScriptedServer(certificate)
    ordeal.server.pour_answer = answers(status, b"log in", Location=portal.base_url)
    ordeal.is_endured(f"a redirect to {portal.base_url}")
    assert not portal.connections
    portal.close()
    ordeal.is_over()


@pytest.mark.parametrize(("handshake", "words"), GREETINGS.values(), ids=GREETINGS)
def test_a_connection_that_goes_wrong_keeps_the_pour(ordeal: Ordeal, handshake: Handshake, words: str) -> None:
    ordeal.server.handshake = handshake
    ordeal.is_endured(words)
    assert not ordeal.server.requests
    ordeal.is_over()


@pytest.mark.parametrize("fault", ["untrusted", "expired", "of another name"])
def test_a_certificate_that_is_not_good_gets_no_message(ordeal: Ordeal, fault: str, tmp_path: Path, ca: Certificate) -> None:
    certificates = {
        "untrusted": lambda: issue(authority(tmp_path), tmp_path, "untrusted"),
        "expired": lambda: issue(ca, tmp_path, "expired", days=0),
        "of another name": lambda: issue(ca, tmp_path, "other", "DNS:elsewhere.example"),
    }
    ordeal.server.handshake = shows(certificates[fault]())
    ordeal.is_endured("certificate|doesn't match")
    assert not ordeal.server.requests
    ordeal.is_over()


def test_a_server_that_is_not_there_keeps_the_pour(ordeal: Ordeal) -> None:
    ordeal.server.stop_listening()
    ordeal.is_endured("Connection refused")
    ordeal.server.listen_again()
    ordeal.is_over()


@contextmanager
def _no_room_for_connections(address: tuple[str, int]) -> Iterator[None]:
    """Listens at `address` with a queue so full that the kernel drops whoever knocks, as a firewall does."""
    with socket.create_server(address, backlog=0) as listener:
        knockers = [socket.socket() for _ in range(4)]
        for knocker in knockers:
            knocker.setblocking(False)
            knocker.connect_ex(listener.getsockname())
        yield
        for knocker in knockers:
            knocker.close()


def test_a_network_that_swallows_packets_keeps_the_pour(ordeal: Ordeal) -> None:
    ordeal.server.stop_listening()
    with _no_room_for_connections(ordeal.server.address):
        ordeal.keg.start()
        assert stays(lambda: not ordeal.keg.syslog.lines("server unavailable"), 1), "it is still knocking"
        ordeal.is_left()
        ordeal.is_endured("does not answer")
    ordeal.server.listen_again()
    ordeal.is_over()


@pytest.mark.parametrize("answer", ODD_ANSWERS.values(), ids=ODD_ANSWERS)
def test_an_odd_acceptance_is_one_and_speaks_for_its_own_pour_alone(ordeal: Ordeal, answer: bytes) -> None:
    def oddly(connection: Connection, request: Request) -> None:
        ordeal.ledger.accept(request)
        ordeal.server.pour_answer = answers(503)
        connection.send(answer)
        if b"Length" not in answer and b"chunked" not in answer:
            connection.cut()

    ordeal.server.pour_answer = oddly
    ordeal.keg.start()
    before_kb = peak_kb(ordeal.keg)
    ordeal.keg.syslog.wait("server unavailable: 503")
    assert len(ordeal.keg.waiting()) == len(ordeal.made) - 1
    assert peak_kb(ordeal.keg) < before_kb + GROWTH_KB
    ordeal.is_over()
    assert ordeal.ledger.doubled == 0


@pytest.mark.parametrize("ending", ["reset", "cut"])
def test_a_kept_connection_closed_as_the_next_request_goes_out_is_no_outage(ordeal: Ordeal, ending: str) -> None:
    def once(connection: Connection, request: Request) -> None:
        ordeal.ledger.accept(request)
        connection.answer(200)
        connection.wait_for_more()
        connection.reset() if ending == "reset" else connection.cut()

    ordeal.server.pour_answer = once
    ordeal.made |= pours(ordeal.keg, 20, first=100)
    ordeal.keg.start()
    wait_for(lambda: not ordeal.keg.waiting())
    assert ordeal.keg.failed() == []
    assert not ordeal.keg.syslog.lines("server unavailable")
    assert ordeal.keg.stop() == 0
    ordeal.tally.settle(ordeal.made, ordeal.ledger)
    assert ordeal.ledger.doubled == 0


def test_a_server_that_hangs_up_after_each_answer_is_no_outage(ordeal: Ordeal) -> None:
    def once(connection: Connection, request: Request) -> None:
        ordeal.ledger.accept(request)
        connection.answer(200)
        connection.cut()

    ordeal.server.pour_answer = once
    ordeal.keg.start()
    wait_for(lambda: not ordeal.keg.waiting())
    assert not ordeal.keg.syslog.lines("server unavailable")
    ordeal.tally.settle(ordeal.made, ordeal.ledger)
    assert ordeal.ledger.doubled == 0
