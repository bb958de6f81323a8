"""The event stream's broadcast: one subscription, one encoding and one heartbeat for all readers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from kegnet.server.context import Context
from kegnet.server.counters import Counters
from kegnet.server.options import ServeOptions
from kegnet.server.outage import Outage
from kegnet.server.storage import Change, Database, open_database
from kegnet.server.storage.clients import set_client
from kegnet.server.storage.feed import EVERYTHING, Feed
from kegnet.server.storage.settings import set_household
from kegnet.server.storage.writer import Writer
from kegnet.server.web import events
from kegnet.server.web.events import Broadcast, encode

ID = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"


@dataclass
class House:
    """A broadcast over a real database and its feed."""

    database: Database
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def broadcast(self, **times_s: float) -> Broadcast:
        self.feed = feed = Feed(self.database)
        async with feed.subscribe() as first:
            self.listening = asyncio.create_task(feed.run())
            assert await first.next() == EVERYTHING, "it listens"
        options = ServeOptions("127.0.0.1:0")
        context = Context(self.database, Writer(self.database), feed, options, Counters(), Outage(away=False), self.stopping)
        return Broadcast(context, **times_s)

    def change(self, name: str) -> None:
        with self.database.writing() as connection:
            set_client(connection, ID, now_ms=1, name=name)

    def set_zone(self) -> None:
        with self.database.writing() as connection:
            set_household(connection, time_zone="Europe/Berlin")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(open_database(f"sqlite:///{tmp_path / 'kegnet.sqlite'}"))
    yield made
    made.database.close()


def run(house: House, scenario: Callable[[House, Broadcast], Awaitable[None]], **times_s: float) -> None:
    async def whole() -> None:
        async with asyncio.timeout(30):
            await scenario(house, await house.broadcast(**times_s))
        house.listening.cancel()

    asyncio.run(whole())


async def following(stream: AsyncIterator[bytes]) -> bytes:
    """What comes next; nothing at the end."""
    return await anext(stream, b"")


async def event(stream: AsyncIterator[bytes]) -> dict[str, list[str]]:
    """The next event that is no comment."""
    while True:
        received = await anext(stream)
        if received.startswith(b"data: "):
            value: dict[str, list[str]] = json.loads(received.removeprefix(b"data: ").split(b"\n")[0])
            return value


def test_an_event_is_json_on_one_line() -> None:
    change = Change(frozenset({"b", "a"}), frozenset({"pour", "ping"}))
    assert encode(change) == b'data: {"clients":["a","b"],"kinds":["ping","pour"]}\n\n'


def test_all_readers_get_the_same_bytes(house: House) -> None:
    async def scenario(house: House, broadcast: Broadcast) -> None:
        streams = [broadcast.stream() for _ in range(3)]
        assert [await anext(stream) for stream in streams] == [b"retry: 5000\n\n"] * 3
        # Until all listen: a task runs up to its first wait before another.
        waiting = [asyncio.create_task(following(stream)) for stream in streams]
        await asyncio.sleep(0)
        await asyncio.to_thread(house.change, "Garage")
        first, *others = [await one for one in waiting]
        assert ID.encode() in first
        assert all(other is first for other in others), "encoded once"

    run(house, scenario)


def test_a_silent_stream_has_a_heartbeat(house: House) -> None:
    async def scenario(house: House, broadcast: Broadcast) -> None:
        stream = broadcast.stream()
        assert [await anext(stream) for _ in range(3)][1:] == [b": heartbeat\n\n"] * 2
        await asyncio.to_thread(house.change, "Garage")
        assert (await event(stream))["clients"] == [ID], "the feed is still read"

    run(house, scenario, heartbeat_s=0.05)


def test_changes_that_follow_quickly_become_one_event(house: House) -> None:
    async def scenario(house: House, broadcast: Broadcast) -> None:
        stream, seen = broadcast.stream(), house.feed.subscribe()
        await anext(stream)
        waiting = asyncio.create_task(event(stream))
        await asyncio.sleep(0)
        await asyncio.to_thread(house.change, "Garage")
        await waiting
        # Each has reached all readers of the feed before the next.
        for number in range(3):
            await asyncio.to_thread(house.change, f"Garage {number}")
            await seen.next()
        await asyncio.to_thread(house.set_zone)
        assert (await event(stream))["kinds"] == ["client", "setting"]

    run(house, scenario, pace_s=2.0)


def test_a_slow_reader_misses_no_change(house: House) -> None:
    async def scenario(house: House, broadcast: Broadcast) -> None:
        slow, quick = broadcast.stream(), broadcast.stream()
        assert (await anext(slow), await anext(quick)) == (b"retry: 5000\n\n",) * 2
        for number in range(events.KEPT_EVENTS + 3):
            waiting = asyncio.create_task(event(quick))
            await asyncio.sleep(0)
            await asyncio.to_thread(house.change, f"Garage {number}")
            await waiting
            if number == 1:
                two = await anext(slow)
                assert two.count(b"data: ") == 2, "what it has missed comes at once"
        assert await anext(slow) == encode(EVERYTHING), "too much to keep: everything may have changed"

    run(house, scenario, pace_s=0.0)


def test_streams_end_when_the_server_stops(house: House) -> None:
    async def scenario(house: House, broadcast: Broadcast) -> None:
        stream = broadcast.stream()
        await anext(stream)
        waiting = asyncio.create_task(following(stream))
        await asyncio.sleep(0)
        house.stopping.set()
        assert await waiting == b"", "it has ended"

    run(house, scenario)
