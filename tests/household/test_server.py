"""The server over real sockets: what it accepts, what it refuses, and what cannot stop it."""

from __future__ import annotations

import base64
import resource
import selectors
import socket
import string
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from support.http import Answer, Signer, Wire, get, post
from support.kegnet_server import KegnetServer, now_ms
from support.wait import wait_for, within_a_minute

POUR, PING = "/rest/v2/pour", "/rest/v2/ping"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KegnetServer]:
    with KegnetServer(tmp_path / "server") as started:
        yield started


@pytest.fixture
def signer(server: KegnetServer, key: Path) -> Signer:
    return Signer(key).register(server)


@pytest.fixture(autouse=True, scope="module")
def _many_descriptors() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192) if hard != resource.RLIM_INFINITY else 8192, hard))


def resident_mb(server: KegnetServer) -> float:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def cpu_s(server: KegnetServer) -> float:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


# What is accepted.


def test_a_signed_message_is_stored_once_however_often_it_comes(server: KegnetServer, signer: Signer) -> None:
    pour, ping = signer.pour(), signer.ping()
    answers = [post(server, f"/rest/{version}/pour", pour) for version in ("v1", "v2", "v2")]
    assert [(answer.status, answer.text) for answer in answers] == [(200, "accepted\n")] + [(200, "accepted before\n")] * 2
    assert [post(server, f"/rest/{version}/ping", ping).text for version in ("v2", "v1")] == ["accepted\n", "accepted before\n"]
    assert [len(server.messages_of(kind, signer.client_id)) for kind in ("pour", "ping")] == [1, 1]
    assert answers[0].headers["content-type"] == "text/plain; charset=utf-8"


def test_one_signature_in_16_spellings_is_one_pour(server: KegnetServer, signer: Signer) -> None:
    pour = signer.pour()
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
    spellings = [f"{pour['sig'][:-3]}{letter}==" for letter in letters]
    same = [sig for sig in spellings if base64.b64decode(sig) == base64.b64decode(pour["sig"])]
    assert sorted(post(server, POUR, {**pour, "sig": sig}).status for sig in same) == [200] + [403] * 15
    assert len(server.messages_of("pour", signer.client_id)) == 1


def test_a_wrong_clock_is_kept_as_evidence_and_the_receipt_counts(server: KegnetServer, signer: Signer) -> None:
    before = now_ms()
    impossible = (4_070_908_800_000, 253_402_300_799_999, 0)
    for ts in impossible:
        assert post(server, POUR, signer.pour(ts=ts)).status == 200
        assert post(server, PING, signer.ping(ts=ts)).status == 200
    right = now_ms() - 60_000
    assert post(server, POUR, signer.pour(ts=right)).status == 200
    for kind in ("pour", "ping"):
        for row in server.messages_of(kind, signer.client_id):
            if row["ts_ms"] in impossible:
                assert row["at_ms"] == row["received_ms"]
                assert before <= int(str(row["at_ms"])) <= now_ms()
            else:
                assert row["at_ms"] == row["ts_ms"] == right
    assert get(server, "/").status == 200
    assert get(server, "/kegs").status == 200


def test_times_in_seconds_are_those_of_version_1(server: KegnetServer, signer: Signer) -> None:
    seconds = now_ms() // 1000
    assert post(server, "/rest/v1/pour", signer.pour(et=8, ts=seconds)).status == 200
    (row,) = server.messages_of("pour", signer.client_id)
    assert (row["ts_ms"], row["at_ms"], row["et_ms"], bool(row["ts_seconds"])) == (seconds * 1000, seconds * 1000, 8000, True)


def test_requests_on_one_connection_are_answered_in_their_order(server: KegnetServer, signer: Signer) -> None:
    with Wire(server.page_url) as wire:
        for fields in (signer.pour(), {"id": "x"}, signer.pour(pin=1)):
            wire.post(POUR, "&".join(f"{name}={value.replace('+', '%2B')}" for name, value in fields.items()))
        assert [wire.answer().status for _ in range(3)] == [200, 400, 200]


def test_a_client_that_shuts_its_side_down_still_gets_the_answer(server: KegnetServer, signer: Signer) -> None:
    with Wire(server.page_url) as wire:
        wire.post(POUR, "&".join(f"{name}={value.replace('+', '%2B')}" for name, value in signer.pour().items()))
        wire.sock.shutdown(socket.SHUT_WR)
        assert wire.answer().text == "accepted\n"
        assert wire.rest() == b""


