"""A Kegboard's way through the ingest, in one process: a real database, the real writer, no sockets."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from kegnet.server.context import Context
from kegnet.server.counters import Counters
from kegnet.server.ingest import kegboard
from kegnet.server.options import ServeOptions
from kegnet.server.outage import Outage
from kegnet.server.storage import Database, UnavailableError
from kegnet.server.storage.boards import (
    Board,
    accept_board,
    board_uuid,
    boards_heard,
    deny_board,
    hand_out_token,
    remember_board,
    waiting_boards,
)
from kegnet.server.storage.clients import find_client, remove_client, set_client
from kegnet.server.storage.feed import Feed
from kegnet.server.storage.taps import find_tap, meters_of, set_meter, set_tap, taps_of
from kegnet.server.storage.writer import QUEUE_LIMIT, Writer

DEVICE = "kegboard-1"
ADDRESS = "192.0.2.9"
HOUR_MS = 60 * 60 * 1000
Answer = tuple[int, dict[str, Any]]


def now_ms() -> int:
    return time.time_ns() // 10**6


class Server:
    """What answers the boards, in a running event loop."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._app = kegboard.create_kegboard(context)

    async def send(self, *bodies: bytes, token: str | None = None, method: str = "POST", client: Any = (ADDRESS, 4711)) -> Answer:
        """The answer to a request whose body comes in these parts."""
        parts, sent = list(bodies), list[Any]()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [] if token is None else [(b"x-other", b"Bearer no"), (b"authorization", token.encode("latin-1"))]
        await self._app({"method": method, "headers": headers, "client": client}, receive, send)
        start, body = sent
        assert dict(start["headers"]) == {b"content-type": b"application/json", b"content-length": b"%d" % len(body["body"])}
        return start["status"], json.loads(body["body"])

    async def post(
        self, *events: dict[str, Any], token: str | None = None, device: str = DEVICE, boot_id: str = "b1", address: str = ADDRESS
    ) -> Answer:
        """The answer to a batch."""
        batch = {"v": 1, "device": device, "boot_id": boot_id, "sent_uptime_ms": 1, "events": events or [status()]}
        header = None if token is None else f"Bearer {token}"
        return await self.send(json.dumps(batch).encode(), token=header, client=(address, 4711))

    async def token(self, device: str = DEVICE) -> str:
        """Of a board that was accepted."""
        with self.context.database.writing() as c:
            remember_board(c, Board(device, ADDRESS, now_ms(), now_ms(), network=ADDRESS))
            accept_board(c, device, now_ms())
        answer = await self.post(device=device)
        assert answer[1]["pairing"]["state"] == "allowed"
        return str(answer[1]["pairing"]["token"])


@asynccontextmanager
async def serving(database: Database, queue_limit: int = QUEUE_LIMIT) -> AsyncIterator[Server]:
    writer = Writer(database, queue_limit)
    writer.start()
    yield Server(Context(database, writer, Feed(database), ServeOptions("x"), Counters(), Outage(away=False), asyncio.Event()))
    await writer.stop()


def with_board(database: Database, test: Callable[[Server, str], Awaitable[None]]) -> None:
    """Runs a test with a board that was accepted, and its token."""

    async def run() -> None:
        async with serving(database) as server:
            await test(server, await server.token())

    asyncio.run(run())


def with_server(database: Database, test: Callable[[Server], Awaitable[None]]) -> None:
    """Runs a test without a board."""

    async def run() -> None:
        async with serving(database) as server:
            await test(server)

    asyncio.run(run())


def status(number: int = 1, dropped: int = 0) -> dict[str, Any]:
    return {"id": number, "type": "status", "age_ms": 0, "data": {"events_dropped": dropped}}


def pour(number: int, age_ms: int = 4200, **data: Any) -> dict[str, Any]:
    fields = {"meter_number": 3, "pour_id": "x", "volume_ml": 355.2, "duration_ms": 7100, **data}
    return {"id": number, "type": "pour", "age_ms": age_ms, "data": fields}


def temperature(number: int, sensor: str, celsius: float, age_ms: int = 0) -> dict[str, Any]:
    return {"id": number, "type": "temperature", "age_ms": age_ms, "data": {"sensor": sensor, "temp_c": celsius}}


