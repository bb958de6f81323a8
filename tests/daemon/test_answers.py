"""The running daemon, and what each response or failure of the connection means for a pour."""

from __future__ import annotations

import email.utils
import signal
import socket
import ssl
import struct
import time
from pathlib import Path

import pytest
from support.keg import Keg
from support.moody import Connection, Mood, Moody, Request, answers
from support.pki import Certificate, issue
from support.wait import stays, wait_for


def then_accepts(moody: Moody, mood: Mood) -> Mood:
    """`mood` for the first pour, acceptance for what comes after it."""

    def answer(connection: Connection, request: Request) -> None:
        moody.mood = answers(200)
        mood(connection, request)

    return answer


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_deletes_the_file(moody_keg: Keg, moody: Moody, status: int) -> None:
    moody.mood = answers(status)
    moody_keg.start()
    moody_keg.pour()
    wait_for(lambda: not moody_keg.waiting())
    assert moody_keg.failed() == []


@pytest.mark.parametrize("status", [400, 402, 410, 413, 422, 451])
def test_other_4xx_set_the_file_aside_and_after_a_rename_back_it_is_sent(moody_keg: Keg, moody: Moody, status: int) -> None:
    moody.mood = answers(status, b"no,\nthank you")
    moody_keg.start()
    moody_keg.pour("0,1,1,1\n", "x.pour")
    wait_for(lambda: moody_keg.failed() == ["x.pour.fail"])
    assert "no, thank you" in moody_keg.journal.wait(rf"x.pour is set aside as x.pour.fail: .*{status}")
    assert len(moody.paths("/pour")) == 1
    moody.mood = answers(200)
    (moody_keg.spool / "x.pour.fail").rename(moody_keg.spool / "x.pour")
    wait_for(lambda: not moody_keg.waiting() and not moody_keg.failed())
    assert len(moody.paths("/pour")) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_captive_portal_does_not_eat_the_pour(moody_keg: Keg, moody: Moody, status: int) -> None:
    elsewhere = moody.base_url.replace("/rest/v2", "/welcome")
    moody.mood = answers(status, b"<html>log in</html>", Location=elsewhere)
    moody_keg.start()
    moody_keg.pour()
    assert elsewhere in moody_keg.journal.wait("pours are not accepted.*redirect to")
    assert len(moody_keg.waiting()) == 1
    moody.mood = answers(200)
    wait_for(lambda: not moody_keg.waiting())
    assert not moody.paths("/welcome")


@pytest.mark.parametrize("status", [404, 405, 407, 408, 421, 425, 426, 429, 500, 502, 503, 504, 599])
def test_a_transient_answer_keeps_the_pour_until_it_is_accepted(moody_keg: Keg, moody: Moody, status: int) -> None:
    moody.mood = then_accepts(moody, answers(status))
    moody_keg.start()
    moody_keg.pour()
    wait_for(lambda: not moody_keg.waiting())
    assert moody_keg.failed() == []
    first, second = moody.paths("/pour")
    assert first.fields == second.fields, "a repeat is the same to the letter"
    moody_keg.journal.wait("pours are accepted again after")


def test_a_ping_that_always_fails_delays_no_pour(moody_keg: Keg, moody: Moody) -> None:
    moody.ping_mood = answers(503)
    moody_keg.pour("0,1,1,1\n")
    moody_keg.pour("0,2,2,2\n")
    moody_keg.start()
    wait_for(lambda: not moody_keg.waiting(), limit_s=5)


def test_a_pour_that_always_fails_delays_neither_another_pour_nor_pings(moody_keg: Keg, moody: Moody) -> None:
    moody.mood = lambda connection, request: connection.answer(500 if request.fields["pulses"] == "1" else 200)
    moody_keg.pour("0,1,1,1\n", "poison.pour")
    moody_keg.start(pingInterval=1)
    moody.wait_for_requests("/pour")
    for number in range(2, 12):
        moody_keg.pour(f"0,{number},2,2\n", "other.pour")
        wait_for(lambda: moody_keg.waiting() == ["poison.pour"], limit_s=2)
        pings = len(moody.paths("/ping"))
        moody.wait_for_requests("/ping", pings + 1, limit_s=2.5)


