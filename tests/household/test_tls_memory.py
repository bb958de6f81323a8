"""The server over TLS: what a connection costs, and what cannot stop it."""

from __future__ import annotations

import contextlib
import re
import resource
import select
import socket
import ssl
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from kegnet.server.web.downloads import AT_MOST
from support.http import Signer, Wire, get, post
from support.kegnet_server import KegnetServer
from support.pki import Certificate
from support.stored_history import DAY_MS, NOW, History
from support.wait import stays, wait_for

POUR, PING = "/rest/v2/pour", "/rest/v2/ping"
CONNECTIONS = 1000
MEMORY_MB = 200
"""The unit's MemoryMax= is 288 MB."""
SLOW_READERS = AT_MOST - 1
"""The download before them can be running still, although its reader has it all."""


@pytest.fixture
def server(tmp_path: Path, certificate: Certificate) -> Iterator[KegnetServer]:
    with KegnetServer(tmp_path / "server", certificate) as started:
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


def client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def tcp(server: KegnetServer, buffer_bytes: int = 0) -> socket.socket:
    host, _, port = server.base_url.split("/")[2].rpartition(":")
    sock = socket.socket()
    if buffer_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    sock.settimeout(60)
    sock.connect((host, int(port)))
    return sock


def connected(server: KegnetServer, stack: ExitStack, number: int, sent: bytes = b"", buffer_bytes: int = 0) -> list[ssl.SSLSocket]:
    """So many connections with TLS that have sent this, open until the end of `stack`. One context makes them fast."""
    context = client_context()
    connections = []
    for _ in range(number):
        connections.append(stack.enter_context(context.wrap_socket(tcp(server, buffer_bytes))))
        connections[-1].sendall(sent)
    return connections


def received(sock: socket.socket) -> bytes:
    """All until the server closes the connection."""
    whole = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while part := sock.recv(65536):
            whole += part
    return whole


# What a connection costs.


