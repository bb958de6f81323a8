"""The change feed between processes over SQLite, and how changes merge."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from kegnet.server.storage import Change, Database, announce, open_database
from kegnet.server.storage.feed import CHECK_S, EVERYTHING, KINDS, PAYLOAD_LIMIT_BYTES, Feed, Subscription
from support import loop

ONE, TWO = frozenset({"one"}), frozenset({"two"})
PING, POUR = frozenset({"ping"}), frozenset({"pour"})


def change(database: Database, changed: Change = Change(ONE, PING)) -> None:  # noqa: B008
    with database.writing() as connection:
        announce(connection, changed)


@asynccontextmanager
async def listening(database: Database, check_s: float = CHECK_S) -> AsyncIterator[Subscription]:
    """A subscription of a feed that listens."""
    feed = Feed(database, check_s)
    running = asyncio.create_task(feed.run())
    try:
        async with feed.subscribe() as subscription:
            assert await asyncio.wait_for(subscription.next(), 30) == EVERYTHING
            yield subscription
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


# Values.


def test_changes_merge() -> None:
    assert Change(ONE, PING).merged(Change(TWO, POUR)) == Change(ONE | TWO, PING | POUR)
    assert Change(ONE, PING).merged(Change(frozenset(), POUR)) == Change(frozenset(), PING | POUR)
    assert Change(frozenset(), PING).merged(Change(ONE, POUR)) == Change(frozenset(), PING | POUR)


def test_a_merged_change_stays_small() -> None:
    many = Change(frozenset(map(str, range(600))), PING)
    assert len(many.merged(Change(frozenset(map(str, range(400, 1000))), PING)).clients) == 1000
    assert many.merged(Change(frozenset(map(str, range(600, 1001))), PING)) == Change(frozenset(), PING)


def test_a_change_goes_through_its_payload() -> None:
    for each in (Change(ONE | TWO, PING | POUR), Change(frozenset(), KINDS)):
        assert Change.parse(each.payload()) == each
    large = Change(frozenset(f"{number:036}" for number in range(1000)), PING)
    assert Change.parse(large.payload()) == Change(frozenset(), PING)
    fitting = Change(frozenset(f"{number:036}" for number in range(200)), PING)
    assert len(fitting.payload()) <= PAYLOAD_LIMIT_BYTES
    assert Change.parse(fitting.payload()) == fitting


@pytest.mark.parametrize("payload", ["", "nonsense", "{}", "[]", "[1, 2]", "[[], [], []]", "null", "12", '["ping"]'])
def test_a_payload_that_is_none_is_a_change_of_everything(payload: str) -> None:
    assert Change.parse(payload) == EVERYTHING


# Between processes.


def test_what_changed_before_it_listened_is_not_missed(database: Database) -> None:
    async def run() -> None:
        feed = Feed(database)
        async with feed.subscribe() as subscription:
            await asyncio.to_thread(change, database)
            running = asyncio.create_task(feed.run())
            assert await asyncio.wait_for(subscription.next(), 30) == EVERYTHING
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    loop.run(run())


def test_a_subscription_gets_all_that_changed_since_in_one(database: Database) -> None:
    async def run() -> None:
        async with Feed(database).subscribe() as subscription:
            for each in (Change(ONE, PING), Change(TWO, PING), Change(ONE, POUR)):
                subscription.put(each)
            assert await asyncio.wait_for(anext(aiter(subscription)), 30) == Change(ONE | TWO, PING | POUR)
            subscription.put(Change(TWO, PING))
            assert await asyncio.wait_for(subscription.next(), 30) == Change(TWO, PING)

    loop.run(run())


def test_every_change_of_another_program_arrives(database: Database) -> None:
    async def run() -> None:
        async with listening(database) as subscription:
            for each in (Change(ONE, PING), Change(TWO, PING), Change(ONE, POUR)):
                await asyncio.to_thread(change, database, each)
            arrived = await asyncio.wait_for(subscription.next(), 30)
            while arrived != Change(ONE | TWO, PING | POUR):
                arrived = arrived.merged(await asyncio.wait_for(subscription.next(), 30))

    loop.run(run())


def test_a_closed_subscription_is_forgotten(database: Database) -> None:
    async def run() -> None:
        feed = Feed(database)
        async with feed.subscribe():
            assert feed.readers() == 1
        assert feed.readers() == 0

    loop.run(run())


def test_the_socket_is_removed_at_the_end(database: Database) -> None:
    async def run() -> None:
        async with listening(database):
            assert database.file is not None
            (made,) = database.file.feed.iterdir()
            assert stat.S_IMODE(made.stat().st_mode) == 0o660
            assert stat.S_IMODE(database.file.feed.stat().st_mode) == 0o770
        assert list(database.file.feed.iterdir()) == []

    loop.run(run())


def test_the_socket_of_a_process_that_died_is_removed_by_who_finds_it(database: Database) -> None:
    assert database.file is not None
    database.file.feed.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(database.file.feed / "dead.socket"))
    (database.file.feed / "dead.socket.gap").touch()
    change(database)
    assert list(database.file.feed.iterdir()) == []


def test_a_socket_in_use_stays(database: Database) -> None:
    assert database.file is not None
    database.file.feed.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(database.file.feed / "other.socket"))
        other.listen()
        change(database)
        assert (database.file.feed / "other.socket").exists()


def test_announcing_makes_no_files(database: Database) -> None:
    change(database)
    assert database.file is not None
    assert not database.file.feed.exists()


def test_other_files_in_the_directory_are_ignored(database: Database) -> None:
    assert database.file is not None
    database.file.feed.mkdir()
    (database.file.feed / "notes").touch()
    (database.file.feed / "file.socket").touch()
    change(database)
    assert (database.file.feed / "notes").exists()


def test_who_could_not_take_all_changes_learns_that_everything_may_have_changed(database: Database) -> None:
    async def run() -> None:
        async with listening(database) as subscription:
            # The event loop does not read meanwhile, so the socket's queue overflows.
            for _ in range(2000):
                change(database)
            assert await asyncio.wait_for(subscription.next(), 30) == EVERYTHING
            assert database.file is not None
            assert [each.suffix for each in database.file.feed.iterdir()] == [".socket"]
            await asyncio.to_thread(change, database)
            assert await asyncio.wait_for(subscription.next(), 30) == Change(ONE, PING)

    loop.run(run())


def test_a_directory_that_was_removed_is_made_again(database: Database) -> None:
    async def run() -> None:
        async with listening(database, check_s=0.05) as subscription:
            assert database.file is not None
            for each in database.file.feed.iterdir():
                each.unlink()
            database.file.feed.rmdir()
            assert await asyncio.wait_for(subscription.next(), 30) == EVERYTHING
            await asyncio.to_thread(change, database)
            assert await asyncio.wait_for(subscription.next(), 30) == Change(ONE, PING)

    loop.run(run())


def test_a_directory_whose_path_is_long_serves(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    database = open_database(f"sqlite:///{folder}/kegnet.sqlite")

    async def run() -> None:
        async with listening(database) as subscription:
            await asyncio.to_thread(change, database)
            assert await asyncio.wait_for(subscription.next(), 30) == Change(ONE, PING)

    loop.run(run())
    database.close()


def test_without_a_directory_the_process_still_learns_of_its_own_changes(database: Database) -> None:
    assert database.file is not None
    database.file.feed.touch()

    async def run() -> None:
        feed = Feed(database)
        running = asyncio.create_task(feed.run())
        async with feed.subscribe() as subscription:
            await asyncio.sleep(0)
            await asyncio.to_thread(change, database)
            assert await asyncio.wait_for(subscription.next(), 30) == Change(ONE, PING)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    loop.run(run())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_directory_that_root_makes_belongs_to_the_owner_of_the_one_above(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 54321)
    database = open_database(f"sqlite:///{tmp_path}/kegnet.sqlite")

    async def run() -> None:
        async with listening(database):
            assert database.file is not None
            assert (database.file.feed.stat().st_uid, database.file.feed.stat().st_gid) == (12345, 54321)

    loop.run(run())
    database.close()
