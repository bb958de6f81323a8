"""What costs much: downloads whose readers do not read, and years of temperatures."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from kegnet.server.storage import schema
from kegnet.server.web.downloads import AT_MOST
from support.http import Wire
from support.kegnet_server import KegnetServer
from support.wait import wait_for
from support.web_requests import request

ID = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
PINGS = 150_000
YEAR_MS = 365 * 86_400_000
PATH = f"csv/{ID}/temperatures.csv"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KegnetServer]:
    """A server with so many temperatures that the kernel's buffers do not contain them."""
    with KegnetServer(tmp_path / "server") as made:
        client = made.add_client(ID, "x", "Garage")
        now_ms = time.time_ns() // 10**6
        common = {"client": client.key, "ts_seconds": False, "temp": 4000}
        times = range(now_ms - 600_000 * PINGS, now_ms, 600_000)
        with made.writing() as connection:
            rows = [{**common, "ts_ms": at, "digest": os.urandom(32), "at_ms": at, "received_ms": at} for at in times]
            connection.execute(sa.insert(schema.ping), rows)
        yield made


def deaf_reader(server: KegnetServer) -> Wire:
    """A connection that has asked for the file, and reads nothing of it."""
    wire = Wire(server.page_url)
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wire.head("GET", f"/{PATH}")
    return wire


def deaf_readers(server: KegnetServer, number: int) -> list[Wire]:
    """So many deaf readers, all answered: as many downloads as can run have begun."""
    wires = [deaf_reader(server) for _ in range(number)]
    begins = [wire.sock.recv(12, socket.MSG_PEEK | socket.MSG_WAITALL) for wire in wires]
    assert sorted(begins) == [b"HTTP/1.1 200"] * AT_MOST + [b"HTTP/1.1 503"] * (number - AT_MOST)
    return wires


def test_readers_who_do_not_read_hold_nothing_up(server: KegnetServer) -> None:
    deaf = deaf_readers(server, 40)
    refused = request(f"{server.page_url}{PATH}")
    assert refused.status == 503
    assert refused.headers["Retry-After"] == "30"
    for path in ("healthz", "login", "", f"api/clients/{ID}"):
        assert request(f"{server.page_url}{path}").status == 200
    for wire in deaf:
        wire.close()
    wait_for(lambda: request(f"{server.page_url}{PATH}").text.count("\n") == PINGS + 1)


def test_readers_who_do_not_read_are_dropped_after_a_minute(server: KegnetServer) -> None:
    deaf = deaf_readers(server, 2 * AT_MOST)
    assert request(f"{server.page_url}{PATH}").status == 503
    wait_for(lambda: request(f"{server.page_url}{PATH}").status == 200, limit_s=90, every_s=1)
    for wire in deaf:
        wire.close()


def test_pages_do_not_wait_for_years_of_temperatures(server: KegnetServer) -> None:
    url, year_ago_ms = f"{server.page_url}api/clients/{ID}/temperatures?points=2000&since=", time.time_ns() // 10**6 - YEAR_MS

    def are_answered_meanwhile() -> bool:
        with ThreadPoolExecutor(60) as threads:
            asked = [threads.submit(request, f"{url}{year_ago_ms + number}") for number in range(60)]
            wait_for(lambda: any(each.done() for each in asked))
            answers = [request(f"{server.page_url}{path}").status for path in ("login", "healthz", "", "beers")]
            meanwhile = not all(each.done() for each in asked)
            statuses = [each.result().status for each in asked]
        assert answers == [200] * 4
        assert set(statuses) == {200, 429}
        return meanwhile

    # This process can have been held up until all were answered.
    assert any(are_answered_meanwhile() for _ in range(3))
    assert request(f"{url}{year_ago_ms}").status == 200