def test_a_client_that_sends_many_requests_and_shuts_its_side_down_gets_every_answer(server: KegnetServer, signer: Signer) -> None:
    with Wire(server.page_url) as wire:
        for pin in range(100):
            wire.post(POUR, "&".join(f"{name}={value.replace('+', '%2B')}" for name, value in signer.pour(pin=pin).items()))
        wire.sock.shutdown(socket.SHUT_WR)
        assert [wire.answer().text for _ in range(100)] == ["accepted\n"] * 100
        assert wire.rest() == b""


# What is refused.


def test_what_is_forged_unknown_or_invalid_is_refused_and_not_stored(server: KegnetServer, signer: Signer, key: Path) -> None:
    pour, stranger = signer.pour(), Signer(key)
    refused = [
        ({**pour, "pulses": "587"}, 403), ({**pour, "sig": "AAAA"}, 403), ({**pour, "sig": "not base64!"}, 403), (stranger.pour(), 401),
        ({**pour, "id": "../../etc/passwd"}, 401), ({**pour, "id": "é"}, 400), ({**pour, "pulses": "many"}, 400), ({**pour, "ts": ""}, 400),
        ({}, 400), (signer.pour(pin=1001), 400), (signer.pour(pulses=-1), 400), (signer.pour(ts=-1), 400),
    ]  # fmt: skip
    assert [post(server, POUR, fields).status for fields, _ in refused] == [status for _, status in refused]
    assert post(server, PING, signer.ping(temp=125_001)).text == "out of range: temp\n"
    assert server.messages_of("pour", signer.client_id) == server.messages_of("ping", signer.client_id) == []


def test_other_methods_and_paths_are_no_part_of_the_api(server: KegnetServer) -> None:
    answer = get(server, POUR)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    for path in ("/rest/v3/pour", "/rest/v2/pour/", "/rest/v2", "/rest/v2/pours", "/nothing"):
        assert get(server, path).status == 404


def test_a_client_that_is_removed_or_gets_another_key_is_refused_at_once(server: KegnetServer, signer: Signer, tmp_path: Path) -> None:
    from kegnet.server.storage.clients import remove_client
    from support.pki import openssl

    assert post(server, POUR, signer.pour()).status == 200
    openssl("genrsa", "-out", tmp_path / "new.pem", "2048")
    renewed = Signer(tmp_path / "new.pem", signer.client_id).register(server)
    wait_for(lambda: post(server, POUR, signer.pour()).status == 403)
    assert post(server, POUR, renewed.pour()).status == 200
    with server.writing() as connection:
        assert remove_client(connection, signer.client_id, now_ms())
    wait_for(lambda: post(server, POUR, renewed.pour()).status == 401)


def test_refusals_are_limited_by_address_and_client_and_a_valid_signature_never(server: KegnetServer, signer: Signer, key: Path) -> None:
    forged = {**signer.pour(), "pulses": "1"}
    others = [(POUR, Signer(key).pour()), *(("/rest/v1/pour", signer.pour(pin=pin)) for pin in range(20)), (POUR, signer.pour(pin=1001))]

    def posts() -> tuple[list[Answer], list[int]]:
        return [post(server, POUR, forged) for _ in range(65)], [post(server, path, pour).status for path, pour in others]

    answers, statuses = within_a_minute(posts)
    assert [answer.status for answer in answers] == [403] * 60 + [429] * 5
    assert answers[-1].headers["retry-after"] == "60"
    assert statuses == [401, *[200] * 20, 400]


def test_only_the_named_proxy_is_believed_on_who_sends(tmp_path: Path) -> None:
    def statuses(server: KegnetServer) -> list[int]:
        forwarded = [f"X-Forwarded-For: 192.0.2.{number}" for number in range(65)]
        return within_a_minute(lambda: [post(server, POUR, {}, header).status for header in forwarded])

    with KegnetServer(tmp_path / "other", None, "--proxy", "10.0.0.5") as other:
        assert statuses(other) == [400] * 60 + [429] * 5
    with KegnetServer(tmp_path / "this", None, "--proxy", "10.0.0.5,127.0.0.1") as this:
        assert statuses(this) == [400] * 65
        assert "refused from 192.0.2.3, client" in this.log()


