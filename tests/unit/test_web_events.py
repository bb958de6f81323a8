"""The event stream's broadcast: one subscription, one query, one encoding and one heartbeat for all readers."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from kegnet.server.context import Context
from kegnet.server.counters import Counters
from kegnet.server.options import ServeOptions
from kegnet.server.outage import Outage
from kegnet.server.storage import Change, Connection, Database, UnavailableError, open_database
from kegnet.server.storage.alarms import begin_alarm
from kegnet.server.storage.clients import set_client
from kegnet.server.storage.feed import EVERYTHING, Feed, announce
from kegnet.server.storage.kegs import put_on
from kegnet.server.storage.settings import get_settings, put_setting, set_household
from kegnet.server.storage.taps import taps_of
from kegnet.server.storage.writer import Writer
from kegnet.server.web import events
from kegnet.server.web.auth import RIGHTS
from kegnet.server.web.database import now_ms
from kegnet.server.web.events import Broadcast, hello
from kegnet.server.web.password import READERS_SETTING, set_password, set_readers_password
from kegnet.server.web.updates import CLIENTS_AT_MOST, Update, read_update
from kegnet.server.web.wall_link import new_wall_token, remove_wall_token
from support.history import client_key, ping, pour, store

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

    def pour(self, pulses: int = 2800) -> None:
        store(self.database, pour(client_key(self.database, ID), now_ms(), pulses))

    def rights(self) -> Mapping[str, str]:
        with self.database.reading() as connection:
            return get_settings(connection, RIGHTS)

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


async def event(stream: AsyncIterator[bytes]) -> dict[str, Any]:
    """The next event with a change."""
    while True:
        received = await anext(stream)
        if received.startswith(b"data: "):
            value: dict[str, Any] = json.loads(received.removeprefix(b"data: "))
            return value


async def opened(broadcast: Broadcast, rights: Mapping[str, str] | None = None) -> AsyncIterator[bytes]:
    """A stream after its first event."""
    stream = broadcast.stream(rights)
    assert (await anext(stream)).startswith(b"retry: 5000\nevent: hello\ndata: {")
    return stream


HEARTBEAT = re.compile(rb'event: heartbeat\ndata: \{"now_ms":\d+\}\n\n')


def test_an_event_is_json_on_one_line() -> None:
    update = Update(7, frozenset({"pour", "ping"}), frozenset({"b", "a"}), {"a": {"millicelsius": 4}}, {"a-0": {"left_ml": 5}})
    values = b'"clients":{"a":{"millicelsius":4}},"taps":{"a-0":{"left_ml":5}}'
    assert update.encoded() == b'data: {"now_ms":7,"kinds":["ping","pour"],"changed":["a","b"],' + values + b"}\n\n"


def test_the_first_event_has_the_clock_and_the_version_of_the_pages() -> None:
    assert re.fullmatch(rb'event: hello\ndata: \{"now_ms":5,"version":"[0-9.]+-[0-9a-f]{12}"\}\n\n', hello(5))


def test_the_last_values_of_merged_updates_count() -> None:
    one = Update(1, frozenset({"pour"}), frozenset({"a"}), {"a": {"t": 1}}, {"a-0": {"left_ml": 1}, "a-1": {"left_ml": 1}})
    two = Update(2, frozenset({"ping"}), frozenset({"a", "b"}), {"a": {"t": 2}, "b": {"t": 2}}, {"a-0": {"left_ml": 2}})
    merged = one.merged(two)
    assert merged.clients == {"a": {"t": 2}, "b": {"t": 2}}
    assert merged.taps == {"a-0": {"left_ml": 2}, "a-1": {"left_ml": 1}}
    assert (merged.now_ms, merged.kinds, merged.changed) == (2, frozenset({"ping", "pour"}), frozenset({"a", "b"}))
    assert one.merged(Update(3)) == replace(one, now_ms=3), "a heartbeat changes nothing"
    assert Update(3).merged(one) == one


@pytest.mark.parametrize("many", [False, True])
def test_merged_with_a_reload_there_are_no_values(many: bool) -> None:
    reload = Update(2, frozenset({"tap"}), frozenset(), reload=True, many=many)
    values = Update(1, frozenset({"pour"}), frozenset({"a"}), {"a": {}}, {"a-0": {}})
    for merged in (values.merged(reload), reload.merged(values)):
        assert (merged.reload, merged.many, merged.changed, merged.clients, merged.taps) == (True, many, frozenset(), {}, {})
    assert not reload.merged(Update(1, frozenset({"tap"}), reload=True)).many, "what is urgent stays urgent"


def test_an_update_has_the_values_of_the_clients_that_changed(house: House) -> None:
    house.change("Garage")
    house.pour()
    with house.database.writing() as connection:
        client = set_client(connection, ID, now_ms=1)
        (tap,) = taps_of(connection, [client.key])
        put_on(connection, tap.key, beer=None, on_ms=1, volume_ml=5000, start_ml=5000)
        begin_alarm(connection, client.key, tap.key, "keg low", 1)
        begin_alarm(connection, client.key, None, "silent", 1)
        set_client(connection, ID.replace("6", "7"), now_ms=1)
    store(house.database, ping(client.key, 5, 4187))
    update = read_update(house.database, Change(frozenset({ID}), frozenset({"pour"})), now_ms())
    received_ms = update.taps[f"{ID}-0"]["last"]["at_ms"]  # type: ignore[index]
    assert update.clients == {ID: {"millicelsius": 4187, "received_ms": 5, "heard_ms": received_ms, "alarms": ["silent"]}}
    tap_values = dict(update.taps[f"{ID}-0"])
    assert tap_values.pop("lasts_ms") == 9 * 7 * 86_400_000
    assert tap_values == {
        "state": "ok",
        "left_ml": 4500,
        "level": 0.9,
        "glasses": 13,
        "today_ml": 500,
        "alarms": ["keg low"],
        "last": {"key": 1, "at_ms": received_ms, "ml": 500},
    }


def test_a_change_of_many_clients_is_no_query(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house.database, "reading", None)
    for ids in ([], [str(number) for number in range(CLIENTS_AT_MOST + 1)]):
        update = read_update(house.database, Change(frozenset(ids), frozenset({"pour"})), 5)
        assert (update.reload, update.many, update.changed) == (True, True, frozenset())
    update = read_update(house.database, Change(frozenset({ID}), frozenset({"pour", "tap"})), 5)
    assert (update.reload, update.many, update.changed) == (True, False, frozenset({ID})), "another tap is another page"


def test_all_readers_get_the_same_bytes_by_one_query(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.change("Garage")
    house.pour()
    queries: list[Change] = []

    def counted(database: Database, change: Change, at_ms: int) -> Update:
        queries.append(change)
        return read_update(database, change, at_ms)

    monkeypatch.setattr(events, "read_update", counted)

    async def scenario(house: House, broadcast: Broadcast) -> None:
        streams = [await opened(broadcast) for _ in range(3)]
        # Until all listen: a task runs up to its first wait before another.
        waiting = [asyncio.create_task(following(stream)) for stream in streams]
        await asyncio.sleep(0)
        await asyncio.to_thread(house.pour)
        first, *others = [await one for one in waiting]
        assert ID.encode() in first
        assert all(other is first for other in others), "encoded once"
        assert len(queries) == 1
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]
        seen = house.feed.subscribe()
        await asyncio.to_thread(house.pour)
        await seen.next()
        assert len(queries) == 1, "nobody reads"
        again = await opened(broadcast)
        waiting = [asyncio.create_task(following(again))]
        await asyncio.sleep(0)
        await asyncio.to_thread(house.pour)
        assert ID.encode() in await waiting[0]
        assert len(queries) == 2

    run(house, scenario)


def test_a_silent_stream_has_a_heartbeat(house: House) -> None:
    async def scenario(house: House, broadcast: Broadcast) -> None:
        stream = await opened(broadcast)
        for _ in range(2):
            assert HEARTBEAT.fullmatch(await anext(stream))
        await asyncio.to_thread(house.change, "Garage")
        assert (await event(stream))["changed"] == [ID], "the feed is still read"

    run(house, scenario, heartbeat_s=0.05)


def test_changes_that_follow_quickly_become_one_event(house: House) -> None:
    async def scenario(house: House, broadcast: Broadcast) -> None:
        stream, seen = await opened(broadcast), house.feed.subscribe()
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

    run(house, scenario, pace_s=8.0)


def test_a_slow_reader_misses_no_change(house: House) -> None:
    house.change("Garage")
    house.pour()

    async def scenario(house: House, broadcast: Broadcast) -> None:
        slow, quick = await opened(broadcast), await opened(broadcast)
        for number in range(events.KEPT_EVENTS + 3):
            waiting = asyncio.create_task(event(quick))
            await asyncio.sleep(0)
            await asyncio.to_thread(house.pour, 56 * (number + 1))
            last = await waiting
            if number == 1:
                assert await event(slow) == {**last, "now_ms": last["now_ms"]}, "what it has missed comes as one event"
        behind = await event(slow)
        assert behind["reload"], "too much to keep: everything may have changed"
        assert behind["changed"] == []

    run(house, scenario, pace_s=0.0)


def test_without_a_database_pages_are_loaded_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> Update:
        raise UnavailableError("the database is away")

    monkeypatch.setattr(events, "read_update", away)

    async def scenario(house: House, broadcast: Broadcast) -> None:
        stream = await opened(broadcast)
        waiting = asyncio.create_task(event(stream))
        await asyncio.sleep(0)
        await asyncio.to_thread(house.change, "Garage")
        assert (await waiting)["reload"]

    run(house, scenario)


def missed_by_the_feed(connection: Connection) -> None:
    """Sets a readers' password while the feed has no connection: afterwards everything may have changed."""
    put_setting(connection, READERS_SETTING, "x")
    announce(connection, EVERYTHING)


