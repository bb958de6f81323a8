"""Faults of the network and of the server, on real sockets: no pour is lost, nothing hangs, and the client recovers by itself."""

from __future__ import annotations

import signal
import statistics
import time
from pathlib import Path

import pytest
from faults.conftest import FaultCounts
from faults.faulty_server import (
    GROWTH_KB,
    NO_CONNECTION,
    NOT_ACCEPTED,
    NOT_AUTHORISED,
    FaultyServerCase,
    full_backlog,
    peak_kb,
    pours,
)
from faults.responses import BROKEN_HANDSHAKES, CUT_OFF_ANSWERS, ODD_ANSWERS, UNDECIDED_ANSWERS, resets_after_the_handshake, shows
from support.keg import Keg
from support.pki import Certificate, authority, issue
from support.scripted_server import Answer, Connection, Handshake, Request, ScriptedServer, answers
from support.wait import stays, wait_for


@pytest.fixture
def case(scripted_keg: Keg, scripted_server: ScriptedServer, counts: FaultCounts) -> FaultyServerCase:
    return FaultyServerCase(scripted_keg, scripted_server, counts)


# Answers.


@pytest.mark.parametrize(("answer", "pattern"), UNDECIDED_ANSWERS.values(), ids=UNDECIDED_ANSWERS)
def test_an_answer_without_a_whole_status_line_or_that_is_no_acceptance_keeps_the_pour(
    case: FaultyServerCase, answer: Answer, pattern: str
) -> None:
    case.server.pour_answer = answer
    case.check_during_fault(pattern)
    case.check_recovery()


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_of_the_client_keeps_the_pour(case: FaultyServerCase, status: int) -> None:
    case.kind = NOT_AUTHORISED
    case.server.pour_answer = answers(status, b"unknown client")
    case.check_during_fault("unknown client.*fix: give the server's administrator what this prints: .* --setup")
    case.server.pour_answer = case.ledger.answer
    case.keg.signal(signal.SIGHUP)
    case.check_all_sent()
    assert case.keg.stop() == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_captive_portal_that_accepts_everything_gets_no_pour(case: FaultyServerCase, status: int, certificate: Certificate) -> None:
    portal = ScriptedServer(certificate)
    case.server.pour_answer = answers(status, b"log in", Location=portal.base_url)
    case.check_during_fault(f"a redirect to {portal.base_url}")
    assert not portal.connections
    portal.close()
    case.check_recovery()


@pytest.mark.parametrize("answer", CUT_OFF_ANSWERS.values(), ids=CUT_OFF_ANSWERS)
def test_a_cut_after_the_status_line_of_an_acceptance_changes_nothing(case: FaultyServerCase, answer: Answer) -> None:
    def accept(connection: Connection, request: Request) -> None:
        case.ledger.accept(request)
        case.server.pour_answer = case.ledger.answer
        answer(connection, request)

    case.server.pour_answer = accept
    case.keg.start()
    case.check_all_sent(limit_s=45)
    assert not case.keg.syslog.lines(f"{NO_CONNECTION}|{NOT_ACCEPTED}")
    assert case.ledger.doubled == 0
    assert case.keg.stop() == 0


@pytest.mark.parametrize("answer", ODD_ANSWERS.values(), ids=ODD_ANSWERS)
def test_an_odd_acceptance_accepts_its_own_pour_and_no_other(case: FaultyServerCase, answer: bytes) -> None:
    def accept_one(connection: Connection, request: Request) -> None:
        case.ledger.accept(request)
        case.server.pour_answer = answers(503)
        connection.send(answer)
        if b"Length" not in answer and b"chunked" not in answer:
            connection.cut()

    case.server.pour_answer = accept_one
    case.keg.start()
    before_kb = peak_kb(case.keg)
    case.keg.syslog.wait(f"{NOT_ACCEPTED}503")
    assert len(case.keg.waiting()) == len(case.made) - 1
    assert peak_kb(case.keg) < before_kb + GROWTH_KB
    case.check_recovery()
    assert case.ledger.doubled == 0


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"], ids=["102", "103"]
)
def test_an_answer_after_an_interim_answer_is_not_taken_for_that_of_the_next_pour(case: FaultyServerCase, interim: bytes) -> None:
    def answer_late(connection: Connection, request: Request) -> None:
        if request.fields["ts"] == "1":
            connection.send(interim)
            time.sleep(0.2)
            case.ledger.answer(connection, request)
        else:
            connection.answer(503)

    case.server.pour_answer = answer_late
    case.keg.start()
    case.server.wait_for_requests("/pour", 2)
    case.keg.syslog.wait(NOT_ACCEPTED)
    assert stays(lambda: len(case.keg.waiting()) >= 2, 1), "only the first pour was accepted"
    case.server.pour_answer = case.ledger.answer
    case.check_all_sent(limit_s=60)


