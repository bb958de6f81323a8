"""A message's way through the ingest, in one process: a real database, the real writer, no sockets."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from kegnet.server import log_limit
from kegnet.server.context import Context
from kegnet.server.counters import Counters
from kegnet.server.ingest import keys
from kegnet.server.ingest.keys import Signers
from kegnet.server.ingest.receiver import Receiver, Result, Verdict
from kegnet.server.ingest.rest import Rest
from kegnet.server.options import ServeOptions
from kegnet.server.outage import Outage
from kegnet.server.storage import Database, StorageError, UnavailableError, open_database
from kegnet.server.storage.clients import remove_client, set_client
from kegnet.server.storage.feed import Feed
from kegnet.server.storage.writer import Writer
from support.pki import openssl, signature

CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
ADDRESS = "192.0.2.7"


def now_ms() -> int:
    return time.time_ns() // 10**6


@dataclass(frozen=True)
class Household:
    """A database with a client, and the path of its key."""

    database: Database
    key: Path
    pem: str

    def form(self, **fields: object) -> bytes:
        """A signed form with these fields, in their order."""
        texts = {name: str(value) for name, value in fields.items()}
        return urlencode({**texts, "sig": signature(self.key, ",".join(texts.values()))}).encode()

    def pour(self, client_id: str = CLIENT, **changes: object) -> bytes:
        return self.form(id=client_id, **{"pin": 4, "pulses": 586, "et": 8213, "ts": now_ms(), **changes})

    def ping(self, **changes: object) -> bytes:
        return self.form(id=CLIENT, **{"temp": -3250, "ts": now_ms(), **changes})

    def rows(self, table: str) -> list[dict[str, Any]]:
        with self.database.reading() as connection:
            return [dict(row._mapping) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")]


@pytest.fixture
def household(tmp_path: Path, key: Path) -> Iterator[Household]:
    database = open_database(f"sqlite:///{tmp_path / 'kegnet.sqlite'}")
    pem = openssl("rsa", "-in", key, "-pubout").decode()
    with database.writing() as connection:
        set_client(connection, CLIENT, now_ms=now_ms(), public_key=pem)
    yield Household(database, key, pem)
    database.close()


@asynccontextmanager
async def context_of(household: Household) -> AsyncIterator[Context]:
    database, writer = household.database, Writer(household.database)
    writer.start()
    yield Context(database, writer, Feed(database), ServeOptions("x"), Counters(), Outage(away=False), asyncio.Event())
    await writer.stop()


def received(household: Household, *messages: tuple[str, bytes]) -> tuple[list[Verdict], Counters]:
    """The verdicts on the messages, one after the other."""

    async def run() -> tuple[list[Verdict], Counters]:
        async with context_of(household) as context:
            receiver = Receiver(context)
            return [await receiver.receive(endpoint, body, ADDRESS) for endpoint, body in messages], context.counters

    return asyncio.run(run())


def test_a_pour_is_stored_as_it_was_sent(household: Household) -> None:
    ts = now_ms() - 1000
    before = now_ms()
    verdicts, counters = received(household, ("pour", household.pour(ts=ts)))
    assert verdicts == [Verdict(Result.ACCEPTED, "accepted")]
    (row,) = household.rows("pour")
    assert (row["pin"], row["pulses"], row["et_ms"], row["ts_ms"], row["ts_seconds"], row["at_ms"]) == (4, 586, 8213, ts, 0, ts)
    assert before <= row["received_ms"] <= now_ms()
    assert row["digest"] == hashlib.sha256(f"{CLIENT},4,586,8213,{ts}".encode()).digest()
    assert counters.litres({(CLIENT, 4): 1}) == {(CLIENT, 4): 586}
    assert counters.messages() == {("pour", "accepted"): 1}


def test_a_ping_is_stored_as_it_was_sent(household: Household) -> None:
    ts = now_ms() - 1000
    verdicts, counters = received(household, ("ping", household.ping(ts=ts)))
    assert verdicts == [Verdict(Result.ACCEPTED, "accepted")]
    (row,) = household.rows("ping")
    assert (row["temp"], row["ts_ms"], row["ts_seconds"], row["at_ms"]) == (-3250, ts, 0, ts)
    assert counters.messages() == {("ping", "accepted"): 1}
    assert counters.litres({(CLIENT, 4): 1}) == {}


def test_seconds_are_stored_as_milliseconds(household: Household) -> None:
    seconds = now_ms() // 1000 - 5
    received(household, ("pour", household.pour(et=8, ts=seconds)), ("ping", household.ping(ts=seconds)))
    (pour,), (ping,) = household.rows("pour"), household.rows("ping")
    assert (pour["et_ms"], pour["ts_ms"], pour["ts_seconds"], pour["at_ms"]) == (8000, seconds * 1000, 1, seconds * 1000)
    assert (ping["ts_ms"], ping["ts_seconds"]) == (seconds * 1000, 1)


def test_a_repeated_message_is_accepted_and_counted_once(household: Household) -> None:
    body = household.pour()
    verdicts, counters = received(household, ("pour", body), ("pour", body))
    assert verdicts[1] == Verdict(Result.REPEATED, "accepted before")
    assert Result.REPEATED.status == Result.ACCEPTED.status == 200
    assert len(household.rows("pour")) == 1
    assert counters.messages() == {("pour", "accepted"): 1, ("pour", "repeated"): 1}
    assert counters.litres({(CLIENT, 4): 1}) == {(CLIENT, 4): 586}


def test_a_message_is_identified_with_its_id_in_lower_case(household: Household) -> None:
    ts = now_ms()
    verdicts, counters = received(
        household, ("pour", household.pour(ts=ts)), ("pour", household.pour(CLIENT.upper(), ts=ts)), ("pour", household.pour(ts=ts + 1))
    )
    assert [verdict.result for verdict in verdicts] == [Result.ACCEPTED, Result.REPEATED, Result.ACCEPTED]
    assert counters.litres({(CLIENT, 4): 1}) == {(CLIENT, 4): 2 * 586}


def test_the_receipt_counts_where_the_clients_clock_is_impossible(household: Household) -> None:
    received(household, ("pour", household.pour(ts=now_ms() + 400_000)), ("ping", household.ping(ts=1_372_686_435_017)))
    for row in (*household.rows("pour"), *household.rows("ping")):
        assert row["at_ms"] == row["received_ms"] != row["ts_ms"]


@pytest.mark.parametrize(
    ("endpoint", "change", "result", "text"),
    [
        ("pour", {"sig": ""}, Result.FORGED, "the signature is not this client's"),
        ("pour", {"pulses": "587"}, Result.FORGED, "the signature is not this client's"),
        ("pour", {"id": CLIENT[:-1] + "2"}, Result.UNKNOWN, "this client is not known"),
        ("pour", {"id": "nobody"}, Result.UNKNOWN, "this client is not known"),
        ("pour", {"pulses": "x"}, Result.INVALID, "not a valid message: the field pulses is no integer"),
        ("ping", {}, Result.INVALID, "not a valid message: the field temp is missing"),
    ],
)
def test_what_is_refused_says_why_and_is_counted(
    household: Household, caplog: pytest.LogCaptureFixture, endpoint: str, change: dict[str, str], result: Result, text: str
) -> None:
    fields = dict(part.split("=") for part in household.pour().decode().split("&"))
    body = "&".join(f"{name}={value}" for name, value in {**fields, **change}.items()).encode()
    verdicts, counters = received(household, (endpoint, body))
    assert verdicts == [Verdict(result, text)]
    assert counters.messages() == {(endpoint, result.label): 1}
    assert household.rows("pour") == household.rows("ping") == []
    (record,) = caplog.records
    name = "-" if result is Result.INVALID else change.get("id", CLIENT)
    assert (record.levelno, record.getMessage()) == (logging.WARNING, f"{endpoint} refused from {ADDRESS}, client {name}: {text}")


def test_signed_numbers_out_of_range_are_invalid_and_not_limited(household: Household) -> None:
    body = household.pour(pin=1001, pulses=-1)
    verdicts, _ = received(household, *[("pour", body)] * 70)
    assert set(verdicts) == {Verdict(Result.INVALID, "out of range: pin, pulses")}


def test_the_61st_refusal_of_a_client_is_told_to_wait_and_other_clients_are_not(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    minute_ns = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: minute_ns)
    forged = household.pour() + b"&x="
    forged = forged.replace(b"pulses=586", b"pulses=587")
    good = household.pour()
    unknown = household.pour().replace(CLIENT[:-1].encode(), CLIENT[:-2].encode() + b"2")
    verdicts, _ = received(household, *[("pour", forged)] * 61, ("pour", good), ("pour", unknown))
    statuses = [verdict.result.status for verdict in verdicts]
    assert statuses == [403] * 60 + [429, 200, 401]
    assert verdicts[60].text == "too many refused messages from this address"


def test_a_burst_is_logged_in_ten_lines(household: Household, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_limit, "WINDOW_S", 60)
    caplog.set_level(logging.INFO)
    bodies = [household.pour(pin=pin) for pin in range(12)]
    received(household, *[("pour", body) for body in bodies])
    assert len([record for record in caplog.records if record.getMessage().startswith(f"pour accepted: {CLIENT},")]) == 10


def test_a_repeated_pour_is_logged_as_such_and_a_ping_is_not_logged(household: Household, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    body = household.pour(ts=5)
    received(household, ("pour", body), ("pour", body), ("ping", household.ping()))
    assert caplog.messages == [f"pour accepted: {CLIENT},4,586,8213,5", f"pour accepted before: {CLIENT},4,586,8213,5"]


# Finding clients.


def in_loop(household: Household, run: Callable[[Signers], Awaitable[None]]) -> None:
    async def outer() -> None:
        await run(Signers(household.database))

    asyncio.run(outer())


def test_a_client_is_found_once_and_remembered(household: Household) -> None:
    async def run(signers: Signers) -> None:
        assert signers.known(CLIENT) is None
        found = await signers.find(CLIENT)
        assert found is not None
        assert (found.uuid, found.verifier.key_size) == (CLIENT, 2048)
        assert signers.known(CLIENT) is found
        signers.forget()
        assert signers.known(CLIENT) is None

    in_loop(household, run)


def test_a_client_is_forgotten_after_an_hour(household: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(signers: Signers) -> None:
        await signers.find(CLIENT)
        real = time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: real() + 3500)
        assert signers.known(CLIENT) is not None
        monkeypatch.setattr(time, "monotonic", lambda: real() + 3601)
        assert signers.known(CLIENT) is None

    in_loop(household, run)


def test_many_that_ask_at_once_share_a_query(household: Household) -> None:
    async def run(signers: Signers) -> None:
        found = await asyncio.gather(*[signers.find(CLIENT) for _ in range(20)], signers.find("nobody"))
        assert found[-1] is None
        assert len(set(map(id, found[:-1]))) == 1

    in_loop(household, run)


def test_a_removed_client_a_board_and_a_bad_key_are_nobody(household: Household) -> None:
    others = {"board": "00000000-0000-4000-8000-000000000001", "bad": "00000000-0000-4000-8000-000000000002"}
    with household.database.writing() as connection:
        set_client(connection, others["board"], now_ms=0, public_key=household.pem, kind="kegboard")
        set_client(connection, others["bad"], now_ms=0, public_key="no key")
        remove_client(connection, CLIENT, 0)

    async def run(signers: Signers) -> None:
        assert [await signers.find(uuid) for uuid in (*others.values(), CLIENT)] == [None] * 3

    in_loop(household, run)


def test_a_change_while_a_client_is_read_is_not_missed(household: Household) -> None:
    async def run(signers: Signers) -> None:
        task = asyncio.create_task(signers.find(CLIENT))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        signers.forget()
        assert await task is not None
        assert signers.known(CLIENT) is None

    in_loop(household, run)


def test_memory_is_bounded(household: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "REMEMBERED_AT_MOST", 2)
    uuids = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(3)]
    with household.database.writing() as connection:
        for uuid in uuids:
            set_client(connection, uuid, now_ms=0, public_key=household.pem)

    async def run(signers: Signers) -> None:
        for uuid, known in zip(uuids, ([True, False, False], [True, True, False], [False, False, True]), strict=True):
            await signers.find(uuid)
            assert [signers.known(each) is not None for each in uuids] == known

    in_loop(household, run)


def test_who_asks_during_a_query_that_fails_gets_an_answer_too(household: Household) -> None:
    path = household.database.file.path if household.database.file else Path()
    path.rename(path.with_name("moved"))

    async def run(signers: Signers) -> None:
        first = asyncio.create_task(signers.find(CLIENT))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        second = asyncio.create_task(signers.find("nobody"))
        async with asyncio.timeout(10):
            results = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(result) for result in results] == [UnavailableError] * 2

    in_loop(household, run)


def test_an_error_of_the_database_is_that_of_all_that_ask_and_passes(household: Household) -> None:
    def rename(old: str, new: str) -> None:
        with household.database.writing() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")

    async def run(signers: Signers) -> None:
        rename("client", "elsewhere")
        results = await asyncio.gather(signers.find(CLIENT), signers.find("x"), return_exceptions=True)
        assert [isinstance(result, UnavailableError | StorageError) for result in results] == [True, True]
        rename("elsewhere", "client")
        assert await signers.find(CLIENT) is not None

    in_loop(household, run)


# The endpoint.


def answered(
    household: Household, method: str, path: str, body: bytes = b"", client: tuple[str, int] | None = (ADDRESS, 1)
) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        async with context_of(household) as context:
            await Rest(context).answer({"path": path, "method": method, "client": client}, body, send)

    asyncio.run(run())
    start, end = sent
    return start["status"], dict(start["headers"]), end["body"]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_both_versions_accept_both_messages(household: Household, version: str) -> None:
    for endpoint, body in (("ping", household.ping()), ("pour", household.pour())):
        status, headers, text = answered(household, "POST", f"/rest/{version}/{endpoint}", body)
        assert (status, text) == (200, b"accepted\n")
        assert headers == {b"content-type": b"text/plain; charset=utf-8", b"content-length": b"9"}


def test_other_paths_and_methods_are_named(household: Household) -> None:
    assert answered(household, "POST", "/rest/v3/ping")[::2] == (404, b"no such endpoint\n")
    status, headers, text = answered(household, "GET", "/rest/v2/ping")
    assert (status, headers[b"allow"], text) == (405, b"POST", b"send messages by POST\n")


def test_a_limited_client_hears_when_to_come_back(household: Household) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        async with context_of(household) as context:
            rest = Rest(context)
            for _ in range(122):
                await rest.answer({"path": "/rest/v2/ping", "method": "POST", "client": None}, b"", send)

    asyncio.run(run())
    limited = [dict(message["headers"]) for message in sent if message.get("status") == 429]
    assert limited
    assert {headers[b"retry-after"] for headers in limited} == {b"60"}
    assert all(b"retry-after" not in dict(message["headers"]) for message in sent if message.get("status") == 400)


def test_the_peer_of_a_unix_socket_has_a_name_in_the_log(household: Household, caplog: pytest.LogCaptureFixture) -> None:
    assert answered(household, "POST", "/rest/v2/ping", b"", None)[0] == 400
    assert caplog.messages == ["ping refused from unix, client -: not a valid message: the field id is missing"]


def test_nothing_is_accepted_before_the_servers_clock_is_set(household: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    pour = household.pour()
    with monkeypatch.context() as patched:
        patched.setattr(time, "time_ns", lambda: 100 * 10**9)
        status, headers, text = answered(household, "POST", "/rest/v2/pour", pour)
    assert (status, headers[b"retry-after"], text) == (503, b"60", b"the clock of this server is not set yet\n")
    assert household.rows("pour") == []
    assert answered(household, "POST", "/rest/v2/pour", pour)[::2] == (200, b"accepted\n")


def test_a_refusal_is_logged_with_the_address_and_not_with_the_port(household: Household, caplog: pytest.LogCaptureFixture) -> None:
    assert answered(household, "POST", "/rest/v2/ping", b"", ("192.0.2.7", 40_000))[0] == 400
    assert caplog.messages == ["ping refused from 192.0.2.7, client -: not a valid message: the field id is missing"]


def test_the_server_can_make_it_forget_clients(household: Household) -> None:
    async def run() -> None:
        async with context_of(household) as context:
            rest = Rest(context)
            await rest.signers.find(CLIENT)
            rest.signers.forget()
            assert rest.signers.known(CLIENT) is None

    asyncio.run(run())
