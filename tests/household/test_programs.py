"""What other programs read: the JSON API and its description, CSV, pictures, and the event stream."""

from __future__ import annotations

import csv
import http.client
import itertools
import json
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kegnet.server.demo.sample_data import fill
from kegnet.server.storage.clients import set_client, set_limits
from kegnet.server.storage.settings import set_household, set_setting
from kegnet.server.storage.taps import set_tap
from support.history import client_key, ping, pour, store
from support.kegnet_server import KegnetServer
from support.noon import noon_zone
from support.services import PostgreSQL
from support.wait import is_quick, wait_for
from support.web_requests import request
from system.container import CACHE

ID = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
DAY_MS = 86_400_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KegnetServer]:
    """A server with the client `ID`."""
    with KegnetServer(tmp_path / "server") as made:
        made.add_client(ID, "x", "Garage")
        yield made


@pytest.fixture(scope="module")
def unchanged_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KegnetServer]:
    """The same, for tests that change nothing of it."""
    with KegnetServer(tmp_path_factory.mktemp("server")) as made:
        made.add_client(ID, "x", "Garage")
        yield made


def now_ms() -> int:
    return time.time_ns() // 10**6


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_description_is_right_whatever_is_requested(tmp_path: Path, database: str) -> None:
    postgresql = PostgreSQL(tmp_path / "postgresql") if database == "postgresql" else None
    url = postgresql.database() if postgresql else f"sqlite:///{tmp_path / 'kegnet.sqlite'}"
    fill(url, ID, "x")
    with KegnetServer(tmp_path / "server", url=url) as server:
        # As a module of the environment's python: the first line of its command names the place where it was made.
        command: list[str | Path] = [CACHE / "schemathesis/bin/python", "-m", "schemathesis.cli", "run"]
        command += [f"{server.page_url}api/openapi.json", "--max-examples", "10", "--request-timeout", "20", "--seed", "1"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stdout
        print(done.stdout)
        assert "failed: " not in server.log(), "nothing unexpected is in the log"
    if postgresql:
        postgresql.stop()


def test_the_description_contains_how_clients_send_messages(unchanged_server: KegnetServer) -> None:
    description = request(f"{unchanged_server.page_url}api/openapi.json").json()
    assert {"/rest/{version}/ping", "/rest/{version}/pour", "/api/clients", "/api/household"} <= description["paths"].keys()
    responses = description["paths"]["/rest/{version}/pour"]["post"]["responses"]
    assert {"200", "400", "401", "403", "413", "429", "503"} <= responses.keys()
    assert "422" not in responses
    assert not any(path in description["paths"] for path in ("/", "/kegs", "/events", "/settings"))


def test_a_client_is_described_as_it_is_now(server: KegnetServer) -> None:
    key, now = client_key(server.database, ID), now_ms()
    server.put_on(ID, 3, "IPA", on_ms=now - DAY_MS)
    with server.writing() as connection:
        set_household(connection, time_zone=noon_zone())
        set_limits(connection, key, None, 6500)
    store(server.database, ping(key, now - 1000, 4187), pour(key, now - 500, 2800, pin=3))
    (client,) = request(f"{server.page_url}api/clients").json()
    assert request(f"{server.page_url}api/clients/{ID.upper()}").json()["id"] == ID
    assert (client["id"], client["name"], client["millicelsius"], client["heard_ms"]) == (ID, "Garage", 4187, now - 500)
    assert "coldest" not in client, "what is not known is absent"
    assert client["warmest"] == 6500
    (tap,) = client["taps"]
    assert (tap["pin"], tap["left_ml"], tap["today_ml"], tap["keg"]["beer"]["name"]) == (3, 18_500.0, 500.0, "IPA")
    assert request(f"{server.page_url}api/household").json()["clients"] == 1


def test_clients_come_in_pages_by_name(server: KegnetServer) -> None:
    with server.writing() as connection:
        for number in range(60):
            client = set_client(connection, f"{number:08d}{ID[8:]}", now_ms=now_ms(), name=f"Keg {number:02d}")
            set_tap(connection, client.key, 0, name=f"tap of {number:02d}")
    first, second = (request(f"{server.page_url}?page={page}").text for page in (0, 1))
    assert ("next clients" in first, "previous clients" in first) == (True, False)
    assert ("next clients" in second, "previous clients" in second) == (False, True)
    assert ("tap of 48" in first, "tap of 48" in second, "tap of 59" in second) == (True, False, True), "Garage is the first of 61"
    url = f"{server.page_url}api/clients"
    pages = [request(f"{url}?limit=25&offset={offset}").json() for offset in (0, 25, 50, 75)]
    assert [len(page) for page in pages] == [25, 25, 11, 0]
    assert [client["name"] for page in pages for client in page] == ["Garage", *(f"Keg {number:02d}" for number in range(60))]


def test_pours_come_in_pages_without_gaps_and_repeats(server: KegnetServer) -> None:
    key, now = client_key(server.database, ID), now_ms()
    # All at the same moment, as from a client without a clock: the order is by time, then by id.
    store(server.database, *(pour(key, now - 1000, pulses) for pulses in range(1, 8)), pour(key, now - 5000, 8), pour(key, now, 9))
    url = f"{server.page_url}api/clients/{ID}/taps/0/pours"
    pages, before = [], ""
    while page := request(f"{url}?limit=2{before}").json():
        pages.append(page)
        before = f"&before={page[-1]['id']}"
    found = [pour["pulses"] for page in pages for pour in page]
    assert (found[0], found[-1], sorted(found)) == (9, 8, list(range(1, 10)))
    assert [pour["pulses"] for pour in request(f"{url}?since={now - 999}").json()] == [9]
    assert [pour["pulses"] for pour in request(f"{url}?until={now - 1000}").json()] == [8]


def test_temperatures_are_in_bins_that_are_aligned_to_the_clock(server: KegnetServer) -> None:
    key, hour_ms = client_key(server.database, ID), 3_600_000
    noon_ms = now_ms() // DAY_MS * DAY_MS - DAY_MS // 2
    store(server.database, ping(key, noon_ms + 1, 4000), ping(key, noon_ms + hour_ms - 1, 16_000), ping(key, noon_ms + hour_ms, 5000))
    url = f"{server.page_url}api/clients/{ID}/temperatures"
    week = request(f"{url}?over=7d").json()
    assert week == [
        {"at_ms": noon_ms, "length_ms": hour_ms, "mean": 10_000.0, "least": 4000, "most": 16_000, "number": 2, "gap": False},
        {"at_ms": noon_ms + hour_ms, "length_ms": hour_ms, "mean": 5000.0, "least": 5000, "most": 5000, "number": 1, "gap": False},
    ]
    assert request(f"{url}?since={noon_ms}&until={noon_ms + hour_ms}").json()[-1]["most"] == 16_000
    assert request(f"{url}?since=2&until=1").json() == []
    assert len(request(f"{url}?since=0&until=253402300799999").json()) == 1, "a bin of years"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"clients/{ID[:-1]}2", 404), (f"clients/{ID}/taps/7/pours", 404), (f"clients/{ID}/taps/1001/pours", 422), ("clients/x", 422),
        ("clients?limit=0", 422), (f"clients/{ID}/temperatures?over=2y", 422), ("nothing", 404),
        (f"clients/{ID}/taps/{'9' * 5000}/pours", 422),
    ],
)  # fmt: skip
def test_an_error_of_the_api_is_json(unchanged_server: KegnetServer, path: str, status: int) -> None:
    answer = request(f"{unchanged_server.page_url}api/{path}")
    assert answer.status == status
    assert answer.json()["detail"]