@pytest.mark.parametrize("pings", [True, False], ids=["pings", "no pings"])
def test_a_pour_on_which_the_server_always_fails_holds_neither_pings_nor_other_pours(case: FaultyServerCase, pings: bool) -> None:
    def fail_on_the_first(connection: Connection, request: Request) -> None:
        if request.fields["ts"] == "1":
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nOK")
            connection.cut()
        else:
            case.ledger.answer(connection, request)

    case.server.pour_answer = fail_on_the_first
    if pings:
        del case.keg.parameters["sensor"]
    case.keg.start(pingInterval=1)
    wait_for(lambda: len(case.keg.waiting()) == 1)
    took_s = []
    for ts in range(100, 110):
        begun = time.monotonic()
        sent = len(case.server.paths("/ping"))
        case.made |= pours(case.keg, 1, first=ts)
        wait_for(lambda: len(case.keg.waiting()) == 1)
        if pings:
            case.server.wait_for_requests("/ping", sent + 1)
        took_s.append(time.monotonic() - begun)
    # The median: a busy machine can hold one up, and the backoff of the first pour would hold up most.
    assert statistics.median(took_s) < 8, took_s
    case.keg.stop()
    case.made.remove("1")
    case.counts.check_delivery(case.made, case.ledger)


# Connections.


@pytest.mark.parametrize(("handshake", "pattern"), BROKEN_HANDSHAKES.values(), ids=BROKEN_HANDSHAKES)
def test_a_broken_handshake_keeps_the_pour(case: FaultyServerCase, handshake: Handshake, pattern: str) -> None:
    case.kind = NO_CONNECTION
    case.server.handshake = handshake
    case.check_during_fault(pattern)
    assert not case.server.requests
    case.check_recovery()


def test_a_connection_reset_before_the_request_is_read_keeps_the_pour(case: FaultyServerCase) -> None:
    case.server.handshake = resets_after_the_handshake
    case.check_during_fault("closed|reset")
    case.check_recovery()


@pytest.mark.parametrize("fault", ["untrusted", "expired", "for another name"])
def test_a_server_with_a_bad_certificate_gets_no_message(case: FaultyServerCase, fault: str, tmp_path: Path, ca: Certificate) -> None:
    certificates = {
        "untrusted": lambda: issue(authority(tmp_path), tmp_path, "untrusted"),
        "expired": lambda: issue(ca, tmp_path, "expired", days=0),
        "for another name": lambda: issue(ca, tmp_path, "other", "DNS:elsewhere.example"),
    }
    case.kind = NO_CONNECTION
    case.server.handshake = shows(certificates[fault]())
    case.check_during_fault("certificate trouble: asked for 127.0.0.1, .*fix: ")
    assert not case.server.requests
    case.check_recovery()


def test_a_server_that_is_not_there_keeps_the_pour(case: FaultyServerCase) -> None:
    case.kind = NO_CONNECTION
    case.server.stop_listening()
    case.check_during_fault("Connection refused")
    case.server.listen_again()
    case.check_recovery()


def test_a_network_that_drops_packets_keeps_the_pour(case: FaultyServerCase) -> None:
    case.kind = NO_CONNECTION
    case.server.stop_listening()
    with full_backlog(case.server.address):
        case.keg.start()
        assert stays(lambda: not case.keg.syslog.lines(NO_CONNECTION), 1), "it is still connecting"
        case.stop_in_time()
        case.check_during_fault("no answer in time|timed out")
    case.server.listen_again()
    case.check_recovery()


@pytest.mark.parametrize("ending", ["reset", "cut"])
def test_a_kept_connection_closed_as_the_next_request_is_sent_is_no_outage(case: FaultyServerCase, ending: str) -> None:
    def once(connection: Connection, request: Request) -> None:
        case.ledger.accept(request)
        connection.answer(200)
        connection.wait_for_more()
        connection.reset() if ending == "reset" else connection.cut()

    case.server.pour_answer = once
    case.made |= pours(case.keg, 20, first=100)
    case.keg.start()
    case.check_all_sent()
    assert not case.keg.syslog.lines(f"{NO_CONNECTION}|{NOT_ACCEPTED}")
    assert case.keg.stop() == 0
    assert case.ledger.doubled == 0


def test_a_server_that_closes_the_connection_after_each_answer_is_no_outage(case: FaultyServerCase) -> None:
    def once(connection: Connection, request: Request) -> None:
        case.ledger.accept(request)
        connection.answer(200)
        connection.cut()

    case.server.pour_answer = once
    case.keg.start()
    case.check_all_sent()
    assert not case.keg.syslog.lines(f"{NO_CONNECTION}|{NOT_ACCEPTED}")
    assert case.ledger.doubled == 0