def _half_an_answer(connection: Connection, _: Request) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it")
    connection.cut()


def _half_a_chunk(connection: Connection, _: Request) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhalf of it")
    connection.cut()


def _half_a_status_line(connection: Connection, _: Request) -> None:
    connection.send(b"HTTP/1.1 200")
    connection.cut()


def _garbage(connection: Connection, _: Request) -> None:
    connection.send(b"\x00\xff garbage \r\n\r\n")
    connection.cut()


def _nothing(connection: Connection, _: Request) -> None:
    connection.cut()


def _reset(connection: Connection, _: Request) -> None:
    connection.reset()


@pytest.mark.parametrize("mood", [_nothing, _reset, _half_a_status_line, _garbage])
def test_a_broken_connection_keeps_the_pour_until_it_is_accepted(moody_keg: Keg, moody: Moody, mood: Mood) -> None:
    moody.mood = then_accepts(moody, mood)
    moody_keg.start()
    moody_keg.pour()
    first, second = moody.wait_for_requests("/pour", 2)
    assert first.fields == second.fields
    wait_for(lambda: not moody_keg.waiting())
    assert moody_keg.failed() == []


def test_a_server_that_is_not_there_loses_no_pour(moody_keg: Keg, certificate: Certificate) -> None:
    moody_keg.start(serviceBaseURL="https://127.0.0.1:9/rest/v2")
    moody_keg.pour()
    moody_keg.journal.wait("server unavailable: Connection refused")
    assert stays(lambda: len(moody_keg.waiting()) == 1, 2)
    assert len(moody_keg.journal.lines("server unavailable")) == 1


def test_a_name_that_does_not_resolve_loses_no_pour(moody_keg: Keg) -> None:
    moody_keg.start(serviceBaseURL="https://kegnet.invalid/rest/v2")
    moody_keg.pour()
    moody_keg.journal.wait("server unavailable: .*(Name or service not known|Temporary failure in name resolution)")
    assert len(moody_keg.waiting()) == 1


@pytest.mark.parametrize(
    ("name", "host", "days", "said"),
    [("expired", "IP:127.0.0.1", 0, "expired"), ("wrong-name", "DNS:elsewhere.example", 2, "use the name that the certificate is for")],
)
def test_a_certificate_that_is_not_good_gets_no_message(
    moody_keg: Keg, run_folder: Path, ca: Certificate, name: str, host: str, days: int, said: str
) -> None:
    server = Moody(issue(ca, run_folder, name, host, days))
    moody_keg.start(serviceBaseURL=server.base_url)
    moody_keg.pour()
    assert said in moody_keg.journal.wait("server unavailable: certificate trouble: asked for 127.0.0.1, ")
    assert not server.requests
    server.close()


def test_a_certificate_of_an_unknown_authority_gets_no_message(moody_keg: Keg, moody: Moody) -> None:
    bundle = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    moody_keg.start(caBundle=bundle)
    moody_keg.pour()
    assert "name the certificate of the authority" in moody_keg.journal.wait(
        "server unavailable: certificate trouble: asked for 127.0.0.1, "
    )
    assert not moody.requests


def test_retry_after_in_seconds_is_honoured(moody_keg: Keg, moody: Moody) -> None:
    moody.mood = then_accepts(moody, answers(503, Retry_After="3"))
    moody_keg.start(pingInterval=1)
    moody_keg.pour()
    moody.wait_for_requests("/pour")
    pings = len(moody.paths("/ping"))
    assert stays(lambda: len(moody.paths("/pour")) == 1, 2.5)
    assert len(moody.paths("/ping")) > pings, "pings are another lane"
    wait_for(lambda: not moody_keg.waiting())


def test_retry_after_as_a_date_is_honoured(moody_keg: Keg, moody: Moody) -> None:
    moody.mood = then_accepts(moody, answers(429, Retry_After=email.utils.formatdate(time.time() + 4, usegmt=True)))
    moody_keg.start()
    moody_keg.pour()
    moody.wait_for_requests("/pour")
    assert stays(lambda: len(moody.paths("/pour")) == 1, 2.5)
    wait_for(lambda: not moody_keg.waiting())


