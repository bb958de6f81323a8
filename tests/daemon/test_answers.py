"""The running daemon, and what each response or failure of the connection means for a pour."""

from __future__ import annotations

import email.utils
import signal
import socket
import ssl
import statistics
import struct
import time
from pathlib import Path

import pytest
from support.keg import Keg
from support.pki import Certificate, issue
from support.scripted_server import Answer, Connection, Request, ScriptedServer, answers
from support.wait import stays, wait_for


def then_accepts(scripted_server: ScriptedServer, first_answer: Answer) -> Answer:
    """`first_answer` for the first pour, acceptance for what comes after it."""

    def answer(connection: Connection, request: Request) -> None:
        scripted_server.pour_answer = answers(200)
        first_answer(connection, request)

    return answer


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_deletes_the_file(scripted_keg: Keg, scripted_server: ScriptedServer, status: int) -> None:
    scripted_server.pour_answer = answers(status)
    scripted_keg.start()
    scripted_keg.pour()
    wait_for(lambda: not scripted_keg.waiting())
    assert scripted_keg.failed() == []


@pytest.mark.parametrize("status", [400, 402, 410, 413, 422, 451])
def test_other_4xx_set_the_file_aside_and_after_a_rename_back_it_is_sent(
    scripted_keg: Keg, scripted_server: ScriptedServer, status: int
) -> None:
    scripted_server.pour_answer = answers(status, b"no,\nthank you")
    scripted_keg.start()
    scripted_keg.pour("0,1,1,1\n", "x.pour")
    wait_for(lambda: scripted_keg.failed() == ["x.pour.fail"])
    assert "no, thank you" in scripted_keg.syslog.wait(rf"x.pour is set aside as x.pour.fail: .*{status}")
    assert len(scripted_server.paths("/pour")) == 1
    scripted_server.pour_answer = answers(200)
    (scripted_keg.spool / "x.pour.fail").rename(scripted_keg.spool / "x.pour")
    wait_for(lambda: not scripted_keg.waiting() and not scripted_keg.failed())
    assert len(scripted_server.paths("/pour")) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_captive_portal_does_not_eat_the_pour(scripted_keg: Keg, scripted_server: ScriptedServer, status: int) -> None:
    elsewhere = scripted_server.base_url.replace("/rest/v2", "/welcome")
    scripted_server.pour_answer = answers(status, b"<html>log in</html>", Location=elsewhere)
    scripted_keg.start()
    scripted_keg.pour()
    assert elsewhere in scripted_keg.syslog.wait("pours are not accepted.*redirect to")
    assert len(scripted_keg.waiting()) == 1
    scripted_server.pour_answer = answers(200)
    wait_for(lambda: not scripted_keg.waiting())
    assert not scripted_server.paths("/welcome")


@pytest.mark.parametrize("status", [404, 405, 407, 408, 421, 425, 426, 429, 500, 502, 503, 504, 599])
def test_a_transient_answer_keeps_the_pour_until_it_is_accepted(scripted_keg: Keg, scripted_server: ScriptedServer, status: int) -> None:
    scripted_server.pour_answer = then_accepts(scripted_server, answers(status))
    scripted_keg.start()
    scripted_keg.pour()
    wait_for(lambda: not scripted_keg.waiting())
    assert scripted_keg.failed() == []
    first, second = scripted_server.paths("/pour")
    assert first.fields == second.fields, "a repeat is the same to the letter"
    scripted_keg.syslog.wait("pours are accepted again after")