def test_an_error_of_a_page_has_a_way_back(unchanged_server: KegnetServer) -> None:
    answer = request(f"{unchanged_server.page_url}nothing")
    assert answer.status == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Back to the kegs" in answer.text


def test_csv_is_for_people_with_a_spreadsheet(server: KegnetServer) -> None:
    key = client_key(server.database, ID)
    server.set_tap(ID, 0, '=HYPERLINK("x")')
    with server.writing() as connection:
        set_household(connection, time_zone="Europe/Berlin")
    summer_ms = 1_782_900_000_000
    store(server.database, pour(key, summer_ms, 2800), ping(key, summer_ms, 4187))
    pours, temperatures = (
        list(csv.DictReader(request(f"{server.page_url}csv/{ID}/{name}.csv").text.splitlines())) for name in ("pours", "temperatures")
    )
    assert pours[0] == {
        "time": "2026-07-01T12:00:00+02:00", "at_ms": str(summer_ms), "pin": "0", "tap": "'=HYPERLINK(\"x\")", "litres": "0.500",
        "pulses": "2800", "duration_ms": "8000", "spilled": "0",
    }  # fmt: skip
    assert (temperatures[0]["time"], temperatures[0]["celsius"]) == ("2026-07-01T12:00:00+02:00", "4.187")


def test_a_reader_of_csv_who_leaves_early_leaves_nothing_behind(server: KegnetServer) -> None:
    key = client_key(server.database, ID)
    store(server.database, *(ping(key, number, 4000) for number in range(20_000)))
    address = urllib.parse.urlsplit(server.page_url).netloc
    for _ in range(30):
        connection = http.client.HTTPConnection(address, timeout=20)
        connection.request("GET", f"/csv/{ID}/temperatures.csv")
        assert connection.getresponse().read(10)
        connection.close()
    wait_for(lambda: len(request(f"{server.page_url}csv/{ID}/temperatures.csv").text.splitlines()) == 20_001)
    assert "Traceback" not in server.log()


def test_a_picture_is_sent_once_while_nothing_changes(server: KegnetServer) -> None:
    key = client_key(server.database, ID)
    store(server.database, ping(key, now_ms(), 4000))
    url = f"{server.page_url}courses/{ID}/90d.svg"
    first = request(url)
    assert first.status == 200
    known = {"If-None-Match": first.headers["ETag"]}
    assert request(url, headers=known).status == 304
    chosen = request(url, headers={**known, "Cookie": "temperature=F"})
    assert chosen.status == 200, "another unit is another picture"
    with server.writing() as connection:
        set_household(connection, temperature="F")
    fahrenheit = request(url, headers=known)
    assert (fahrenheit.status, fahrenheit.text) == (200, chosen.text), "the household's unit is that of a reader without a choice"
    known = {"If-None-Match": fahrenheit.headers["ETag"]}
    assert request(url, headers=known).status == 304
    store(server.database, ping(key, now_ms() + 1, 5000))
    assert request(url, headers=known).status == 200