def test_the_machines_proxies_and_passwords_are_not_used(moody_keg: Keg, moody: Moody, certificate: Certificate) -> None:
    proxy = Moody(certificate)
    (moody_keg.folder / ".netrc").write_text("default login somebody password secret\n")
    (moody_keg.folder / ".netrc").chmod(0o600)
    address = f"http://127.0.0.1:{proxy.port}"
    moody_keg.start(env={"HTTPS_PROXY": address, "https_proxy": address, "ALL_PROXY": address})
    moody_keg.pour()
    request = moody.wait_for_requests("/pour")[0]
    assert "authorization" not in request.headers
    assert proxy.connections == 0
    proxy.close()


def test_a_cookie_that_the_server_sets_is_not_sent_back(moody_keg: Keg, moody: Moody) -> None:
    moody.ping_mood = answers(200, Set_Cookie="a=b")
    moody_keg.start(pingInterval=1)
    assert "cookie" not in moody.wait_for_requests("/ping", 2)[1].headers


def test_an_answer_that_comes_byte_by_byte_is_given_up_at_the_time_limit(moody_keg: Keg, moody: Moody) -> None:
    def drip(connection: Connection, _: Request) -> None:
        moody.mood = answers(200)
        connection.send(b"HTTP/1.1 200 OK\r\nX: ")
        while not connection.over.wait(0.5):
            connection.send(b".")

    moody.mood = drip
    moody_keg.start()
    moody_keg.pour()
    moody_keg.journal.wait("pours are not accepted: no answer within 30 s", limit_s=35)
    moody.wait_for_requests("/pour", 2)
    wait_for(lambda: not moody_keg.waiting())


@pytest.mark.parametrize("mood", [_half_an_answer, _half_a_chunk])
def test_the_status_line_decides_whatever_follows(moody_keg: Keg, moody: Moody, mood: Mood) -> None:
    moody.mood = mood
    moody_keg.start()
    moody_keg.pour()
    wait_for(lambda: not moody_keg.waiting())
    assert moody_keg.failed() == []
    assert len(moody.paths("/pour")) == 1


def test_a_kept_connection_that_the_server_closes_is_opened_again_at_once(moody_keg: Keg, moody: Moody) -> None:
    def once(connection: Connection, request: Request) -> None:
        if request.fields["pulses"] == "2" and len(moody.paths("/pour")) == 2:
            connection.cut()
        else:
            connection.answer(200)

    moody.mood = once
    moody_keg.start()
    moody_keg.pour("0,1,1,1\n")
    moody.wait_for_requests("/pour")
    moody_keg.pour("0,2,2,2\n")
    wait_for(lambda: not moody_keg.waiting(), limit_s=2)
    assert not moody_keg.journal.lines("not accepted")


def test_a_client_that_the_server_does_not_know_yet_loses_nothing_and_needs_no_hand(moody_keg: Keg, moody: Moody) -> None:
    moody.mood = moody.ping_mood = answers(401, b"who are you?")
    moody_keg.pour("0,1,1,1\n", "a.pour")
    moody_keg.pour("0,2,2,2\n", "b.pour")
    moody_keg.start(pingInterval=3)
    line = moody_keg.journal.wait("not authorised, the server refuses this client: 401 Unauthorized: who are you")
    assert f"sudo kegnet-client --config {moody_keg.config} --setup" in line
    assert stays(lambda: len(moody_keg.waiting()) == 2, 2)
    moody.mood = moody.ping_mood = answers(200)
    wait_for(lambda: not moody_keg.waiting(), limit_s=8)
    assert moody_keg.failed() == []
    moody_keg.journal.wait("authorised again after")


@pytest.mark.parametrize("status", [401, 403])
def test_one_pour_that_is_refused_while_others_are_accepted_is_set_aside(moody_keg: Keg, moody: Moody, status: int) -> None:
    moody.mood = lambda connection, request: connection.answer(status if request.fields["pulses"] == "1" else 200, b"no")
    moody_keg.start()
    moody.wait_for_requests("/ping")
    moody_keg.pour("0,1,1,1\n", "refused.pour")
    wait_for(lambda: moody_keg.failed() == ["refused.pour.fail"])
    moody_keg.pour("0,2,2,2\n")
    wait_for(lambda: not moody_keg.waiting(), limit_s=2)