def test_a_ping_that_always_fails_delays_no_pour(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_server.ping_answer = answers(503, Retry_After="600")
    scripted_keg.pour("0,1,1,1\n")
    scripted_keg.pour("0,2,2,2\n")
    scripted_keg.start()
    wait_for(lambda: not scripted_keg.waiting())


def test_a_pour_that_always_fails_delays_neither_another_pour_nor_pings(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_server.pour_answer = lambda connection, request: connection.answer(500 if request.fields["pulses"] == "1" else 200)
    scripted_keg.pour("0,1,1,1\n", "poison.pour")
    scripted_keg.start(pingInterval=1)
    scripted_server.wait_for_requests("/pour")
    pours_s, pings_s = [], []
    for number in range(2, 12):
        begun = time.monotonic()
        scripted_keg.pour(f"0,{number},2,2\n", "other.pour")
        wait_for(lambda: scripted_keg.waiting() == ["poison.pour"])
        poured, pings = time.monotonic(), len(scripted_server.paths("/ping"))
        scripted_server.wait_for_requests("/ping", pings + 1)
        pours_s.append(poured - begun)
        pings_s.append(time.monotonic() - poured)
    # A busy machine can hold some up, and the backoff of the other pour would hold up most.
    assert statistics.quantiles(pours_s, n=4)[0] < 2, pours_s
    assert statistics.quantiles(pings_s, n=4)[0] < 2.5, pings_s


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


@pytest.mark.parametrize("first_answer", [_nothing, _reset, _half_a_status_line, _garbage])
def test_a_broken_connection_keeps_the_pour_until_it_is_accepted(
    scripted_keg: Keg, scripted_server: ScriptedServer, first_answer: Answer
) -> None:
    scripted_server.pour_answer = then_accepts(scripted_server, first_answer)
    scripted_keg.start()
    scripted_keg.pour()
    first, second = scripted_server.wait_for_requests("/pour", 2)
    assert first.fields == second.fields
    wait_for(lambda: not scripted_keg.waiting())
    assert scripted_keg.failed() == []


def test_a_server_that_is_not_there_loses_no_pour(scripted_keg: Keg, certificate: Certificate) -> None:
    scripted_keg.start(serviceBaseURL="https://127.0.0.1:9/rest/v2")
    scripted_keg.pour()
    scripted_keg.syslog.wait("server unavailable: Connection refused")
    assert stays(lambda: len(scripted_keg.waiting()) == 1, 2)
    assert len(scripted_keg.syslog.lines("server unavailable")) == 1


def test_a_name_that_does_not_resolve_loses_no_pour(scripted_keg: Keg) -> None:
    scripted_keg.start(serviceBaseURL="https://kegnet.invalid/rest/v2")
    scripted_keg.pour()
    scripted_keg.syslog.wait("server unavailable: .*(Name or service not known|Temporary failure in name resolution)")
    assert len(scripted_keg.waiting()) == 1


@pytest.mark.parametrize(
    ("name", "host", "days", "said"),
    [("expired", "IP:127.0.0.1", 0, "expired"), ("wrong-name", "DNS:elsewhere.example", 2, "use the name that the certificate is for")],
)
def test_a_certificate_that_is_not_good_gets_no_message(
    scripted_keg: Keg, run_folder: Path, ca: Certificate, name: str, host: str, days: int, said: str
) -> None:
    server = ScriptedServer(issue(ca, run_folder, name, host, days))
    scripted_keg.start(serviceBaseURL=server.base_url)
    scripted_keg.pour()
    assert said in scripted_keg.syslog.wait("server unavailable: certificate trouble: asked for 127.0.0.1, ")
    assert not server.requests
    server.close()


def test_a_certificate_of_an_unknown_authority_gets_no_message(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    bundle = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    scripted_keg.start(caBundle=bundle)
    scripted_keg.pour()
    assert "name the certificate of the authority" in scripted_keg.syslog.wait(
        "server unavailable: certificate trouble: asked for 127.0.0.1, "
    )
    assert not scripted_server.requests


def test_retry_after_in_seconds_is_honoured(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_server.pour_answer = then_accepts(scripted_server, answers(503, Retry_After="9"))
    scripted_keg.start(pingInterval=1)
    scripted_keg.pour()
    first, second = scripted_server.wait_for_requests("/pour", 2)
    assert second.at_s - first.at_s >= 8.9
    pings = scripted_server.paths("/ping")
    assert any(first.at_s < ping.at_s < second.at_s for ping in pings), "pings are another lane"
    wait_for(lambda: not scripted_keg.waiting())


def test_retry_after_as_a_date_is_honoured(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    def busy(connection: Connection, _: Request) -> None:
        connection.answer(429, Retry_After=email.utils.formatdate(time.time() + 5, usegmt=True))

    scripted_server.pour_answer = then_accepts(scripted_server, busy)
    scripted_keg.start()
    scripted_keg.pour()
    first, second = scripted_server.wait_for_requests("/pour", 2)
    # The date has whole seconds.
    assert second.at_s - first.at_s >= 3.9
    wait_for(lambda: not scripted_keg.waiting())


def test_the_machines_proxies_and_passwords_are_not_used(
    scripted_keg: Keg, scripted_server: ScriptedServer, certificate: Certificate
) -> None:
    proxy = ScriptedServer(certificate)
    (scripted_keg.folder / ".netrc").write_text("default login somebody password secret\n")
    (scripted_keg.folder / ".netrc").chmod(0o600)
    address = f"http://127.0.0.1:{proxy.port}"
    scripted_keg.start(env={"HTTPS_PROXY": address, "https_proxy": address, "ALL_PROXY": address})
    scripted_keg.pour()
    request = scripted_server.wait_for_requests("/pour")[0]
    assert "authorization" not in request.headers
    assert proxy.connections == 0
    proxy.close()


def test_a_cookie_that_the_server_sets_is_not_sent_back(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_server.ping_answer = answers(200, Set_Cookie="a=b")
    scripted_keg.start(pingInterval=1)
    assert "cookie" not in scripted_server.wait_for_requests("/ping", 2)[1].headers


def test_an_answer_that_comes_byte_by_byte_is_given_up_at_the_time_limit(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    def drip(connection: Connection, _: Request) -> None:
        scripted_server.pour_answer = answers(200)
        connection.send(b"HTTP/1.1 200 OK\r\nX: ")
        while not connection.closing.wait(0.5):
            connection.send(b".")

    scripted_server.pour_answer = drip
    scripted_keg.start()
    scripted_keg.pour()
    scripted_keg.syslog.wait("pours are not accepted: no answer within 30 s", limit_s=60)
    scripted_server.wait_for_requests("/pour", 2)
    wait_for(lambda: not scripted_keg.waiting())


@pytest.mark.parametrize("first_answer", [_half_an_answer, _half_a_chunk])
def test_the_status_line_decides_whatever_follows(scripted_keg: Keg, scripted_server: ScriptedServer, first_answer: Answer) -> None:
    scripted_server.pour_answer = first_answer
    scripted_keg.start()
    scripted_keg.pour()
    wait_for(lambda: not scripted_keg.waiting())
    assert scripted_keg.failed() == []
    assert len(scripted_server.paths("/pour")) == 1


def test_a_kept_connection_that_the_server_closes_is_opened_again_at_once(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    def once(connection: Connection, request: Request) -> None:
        if request.fields["pulses"] == "2" and len(scripted_server.paths("/pour")) == 2:
            connection.cut()
        else:
            connection.answer(200)

    scripted_server.pour_answer = once
    scripted_keg.start()
    scripted_keg.pour("0,1,1,1\n")
    scripted_server.wait_for_requests("/pour")
    scripted_keg.pour("0,2,2,2\n")
    wait_for(lambda: not scripted_keg.waiting())
    assert not scripted_keg.syslog.lines("not accepted")


def test_a_client_that_the_server_does_not_know_yet_loses_nothing_and_needs_no_hand(
    scripted_keg: Keg, scripted_server: ScriptedServer
) -> None:
    scripted_server.pour_answer = scripted_server.ping_answer = answers(401, b"who are you?")
    scripted_keg.pour("0,1,1,1\n", "a.pour")
    scripted_keg.pour("0,2,2,2\n", "b.pour")
    scripted_keg.start(pingInterval=3)
    line = scripted_keg.syslog.wait("not authorised, the server refuses this client: 401 Unauthorized: who are you")
    assert f"sudo kegnet-client --config {scripted_keg.config} --setup" in line
    assert stays(lambda: len(scripted_keg.waiting()) == 2, 2)
    scripted_server.pour_answer = scripted_server.ping_answer = answers(200)
    wait_for(lambda: not scripted_keg.waiting())
    assert scripted_keg.failed() == []
    scripted_keg.syslog.wait("authorised again after")


@pytest.mark.parametrize("status", [401, 403])
def test_one_pour_that_is_refused_while_others_are_accepted_is_set_aside(
    scripted_keg: Keg, scripted_server: ScriptedServer, status: int
) -> None:
    scripted_server.pour_answer = lambda connection, request: connection.answer(status if request.fields["pulses"] == "1" else 200, b"no")
    scripted_keg.start()
    scripted_server.wait_for_requests("/ping")
    scripted_keg.pour("0,1,1,1\n", "refused.pour")
    wait_for(lambda: scripted_keg.failed() == ["refused.pour.fail"])
    scripted_keg.pour("0,2,2,2\n")
    wait_for(lambda: not scripted_keg.waiting())


def test_a_thousand_pours_behind_one_that_fails_are_sent_at_once(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_server.pour_answer = lambda connection, request: connection.answer(502 if request.fields["pulses"] == "0" else 200)
    for number in range(1000):
        scripted_keg.pour(f"0,{number},1,1\n", f"{number:04}.pour")
    scripted_keg.start()
    wait_for(lambda: scripted_keg.waiting() == ["0000.pour"], limit_s=120)


def test_after_a_reload_the_next_outage_is_logged(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_server.pour_answer = answers(500)
    scripted_keg.start()
    scripted_keg.pour()
    scripted_keg.syslog.wait("pours are not accepted")
    scripted_keg.syslog.datagrams.clear()
    scripted_keg.signal(signal.SIGHUP)
    scripted_keg.syslog.wait("reloaded")
    scripted_keg.syslog.wait("pours are not accepted")


def test_an_update_of_the_trusted_certificates_counts_from_the_next_connection_on(
    scripted_keg: Keg, scripted_server: ScriptedServer, ca: Certificate
) -> None:
    bundle = scripted_keg.folder / "bundle.pem"
    bundle.write_bytes(Path("/etc/ssl/certs/ca-certificates.crt").read_bytes())
    scripted_keg.start(caBundle=bundle, pingInterval=86_400)
    scripted_keg.syslog.wait("server unavailable: certificate trouble")
    bundle.write_bytes(ca.certificate.read_bytes())
    scripted_server.wait_for_requests("/ping", limit_s=40)


def test_an_answer_that_comes_after_an_interim_one_is_not_taken_for_the_next_messages_answer(
    scripted_keg: Keg, scripted_server: ScriptedServer
) -> None:
    def early_hints_then(connection: Connection, request: Request) -> None:
        if request.fields["pulses"] == "1":
            connection.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            stays(lambda: True, 0.5)
            connection.answer(200)
        else:
            connection.answer(500)

    scripted_server.pour_answer = early_hints_then
    scripted_keg.pour("0,1,1,1\n", "a.pour")
    scripted_keg.pour("0,2,2,2\n", "b.pour")
    scripted_keg.start()
    scripted_server.wait_for_requests("/pour", 2)
    assert stays(lambda: scripted_keg.waiting() == ["a.pour", "b.pour"], 1.5)


@pytest.mark.parametrize(
    ("head", "endless"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 0x10000 + b"\r\n"),
        (b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 0x10000),
    ],
    ids=["redirect", "chunk size"],
)
def test_an_endless_answer_costs_no_memory_and_holds_only_its_lane(
    scripted_keg: Keg, scripted_server: ScriptedServer, head: bytes, endless: bytes
) -> None:
    def answer(connection: Connection, _: Request) -> None:
        connection.send(head)
        for _number in range(2000):
            connection.send(endless)

    scripted_server.pour_answer = answer
    scripted_keg.start(pingInterval=1)
    scripted_server.wait_for_requests("/ping")
    before_kb = peak_kb(scripted_keg)
    scripted_keg.pour()
    scripted_keg.syslog.wait("pours are not accepted: (302 Found, a redirect to|500 Internal)")
    assert peak_kb(scripted_keg) < before_kb + 8192
    pings = len(scripted_server.paths("/ping"))
    scripted_server.wait_for_requests("/ping", pings + 2, limit_s=20)


def peak_kb(keg: Keg) -> int:
    """The most memory that the client has used, in kB."""
    return int(Path(f"/proc/{keg.pid}/status").read_text().split("VmHWM:")[1].split()[0])


def test_a_connection_that_is_reset_in_the_tls_handshake_is_no_connection(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    def reset(_: ScriptedServer, plain: socket.socket) -> socket.socket:
        plain.recv(1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        plain.close()
        raise ConnectionResetError

    scripted_server.handshake = reset
    scripted_keg.start()
    scripted_keg.pour()
    scripted_keg.syslog.wait("server unavailable: Connection reset by peer")
    assert not scripted_keg.syslog.lines("are not accepted")
