"""The watch over the clients, with a real database: what is stored, once, whoever evaluates and however often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kegnet.server import watch
from kegnet.server.alarm_rounds import end_alarms_of_removed
from kegnet.server.context import Context
from kegnet.server.counters import Counters
from kegnet.server.options import ServeOptions
from kegnet.server.outage import Outage
from kegnet.server.storage.alarms import alarms_of, begin_alarm, end_alarm, open_alarms
from kegnet.server.storage.clients import find_client, remove_client
from kegnet.server.storage.feed import Feed
from kegnet.server.storage.kegs import take_off
from kegnet.server.storage.notifications import drop_notifications, set_delivered, waiting_notifications
from kegnet.server.storage.records import Client
from kegnet.server.storage.taps import set_tap
from kegnet.server.storage.writer import Writer
from support.fridge import MINUTE, NOON, UUID, Fridge


@pytest.fixture
def fridge(tmp_path: Path) -> Iterator[Fridge]:
    made = Fridge(f"sqlite:///{tmp_path / 'kegnet.sqlite'}")
    yield made
    made.database.close()


def test_a_client_becomes_silent_and_is_heard_again(fridge: Fridge) -> None:
    assert fridge.evaluate(NOON + 30 * MINUTE - 1) == 0
    assert fridge.evaluate(NOON + 31 * MINUTE) == 1
    assert fridge.open() == [("silent", 30)]
    fridge.ping(NOON + 40 * MINUTE, 4000)
    assert fridge.evaluate(NOON + 41 * MINUTE) == 1
    assert fridge.all() == [("silent", 30, 40)]


def test_a_pour_breaks_the_silence_too(fridge: Fridge) -> None:
    fridge.evaluate(NOON + 31 * MINUTE)
    fridge.pour(NOON + 32 * MINUTE, 300)
    fridge.evaluate(NOON + 33 * MINUTE)
    assert fridge.all() == [("silent", 30, 32)]


def test_a_client_that_sends_hourly_is_silent_after_three_hours(fridge: Fridge) -> None:
    for hour in range(4):
        fridge.ping(NOON + hour * 60 * MINUTE, 4000)
    assert fridge.evaluate(NOON + 6 * 60 * MINUTE - 1) == 0
    assert fridge.evaluate(NOON + 6 * 60 * MINUTE) == 1
    assert fridge.open() == [("silent", 360)]


def test_evaluating_again_changes_nothing(fridge: Fridge) -> None:
    assert [fridge.evaluate(NOON + 31 * MINUTE) for _ in range(3)] == [1, 0, 0]
    assert fridge.all() == [("silent", 30, None)]
    assert fridge.waiting() == [("silent", False)]


def test_a_fridge_that_stays_too_warm_is_an_alarm_after_ten_minutes_of_readings(fridge: Fridge) -> None:
    fridge.limit(None, 6000)
    for minute, temperature in enumerate([5900, 6100, 6500, 7000]):
        fridge.ping(NOON + 4 * minute * MINUTE, temperature)
        assert fridge.evaluate(NOON + 4 * minute * MINUTE + 1) == 0
    fridge.ping(NOON + 14 * MINUTE, 7000)
    assert fridge.evaluate(NOON + 15 * MINUTE) == 1
    assert fridge.open() == [("too warm", 14)]


def test_an_open_door_is_no_alarm(fridge: Fridge) -> None:
    fridge.limit(None, 6000)
    for minute, temperature in ((0, 5000), (5, 9000), (9, 9000), (14, 5000), (19, 9000), (24, 9000)):
        fridge.ping(NOON + minute * MINUTE, temperature)
        assert fridge.evaluate(NOON + minute * MINUTE + 1) == 0


def test_a_warm_alarm_ends_half_a_degree_below_the_limit(fridge: Fridge) -> None:
    fridge.limit(None, 6000)
    for minute, temperature in ((0, 7000), (10, 7000), (20, 5900), (25, 5501)):
        fridge.ping(NOON + minute * MINUTE, temperature)
        fridge.evaluate(NOON + minute * MINUTE + 1)
    assert fridge.all() == [("too warm", 10, None)]
    fridge.ping(NOON + 30 * MINUTE, 5500)
    fridge.evaluate(NOON + 31 * MINUTE)
    assert fridge.all() == [("too warm", 10, 30)]


def test_a_fridge_that_freezes_is_too_cold(fridge: Fridge) -> None:
    fridge.limit(1000, 6000)
    for minute in (0, 10):
        fridge.ping(NOON + minute * MINUTE, -2000)
        fridge.evaluate(NOON + minute * MINUTE + 1)
    assert fridge.open() == [("too cold", 10)]


def test_an_alarm_ends_when_its_limit_is_removed(fridge: Fridge) -> None:
    fridge.limit(None, 6000)
    for minute in (0, 10):
        fridge.ping(NOON + minute * MINUTE, 7000)
    fridge.evaluate(NOON + 11 * MINUTE)
    fridge.limit(None, None)
    fridge.evaluate(NOON + 13 * MINUTE)
    assert fridge.all() == [("too warm", 10, 13)]


def test_nobody_evaluated_for_a_while_and_the_alarm_is_found_all_the_same(fridge: Fridge) -> None:
    fridge.limit(None, 6000)
    for minute in (0, 4, 8, 12, 16):
        fridge.ping(NOON + minute * MINUTE, 5000 if minute < 4 else 7000)
    assert fridge.evaluate(NOON + 17 * MINUTE) == 1


def test_a_ping_a_day_is_enough_for_an_alarm(fridge: Fridge) -> None:
    fridge.limit(None, 6000)
    for day in range(2):
        fridge.ping(NOON + day * 24 * 60 * MINUTE, 7000)
    fridge.evaluate(NOON + 24 * 60 * MINUTE + 1)
    assert fridge.open() == [("too warm", 24 * 60)]


def test_a_keg_is_low_then_empty_then_new(fridge: Fridge) -> None:
    keg = fridge.keg(20_000, 20_000)
    steps = [(1, 17_900, []), (2, 200, [("keg low", 2)]), (3, 1800, [("keg empty", 3)])]
    for minute, millilitres, expected in steps:
        fridge.pour(NOON + minute * MINUTE - 1, millilitres)
        fridge.evaluate(NOON + minute * MINUTE)
        assert fridge.open() == expected
    with fridge.database.writing() as c:
        take_off(c, keg, NOON + 4 * MINUTE)
    fridge.keg(20_000, 20_000, NOON + 4 * MINUTE)
    fridge.evaluate(NOON + 5 * MINUTE)
    assert fridge.all() == [("keg low", 2, 3), ("keg empty", 3, 5)]
    # That the keg is not low any more because it is empty is no news.
    assert fridge.waiting() == [("keg low", False), ("keg empty", False), ("keg empty", True)]


def test_a_hidden_tap_has_no_alarm(fridge: Fridge) -> None:
    fridge.keg(20_000, 100)
    fridge.evaluate(NOON + MINUTE)
    assert fridge.open() == [("keg empty", 1)]
    with fridge.database.writing() as c:
        set_tap(c, fridge.client.key, 0, hidden=True)
    fridge.evaluate(NOON + 2 * MINUTE)
    assert fridge.open() == []


def test_a_keg_of_unknown_content_has_no_alarm(fridge: Fridge) -> None:
    fridge.keg(None, None)
    assert fridge.evaluate(NOON + MINUTE) == 0


def test_alarms_of_a_removed_client_end_without_a_notification(fridge: Fridge) -> None:
    fridge.evaluate(NOON + 31 * MINUTE)
    with fridge.database.writing() as c:
        remove_client(c, UUID, NOON + 32 * MINUTE)
    assert end_alarms_of_removed(fridge.database, [], NOON + 33 * MINUTE) == 1
    assert fridge.all() == [("silent", 30, 33)]
    assert fridge.waiting() == [("silent", False)]


def test_two_leaders_begin_an_alarm_once(fridge: Fridge) -> None:
    with fridge.database.writing() as c:
        first = begin_alarm(c, fridge.client.key, None, "silent", NOON)
        second = begin_alarm(c, fridge.client.key, None, "silent", NOON + 1)
    assert first == second
    with fridge.database.writing() as c:
        assert end_alarm(c, first.key, NOON + 2)
        assert not end_alarm(c, first.key, NOON + 3)
    assert fridge.waiting() == [("silent", False), ("silent", True)]


def test_an_alarm_does_not_end_before_it_began(fridge: Fridge) -> None:
    with fridge.database.writing() as c:
        key = begin_alarm(c, fridge.client.key, None, "silent", NOON).key
        end_alarm(c, key, NOON - 1)
    assert fridge.all() == [("silent", 0, 0)]


def test_the_same_alarm_of_two_taps_is_two_alarms(fridge: Fridge) -> None:
    with fridge.database.writing() as c:
        taps = [set_tap(c, fridge.client.key, pin).key for pin in (0, 1)]
        for tap in taps:
            begin_alarm(c, fridge.client.key, tap, "keg low", NOON)
    assert fridge.open() == [("keg low", 0), ("keg low", 0)]


def test_a_notification_stays_until_all_addresses_have_it(fridge: Fridge) -> None:
    both = frozenset({"aaaa", "bbbb"})
    fridge.evaluate(NOON + 31 * MINUTE)
    with fridge.database.writing() as c:
        set_delivered(c, waiting_notifications(c, "aaaa", 9)[0], "aaaa", both)
        assert waiting_notifications(c, "aaaa", 9) == []
        (left,) = waiting_notifications(c, "bbbb", 9)
        assert left.delivered == frozenset({"aaaa"})
        set_delivered(c, left, "bbbb", both)
    assert fridge.waiting() == []


def test_an_old_notification_is_dropped(fridge: Fridge) -> None:
    fridge.evaluate(NOON + 31 * MINUTE)
    with fridge.database.writing() as c:
        assert drop_notifications(c, NOON + 31 * MINUTE) == 0
        assert drop_notifications(c, NOON + 31 * MINUTE + 1) == 1
    assert fridge.waiting() == []


def test_thousands_of_clients_are_evaluated_in_few_queries(fridge: Fridge) -> None:
    for number in range(1200):
        fridge.add_client(f"00000000-0000-4000-8000-{number:012d}")
    assert fridge.evaluate(NOON + 31 * MINUTE) == 1201
    with fridge.database.reading() as c:
        assert len(open_alarms(c)) == 1201
        assert len(open_alarms(c, [fridge.client.key])) == 1


def test_the_watch_follows_the_changes_of_other_processes(fridge: Fridge) -> None:
    """It is silent at the start; a ping ends that, without a restart."""

    async def run() -> None:
        feed, writer = Feed(fridge.database), Writer(fridge.database)
        context = Context(
            fridge.database, writer, feed, ServeOptions(listen=""), Counters(), outage=Outage(away=False), stopping=asyncio.Event()
        )
        tasks = [asyncio.create_task(feed.run()), asyncio.create_task(watch.AlarmWatch(context).run())]
        try:
            await _until(lambda: [kind for kind, _ in fridge.open()] == ["silent"])
            client = await asyncio.to_thread(_found, fridge)
            await asyncio.to_thread(fridge.ping, time.time_ns() // 10**6, 4000, None, client)
            await _until(lambda: fridge.open() == [])
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # Added long ago: silent by the real clock.
    with fridge.database.writing() as c:
        remove_client(c, UUID, 1)
    fridge.client = fridge.add_client("7c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11", 1_700_000_000_000)
    asyncio.run(run())
    with fridge.database.reading() as c:
        assert [alarm.ended_ms is None for alarm in alarms_of(c, fridge.client.key, 0)] == [False]


def _found(fridge: Fridge) -> Client:
    with fridge.database.reading() as c:
        client = find_client(c, fridge.client.uuid)
    assert client is not None
    return client


async def _until(what: Callable[[], bool], limit_s: float = 15.0) -> None:
    end = time.monotonic() + limit_s
    while not await asyncio.to_thread(what):
        assert time.monotonic() < end
        await asyncio.sleep(0.05)