def rows(database: Database, table: str) -> list[dict[str, Any]]:
    with database.reading() as c:
        return [dict(row._mapping) for row in c.exec_driver_sql(f"SELECT * FROM {table} ORDER BY ts_ms")]


# What is stored.


def test_a_pour_is_stored_with_the_time_at_which_it_began(database: Database) -> None:
    async def test(server: Server, token: str) -> None:
        before = now_ms()
        assert await server.post(pour(1), token=token) == (200, {"commands": []})
        (row,) = rows(database, "pour")
        assert (row["pin"], row["pulses"], row["et_ms"], row["ts_seconds"]) == (3, 3552, 7100, 0)
        assert before - 11_300 <= row["ts_ms"] <= now_ms() - 11_300
        assert row["at_ms"] == row["ts_ms"]
        assert row["received_ms"] == row["ts_ms"] + 11_300
        with database.reading() as c:
            found = find_tap(c, row["client"], 3)
        assert found is not None
        assert (found.name, found.pulses_per_litre) == ("tap 3", 10_000)
        assert server.context.counters.litres({(board_uuid(DEVICE), 3): 1}) == {(board_uuid(DEVICE), 3): 3552}

    with_board(database, test)


def test_the_first_pour_of_a_tap_announces_the_tap(database: Database) -> None:
    async def test(server: Server, token: str) -> None:
        feed = Feed(database)
        listening = asyncio.create_task(feed.run())
        async with feed.subscribe() as subscription:
            # The first change is that the feed listens. It is of everything.
            while (await asyncio.wait_for(subscription.next(), 60)).clients:
                pass
            for number, announced in ((1, True), (2, False)):
                assert (await server.post(pour(number), token=token))[0] == 200
                kinds = set[str]()
                while "pour" not in kinds:
                    change = await asyncio.wait_for(subscription.next(), 60)
                    assert change.clients == {board_uuid(DEVICE)}
                    kinds |= change.kinds
                assert ("tap" in kinds) == announced
        listening.cancel()

    with_board(database, test)


def test_a_pour_of_a_tap_that_was_set_before_has_the_boards_millilitres(database: Database) -> None:
    async def test(server: Server, token: str) -> None:
        with database.writing() as c:
            board = find_client(c, board_uuid(DEVICE))
            assert board is not None
            set_tap(c, board.key, 3, name="IPA")
            set_meter(c, set_tap(c, board.key, 4).key, 0, 9_000)
            set_meter(c, set_tap(c, board.key, 5).key, 7, 9_000)
        assert (await server.post(*(pour(number, meter_number=number) for number in (3, 4, 5)), token=token))[0] == 200
        with database.reading() as c:
            taps = taps_of(c, [board.key])
            assert list(meters_of(c, [tap.key for tap in taps]).values()) == [[(0, 10_000)], [(0, 9_000)], [(0, 10_000), (7, 9_000)]]
        assert taps[0].name == "IPA"

    with_board(database, test)


def test_a_temperature_is_stored_with_its_time(database: Database) -> None:
    async def test(server: Server, token: str) -> None:
        assert (await server.post(temperature(1, "a", 4.25, 500), token=token))[0] == 200
        (row,) = rows(database, "ping")
        assert (row["temp"], row["ts_seconds"], row["received_ms"] - row["ts_ms"], row["at_ms"]) == (4250, 0, 500, row["ts_ms"])

    with_board(database, test)


def test_events_of_an_impossible_age_count_at_their_receipt(database: Database) -> None:
    async def test(server: Server, token: str) -> None:
        old = 100 * 24 * HOUR_MS
        assert (await server.post(pour(1, old), temperature(2, "a", 4.0, old), token=token))[0] == 200
        for table in ("pour", "ping"):
            (row,) = rows(database, table)
            assert row["at_ms"] == row["received_ms"] > row["ts_ms"]

    with_board(database, test)


def test_the_first_sensor_that_ever_reported_counts_also_after_a_restart(database: Database) -> None:
    async def test(server: Server, token: str) -> None:
        assert (await server.post(temperature(1, "a", 4.0), temperature(2, "b", 20.0), token=token))[0] == 200
        assert (await server.post(temperature(3, "b", 21.0), token=token))[0] == 200
        again = Server(server.context)
        assert (await again.post(temperature(4, "b", 22.0), temperature(5, "a", 5.0), token=token))[0] == 200
        assert [row["temp"] for row in rows(database, "ping")] == [4000, 5000]

    with_board(database, test)