def test_1000_idle_connections_fit_into_the_memory_of_the_unit(server: KegnetServer, signer: Signer) -> None:
    with ExitStack() as stack:
        connected(server, stack, CONNECTIONS // 2, b"POST /rest/v2/ping HTTP/1.1\r\n")
        connected(server, stack, CONNECTIONS // 2)
        assert post(server, PING, signer.ping()).text == "accepted\n"
        assert resident_mb(server) < MEMORY_MB


def test_1000_handshakes_that_stall_fit_into_the_memory_of_the_unit(server: KegnetServer, signer: Signer) -> None:
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            stack.enter_context(tcp(server)).sendall(b"\x16\x03\x01\x02\x00\x01")
        assert post(server, PING, signer.ping()).text == "accepted\n"
        assert resident_mb(server) < MEMORY_MB


def test_1000_readers_of_events_fit_into_the_memory_of_the_unit(server: KegnetServer, signer: Signer) -> None:
    with ExitStack() as stack:
        # The first request of a connection has a time limit.
        readers = connected(server, stack, CONNECTIONS, b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        for reader in readers:
            assert b"200 OK" in reader.recv(4096)
        assert post(server, PING, signer.ping()).text == "accepted\n"
        for reader in readers:
            heard = b""
            while b'"ping"' not in heard:
                heard += reader.recv(4096)
        assert resident_mb(server) < MEMORY_MB


def test_connections_that_were_closed_leave_no_memory_behind(server: KegnetServer) -> None:
    def come_and_go(number: int) -> float:
        for _ in range(number // 100):
            with ExitStack() as stack:
                connected(server, stack, 100)
        return resident_mb(server)

    before_mb = come_and_go(500)
    assert come_and_go(1500) < before_mb + 5


def test_handshakes_that_stall_give_way_to_a_pour(tmp_path: Path, certificate: Certificate, key: Path) -> None:
    with (
        KegnetServer(tmp_path / "server", certificate, before=("prlimit", "--nofile=256:256")) as server,
        ExitStack() as stack,
    ):
        signer = Signer(key).register(server)
        for _ in range(400):
            stack.enter_context(tcp(server))
        assert post(server, POUR, signer.pour()).text == "accepted\n"
        assert len(server.log().splitlines()) < 10, server.log()


# What is large or slow.


@pytest.fixture
def large(tmp_path: Path, certificate: Certificate) -> Iterator[tuple[KegnetServer, str, int]]:
    """A server, the path of an answer of megabytes, and the number of its rows."""
    folder, rows = tmp_path / "large", 20_000
    folder.mkdir()
    history = History(f"sqlite:///{folder}/kegnet.sqlite")
    client = history.client()
    pings = [history.verified_ping(client, NOW - DAY_MS - 1000 * number, 4000) for number in range(rows)]
    for start in range(0, rows, 500):
        history.insert(list(pings[start : start + 500]))
    history.close()
    with KegnetServer(folder, certificate) as server:
        yield server, f"/csv/{uuid.UUID(client.uuid)}/temperatures.csv", rows


def test_a_large_answer_arrives_whole_at_slow_readers_and_is_not_buffered(large: tuple[KegnetServer, str, int]) -> None:
    server, path, rows = large
    assert len(get(server, path).text) > 10**6
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    before_mb = resident_mb(server)
    with ExitStack() as stack:
        # With small buffers of the kernel, the rest of the answer waits in the server.
        readers = connected(server, stack, SLOW_READERS, buffer_bytes=4096)
        for reader in readers:
            reader.sendall(request)
        for reader in readers:
            assert reader.recv(100).startswith(b"HTTP/1.1 200 OK")
        # 2.2 MB each without TLS, which are SQLite's; the answer has 1.2.
        assert stays(lambda: resident_mb(server) < before_mb + 2.8 * SLOW_READERS, for_s=2)
        for reader in readers[:3]:
            assert received(reader).count(b"4.000") == rows


def test_a_body_without_an_end_costs_no_memory(server: KegnetServer) -> None:
    before_mb = resident_mb(server)
    chunk = b"%x\r\n%s\r\n" % (2**20, b"x" * 2**20)
    with Wire(server.page_url) as wire:
        wire.head("POST", POUR, "Transfer-Encoding: chunked")
        with pytest.raises(OSError):
            for _ in range(300):
                wire.send(chunk)
    assert resident_mb(server) < before_mb + 20


# What is no TLS, or not as it should be.


def test_a_handshake_that_stalls_is_dropped_after_30_s(server: KegnetServer) -> None:
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    start = time.monotonic()
    with tcp(server) as silent, tcp(server) as half, tcp(server) as drips:
        half.sendall(hello[:7])
        waiting = [silent, half, drips]
        while waiting and time.monotonic() < start + 90:
            with contextlib.suppress(OSError):
                drips.sendall(hello[:1] if time.monotonic() < start + 1 else b"")
            for sock in select.select(waiting, [], [], 1)[0]:
                assert received(sock) == b""
                assert time.monotonic() > start + 25
                waiting.remove(sock)
        assert waiting == []


GARBAGE = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "nonsense": b"\x00" * 100,
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "huge record": b"\x16\x03\x01\xff\xff" + b"x" * 70_000,
    "huge handshake": b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + b"x" * 16_380,
    "a record of data": b"\x17\x03\x03\x00\x10" + b"x" * 16,
    "an alert": b"\x15\x03\x01\x00\x02\x02\x28",
}


def test_what_is_no_tls_is_closed_without_a_word_in_the_log(server: KegnetServer) -> None:
    wait_for(lambda: "this process is the leader" in server.log())
    before = server.log()
    for name, garbage in GARBAGE.items():
        with tcp(server) as sock:
            sock.settimeout(30)
            with contextlib.suppress(ConnectionError):
                sock.sendall(garbage)
            assert len(received(sock)) < 50, name
    assert [line for line in server.log()[len(before) :].splitlines() if "leader" not in line] == []
    assert get(server, "/healthz").status == 200


def test_a_record_that_was_changed_on_the_way_closes_the_connection(server: KegnetServer) -> None:
    with Wire(server.page_url) as wire:
        wire.head("GET", "/healthz")
        assert wire.answer().status == 200
        with socket.socket(fileno=wire.sock.detach()) as below:
            below.settimeout(30)
            below.sendall(b"\x17\x03\x03\x00\x40" + b"x" * 64)
            # An alert, until the end.
            assert len(received(below)) < 50
    assert get(server, "/healthz").status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken_and_nothing_older(server: KegnetServer, version: ssl.TLSVersion) -> None:
    context = client_context()
    context.minimum_version = context.maximum_version = version
    with context.wrap_socket(tcp(server)) as sock:
        assert sock.version() == version.name.replace("v1_", "v1.")
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert received(sock).endswith(b"ok\n")
    old = client_context()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.deprecated_call():
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with tcp(server) as sock, pytest.raises((ssl.SSLError, ConnectionError)):
        old.wrap_socket(sock)


def s_client(server: KegnetServer, *words: str, given: bytes) -> str:
    """What `openssl s_client` reports."""
    command = ["openssl", "s_client", "-connect", server.base_url.split("/")[2], *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            for line in given.splitlines(keepends=True):
                # Its commands are the first letter of what it reads at once.
                process.stdin.write(line)
                process.stdin.flush()
                time.sleep(0.01)
        try:
            return process.communicate(timeout=20)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            process.kill()
            return process.communicate()[0].decode(errors="replace")


def test_a_client_that_wants_to_renegotiate_gets_no_new_handshake(server: KegnetServer) -> None:
    report = s_client(server, "-tls1_2", given=b"R\n" * 5)
    assert re.search("no.renegotiation|handshake failure|alert", report, re.IGNORECASE), report
    assert get(server, "/healthz").status == 200


def test_a_client_that_changes_its_keys_again_and_again_does_no_harm(server: KegnetServer) -> None:
    before_mb = resident_mb(server)
    s_client(server, "-tls1_3", given=b"K\n" * 200)
    assert resident_mb(server) < before_mb + 10
    assert get(server, "/healthz").status == 200
