"""SQLite and PostgreSQL: the same answers, and what was accepted is durable, whatever becomes of the process."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from kegnet.server.maintenance import prepare
from kegnet.server.storage import (
    Database,
    StorageError,
    UnavailableError,
    clients,
    feed_postgresql,
    open_database,
    refusals,
    schema,
    settings,
)
from kegnet.server.storage.feed import EVERYTHING, Change, Feed, Subscription, announce
from kegnet.server.storage.insert import Inserter
from kegnet.server.storage.leader import Leader
from kegnet.server.storage.messages import VerifiedMessage, VerifiedPing, VerifiedPour
from kegnet.server.storage.partitions import prepare_partitions
from kegnet.server.storage.writer import Writer
from support import loop
from support.old_database import add, make_old_tables, spellings
from support.wait import is_quick, wait_for

LIB = Path(__file__).resolve().parents[2] / "lib"
CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
REMOVED = "00000000-6a1b-4d8e-9a35-5b0d2f5f2c11"
NOW = 1_796_000_000_000


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/kegnet.sqlite"
    found: str = request.getfixturevalue("postgresql")
    name = f"k{uuid.uuid4().hex}"
    engine = sa.create_engine(found, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    return found.rpartition("/")[0] + f"/{name}"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    made = open_database(url)
    yield made
    made.close()


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def ping(client: int, number: int, at_ms: int = NOW) -> VerifiedPing:
    return VerifiedPing(client, NOW + number, digest(f"ping {client} {number}"), False, 4187, at_ms, NOW)


def pour(client: int, number: int, pin: int = 7) -> VerifiedPour:
    return VerifiedPour(client, NOW + number, digest(f"pour {client} {number}"), False, pin, 1000, 8000, NOW, NOW)


def add_client(database: Database, client_id: str = CLIENT) -> int:
    with database.writing() as connection:
        return clients.set_client(connection, client_id, now_ms=NOW, public_key="x").key


def count(database: Database, table: sa.Table) -> int:
    with database.reading() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def keep(database: Database, *messages: VerifiedMessage) -> list[bool]:
    """What a writer answers to messages that arrive together."""

    async def run() -> list[bool]:
        writer = Writer(database)
        writer.start()
        try:
            return list(await asyncio.gather(*(writer.keep(message) for message in messages)))
        finally:
            await writer.stop()

    return loop.run(run())


# The tables.


@pytest.mark.filterwarnings("ignore:.*(expression-based|functional) index ix_alarm_open")
def test_the_tables_are_what_the_schema_says(url: str) -> None:
    open_database(url).close()
    open_database(url).close()

    def is_ours(_object: object, name: str | None, kind: str, _reflected: bool, _compared: object) -> bool:
        # Partitions are made while it runs, one table is SQLite's own; reflection leaves out an index over an expression.
        foreign = kind == "table" and name is not None and name.startswith(("ping_", "sqlite_"))
        return not foreign and name != "ix_alarm_open"

    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours})
        assert compare_metadata(context, schema.metadata) == []
        assert "unique" in index_definition(connection, "ix_alarm_open").lower()


def index_definition(connection: sa.engine.Connection, name: str) -> str:
    where = "pg_indexes WHERE indexname" if connection.dialect.name == "postgresql" else "sqlite_master WHERE name"
    column = "indexdef" if connection.dialect.name == "postgresql" else "sql"
    return str(connection.exec_driver_sql(f"SELECT {column} FROM {where} = '{name}'").scalar())


def openers(url: str, *delays: float) -> list[int]:
    """Opens the database in processes of their own, one after the other, each killed after its delay; how each ended.

    A delay of 0: six at once, and none is killed.
    """
    command = [sys.executable, "-B", str(Path(__file__).with_name("openers.py")), url, *map(str, delays)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(LIB)}, capture_output=True, text=True)
    assert done.stderr == ""
    return [int(status) for status in done.stdout.split()]


def test_programs_that_open_an_empty_database_together_make_its_tables_once(url: str) -> None:
    assert openers(url, 0) == [0] * 6


def test_a_kill_at_any_time_of_the_first_start_leaves_a_usable_database(url: str) -> None:
    assert -signal.SIGKILL in openers(url, *(0.002 + 0.006 * number for number in range(20)))
    database = open_database(url)
    assert keep(database, ping(add_client(database), 1)) == [True]
    database.close()


def test_a_database_of_a_newer_release_is_refused_and_unchanged(url: str) -> None:
    database = open_database(url)
    with database.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(StorageError) as error:
        open_database(url)
    assert "newer kegnet-server" in error.value.problem
    assert "install that release" in error.value.fix


# The migration from the old tables.


def make_old_database(url: str) -> None:
    """One client with a keg, one that was removed, and messages of all kinds."""
    engine = sa.create_engine(url, future=True, poolclass=sa.pool.NullPool)
    day = 86_400_000
    with engine.begin() as connection:
        make_old_tables(connection)
        client = {"id": CLIENT, "name": "Garage", "public_key": "PEM", "added_ms": NOW - 10 * day, "coldest": 1000, "warmest": None}
        add(connection, "client", client)
        tap = {"client": CLIENT, "pin": 0, "name": "IPA", "pulses_per_litre": 5000, "keg_ml": 19_000, "tapped_ms": NOW - day}
        untapped = {**tap, "pin": 1, "name": "Stout", "tapped_ms": None}
        bare = {**untapped, "pin": 2, "name": "Water", "keg_ml": None}
        add(connection, "tap", tap, untapped, bare)
        add(connection, "setting", {"name": "password hash", "value": "pbkdf2:x"})
        ping = {"api": "v2", "id": CLIENT, "temp": 4187, "ts": NOW - 5, "at_ms": NOW - 5, "received_ms": NOW, "sig": "a"}
        future = {**ping, "ts": NOW + 10 * 365 * day, "at_ms": NOW + 10 * 365 * day, "sig": "b"}
        past = {**ping, "ts": 86_400, "at_ms": 86_400_000, "sig": "c", "api": "v1"}
        removed = {**ping, "id": REMOVED, "ts": NOW - day, "at_ms": NOW - day, "received_ms": NOW - day, "sig": "d"}
        add(connection, "ping", ping, future, past, removed)
        second = {"api": "v1", "id": CLIENT, "pin": 5, "pulses": 500, "et": 8, "ts": NOW // 1000, "at_ms": NOW, "received_ms": NOW}
        add(connection, "pour", {**second, "sig": "s"})
        copies = [{**second, "api": "v2", "pin": 0, "et": 8213, "ts": NOW, "sig": sig} for sig in spellings(bytes(256))]
        add(connection, "pour", *[{**copy, "received_ms": NOW + 15 - number} for number, copy in enumerate(copies)])
        add(connection, "pour", {**second, "id": REMOVED, "sig": "t", "received_ms": NOW + 1000})


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    with database.reading() as connection:
        return [
            tuple(bytes(value) if isinstance(value, memoryview) else value for value in row) for row in connection.exec_driver_sql(query)
        ]


def test_the_migration_keeps_every_message_once(url: str) -> None:
    make_old_database(url)
    database = open_database(url)
    day = 86_400_000
    # ts_ms as it was sent, and the time that counts: a clock that is ten years ahead, or in 1970, is not believed.
    query = "SELECT uuid, ts_ms, digest, ts_seconds, temp, at_ms, received_ms FROM ping JOIN client ON client.key = client ORDER BY ts_ms"
    future = NOW + 10 * 365 * day
    assert rows(database, query) == [
        (CLIENT, 86_400_000, digest(f"{CLIENT},4187,86400"), True, 4187, NOW, NOW),
        (REMOVED, NOW - day, digest(f"{REMOVED},4187,{NOW - day}"), False, 4187, NOW - day, NOW - day),
        (CLIENT, NOW - 5, digest(f"{CLIENT},4187,{NOW - 5}"), False, 4187, NOW - 5, NOW),
        (CLIENT, future, digest(f"{CLIENT},4187,{future}"), False, 4187, NOW, NOW),
    ]
    query = "SELECT uuid, ts_ms, digest, ts_seconds, pin, pulses, et_ms, at_ms, received_ms FROM pour JOIN client ON client.key = client"
    assert rows(database, query + " ORDER BY pour.key") == [
        (CLIENT, NOW, digest(f"{CLIENT},0,500,8213,{NOW}"), False, 0, 500, 8213, NOW, NOW),
        (CLIENT, NOW, digest(f"{CLIENT},5,500,8,{NOW // 1000}"), True, 5, 500, 8000, NOW, NOW),
        (REMOVED, NOW, digest(f"{REMOVED},5,500,8,{NOW // 1000}"), True, 5, 500, 8000, NOW, NOW + 1000),
    ]
    database.close()


def test_the_migration_recognises_a_message_that_is_sent_again_after_it(url: str) -> None:
    make_old_database(url)
    database = open_database(url)
    with database.reading() as connection:
        client = clients.find_client(connection, CLIENT)
    assert client is not None
    again = VerifiedPing(client.key, NOW - 5, digest(f"{CLIENT},4187,{NOW - 5}"), False, 4187, NOW - 5, NOW + 99)
    assert keep(database, again) == [False]
    database.close()


def test_the_migration_makes_taps_meters_and_kegs(url: str) -> None:
    make_old_database(url)
    database = open_database(url)
    with database.reading() as connection:
        (client,) = clients.clients(connection)
        assert (client.uuid, client.name, client.kind, client.public_key, client.added_ms, client.coldest, client.warmest) == (
            CLIENT, "Garage", "kegnet", "PEM", NOW - 10 * 86_400_000, 1000, None,
        )  # fmt: skip
        assert settings.get_setting(connection, "password hash") == "pbkdf2:x"
        assert len(settings.household(connection).installation) == 16
    assert rows(database, f"SELECT name, added_ms, removed_ms FROM client WHERE uuid = '{REMOVED}'") == [
        ("00000000", NOW - 86_400_000, NOW + 1000)
    ]
    assert rows(database, "SELECT uuid, pin, tap.name, hidden FROM tap JOIN client ON client.key = client ORDER BY uuid, pin") == [
        (REMOVED, 5, "tap 5", False), (CLIENT, 0, "IPA", False), (CLIENT, 1, "Stout", False), (CLIENT, 2, "Water", False),
        (CLIENT, 5, "tap 5", False),
    ]  # fmt: skip
    assert rows(database, "SELECT name, from_ms, pulses_per_litre FROM meter JOIN tap ON key = tap ORDER BY name") == [
        ("IPA", 0, 5000), ("Stout", 0, 5000), ("Water", 0, 5000),
    ]  # fmt: skip
    query = "SELECT name, beer, on_ms, off_ms, volume_ml, start_ml, undone_ms FROM keg JOIN tap ON tap.key = tap ORDER BY name"
    assert rows(database, query) == [
        ("IPA", None, NOW - 86_400_000, None, 19_000, 19_000, None),
        ("Stout", None, NOW - 10 * 86_400_000, None, 19_000, None, None),
    ]
    database.close()


def test_a_kill_during_the_migration_loses_nothing(url: str) -> None:
    make_old_database(url)
    assert -signal.SIGKILL in openers(url, *(0.002 + 0.006 * number for number in range(20)))
    database = open_database(url)
    assert (count(database, schema.ping), count(database, schema.pour)) == (4, 3)
    database.close()


def test_an_old_database_is_migrated_once_by_programs_that_start_together(url: str) -> None:
    make_old_database(url)
    assert openers(url, 0) == [0] * 6
    database = open_database(url)
    assert (count(database, schema.ping), count(database, schema.pour)) == (4, 3)
    database.close()


# Messages.


def test_a_message_is_stored_once(database: Database) -> None:
    client = add_client(database)
    assert keep(database, ping(client, 1), ping(client, 1), pour(client, 1), ping(client, 2)) == [True, False, True, True]
    assert keep(database, ping(client, 2), ping(client, 3), pour(client, 1)) == [False, True, False]
    assert (count(database, schema.ping), count(database, schema.pour)) == (3, 1)


def test_large_batches_are_stored_and_recognised(database: Database) -> None:
    client = add_client(database)
    messages = [ping(client, number) for number in range(2300)]
    assert keep(database, *messages[:1200]) == [True] * 1200
    assert keep(database, *messages) == [False] * 1200 + [True] * 1100
    assert count(database, schema.ping) == 2300


def test_the_columns_of_a_message_are_stored_as_they_are(database: Database) -> None:
    client = add_client(database)
    keep(database, VerifiedPing(client, 1, digest("a"), True, -55_000, 2, 3), VerifiedPour(client, 4, digest("b"), True, 5, 6, 7, 8, 9))
    assert rows(database, "SELECT client, ts_ms, digest, ts_seconds, temp, at_ms, received_ms FROM ping") == [
        (client, 1, digest("a"), True, -55_000, 2, 3)
    ]
    assert rows(database, "SELECT client, ts_ms, digest, ts_seconds, pin, pulses, et_ms, at_ms, received_ms FROM pour") == [
        (client, 4, digest("b"), True, 5, 6, 7, 8, 9)
    ]


def test_the_first_pour_of_a_pin_adds_its_tap(database: Database) -> None:
    client = add_client(database)
    keep(database, pour(client, 1, pin=7), pour(client, 2, pin=7), pour(client, 3, pin=9))
    keep(database, pour(client, 4, pin=7))
    assert rows(database, "SELECT client, pin, name, hidden FROM tap ORDER BY pin") == [
        (client, 7, "tap 7", False),
        (client, 9, "tap 9", False),
    ]


def test_a_message_that_the_database_refuses_does_not_take_the_others_with_it(database: Database) -> None:
    client = add_client(database)

    async def run() -> list[bool | BaseException]:
        writer = Writer(database)
        writer.start()
        unknown = ping(client + 1000, 2)
        try:
            return await asyncio.gather(*map(writer.keep, (ping(client, 1), unknown, ping(client, 3))), return_exceptions=True)
        finally:
            await writer.stop()

    first, second, third = loop.run(run())
    assert (first, third) == (True, True)
    assert isinstance(second, Exception)
    assert count(database, schema.ping) == 2


def test_two_writers_with_the_same_messages_agree_who_was_first(url: str, database: Database) -> None:
    client = add_client(database)
    other = open_database(url)
    messages = [ping(client, number) for number in range(300)]

    async def run() -> tuple[list[bool], list[bool]]:
        writers = Writer(database), Writer(other)
        for writer in writers:
            writer.start()
        try:
            first = asyncio.gather(*map(writers[0].keep, messages))
            second = asyncio.gather(*map(writers[1].keep, reversed(messages)))
            return list(await first), list(await second)
        finally:
            for writer in writers:
                await writer.stop()

    first, second = loop.run(run())
    assert sum(first) + sum(second) == 300
    assert all(one != two for one, two in zip(first, reversed(second), strict=True))
    other.close()


@pytest.mark.parametrize("kind", [ping, pour])
def test_of_two_servers_that_get_a_message_of_a_sender_without_a_clock_one_stores_it(
    kind: Callable[[int, int], VerifiedMessage], url: str, database: Database
) -> None:
    client = add_client(database)
    other = open_database(url)
    first = [replace(kind(client, number), repeat_ms=2000) for number in range(0, 90_000, 300)]
    again = [replace(message, ts_ms=message.ts_ms + number) for number, message in enumerate(first, 1)]

    async def run() -> tuple[list[bool], list[bool]]:
        writers = Writer(database), Writer(other)
        for writer in writers:
            writer.start()
        try:
            mine, others = asyncio.gather(*map(writers[0].keep, first)), asyncio.gather(*map(writers[1].keep, again))
            return list(await mine), list(await others)
        finally:
            for writer in writers:
                await writer.stop()

    mine, others = loop.run(run())
    assert all(one != two for one, two in zip(mine, others, strict=True))
    table = schema.ping if kind is ping else schema.pour
    assert count(database, table) == 300
    late = replace(again[0], ts_ms=again[0].ts_ms + 2001)
    assert keep(database, late, replace(late, ts_ms=late.ts_ms + 1)) == [True, False], "a message that is not a repetition"
    other.close()


def test_no_message_that_was_accepted_is_lost_when_the_process_is_killed(url: str, database: Database) -> None:
    client = add_client(database)
    program = Path(__file__).with_name("endless_writer.py")
    accepted: set[int] = set()
    for life in range(3):
        command = [sys.executable, "-B", str(program), url, str(client), str(life * 10**6)]
        with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(LIB)}, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                accepted.add(int(line))
                if len(accepted) >= (life + 1) * 300:
                    process.send_signal(signal.SIGKILL)
                    accepted.update(int(rest) for rest in process.stdout if rest.endswith("\n"))
                    break
    stored = {number for (number,) in rows(database, "SELECT ts_ms FROM ping")}
    assert len(accepted) >= 900
    assert accepted <= stored


# The change feed.


def test_a_change_reaches_every_process_after_the_commit(url: str, database: Database) -> None:
    other = open_database(url)
    expected = Change(frozenset({CLIENT}), frozenset({"ping", "tap"}))

    async def run() -> None:
        feeds = [Feed(database), Feed(other)]
        running = [asyncio.create_task(feed.run()) for feed in feeds]
        async with feeds[0].subscribe() as here, feeds[1].subscribe() as there:
            await until_it_listens(database, here, there)
            await asyncio.to_thread(change_twice)
            for subscription in (here, there):
                assert await asyncio.wait_for(subscription.next(), 30) == expected
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def change_twice() -> None:
        with database.writing() as connection:
            announce(connection, Change(frozenset({CLIENT}), frozenset({"ping"})))
            announce(connection, Change(frozenset({CLIENT}), frozenset({"tap"})))

    loop.run(run())
    other.close()


async def until_it_listens(database: Database, *subscriptions: Subscription) -> None:
    """Announces something until it arrives at each. Changes arrive in their order, so no older one is still to come."""

    async def hears(subscription: Subscription, marked: frozenset[str]) -> None:
        while not marked <= (await subscription.next()).clients:
            pass

    for number in range(100):
        marked = frozenset({str(uuid.UUID(int=number))})
        await asyncio.to_thread(announce_alone, database, marked)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(hears(subscription, marked) for subscription in subscriptions)), 2)
            return
    raise AssertionError("it does not listen")


def announce_alone(database: Database, clients: frozenset[str] = frozenset()) -> None:
    with database.writing() as connection:
        announce(connection, Change(clients, frozenset({"setting"})))


def test_what_is_rolled_back_is_not_announced(database: Database) -> None:
    async def run() -> None:
        feed = Feed(database)
        running = asyncio.create_task(feed.run())
        async with feed.subscribe() as subscription:
            await until_it_listens(database, subscription)
            with pytest.raises(ZeroDivisionError):
                await asyncio.to_thread(fail)
            await asyncio.to_thread(announce_alone, database)
            assert await asyncio.wait_for(subscription.next(), 30) == Change(frozenset(), frozenset({"setting"}))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    def fail() -> None:
        with database.writing() as connection:
            announce(connection, Change(frozenset({CLIENT}), frozenset({"ping"})))
            raise ZeroDivisionError

    loop.run(run())


def test_a_change_of_too_many_clients_concerns_all(database: Database) -> None:
    async def run() -> None:
        feed = Feed(database)
        running = asyncio.create_task(feed.run())
        async with feed.subscribe() as subscription:
            await until_it_listens(database, subscription)
            await asyncio.to_thread(change_many, 150)
            assert len((await asyncio.wait_for(subscription.next(), 30)).clients) == 150
            await asyncio.to_thread(change_many, 400)
            assert await asyncio.wait_for(subscription.next(), 30) == Change(frozenset(), frozenset({"ping"}))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    def change_many(number: int) -> None:
        with database.writing() as connection:
            announce(connection, Change(frozenset(str(uuid.UUID(int=each)) for each in range(number)), frozenset({"ping"})))

    loop.run(run())


def test_new_messages_are_announced_and_repeated_ones_are_not(database: Database) -> None:
    client = add_client(database)

    async def run() -> None:
        feed, writer = Feed(database), Writer(database)
        running = asyncio.create_task(feed.run())
        writer.start()
        async with feed.subscribe() as subscription:
            await until_it_listens(database, subscription)
            assert await writer.keep(ping(client, 1))
            assert await asyncio.wait_for(subscription.next(), 30) == Change(frozenset({CLIENT}), frozenset({"ping"}))
            assert not await writer.keep(ping(client, 1))
            assert await writer.keep(pour(client, 1))
            assert await asyncio.wait_for(subscription.next(), 30) == Change(frozenset({CLIENT}), frozenset({"pour", "tap"}))
            assert await writer.keep(pour(client, 2))
            assert await asyncio.wait_for(subscription.next(), 30) == Change(frozenset({CLIENT}), frozenset({"pour"}))
        await writer.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    loop.run(run())


# One of all.


def test_one_process_leads_and_another_takes_over_when_it_is_killed(url: str, tmp_path: Path) -> None:
    open_database(url).close()
    program = Path(__file__).with_name("leading.py")
    env = {**os.environ, "PYTHONPATH": str(LIB)}
    outs = [tmp_path / f"out{number}" for number in range(2)]
    running = []
    for out in outs:
        with out.open("w") as file:
            running.append(subprocess.Popen([sys.executable, "-B", str(program), url], env=env, stdout=file))
    try:
        wait_for(lambda: any(out.read_text() for out in outs))
        leader = [bool(out.read_text()) for out in outs].index(True)
        assert not outs[1 - leader].read_text()
        running[leader].kill()
        wait_for(lambda: outs[1 - leader].read_text(), limit_s=30)
    finally:
        for process in running:
            process.kill()
            process.wait()


def test_the_work_ends_with_the_leadership(database: Database) -> None:
    async def run() -> None:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        leading = asyncio.create_task(Leader(database, every_s=0.1).run(work))
        await asyncio.wait_for(begun.wait(), 30)
        if database.file is not None:
            database.file.leader.unlink()
        else:
            with database.writing() as connection:
                end = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 5601"
                connection.exec_driver_sql(end)
        await asyncio.wait_for(ended.wait(), 30)
        begun.clear()
        await asyncio.wait_for(begun.wait(), 30)
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)

    loop.run(run())


# Clients, settings, refusals.


def test_a_client_that_is_removed_and_added_again_is_the_same(database: Database) -> None:
    key = add_client(database, CLIENT.upper())
    with database.writing() as connection:
        clients.set_limits(connection, key, 1000, 8000)
        assert clients.remove_client(connection, CLIENT.upper(), NOW + 1)
        assert not clients.remove_client(connection, CLIENT, NOW + 1)
        assert (clients.find_client(connection, CLIENT), clients.clients(connection), clients.count_clients(connection)) == (None, [], 0)
        again = clients.set_client(connection, CLIENT, now_ms=NOW + 2, name="Garage")
    assert (again.key, again.added_ms, again.name, again.public_key, again.coldest, again.warmest) == (key, NOW, "Garage", "x", 1000, 8000)
    with database.reading() as connection:
        assert clients.find_client(connection, CLIENT.upper()) == again


def test_clients_are_listed_by_name(database: Database) -> None:
    with database.writing() as connection:
        for number in range(7):
            clients.set_client(connection, str(uuid.UUID(int=number)), now_ms=NOW, name=f"{9 - number}")
        assert [client.name for client in clients.clients(connection, 2, 3)] == ["5", "6", "7"]
        wanted = [str(uuid.UUID(int=0)), str(uuid.UUID(int=3)).upper(), CLIENT]
        assert [client.name for client in clients.clients_by_uuid(connection, wanted)] == ["6", "9"]
        assert clients.count_clients(connection) == 7


def test_the_household_has_its_settings(database: Database) -> None:
    with database.writing() as connection:
        fresh = settings.household(connection)
        assert (fresh.day_begins_hour, fresh.retention_days) == (0, None)
        installation = fresh.installation
        settings.set_household(connection, time_zone="Europe/Berlin", day_begins_hour=4, retention_days=90)
        assert settings.household(connection) == settings.Household("Europe/Berlin", 4, 90, installation)
        settings.set_household(connection, retention_days=None)
        assert settings.household(connection).retention_days is None
        for bad in ({"time_zone": "Mars"}, {"time_zone": "../etc"}, {"day_begins_hour": 24}, {"retention_days": 0}):
            with pytest.raises(StorageError):
                settings.set_household(connection, **bad)
        settings.set_setting(connection, "a", "1")
        settings.set_setting(connection, "a", "2")
        assert settings.get_setting(connection, "a") == "2"
        settings.set_setting(connection, "a", None)
        assert settings.get_setting(connection, "a") is None


def test_refusals_are_counted_by_subject_and_minute(database: Database) -> None:
    with database.writing() as connection:
        assert [refusals.count_refusal(connection, "10.0.0.1", 5) for _ in range(3)] == [1, 2, 3]
        assert refusals.count_refusal(connection, "10.0.0.1", 6) == 1
        refusals.forget_refusals(connection, 6)
        assert [refusals.refusals(connection, "10.0.0.1", minute) for minute in (5, 6, 7)] == [0, 1, 0]
        assert refusals.count_refusal(connection, "x" * 500 + "\0", 6) == 1


# What goes wrong.


def test_a_reading_connection_sees_one_state(database: Database) -> None:
    with database.reading() as connection:
        assert clients.count_clients(connection) == 0
        add_client(database)
        assert clients.count_clients(connection) == 0
    with database.reading() as connection:
        assert clients.count_clients(connection) == 1


def test_a_database_that_is_away_is_one_line(postgresql: str, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as error:
        open_database("postgresql://kegnet:secret@127.0.0.1:9/x")
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)
    with pytest.raises(StorageError) as problem:
        open_database(postgresql.rpartition("/")[0] + "/nowhere")
    assert "does not exist" in problem.value.problem


@pytest.fixture
def on_postgresql(postgresql: str) -> Iterator[tuple[Database, Callable[[str], None]]]:
    """A database of PostgreSQL, and what the administrator does: a query in which {} is the database's name."""
    name = f"k{uuid.uuid4().hex}"
    engine = sa.create_engine(postgresql, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        database = open_database(postgresql.rpartition("/")[0] + f"/{name}")
        yield database, lambda query: connection.exec_driver_sql(query.format(name)).close()
        database.close()


END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'"
OnPostgresql = tuple[Database, Callable[[str], None]]


def test_connections_that_the_administrator_ends_are_made_again(on_postgresql: OnPostgresql) -> None:
    database, administer = on_postgresql
    client = add_client(database)
    with pytest.raises(UnavailableError), database.writing() as connection:
        administer(END_SESSIONS)
        clients.set_limits(connection, client, 1, 2)
    assert keep(database, ping(client, 1)) == [True]
    administer(END_SESSIONS)
    assert keep(database, ping(client, 2)) == [True]


def test_a_server_that_takes_no_writes_is_unavailable_until_it_does(on_postgresql: OnPostgresql) -> None:
    database, administer = on_postgresql
    client = add_client(database)
    administer("ALTER DATABASE {} SET default_transaction_read_only = on")
    administer(END_SESSIONS)
    with pytest.raises(UnavailableError) as error:
        Inserter(database).insert([ping(client, 1)])
    assert "read-only" in str(error.value)
    administer("ALTER DATABASE {} RESET default_transaction_read_only")
    assert Inserter(database).insert([ping(client, 1)]) == [True]


def test_commits_are_durable_where_the_administrator_prefers_speed(on_postgresql: OnPostgresql) -> None:
    database, administer = on_postgresql
    assert rows(database, "SHOW synchronous_commit") == [("on",)]
    for set_to, expected in (("off", "on"), ("remote_apply", "remote_apply"), ("local", "local")):
        administer("ALTER DATABASE {} SET synchronous_commit = " + set_to)
        administer(END_SESSIONS)
        assert rows(database, "SHOW synchronous_commit") == [(expected,)]


@pytest.mark.parametrize("check_s", [0.1, 60])
def test_the_feed_connects_again_and_reports_that_it_missed_something(check_s: float, on_postgresql: OnPostgresql) -> None:
    database, administer = on_postgresql

    async def run() -> None:
        feed = Feed(database, check_s=check_s)
        running = asyncio.create_task(feed.run())
        async with feed.subscribe() as subscription:
            await until_it_listens(database, subscription)
            await asyncio.to_thread(administer, END_SESSIONS)
            assert await asyncio.wait_for(subscription.next(), 30) == EVERYTHING
            await asyncio.to_thread(announce_alone, database)
            assert await asyncio.wait_for(subscription.next(), 30) == Change(frozenset(), frozenset({"setting"}))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    loop.run(run())


def test_the_feed_waits_for_a_database_that_refuses_for_long(on_postgresql: OnPostgresql, monkeypatch: pytest.MonkeyPatch) -> None:
    database, administer = on_postgresql
    monkeypatch.setattr(feed_postgresql, "_RETRY_S", (0.02, 0.02))

    async def run() -> None:
        feed = Feed(database, check_s=0.1)
        running = asyncio.create_task(feed.run())
        async with feed.subscribe() as subscription:
            await until_it_listens(database, subscription)
            await asyncio.to_thread(administer, "ALTER DATABASE {} ALLOW_CONNECTIONS false")
            await asyncio.to_thread(administer, END_SESSIONS)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(administer, "ALTER DATABASE {} ALLOW_CONNECTIONS true")
            assert await asyncio.wait_for(subscription.next(), 30) == EVERYTHING
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    loop.run(run())


def test_a_follower_that_loses_its_connection_does_not_lead_beside_the_leader(on_postgresql: OnPostgresql) -> None:
    database, administer = on_postgresql
    others = END_SESSIONS + " AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 5601)"

    async def run() -> None:
        leading = most = 0

        async def lead() -> None:
            nonlocal leading, most
            leading += 1
            most = max(most, leading)
            try:
                await asyncio.Event().wait()
            finally:
                leading -= 1

        tasks = [asyncio.create_task(Leader(database, every_s=0.05).run(lead)) for _ in range(2)]
        async with asyncio.timeout(30):
            while leading == 0:
                await asyncio.sleep(0.05)
        for _ in range(20):
            await asyncio.sleep(0.1)
            await asyncio.to_thread(administer, others)
        assert (leading, most) == (1, 1)
        # Nobody leads while the database is away, and one of them does afterwards.
        await asyncio.to_thread(administer, "ALTER DATABASE {} ALLOW_CONNECTIONS false")
        await asyncio.to_thread(administer, END_SESSIONS)
        async with asyncio.timeout(30):
            while leading:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        assert (leading, most) == (0, 1)
        await asyncio.to_thread(administer, "ALTER DATABASE {} ALLOW_CONNECTIONS true")
        async with asyncio.timeout(30):
            while leading == 0:
                await asyncio.sleep(0.05)
        assert most == 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    loop.run(run())


PARTITIONS = "SELECT 1 FROM pg_class WHERE relname LIKE 'ping_20__\\___'"


def test_the_partitions_of_the_next_months_hold_up_no_message(on_postgresql: OnPostgresql, caplog: pytest.LogCaptureFixture) -> None:
    database, _ = on_postgresql
    client = add_client(database)
    later_ms = NOW + 40 * 86_400_000
    prepare(database, NOW)
    before = len(rows(database, PARTITIONS))
    with ThreadPoolExecutor(2) as threads:
        # A download, or a backup.
        with database.reading() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM ping")
            preparing = threads.submit(prepare, database, later_ms)
            kept = threads.submit(keep, database, ping(client, 1))
            assert kept.result(20) == [True]
            preparing.result(20)
        assert "the partitions of the next months are made later" in caplog.text
        caplog.clear()
        prepare(database, later_ms)
    assert caplog.text == ""
    assert len(rows(database, PARTITIONS)) > before


def test_a_leader_whose_question_is_not_answered_holds_up_nothing_else(on_postgresql: OnPostgresql) -> None:
    database, _ = on_postgresql
    stopped_s = 11

    async def run() -> float:
        leading = asyncio.Event()

        async def lead() -> None:
            leading.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(Leader(database, every_s=0.1).run(lead))
        await asyncio.wait_for(leading.wait(), 30)
        ((pid,),) = rows(database, "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 5601 AND granted")
        backend = int(str(pid))
        # Its host is gone, or its disk does not answer.
        os.kill(backend, signal.SIGSTOP)
        goes_on = threading.Timer(stopped_s, os.kill, (backend, signal.SIGCONT))
        goes_on.start()
        latest_s, end = 0.0, time.monotonic() + stopped_s
        while (before := time.monotonic()) < end:
            await asyncio.sleep(0.05)
            latest_s = max(latest_s, time.monotonic() - before)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        goes_on.join()
        return latest_s

    # The check ends after 5 s.
    assert is_quick(lambda: loop.run(run()), 4.5, tries=3)


def test_pings_move_from_the_default_partition_into_that_of_their_month(on_postgresql: OnPostgresql) -> None:
    database, _ = on_postgresql
    client = add_client(database)
    december_2026 = 1_796_083_200_000 + 86_400_000  # 2026-12-02
    messages = [VerifiedPing(client, ts_ms, digest(str(ts_ms)), False, 1, NOW, NOW) for ts_ms in (0, december_2026, december_2026 + 1)]
    Inserter(database).insert(messages)
    for _ in range(2):
        with database.writing() as connection:
            prepare_partitions(connection, NOW)
    query = "SELECT tableoid::regclass::text, count(*) FROM ping GROUP BY 1 ORDER BY 1"
    assert rows(database, query) == [("ping_2026_12", 2), ("ping_other", 1)]
    assert Inserter(database).insert(messages) == [False] * 3
    assert Inserter(database).insert([VerifiedPing(client, december_2026 + 2, digest("new"), False, 1, NOW, NOW)]) == [True]
    spans = "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname LIKE 'ping_20__\\___' ORDER BY relname"
    assert rows(database, spans) == [
        ("FOR VALUES FROM ('1793491200000') TO ('1796083200000')",),
        ("FOR VALUES FROM ('1796083200000') TO ('1798761600000')",),
        ("FOR VALUES FROM ('1798761600000') TO ('1801440000000')",),
    ]