def test_a_sensor_that_replaces_the_first_one_counts_after_an_hour(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: Server, token: str) -> None:
        for minutes, sensor in ((0, "old"), *((minute, "new") for minute in range(5, 80, 5)), (80, "old"), (85, "new")):
            age_ms = (90 - minutes) * 60_000
            assert (await server.post(temperature(1 + minutes, sensor, minutes / 10, age_ms), token=token))[0] == 200
        assert [row["temp"] for row in rows(database, "ping")] == [0, 6500, 7000, 7500, 8500]

    with_board(database, test)
    text = "the temperature of the Kegboard kegboard-1 is now that of its sensor new; old has not reported for an hour"
    assert [line for line in caplog.messages if "sensor" in line] == [text]


def test_after_a_power_cut_the_sensor_stays_the_same(database: Database) -> None:
    async def test(server: Server, token: str) -> None:
        for number, (hours, sensor) in enumerate(((0, "a"), (0.1, "b"), (8, "b"), (8, "a"), (9, "b"), (9, "a"), *[(9.5, "b")] * 20), 1):
            age_ms = round((10 - hours) * HOUR_MS)
            assert (await server.post(temperature(number, sensor, hours, age_ms), token=token))[0] == 200
        assert [row["temp"] for row in rows(database, "ping")] == [0, 8000, 9000]

    with_board(database, test)


def test_an_event_that_is_repeated_within_an_hour_counts_once(database: Database) -> None:
    async def test(server: Server, token: str) -> None:
        for age_ms in (0, 1000, HOUR_MS - 60_000):
            assert (await server.post(pour(1, age_ms), pour(1, age_ms), temperature(2, "a", 4.0, age_ms), token=token))[0] == 200
        assert (len(rows(database, "pour")), len(rows(database, "ping"))) == (1, 1)
        assert server.context.counters.messages() == {
            ("kegboard", "unauthorized"): 1,
            ("kegboard", "accepted"): 2,
            ("kegboard", "repeated"): 4,
        }
        assert server.context.counters.litres({(board_uuid(DEVICE), 3): 1}) == {(board_uuid(DEVICE), 3): 3552}
        # Another boot counts its events from 1 again.
        assert (await server.post(pour(1), token=token, boot_id="b2"))[0] == 200
        assert len(rows(database, "pour")) == 2

    with_board(database, test)


def test_batches_of_one_board_that_come_together_are_stored_one_after_the_other(database: Database) -> None:
    async def test(server: Server, token: str) -> None:
        answers = await asyncio.gather(*(server.post(pour(1, age_ms), token=token) for age_ms in range(8)))
        assert [answer[0] for answer in answers] == [200] * 8
        assert len(rows(database, "pour")) == 1

    with_board(database, test)


def test_a_pour_that_two_processes_get_counts_once(database: Database) -> None:
    async def test(server: Server, token: str) -> None:
        async with serving(database) as other:
            both = (server, other)
            answers = await asyncio.gather(*(both[age_ms % 2].post(pour(1, age_ms), token=token) for age_ms in range(8)))
            assert [answer[0] for answer in answers] == [200] * 8
        assert len(rows(database, "pour")) == 1

    with_board(database, test)