def test_one_row_with_an_impossible_time_takes_no_page_down(server: KegnetServer) -> None:
    key = client_key(server.database, ID)
    server.put_on(ID, 0, "IPA", on_ms=1000)
    last_ms = 253_402_300_799_999
    store(server.database, ping(key, last_ms, 4000), pour(key, last_ms, 100), ping(key, 0, 1000), pour(key, 0, 10**9))
    paths = ["", "kegs", "tv", f"csv/{ID}/pours.csv", f"csv/{ID}/temperatures.csv", "api/clients", f"api/clients/{ID}/taps/0/pours"]
    paths += [f"taps/{ID}/0", f"taps/{ID}/0/pours", f"clients/{ID}", *(f"courses/{ID}/{span}.svg" for span in ("24h", "7d", "90d"))]
    for zone in ("Pacific/Kiritimati", "Mars/Olympus_Mons"):
        with server.writing() as connection:
            set_setting(connection, "time_zone", zone)
        for path in paths:
            assert request(server.page_url + path).status == 200, (zone, path)


def test_every_response_has_the_security_headers(unchanged_server: KegnetServer) -> None:
    for path in ("", "static/format.js", "api/clients", "nothing", "settings"):
        headers = request(unchanged_server.page_url + path).headers
        policy = headers["Content-Security-Policy"]
        assert all(rule in policy for rule in ("default-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"))
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"


# The event stream.


class Stream:
    """A reader of a server's events."""

    def __init__(self, server: KegnetServer, method: str = "GET") -> None:
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(server.page_url).netloc, timeout=30)
        self.connection.request(method, "/events")
        self.response = self.connection.getresponse()

    def next(self) -> dict[str, Any]:
        """The next event with a change."""
        while not (line := self.response.readline()).startswith(b'data: {"now_ms":') or b'"kinds":' not in line:
            assert line, "the stream ended"
        event: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
        return event

    def close(self) -> None:
        self.response.close()
        self.connection.close()


@pytest.fixture
def stream(server: KegnetServer) -> Iterator[Stream]:
    """A reader who has received the first line."""
    made = Stream(server)
    assert made.response.getheader("Content-Type", "").startswith("text/event-stream")
    assert made.response.readline() == b"retry: 5000\n"
    yield made
    made.close()


def test_an_event_has_the_values_that_changed(server: KegnetServer, stream: Stream) -> None:
    event: dict[str, Any] = {}
    # A server that has just started reports that everything may have changed.
    while "clients" not in event:
        store(server.database, ping(client_key(server.database, ID), now_ms(), 4000))
        event = stream.next()
    assert (event["kinds"], event["changed"]) == (["ping"], [ID])
    assert event["clients"][ID]["millicelsius"] == 4000


def test_head_of_the_stream_ends(unchanged_server: KegnetServer) -> None:
    stream = Stream(unchanged_server, "HEAD")
    assert (stream.response.status, stream.response.read()) == (200, b"")
    stream.connection.request("GET", "/api/household")
    assert stream.connection.getresponse().status == 200, "the connection is free again"
    stream.close()


def test_streams_end_with_the_server_at_once(tmp_path: Path) -> None:
    folders = (tmp_path / f"server{number}" for number in itertools.count())

    def stop_s() -> float:
        server = KegnetServer(next(folders))
        streams = [Stream(server) for _ in range(20)]
        begun = time.monotonic()
        assert server.stop() == 0
        took_s = time.monotonic() - begun
        for stream in streams:
            # After 4.5 s they are cut off.
            if took_s < 4:
                assert stream.response.read().startswith(b"retry")
            stream.close()
        assert "Traceback" not in server.log()
        return took_s

    assert is_quick(stop_s, 4)


def test_readers_who_come_and_go_leave_room_for_others(server: KegnetServer) -> None:
    for _ in range(100):
        Stream(server).close()
    last = Stream(server)
    store(server.database, ping(client_key(server.database, ID), now_ms(), 4000))
    assert last.next()["changed"] == [ID]
    last.close()


def test_while_the_database_is_away_pages_say_so_and_the_log_once(tmp_path: Path) -> None:
    postgresql = PostgreSQL(tmp_path / "postgresql")
    with KegnetServer(tmp_path / "server", url=postgresql.database()) as server:
        assert request(server.page_url).status == 200
        postgresql.stop()
        for _ in range(5):
            page, api = request(server.page_url), request(f"{server.page_url}api/clients")
            assert (page.status, api.status) == (503, 503)
            assert int(page.headers["Retry-After"]) > 0
            assert "does not answer" in api.json()["detail"]
        assert server.log().count("clients are asked to try again until it answers") == 1
        assert "Traceback" not in server.log()
