"""The server's start, reload and end."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.http import Signer, Wire, get, post
from support.kegnet_server import KegnetServer
from support.pki import Certificate, issue
from support.services import PostgreSQL
from support.wait import is_quick, stays, wait_for, within_a_minute

POUR, PING = "/rest/v2/pour", "/rest/v2/ping"


def test_sigterm_with_readers_and_half_requests_ends_within_5_s(tmp_path: Path, key: Path) -> None:
    folders = (tmp_path / f"server{number}" for number in itertools.count())
    # After 4.5 s it ends without what is below. A busy machine can hold it up so long.
    assert is_quick(lambda: stop_s(next(folders), key), 4)


def stop_s(folder: Path, key: Path) -> float:
    """How long a server needs to stop while it has readers and half requests."""
    server = KegnetServer(folder)
    Signer(key).register(server)
    readers = [Wire(server.page_url) for _ in range(50)]
    halves = [Wire(server.page_url) for _ in range(4)]
    for reader in readers:
        reader.head("GET", "/events")
        assert b"200 OK" in reader.sock.recv(4096)
    halves[1].send("POST /rest/v2/pour HTTP/1.1\r\n")
    halves[2].head("POST", POUR, "Content-Length: 100")
    halves[3].head("POST", POUR, "Transfer-Encoding: chunked")
    before = time.monotonic()
    assert server.stop() == 0
    took_s = time.monotonic() - before
    if took_s < 4:
        assert server.log().endswith("stopped\n")
        for reader in readers:
            # The stream has an end: it was not cut off.
            assert reader.rest().endswith(b"0\r\n\r\n")
    for wire in (*readers, *halves):
        wire.close()
    return took_s


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_status_0(tmp_path: Path, number: signal.Signals) -> None:
    with KegnetServer(tmp_path / "server") as server:
        begun = time.monotonic()
        server.signal(number)
        assert server.process.wait(60) == 0
        # After 4.5 s it ends without the rest. A busy machine can hold it up so long.
        assert server.log().endswith("stopped\n") or time.monotonic() - begun > 4


def test_systemd_hears_of_the_start_and_the_end(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"{tmp_path}/notify")
        manager.settimeout(60)
        with KegnetServer(tmp_path / "server", env={"NOTIFY_SOCKET": f"{tmp_path}/notify"}) as server:
            assert [manager.recv(4096) for _ in range(2)] == [b"STATUS=accepting messages", b"READY=1"]
            assert get(server, "/healthz").status == 200
            server.signal(signal.SIGTERM)
            assert manager.recv(4096) == b"STOPPING=1"


def peer_certificate(server: KegnetServer) -> bytes | None:
    with Wire(server.page_url) as wire:
        assert isinstance(wire.sock, ssl.SSLSocket)
        return wire.sock.getpeercert(binary_form=True)


def test_sighup_takes_a_new_certificate_and_keeps_the_connections(tmp_path: Path, ca: Certificate, key: Path) -> None:
    first, second = issue(ca, tmp_path, "first"), issue(ca, tmp_path, "second")
    used = Certificate(tmp_path / "used.pem", tmp_path / "used.key")

    def use(certificate: Certificate) -> None:
        used.certificate.write_bytes(certificate.certificate.read_bytes())
        used.key.write_bytes(certificate.key.read_bytes())

    use(first)
    with KegnetServer(tmp_path / "server", used) as server, Wire(server.page_url) as kept:
        before = peer_certificate(server)
        use(second)
        server.signal(signal.SIGHUP)
        wait_for(lambda: "the certificate was read again" in server.log())
        assert peer_certificate(server) not in (before, None)
        kept.head("GET", "/healthz")
        assert kept.answer().status == 200
        used.certificate.write_bytes(first.certificate.read_bytes())
        after = peer_certificate(server)
        server.signal(signal.SIGHUP)
        wait_for(lambda: "the old certificate stays in use" in server.log())
        assert peer_certificate(server) == after
        assert post(server, POUR, Signer(key).register(server).pour()).status == 200


def ends(server: KegnetServer) -> tuple[int, str]:
    status = server.process.wait(60)
    server.stop()
    return status, server.log()


def test_what_a_person_must_fix_is_one_line_and_status_78(tmp_path: Path, ca: Certificate) -> None:
    (tmp_path / "text").write_text("no database, and no certificate\n" * 100)
    cases: list[tuple[str, list[str | Path], str]] = [
        ("", ["--listen", "localhost:port"], "localhost:port"),
        ("", ["--certificate", tmp_path / "text", "--key", tmp_path / "text"], "text"),
        ("", ["--key", ca.key], "certificate"),
        ("", ["--certificate", ca.certificate, "--key", tmp_path / "none"], "none"),
        (f"sqlite:///{tmp_path}/text", [], "text"),
        ("mysql://x/y", [], "mysql"),
    ]
    for number, (url, words, named) in enumerate(cases):
        status, log = ends(KegnetServer(tmp_path / str(number), None, *words, url=url, wait=False))
        assert status == os.EX_CONFIG, log
        assert named in log
        assert "fix: " in log
        assert len(log.splitlines()) == 1, log


def test_a_port_for_which_the_service_has_no_right_is_a_mistake(tmp_path: Path) -> None:
    as_service = ("setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service")
    status, log = ends(KegnetServer(tmp_path, listen="127.0.0.1:1", before=as_service, wait=False))
    assert status == os.EX_CONFIG
    assert "listen 127.0.0.1:1: Permission denied; fix: use a port from 1024 on, such as 8080, or a proxy" in log


def test_a_port_in_use_is_tried_again_by_systemd(tmp_path: Path) -> None:
    with KegnetServer(tmp_path / "first") as first:
        listen = first.base_url.split("/")[2]
        status, log = ends(KegnetServer(tmp_path / "second", listen=listen, wait=False))
        assert (status, len(log.splitlines())) == (os.EX_TEMPFAIL, 1), log


def test_a_database_that_comes_later_than_the_server_is_waited_for(tmp_path: Path, key: Path) -> None:
    postgresql = PostgreSQL(tmp_path / "postgresql")
    url = postgresql.database()
    postgresql.stop()
    with KegnetServer(tmp_path / "server", url=url) as server:
        answer = post(server, POUR, Signer(key).pour())
        assert (answer.status, answer.headers["retry-after"]) == (503, "10")
        assert [get(server, path).status for path in ("/healthz", "/", "/metrics")] == [503] * 3
        # Over the first two attempts to open it.
        assert stays(lambda: get(server, "/healthz").status == 503, for_s=4)
        postgresql.start()
        wait_for(lambda: get(server, "/healthz").status == 200, limit_s=60)
        assert post(server, POUR, Signer(key).register(server).pour()).status == 200
        lines = [line for line in server.log().splitlines() if "try again" in line]
        assert len(lines) == 1, server.log()
        assert "Traceback" not in server.log()
    postgresql.stop()


def test_a_database_that_was_replaced_is_used_after_another_start(tmp_path: Path, key: Path) -> None:
    with KegnetServer(tmp_path / "server") as server, KegnetServer(tmp_path / "other") as other:
        Signer(key).register(other)
        other.stop()
        os.replace(other.folder / "kegnet.sqlite", server.folder / "kegnet.sqlite")
        assert server.process.wait(60) == os.EX_TEMPFAIL
        assert "was replaced; fix: start kegnet-server again" in server.log()


def test_refusals_count_over_all_servers_of_a_database(tmp_path: Path, key: Path, new_url: Callable[[str], str]) -> None:
    url = new_url("postgresql")
    with KegnetServer(tmp_path / "one", url=url) as one, KegnetServer(tmp_path / "two", url=url) as two:
        signer = Signer(key).register(one)
        assert post(two, POUR, signer.pour()).status == 200
        forged = {**signer.pour(), "pulses": "1"}
        statuses = within_a_minute(lambda: [post(server, POUR, forged).status for _ in range(32) for server in (one, two)])
        assert statuses == [403] * 60 + [429] * 4
        assert post(two, POUR, signer.pour(pin=1)).status == 200


def test_many_who_ask_for_the_metrics_at_once_hold_up_nothing_else(tmp_path: Path, key: Path) -> None:
    postgresql = PostgreSQL(tmp_path / "postgresql")
    url = postgresql.database()
    with KegnetServer(tmp_path / "server", url=url) as server, contextlib.ExitStack() as stack:
        known, unknown = Signer(key).register(server), Signer(key)
        engine = sa.create_engine(url)
        stack.callback(engine.dispose)
        with engine.connect() as connection:
            connection.execute(sa.text("LOCK TABLE keg IN ACCESS EXCLUSIVE MODE"))
            asked = [stack.enter_context(Wire(server.page_url)) for _ in range(60)]
            for wire in asked:
                wire.head("GET", "/metrics")
            wait_for(lambda: postgresql.query("postgres", "SELECT count(*) FROM pg_locks WHERE NOT granted") != "0")
            assert get(server, "/healthz").status == 200
            assert post(server, PING, known.ping()).status == 200
            assert post(server, PING, unknown.ping()).status in (401, 403)
        assert {wire.answer().status for wire in asked} == {200}
    postgresql.stop()