def test_a_sign_of_life_without_a_message_is_stored_every_ten_minutes(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(server: Server, token: str) -> None:
        def heard() -> list[int]:
            with database.reading() as c:
                return list(boards_heard(c).values())

        assert heard() == []
        start_ns = time.time_ns()
        for minutes, expected in ((0, 0), (9.99, 0), (10, 10), (19.99, 10), (20, 20)):
            monkeypatch.setattr(time, "time_ns", lambda at=minutes: start_ns + round(at * 60e9))
            assert (await server.post(status(), token=token))[0] == 200
            assert heard() == [start_ns // 10**6 + expected * 60_000]
        # A message says the same.
        monkeypatch.setattr(time, "time_ns", lambda: start_ns + round(29 * 60e9))
        assert (await server.post(pour(7), token=token))[0] == 200
        monkeypatch.setattr(time, "time_ns", lambda: start_ns + round(38 * 60e9))
        assert (await server.post(status(), token=token))[0] == 200
        assert heard() == [start_ns // 10**6 + 20 * 60_000]
        # The clock was ahead.
        monkeypatch.setattr(time, "time_ns", lambda: start_ns)
        assert (await server.post(status(), token=token))[0] == 200
        assert heard() == [start_ns // 10**6]

    with_board(database, test)


# What is refused.


def test_other_methods_and_large_bodies_are_refused(database: Database) -> None:
    async def test(server: Server) -> None:
        assert await server.send(b"", method="GET") == (405, {"detail": "send events by POST"})
        batch = json.dumps({"v": 1, "device": DEVICE, "boot_id": "b", "events": [status()]}).encode()
        assert (await server.send(batch.ljust(16 * 1024)))[0] == 401
        assert (await server.send(batch[:20], batch[20:].ljust(16 * 1024 - 20)))[0] == 401
        too_large = 413, {"detail": "the body is larger than 16384 bytes"}
        assert await server.send(batch.ljust(16 * 1024 + 1)) == too_large
        assert await server.send(batch[:20], batch[20:].ljust(16 * 1024 - 19)) == too_large

    with_server(database, test)


def test_only_the_boards_own_token_is_accepted(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: Server, token: str) -> None:
        other = await server.token("kegboard-2")
        for wrong in (other, token[:-1], token + "0", "", token.upper()):
            assert await server.post(pour(1), token=wrong) == (401, {"pairing": {"state": "pending"}}), wrong
        body = json.dumps({"v": 1, "device": DEVICE, "boot_id": "b", "events": [pour(1)]}).encode()
        assert (await server.send(body, token=f"Basic {token}"))[0] == 401
        assert rows(database, "pour") == []
        assert (await server.send(body, token=f"bearer  {token} "))[0] == 200
        assert len(rows(database, "pour")) == 1

    with_board(database, test)
    text = "a batch of the Kegboard kegboard-1 from 192.0.2.9 is refused: its token is wrong"
    assert caplog.messages.count(text) == 4


def test_a_client_of_another_kind_or_a_removed_board_is_no_board(database: Database) -> None:
    async def test(server: Server, token: str) -> None:
        with database.writing() as c:
            set_client(c, board_uuid("kegboard-2"), now_ms=now_ms(), public_key="")
            assert remove_client(c, board_uuid(DEVICE), now_ms())
        assert await server.post(pour(1), token=token) == (401, {"pairing": {"state": "pending"}})
        assert await server.post(device="kegboard-2") == (401, {"pairing": {"state": "pending"}})

    with_board(database, test)


def test_many_refused_batches_are_ten_lines_and_a_summary(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: Server) -> None:
        for _ in range(30):
            assert (await server.send(b"{"))[0] == 400
        assert server.context.counters.messages() == {("kegboard", "malformed"): 30}

    with_server(database, test)
    assert caplog.messages == ["a Kegboard's batch from 192.0.2.9 is refused: the body is not JSON"] * 10


def test_many_events_that_are_left_out_are_ten_lines(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: Server, token: str) -> None:
        assert (await server.post(*(pour(number, volume_ml=-1) for number in range(1, 17)), token=token))[0] == 200

    with_board(database, test)
    lines = [line for line in caplog.messages if "left out" in line]
    assert lines == [
        f"an event of the Kegboard kegboard-1 is left out: pour {number}: volume_ml is out of range" for number in range(1, 11)
    ]


def test_events_that_a_board_has_lost_are_logged_once(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: Server, token: str) -> None:
        for number, dropped in enumerate((5, 5, 7, 7, 2, 3), 1):
            assert (await server.post(status(number, dropped), token=token))[0] == 200

    with_board(database, test)
    text = "the Kegboard kegboard-1 has lost %d events that did not fit its memory"
    assert [line for line in caplog.messages if "has lost" in line] == [text % 2, text % 1]


def test_while_the_database_is_away_a_batch_is_not_accepted(database: Database) -> None:
    async def test(server: Server, token: str) -> None:
        assert database.file is not None
        path = database.file.path
        path.rename(path.with_name("moved"))
        with pytest.raises(UnavailableError):
            await server.post(pour(1), token=token)
        path.with_name("moved").rename(path)
        assert (await server.post(pour(1), token=token))[0] == 200
        assert len(rows(database, "pour")) == 1

    with_board(database, test)


def test_nothing_is_accepted_before_the_servers_clock_is_set(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(server: Server, token: str) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(time, "time_ns", lambda: 100 * 10**9)
            assert await server.post(pour(1), token=token) == (503, {"detail": "the clock of this server is not set yet"})
        assert rows(database, "pour") == []
        assert (await server.post(pour(1), token=token))[0] == 200

    with_board(database, test)


# Pairing.


def test_a_token_is_handed_out_once_and_a_board_that_is_accepted_again_gets_another(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "kegnet")

    async def test(server: Server, token: str) -> None:
        assert token.startswith("kbe_")
        assert await server.post() == (401, {"pairing": {"state": "pending"}})
        assert await server.token() != token
        assert (await server.post(pour(1), token=token))[0] == 401

    with_board(database, test)
    assert caplog.messages.count("the Kegboard kegboard-1 got its token") == 2


def test_what_is_stored_of_a_batch_counts_though_the_queue_is_too_short_for_all_of_it(database: Database) -> None:
    async def test() -> None:
        async with serving(database, queue_limit=1) as server:
            token = await server.token()
            with pytest.raises(UnavailableError):
                await server.post(pour(1), pour(2), token=token)
            assert server.context.counters.messages()["kegboard", "accepted"] == 1

    asyncio.run(test())


def test_no_token_is_handed_out_twice_or_to_a_removed_board(database: Database) -> None:
    with database.writing() as c:
        remember_board(c, Board(DEVICE, ADDRESS, 1, 1, network=ADDRESS))
        client = accept_board(c, DEVICE, now_ms())
        token = hand_out_token(c, client, ADDRESS, now_ms())
        assert token is not None
        assert len(token) == len("kbe_") + 48
        assert hand_out_token(c, client, ADDRESS, now_ms()) is None
        remember_board(c, Board(DEVICE, ADDRESS, 1, 1, network=ADDRESS))
        again = accept_board(c, DEVICE, now_ms())
        remove_client(c, client.uuid, now_ms())
        assert hand_out_token(c, again, ADDRESS, now_ms()) is None


def test_a_board_whose_request_was_on_its_way_when_it_was_accepted_is_not_listed_again(database: Database) -> None:
    asking = Board(DEVICE, ADDRESS, 1, 1, network=ADDRESS)
    with database.writing() as c:
        remember_board(c, asking)
        client = accept_board(c, DEVICE, now_ms())
        remember_board(c, asking)
        assert hand_out_token(c, client, ADDRESS, now_ms()) is not None
        assert waiting_boards(c) == []


def test_a_token_is_for_the_network_from_which_the_board_asked(database: Database) -> None:
    async def test(server: Server) -> None:
        assert await server.post() == (401, {"pairing": {"state": "pending"}})
        with database.writing() as c:
            accept_board(c, DEVICE, now_ms())
        assert await server.post(address="192.0.2.66") == (401, {"pairing": {"state": "pending"}})
        answer = await server.post()
        assert answer[1]["pairing"]["state"] == "allowed"

    with_server(database, test)


def test_who_asks_under_the_name_of_a_board_that_waits_does_not_take_its_row(database: Database) -> None:
    def address() -> str:
        with database.reading() as c:
            (board,) = waiting_boards(c)
        return board.address

    async def test(server: Server) -> None:
        for asks_from, shown in (("8.8.8.8", "8.8.8.8"), ("8.8.4.4", "8.8.8.8"), (ADDRESS, ADDRESS), ("8.8.8.8", ADDRESS)):
            await Server(server.context).post(address=asks_from)
            assert address() == shown, "the local network comes before the internet"
        hour_ms = 60 * 60 * 1000
        with database.writing() as c:
            remember_board(c, Board(DEVICE, "8.8.4.4", 1, now_ms() + hour_ms + 60_000, network="8.8.4.4"))
        assert address() == "8.8.4.4", "the other one has been silent for an hour"

    with_server(database, test)


def test_a_board_that_was_denied_is_not_remembered_again(database: Database) -> None:
    async def test(server: Server) -> None:
        assert await server.post() == (401, {"pairing": {"state": "pending"}})
        with database.writing() as c:
            assert deny_board(c, DEVICE)
        assert await server.post() == (401, {"pairing": {"state": "denied"}})

    with_server(database, test)


def test_an_address_writes_2_rows_and_all_together_20_in_30_seconds(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "kegnet")
    start, moment = time.monotonic(), 0.0
    monkeypatch.setattr(time, "monotonic", lambda: start + moment)

    async def test(server: Server) -> None:
        nonlocal moment
        for number in range(60):
            answer = await server.post(device=f"invented-{number}", address=f"192.0.2.{number // 3}")
            assert answer[1] == {"pairing": {"state": "pending"}}
        first = asking(database)
        assert set(first) == {f"invented-{number}" for number in range(30) if number % 3 < 2}
        for moment in (29.9, 30.1):
            assert (await server.post(device="invented-3", address="192.0.2.1"))[0] == 401
            assert (asking(database)["invented-3"] > first["invented-3"]) == (moment > 30)

    with_server(database, test)
    assert sum("asks to be accepted" in line for line in caplog.messages) == 20


def test_invented_boards_of_one_address_keep_no_other_board_off_the_list(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    start, moment = time.monotonic(), 0.0
    monkeypatch.setattr(time, "monotonic", lambda: start + moment)

    async def test(server: Server) -> None:
        nonlocal moment
        for window in range(15):
            moment = window * 31.0
            for number in range(20):
                await server.post(device=f"invented-{window}-{number}", address="192.0.2.66")
        assert len(asking(database)) == 20
        await server.post()
        assert DEVICE in asking(database)
        moment += 31.0
        for number in range(20):
            await server.post(device=f"more-{number}", address="192.0.2.66")
        assert DEVICE in asking(database)
        assert len(asking(database)) == 20

    with_server(database, test)


def test_denied_boards_take_no_place_of_boards_that_wait(database: Database) -> None:
    def board(number: int) -> Board:
        return Board(f"kegboard-{number}", f"192.0.2.{number}", number, number, network=f"192.0.2.{number}", local=True)

    with database.writing() as c:
        for number in range(30):
            assert remember_board(c, board(number))
            assert deny_board(c, f"kegboard-{number}")
        assert [each.device for each in waiting_boards(c)] == [f"kegboard-{number}" for number in range(10, 30)]
        for number in range(100, 120):
            assert remember_board(c, board(number))
        assert not remember_board(c, board(200)), "as many networks as places"


def asking(database: Database) -> dict[str, int]:
    """The boards on the list, and when they last asked."""
    with database.reading() as c:
        return {board.device: board.last_ms for board in waiting_boards(c)}


def test_a_board_is_known_by_the_address_from_which_it_asks(database: Database) -> None:
    async def test(server: Server) -> None:
        body = json.dumps({"v": 1, "device": DEVICE, "boot_id": "b", "events": [status()]}).encode()
        for client, address in ((None, "unix"), ((ADDRESS, 1), ADDRESS)):
            fresh, before = Server(server.context), now_ms()
            assert (await fresh.send(body, client=client))[0] == 401
            with database.reading() as c:
                (board,) = waiting_boards(c)
            assert board.address == address
            assert before <= board.last_ms <= now_ms()
            assert board.first_ms <= board.last_ms

    with_server(database, test)


def test_a_board_keeps_the_name_that_it_was_given(database: Database) -> None:
    async def test(server: Server, token: str) -> None:
        with database.writing() as c:
            set_client(c, board_uuid(DEVICE), now_ms=now_ms(), name="Bar", kind="kegboard")
            accept_board(c, DEVICE, now_ms())
            client = find_client(c, board_uuid(DEVICE))
            remove_client(c, board_uuid(DEVICE), now_ms())
            again = accept_board(c, DEVICE, now_ms())
        assert client is not None
        for found in (client, again):
            assert (found.name, found.kind, found.public_key) == ("Bar", "kegboard", "")

    with_board(database, test)