def test_a_thousand_pours_behind_one_that_fails_are_sent_at_once(moody_keg: Keg, moody: Moody) -> None:
    moody.mood = lambda connection, request: connection.answer(502 if request.fields["pulses"] == "0" else 200)
    for number in range(1000):
        moody_keg.pour(f"0,{number},1,1\n", f"{number:04}.pour")
    moody_keg.start()
    wait_for(lambda: moody_keg.waiting() == ["0000.pour"], limit_s=30)


def test_after_a_reload_the_next_outage_is_logged(moody_keg: Keg, moody: Moody) -> None:
    moody.mood = answers(500)
    moody_keg.start()
    moody_keg.pour()
    moody_keg.journal.wait("pours are not accepted")
    moody_keg.journal.datagrams.clear()
    moody_keg.signal(signal.SIGHUP)
    moody_keg.journal.wait("reloaded")
    moody_keg.journal.wait("pours are not accepted")


def test_an_update_of_the_trusted_certificates_counts_from_the_next_connection_on(moody_keg: Keg, moody: Moody, ca: Certificate) -> None:
    bundle = moody_keg.folder / "bundle.pem"
    bundle.write_bytes(Path("/etc/ssl/certs/ca-certificates.crt").read_bytes())
    moody_keg.start(caBundle=bundle, pingInterval=86_400)
    moody_keg.journal.wait("server unavailable: certificate trouble")
    bundle.write_bytes(ca.certificate.read_bytes())
    moody.wait_for_requests("/ping", limit_s=40)


def test_an_answer_that_comes_after_an_interim_one_is_not_taken_for_the_next_messages_answer(moody_keg: Keg, moody: Moody) -> None:
    def early_hints_then(connection: Connection, request: Request) -> None:
        if request.fields["pulses"] == "1":
            connection.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            stays(lambda: True, 0.5)
            connection.answer(200)
        else:
            connection.answer(500)

    moody.mood = early_hints_then
    moody_keg.pour("0,1,1,1\n", "a.pour")
    moody_keg.pour("0,2,2,2\n", "b.pour")
    moody_keg.start()
    moody.wait_for_requests("/pour", 2)
    assert stays(lambda: moody_keg.waiting() == ["a.pour", "b.pour"], 1.5)


@pytest.mark.parametrize(
    ("head", "endless"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 0x10000 + b"\r\n"),
        (b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 0x10000),
    ],
    ids=["redirect", "chunk size"],
)
def test_an_endless_answer_costs_no_memory_and_holds_only_its_lane(moody_keg: Keg, moody: Moody, head: bytes, endless: bytes) -> None:
    def answer(connection: Connection, _: Request) -> None:
        connection.send(head)
        for _ in range(2000):
            connection.send(endless)

    moody.mood = answer
    moody_keg.start(pingInterval=1)
    moody.wait_for_requests("/ping")
    before_kb = peak_kb(moody_keg)
    moody_keg.pour()
    moody_keg.journal.wait("pours are not accepted: (302 Found, a redirect to|500 Internal)")
    assert peak_kb(moody_keg) < before_kb + 8192
    pings = len(moody.paths("/ping"))
    moody.wait_for_requests("/ping", pings + 2, limit_s=5)


def peak_kb(keg: Keg) -> int:
    """The most memory that the client has used, in kB."""
    return int(Path(f"/proc/{keg.pid}/status").read_text().split("VmHWM:")[1].split()[0])


def test_a_connection_that_is_reset_in_the_tls_handshake_is_no_connection(moody_keg: Keg, moody: Moody) -> None:
    def reset(_: Moody, plain: socket.socket) -> socket.socket:
        plain.recv(1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        plain.close()
        raise ConnectionResetError

    moody.greeting = reset
    moody_keg.start()
    moody_keg.pour()
    moody_keg.journal.wait("server unavailable: Connection reset by peer")
    assert not moody_keg.journal.lines("are not accepted")