def test_a_refusal_is_one_line_of_the_log_and_cannot_forge_one(server: KegnetServer, signer: Signer, key: Path) -> None:
    stranger = Signer(key)
    post(server, POUR, stranger.pour())
    post(server, POUR, {**signer.pour(), "pulses": "1"})
    post(server, PING, {"id": signer.client_id})
    post(server, POUR, {**signer.pour(), "id": "x\npour accepted: y"})
    lines = server.log().splitlines()
    for line in (
        f"pour refused from 127.0.0.1, client {stranger.client_id}: this client is not known",
        f"pour refused from 127.0.0.1, client {signer.client_id}: the signature is not this client's",
        "ping refused from 127.0.0.1, client -: not a valid message: the field temp is missing",
        "pour refused from 127.0.0.1, client x\\npour accepted: y: this client is not known",
    ):
        assert lines.count(line) == 1, lines


def test_a_burst_of_pours_is_a_few_lines_of_the_log(server: KegnetServer, signer: Signer) -> None:
    pours = [signer.pour(pin=pin) for pin in range(40)]
    begun = time.monotonic()
    for pour in pours:
        assert post(server, POUR, pour).status == 200
    # Ten lines in ten seconds.
    periods = int(time.monotonic() - begun) // 10 + 1
    assert len([line for line in server.log().splitlines() if line.startswith("pour accepted")]) <= 10 * periods


def test_a_message_that_the_server_fails_on_is_in_the_log(server: KegnetServer, signer: Signer) -> None:
    with server.writing() as connection:
        connection.exec_driver_sql("CREATE TRIGGER refuse BEFORE INSERT ON pour BEGIN SELECT RAISE(ABORT, 'not this one'); END")
    with Wire(server.page_url) as wire:
        wire.post(POUR, urlencode(signer.pour()))
        assert wire.sock.recv(4096).startswith(b"HTTP/1.1 500 ")
    lines = wait_for(lambda: [line for line in server.log().splitlines() if "POST /rest/v2/pour failed: " in line])
    assert len(lines) == 1
    assert "not this one" in lines[0]
    with server.writing() as connection:
        connection.exec_driver_sql("DROP TRIGGER refuse")
    assert post(server, POUR, signer.pour(pin=1)).text == "accepted\n"


# What cannot stop it.


def test_1000_idle_connections_do_not_hold_up_a_pour(server: KegnetServer, signer: Signer) -> None:
    assert post(server, POUR, signer.pour()).status == 200
    before_mb = resident_mb(server)
    idle = [Wire(server.page_url) for _ in range(1000)]
    try:
        for wire in idle[:500]:
            wire.send("POST /rest/v2/pour HTTP/1.1\r\n")
        assert post(server, POUR, signer.pour(pin=1)).text == "accepted\n"
        assert resident_mb(server) < before_mb + 60
    finally:
        for wire in idle:
            wire.close()


def test_1000_readers_do_not_hold_up_a_pour_and_each_hears_of_it(server: KegnetServer, signer: Signer) -> None:
    readers = [Wire(server.page_url) for _ in range(1000)]
    try:
        for reader in readers:
            reader.head("GET", "/events")
        for reader in readers:
            assert b"200 OK" in reader.sock.recv(4096)
        assert post(server, POUR, signer.pour()).text == "accepted\n"
        for reader in readers:
            heard = b""
            while b'"pour"' not in heard:
                heard += reader.sock.recv(4096)
    finally:
        for reader in readers:
            reader.close()


def test_more_connections_than_descriptors_close_the_idle_ones(tmp_path: Path, key: Path) -> None:
    with KegnetServer(tmp_path / "server", before=("prlimit", "--nofile=256:256")) as server:
        signer = Signer(key).register(server)
        idle = [Wire(server.page_url) for _ in range(400)]
        try:
            assert post(server, POUR, signer.pour()).text == "accepted\n"
            cpu_before_s = cpu_s(server)
            assert post(server, POUR, signer.pour(pin=1)).text == "accepted\n"
            assert cpu_s(server) - cpu_before_s < 1.0
            assert len(server.log().splitlines()) < 10, server.log()
        finally:
            for wire in idle:
                wire.close()