@pytest.mark.parametrize(
    "change",
    [
        lambda connection: set_readers_password(connection, "for my guests"),
        lambda connection: set_password(connection, "another of mine"),
        new_wall_token,
        remove_wall_token,
        missed_by_the_feed,
    ],
)
def test_streams_end_when_the_rights_change(change: Callable[[Connection], object], house: House) -> None:
    with house.database.writing() as connection:
        set_password(connection, "the first of mine")
        new_wall_token(connection)
    before = house.rights()

    def change_rights() -> None:
        with house.database.writing() as connection:
            change(connection)

    async def caused(stream: AsyncIterator[bytes], cause: Callable[[], None]) -> None:
        waiting = asyncio.create_task(event(stream))
        await asyncio.sleep(0)
        await asyncio.to_thread(cause)
        assert "setting" in (await waiting)["kinds"]

    async def scenario(house: House, broadcast: Broadcast) -> None:
        stream = await opened(broadcast, house.rights())
        await caused(stream, house.set_zone)
        await caused(stream, change_rights)
        assert await following(stream) == b"", "it has ended"
        # One that was admitted by the rights before.
        late = await opened(broadcast, before)
        await asyncio.to_thread(house.set_zone)
        while await following(late):
            pass
        later = await opened(broadcast, house.rights())
        await caused(later, house.set_zone)
        await caused(later, house.set_zone)

    run(house, scenario, pace_s=0.0)


def test_a_stream_ends_whose_reader_was_admitted_just_before_a_password_was_set(house: House) -> None:
    with house.database.writing() as connection:
        put_setting(connection, READERS_SETTING, "x")

    async def scenario(house: House, broadcast: Broadcast) -> None:
        stream = await opened(broadcast, {})
        while await following(stream):
            pass

    run(house, scenario, heartbeat_s=0.05)


def test_streams_end_when_the_server_stops(house: House) -> None:
    async def scenario(house: House, broadcast: Broadcast) -> None:
        stream = await opened(broadcast)
        waiting = asyncio.create_task(following(stream))
        await asyncio.sleep(0)
        house.stopping.set()
        assert await waiting == b"", "it has ended"

    run(house, scenario)