def flood(wires: list[Wire], data: bytes) -> None:
    """Sends as much of `data` on each connection as is accepted, until none accepts more or all is sent."""
    rests = {wire: memoryview(data) for wire in wires}
    with selectors.DefaultSelector() as selector:
        for wire in wires:
            wire.sock.setblocking(False)
            selector.register(wire.sock, selectors.EVENT_WRITE, wire)
        while selector.get_map() and (ready := selector.select(2.0)):
            for key, _ in ready:
                try:
                    rests[key.data] = rests[key.data][key.data.sock.send(rests[key.data]) :]
                except BlockingIOError:
                    continue
                except OSError:
                    rests[key.data] = memoryview(b"")
                if not rests[key.data]:
                    selector.unregister(key.fileobj)


EVENTS = b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n"


def test_what_follows_a_request_that_is_answered_costs_no_memory(server: KegnetServer, signer: Signer) -> None:
    assert post(server, POUR, signer.pour()).status == 200
    before_mb = resident_mb(server)
    readers = [Wire(server.page_url) for _ in range(400)]
    try:
        flood(readers, EVENTS + b"x" * 2**19)
        assert post(server, POUR, signer.pour(pin=1)).text == "accepted\n"
        assert resident_mb(server) < before_mb + 60
    finally:
        for wire in readers:
            wire.close()


def test_what_follows_many_requests_costs_no_memory(server: KegnetServer, signer: Signer) -> None:
    assert post(server, POUR, signer.pour()).status == 200
    before_mb = resident_mb(server)
    with Wire(server.page_url) as wire:
        flood([wire], b"GET /login HTTP/1.1\r\nHost: x\r\n\r\n" * 300 + EVENTS + b"x" * 80 * 2**20)
        wire.sock.settimeout(30)
        assert [wire.answer().status for _ in range(300)] == [200] * 300
        assert post(server, POUR, signer.pour(pin=1)).text == "accepted\n"
        assert resident_mb(server) < before_mb + 30


def test_thousands_of_unfinished_heads_cost_little_memory(server: KegnetServer, signer: Signer) -> None:
    assert post(server, POUR, signer.pour()).status == 200
    before_mb = resident_mb(server)
    wires = []
    try:
        for _ in range(4000):
            wires.append(Wire(server.page_url))
            wires[-1].send(b"GET / HTTP/1.1\r\nHost: x\r\nx: " + b"y" * 15_000)
        assert post(server, POUR, signer.pour(pin=1)).text == "accepted\n"
        assert resident_mb(server) < before_mb + 60
    finally:
        for wire in wires:
            wire.close()


def test_heads_of_many_short_lines_cost_little_memory(server: KegnetServer, signer: Signer) -> None:
    assert post(server, POUR, signer.pour()).status == 200
    before_mb = resident_mb(server)
    wires = [Wire(server.page_url) for _ in range(100)]
    try:
        for wire in wires:
            wire.send(b"GET /events HTTP/1.1\r\nHost: x\r\n" + b"aa:b\r\n" * 2500 + b"\r\n")
            assert wire.sock.recv(4096).startswith(b"HTTP/1.1 431 ")
        assert post(server, POUR, signer.pour(pin=1)).text == "accepted\n"
        assert resident_mb(server) < before_mb + 30
    finally:
        for wire in wires:
            wire.close()


def takes_chunks(wire: Wire, number: int) -> bool:
    """Whether so many chunks of 1 MiB can be sent."""
    chunk = b"%x\r\n%s\r\n" % (2**20, b"x" * 2**20)
    try:
        for _ in range(number):
            wire.send(chunk)
    except OSError:
        return False
    return True


def test_a_body_without_an_end_costs_no_memory(server: KegnetServer) -> None:
    before_mb = resident_mb(server)
    for path in (POUR, "/settings", "/nothing", "/metrics"):
        with Wire(server.page_url) as wire:
            wire.head("POST", path, "Content-Type: application/x-www-form-urlencoded", "Transfer-Encoding: chunked")
            wire.send(b"%x\r\n%s\r\n" % (10_000, b"x" * 10_000))
            assert wire.answer().status == 413
            assert not takes_chunks(wire, 100)
    assert resident_mb(server) < before_mb + 20


def test_a_body_over_8_kib_is_refused_whatever_its_framing(server: KegnetServer, signer: Signer) -> None:
    body = "&".join(f"{name}={value.replace('+', '%2B')}" for name, value in signer.pour().items())
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "chunked"):
        with Wire(server.page_url) as wire:
            for size, status in ((8192, 200), (8193, 413)):
                send_padded(wire, body, size, kind)
                assert wire.answer().status == status, (kind, size)


def send_padded(wire: Wire, body: str, size: int, kind: str) -> None:
    """Sends the form with another field that makes it `size` bytes long."""
    padded = f"{body}&x=".ljust(size, "x").encode()
    if kind == "chunked":
        wire.head("POST", POUR, "Transfer-Encoding: chunked")
        for start in range(0, size, 1000):
            part = padded[start : start + 1000]
            wire.send(b"%x\r\n%s\r\n" % (len(part), part))
        wire.send("0\r\n\r\n")
    else:
        wire.head("POST", POUR, f"Content-Type: {kind}", f"Content-Length: {size}")
        wire.send(padded)


def test_a_host_that_is_no_name_is_refused_without_a_word_in_the_log(server: KegnetServer) -> None:
    wait_for(lambda: "this process is the leader" in server.log())
    before = server.log()
    for path in ("/", "/login", "/api/clients", "/rest", "/static/nothing", "/metrics", "/healthz", "/beers/new"):
        for host in ("[", "x:y", "x/y"):
            for method in ("GET", "POST"):
                with Wire(server.page_url) as wire:
                    wire.send(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n")
                    assert 400 <= wire.answer().status < 500, (method, path, host)
    assert [line for line in server.log()[len(before) :].splitlines() if "leader" not in line] == []


def test_a_body_that_is_announced_as_too_large_is_not_asked_for(server: KegnetServer) -> None:
    with Wire(server.page_url) as wire:
        wire.head("POST", POUR, "Content-Length: 200000000", "Expect: 100-continue")
        assert wire.sock.recv(4096).startswith(b"HTTP/1.1 413 ")


GARBAGE = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "no version": b"GET /\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "nonsense": b"NONSENSE\r\n\r\n",
    "two lengths": b"POST /rest/v2/pour HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "negative length": b"POST /rest/v2/pour HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "length of 5,000 digits": b"POST /rest/v2/pour HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"0" * 5000 + b"1\r\n\r\n",
    "length and chunks": b"POST /rest/v2/pour HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no number of a chunk": b"POST /rest/v2/pour HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "endless head": b"GET /rest HTTP/1.1\r\nHost: x\r\nx: " + b"y" * 70_000,
}


def test_what_is_no_http_is_refused_without_a_word_in_the_log(server: KegnetServer) -> None:
    wait_for(lambda: "this process is the leader" in server.log())
    before = server.log()
    for name, garbage in GARBAGE.items():
        with Wire(server.page_url) as wire:
            wire.send(garbage)
            assert wire.rest().startswith(b"HTTP/1.1 400 "), name
    assert [line for line in server.log()[len(before) :].splitlines() if "leader" not in line] == []
    assert get(server, "/healthz").status == 200


# Addresses, certificates.


def test_it_listens_at_an_ipv6_address_and_prints_it(tmp_path: Path) -> None:
    with KegnetServer(tmp_path / "server", listen="[::1]:0") as server:
        assert server.base_url.startswith("http://[::1]:")
        assert get(server, "/healthz").text == "ok\n"


def test_it_listens_at_a_unix_socket(tmp_path: Path) -> None:
    with KegnetServer(tmp_path / "server", listen=f"unix:{tmp_path}/socket"), socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"{tmp_path}/socket")
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 OK")


# The database.


def test_a_database_that_is_away_is_503_and_one_line_of_the_log(server: KegnetServer, signer: Signer) -> None:
    pour, file = signer.pour(), server.folder / "kegnet.sqlite"
    assert get(server, "/healthz").status == 200
    file.rename(server.folder / "elsewhere")
    answers = [post(server, POUR, pour) for _ in range(5)]
    # It needs no database, so it says nothing of it.
    assert post(server, POUR, {}).status == 400
    answers += [post(server, POUR, pour) for _ in range(5)]
    assert {(answer.status, answer.headers["retry-after"]) for answer in answers} == {(503, "10")}
    wait_for(lambda: get(server, "/healthz").status == 503)
    (server.folder / "elsewhere").rename(file)
    assert post(server, POUR, pour).text == "accepted\n"
    wait_for(lambda: get(server, "/healthz").status == 200)
    lines = server.log().splitlines()
    assert len([line for line in lines if "try again" in line]) == 1, lines
    assert len([line for line in lines if "the database answers again" in line]) == 1, lines
    assert "Traceback" not in server.log()
