"""The watch over the clients, with a real database: what is stored, once, whoever evaluates and however often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from kegnet.server import watch
from kegnet.server.alarm_rounds import end_alarms_of_removed
from kegnet.server.context import Context
from kegnet.server.counters import Counters
from kegnet.server.options import ServeOptions
from kegnet.server.outage import Outage
from kegnet.server.storage import Connection, Database, schema
from kegnet.server.storage.alarms import alarms_of, begin_alarm, end_alarm, open_alarms
from kegnet.server.storage.boards import accept_board, board_uuid, set_board_heard
from kegnet.server.storage.clients import find_client, remove_client, restore_client, set_client, set_limits
from kegnet.server.storage.feed import Change, Feed
from kegnet.server.storage.kegs import take_off
from kegnet.server.storage.notifications import drop_notifications, set_delivered, waiting_notifications
from kegnet.server.storage.receiving import receiving_since_ms, set_receiving
from kegnet.server.storage.records import Client
from kegnet.server.storage.taps import set_tap
from kegnet.server.storage.writer import Writer
from support.fridge import DAY, MINUTE, NOON, UUID, Fridge


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


def test_a_client_that_is_heard_while_it_is_evaluated_is_not_silent(fridge: Fridge) -> None:
    now_ms = NOON + 31 * MINUTE
    heard = {
        "client": fridge.client.key,
        "ts_ms": now_ms,
        "digest": b"x" * 32,
        "ts_seconds": False,
        "temp": 4000,
        "at_ms": now_ms,
        "received_ms": now_ms,
    }
    with ThreadPoolExecutor(1) as threads:
        with fridge.database.writing() as c:
            turns = threads.submit(fridge.evaluate, now_ms)
            time.sleep(0.5)  # It has read, and waits for the end of this transaction.
            c.execute(sa.insert(schema.ping).values(heard))
        turns.result()
    assert (fridge.open(), fridge.waiting()) == ([], [])


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


def test_an_alarm_ends_when_its_limit_is_moved_beyond_all_its_readings(fridge: Fridge) -> None:
    fridge.limit(None, 6000)
    for minute in (0, 10):
        fridge.ping(NOON + minute * MINUTE, 7800)
    fridge.evaluate(NOON + 11 * MINUTE)
    fridge.limit(None, 8000)
    fridge.evaluate(NOON + 13 * MINUTE)
    assert fridge.all() == [("too warm", 10, 13)]


def test_an_alarm_goes_on_when_its_limit_is_moved_and_a_reading_was_beyond_the_new_one(fridge: Fridge) -> None:
    fridge.limit(4000, 20_000)
    for minute, millicelsius in ((0, 1000), (10, 1000), (11, 2100)):
        fridge.ping(NOON + minute * MINUTE, millicelsius)
        fridge.evaluate(NOON + minute * MINUTE + 1)
    fridge.limit(2000, 20_000)
    fridge.evaluate(NOON + 13 * MINUTE)
    assert fridge.all() == [("too cold", 10, None)]
    fridge.limit(500, 20_000)
    fridge.evaluate(NOON + 14 * MINUTE)
    assert fridge.all() == [("too cold", 10, 11)]


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
        set_delivered(c, waiting_notifications(c, "aaaa", 9, 0)[0], "aaaa", both)
        assert waiting_notifications(c, "aaaa", 9, 0) == []
        (left,) = waiting_notifications(c, "bbbb", 9, 0)
        assert left.delivered == frozenset({"aaaa"})
        set_delivered(c, left, "bbbb", both)
    assert fridge.waiting() == []


def test_an_old_notification_is_dropped(fridge: Fridge) -> None:
    fridge.evaluate(NOON + 31 * MINUTE)
    with fridge.database.writing() as c:
        (begun,) = waiting_notifications(c, "aaaa", 9, 0)
        end_alarm(c, begun.alarm.key, NOON + 40 * MINUTE)
        assert drop_notifications(c, NOON + 31 * MINUTE) == []
        assert [each.ending for each in waiting_notifications(c, "aaaa", 9, NOON + 31 * MINUTE)] == [False, True]
        assert [each.ending for each in waiting_notifications(c, "aaaa", 9, NOON + 31 * MINUTE + 1)] == [True]
        assert drop_notifications(c, NOON + 31 * MINUTE + 1) == [frozenset()]
    assert fridge.waiting() == [("silent", True)]


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
        tasks = [asyncio.create_task(feed.run()), asyncio.create_task(watch.AlarmWatch(context, {}).run())]
        try:
            await _until(lambda: [kind for kind, _ in fridge.open()] == ["silent"])
            client = await asyncio.to_thread(_found, fridge)
            await asyncio.to_thread(fridge.ping, time.time_ns() // 10**6, 4000, None, client)
            await _until(lambda: fridge.open() == [], limit_s=90)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # Added long ago: silent by the real clock.
    with fridge.database.writing() as c:
        remove_client(c, UUID, 1)
        set_receiving(c, 0, time.time_ns() // 10**6)
    fridge.client = fridge.add_client("7c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11", 1_700_000_000_000)
    asyncio.run(run())
    with fridge.database.reading() as c:
        assert [alarm.ended_ms is None for alarm in alarms_of(c, fridge.client.key, 0)] == [False]


# Whom the watch evaluates.


OTHER = "8d1f7d3f-7b2c-4e9f-9b46-6c1e3f6a3d22"
DOOR = "9e2a8e4a-8c3d-4f0a-8c57-7d2f4a7b4e33"


def warm(fridge: Fridge, *clients: Client) -> None:
    """These clients are too warm for ten minutes."""
    for client in clients:
        with fridge.database.writing() as c:
            set_limits(c, client.key, None, 6000)
        for minute in (0, 10):
            fridge.ping(NOON + minute * MINUTE, 7000 + client.key, client=client)


def changed(*uuids: str, kinds: str = "ping") -> Change:
    return Change(frozenset(uuids), frozenset(kinds.split()))


def alarms(fridge: Fridge) -> set[tuple[int, str]]:
    with fridge.database.reading() as c:
        return {(alarm.client, alarm.kind) for alarm in open_alarms(c)}


@pytest.fixture
def other(fridge: Fridge) -> Client:
    return fridge.add_client(OTHER)


class Rounds:
    """Those of a server that receives all the time."""

    def __init__(self, database: Database, receivers: Mapping[str, str]) -> None:
        self._database = database
        self._rounds = watch.Rounds(database, receivers)

    def evaluate(self, change: Change | None, now_ms: int, monotonic: float) -> float:
        with self._database.writing() as c:
            set_receiving(c, 0, now_ms)
        return self._rounds.evaluate(change, now_ms, monotonic)


@pytest.fixture
def rounds(fridge: Fridge, other: Client) -> Rounds:
    """It has evaluated all clients at noon, when nothing was wrong."""
    made = Rounds(fridge.database, {})
    assert made.evaluate(None, NOON, 100.0) >= 0
    assert alarms(fridge) == set()
    return made


def test_a_change_evaluates_the_clients_that_it_names_and_no_other(fridge: Fridge, other: Client, rounds: Rounds) -> None:
    warm(fridge, fridge.client, other)
    rounds.evaluate(changed(UUID, kinds="client"), NOON + 11 * MINUTE, 101.0)
    assert alarms(fridge) == {(fridge.client.key, "too warm")}
    rounds.evaluate(changed(UUID, OTHER), NOON + 11 * MINUTE, 102.0)
    assert alarms(fridge) == {(fridge.client.key, "too warm"), (other.key, "too warm")}


def test_a_change_that_names_nobody_evaluates_all(fridge: Fridge, other: Client, rounds: Rounds) -> None:
    warm(fridge, fridge.client, other)
    rounds.evaluate(changed(), NOON + 11 * MINUTE, 101.0)
    assert alarms(fridge) == {(fridge.client.key, "too warm"), (other.key, "too warm")}


@pytest.mark.parametrize("change", [None, changed(UUID, kinds="alarm"), changed(kinds="board")])
def test_without_a_change_of_theirs_clients_are_evaluated_every_ten_minutes(change: Change | None, fridge: Fridge, rounds: Rounds) -> None:
    warm(fridge, fridge.client)
    rounds.evaluate(change, NOON + 11 * MINUTE, 699.9)
    assert alarms(fridge) == set()
    rounds.evaluate(change, NOON + 11 * MINUTE, 700.0)
    assert alarms(fridge) == {(fridge.client.key, "too warm")}
    rounds.evaluate(change, NOON + 12 * MINUTE, 1299.9)


@pytest.mark.parametrize("kinds", ["pour", "ping tap", "client", "setting"])
def test_a_ping_costs_no_look_at_the_kegs_and_other_changes_do(kinds: str, fridge: Fridge, rounds: Rounds) -> None:
    fridge.keg(20_000, 100)
    rounds.evaluate(changed(UUID), NOON + MINUTE, 101.0)
    assert alarms(fridge) == set()
    rounds.evaluate(changed(UUID, kinds=kinds), NOON + MINUTE, 102.0)
    assert alarms(fridge) == {(fridge.client.key, "keg empty")}


def test_silence_is_noticed_without_a_change_and_only_where_it_is(fridge: Fridge, other: Client, rounds: Rounds) -> None:
    fridge.ping(NOON + 20 * MINUTE, 4000, client=other)
    rounds.evaluate(changed(OTHER), NOON + 20 * MINUTE, 101.0)
    rounds.evaluate(None, NOON + 30 * MINUTE - 1, 102.0)
    assert alarms(fridge) == set()
    rounds.evaluate(None, NOON + 30 * MINUTE, 103.0)
    assert alarms(fridge) == {(fridge.client.key, "silent")}
    rounds.evaluate(None, NOON + 50 * MINUTE, 104.0)
    assert alarms(fridge) == {(fridge.client.key, "silent"), (other.key, "silent")}


def test_a_removed_client_has_no_alarm_any_more(fridge: Fridge, other: Client, rounds: Rounds) -> None:
    rounds.evaluate(None, NOON + 31 * MINUTE, 101.0)
    assert len(alarms(fridge)) == 2
    with fridge.database.writing() as c:
        remove_client(c, UUID, NOON + 32 * MINUTE)
    rounds.evaluate(changed(UUID, kinds="client"), NOON + 33 * MINUTE, 102.0)
    assert alarms(fridge) == {(other.key, "silent")}


def test_a_client_that_was_added_is_watched(fridge: Fridge, rounds: Rounds) -> None:
    added = fridge.add_client(DOOR, NOON + MINUTE)
    rounds.evaluate(changed(DOOR, kinds="client"), NOON + MINUTE, 101.0)
    rounds.evaluate(None, NOON + 31 * MINUTE, 102.0)
    assert (added.key, "silent") in alarms(fridge)


BOARD = "kegboard-a1b2c3"


@pytest.mark.parametrize(
    "register",
    [
        lambda c, now_ms: set_client(c, board_uuid(BOARD).upper(), now_ms=now_ms),
        lambda c, now_ms: set_client(c, board_uuid(BOARD), now_ms=now_ms, public_key="new", name="Bar"),
        lambda c, now_ms: restore_client(c, board_uuid(BOARD).upper(), now_ms),
        lambda c, now_ms: accept_board(c, BOARD, now_ms),
    ],
)
def test_a_client_that_is_registered_again_is_silent_half_an_hour_later(
    register: Callable[[Connection, int], object], fridge: Fridge
) -> None:
    again_ms = NOON + 60 * DAY
    with fridge.database.writing() as c:
        remove_client(c, UUID, NOON)
        fridge.client = set_client(c, board_uuid(BOARD), now_ms=NOON - DAY, name="Garage", kind="kegboard")
    fridge.ping(NOON, 4000)
    with fridge.database.writing() as c:
        remove_client(c, fridge.client.uuid, NOON + MINUTE)
    with fridge.database.writing() as c:
        register(c, again_ms)
        assert find_client(c, fridge.client.uuid).added_ms == NOON - DAY  # type: ignore[union-attr]
    assert fridge.evaluate(again_ms + 30 * MINUTE - 1) == 0
    assert fridge.evaluate(again_ms + 30 * MINUTE) == 1
    assert fridge.open() == [("silent", 60 * 24 * 60 + 30)]


def test_a_silent_client_that_is_changed_stays_silent(fridge: Fridge) -> None:
    fridge.evaluate(NOON + 31 * MINUTE)
    with fridge.database.writing() as c:
        set_client(c, UUID, now_ms=NOON + 40 * MINUTE, public_key="new", name="Bar")
        assert not restore_client(c, UUID, NOON + 40 * MINUTE)
    assert fridge.evaluate(NOON + 41 * MINUTE) == 0
    assert fridge.all() == [("silent", 30, None)]


def test_a_silence_ends_when_the_client_is_removed_and_registered_again_at_once(fridge: Fridge) -> None:
    fridge.evaluate(NOON + 31 * MINUTE)
    with fridge.database.writing() as c:
        remove_client(c, UUID, NOON + 40 * MINUTE)
        restore_client(c, UUID, NOON + 41 * MINUTE)
    fridge.evaluate(NOON + 42 * MINUTE)
    assert fridge.all() == [("silent", 30, 41)]


RECEIVERS = {"aaaa": "ntfy://…", "bbbb": "json://host.example"}
NOT_SENT = "notifications that could not be sent for an hour are dropped"


@pytest.mark.parametrize(
    ("receivers", "lines"),
    [(RECEIVERS, [f"notify: ntfy://…: {NOT_SENT}: 1", f"notify: json://host.example: {NOT_SENT}: 2"]), ({}, [])],
)
def test_what_could_not_be_sent_for_an_hour_is_dropped_and_logged_for_each_receiver(
    receivers: Mapping[str, str], lines: list[str], fridge: Fridge, caplog: pytest.LogCaptureFixture
) -> None:
    rounds = Rounds(fridge.database, receivers)
    rounds.evaluate(None, NOON + 31 * MINUTE, 0.0)
    for minute in range(40, 110, 10):
        fridge.ping(NOON + minute * MINUTE, 4000)
    rounds.evaluate(None, NOON + 41 * MINUTE, 1000.0)
    with fridge.database.writing() as c:
        set_delivered(c, waiting_notifications(c, "aaaa", 9, 0)[0], "aaaa", frozenset(RECEIVERS))
    rounds.evaluate(None, NOON + 91 * MINUTE, 2000.0)
    assert fridge.waiting() == [("silent", False), ("silent", True)]
    rounds.evaluate(None, NOON + 101 * MINUTE + 1, 3000.0)
    assert (fridge.waiting(), caplog.messages) == ([], lines)


def test_the_beginning_of_an_alarm_is_kept_as_long_as_it_lasts(fridge: Fridge, caplog: pytest.LogCaptureFixture) -> None:
    rounds = Rounds(fridge.database, RECEIVERS)
    rounds.evaluate(None, NOON + 31 * MINUTE, 0.0)
    rounds.evaluate(None, NOON + DAY, 1000.0)
    assert (fridge.waiting(), caplog.messages) == ([("silent", False)], [])
    fridge.ping(NOON + DAY + MINUTE, 4000)
    rounds.evaluate(None, NOON + DAY + 2 * MINUTE, 2000.0)
    assert fridge.waiting() == [("silent", True)]
    assert caplog.messages == [f"notify: {shown}: {NOT_SENT}: 1" for shown in RECEIVERS.values()]


def test_the_pause_after_an_evaluation_grows_with_its_cost() -> None:
    assert [watch.pause_s(cpu_s) for cpu_s in (0.0, 0.1, 0.2, 1.5, 100.0)] == [2.0, 2.0, 4.0, 30.0, 30.0]


def test_a_board_that_reports_its_status_is_not_silent_and_others_are(fridge: Fridge) -> None:
    with fridge.database.writing() as c:
        board = set_client(c, OTHER, now_ms=NOON, name="Board", kind="kegboard")
        set_board_heard(c, board, NOON + 20 * MINUTE)
    fridge.evaluate(NOON + 31 * MINUTE)
    assert alarms(fridge) == {(fridge.client.key, "silent")}
    fridge.evaluate(NOON + 50 * MINUTE)
    assert alarms(fridge) == {(fridge.client.key, "silent"), (board.key, "silent")}


def test_a_board_without_a_thermometer_is_silent_half_an_hour_after_its_last_status(fridge: Fridge) -> None:
    with fridge.database.writing() as c:
        fridge.client = set_client(c, OTHER, now_ms=NOON - 30 * DAY, name="Board", kind="kegboard")
        remove_client(c, UUID, NOON)
        set_board_heard(c, fridge.client, NOON)
    for number in range(8):
        fridge.pour(NOON - number * 2 * DAY, 300)
    fridge.evaluate(NOON + 30 * MINUTE - 1)
    assert fridge.open() == []
    fridge.evaluate(NOON + 30 * MINUTE)
    assert fridge.open() == [("silent", 30)]


def test_many_pours_after_an_hourly_ping_make_no_silence(fridge: Fridge) -> None:
    for hour in range(8):
        fridge.ping(NOON - hour * 60 * MINUTE, 4000)
    for number in range(1, 9):
        fridge.pour(NOON + number * MINUTE, 300)
    fridge.evaluate(NOON + 188 * MINUTE - 1)
    assert fridge.open() == []
    fridge.evaluate(NOON + 188 * MINUTE)
    assert fridge.open() == [("silent", 188)]


# A server's clock was ahead.


def test_messages_that_were_received_while_the_clock_was_ahead_hide_no_silence(fridge: Fridge) -> None:
    fridge.ping(NOON + 10 * MINUTE, 4000)
    for number in range(10):
        fridge.ping(NOON + DAY + number * MINUTE, 4000)
        fridge.pour(NOON + DAY + number * MINUTE, 300)
    fridge.evaluate(NOON + 40 * MINUTE - 1)
    assert fridge.open() == []
    fridge.evaluate(NOON + 40 * MINUTE)
    assert fridge.open() == [("silent", 40)]
    fridge.ping(NOON + 50 * MINUTE, 4000)
    fridge.evaluate(NOON + 51 * MINUTE)
    assert fridge.all() == [("silent", 40, 50)]


def test_a_sign_of_life_while_the_clock_was_ahead_hides_no_silence(fridge: Fridge) -> None:
    with fridge.database.writing() as c:
        remove_client(c, UUID, NOON)
        fridge.client = set_client(c, OTHER, now_ms=NOON - 30 * DAY, name="Board", kind="kegboard")
    for number in range(8):
        fridge.pour(NOON - number * 2 * DAY, 300)
    with fridge.database.writing() as c:
        set_board_heard(c, fridge.client, NOON + DAY)
    fridge.evaluate(NOON + 30 * MINUTE - 1)
    assert fridge.open() == []
    fridge.evaluate(NOON + 30 * MINUTE)
    assert fridge.open() == [("silent", 30)]


@pytest.mark.parametrize("again", [False, True])
def test_a_client_that_was_registered_while_the_clock_was_ahead_is_silent_half_an_hour_after_it_is_right(
    again: bool, fridge: Fridge
) -> None:
    with fridge.database.writing() as c:
        remove_client(c, UUID, NOON)
    fridge.client = fridge.add_client(OTHER, NOON - DAY if again else NOON + DAY)
    if again:
        with fridge.database.writing() as c:
            remove_client(c, OTHER, NOON + DAY)
            restore_client(c, OTHER, NOON + DAY)
    rounds = watch.Rounds(fridge.database, {})
    rounds.evaluate(None, NOON + DAY, 0.0)
    for minute in range(30):
        rounds.evaluate(None, NOON + minute * MINUTE, 60.0 * minute)
    assert fridge.open() == []
    rounds.evaluate(None, NOON + 30 * MINUTE, 1800.0)
    assert fridge.open() == [("silent", 30)]


def test_nobody_is_silent_before_the_clock_is_set(fridge: Fridge, rounds: Rounds) -> None:
    """The server receives nothing until then."""
    for minute in range(0, 90, 5):
        rounds.evaluate(None, 1_000_000_000_000 + minute * MINUTE, 1000.0 + 60 * minute)
        assert fridge.open() == []
    rounds.evaluate(None, NOON + 31 * MINUTE, 7000.0)
    assert fridge.open() == [("silent", 30), ("silent", 30)]


def test_clocks_of_servers_that_differ_by_minutes_make_no_silence(fridge: Fridge) -> None:
    fridge.ping(NOON + 50 * MINUTE, 4000)
    fridge.add_client(OTHER, NOON + 50 * MINUTE)
    assert fridge.evaluate(NOON + 31 * MINUTE) == 0


# Silence counts only while servers receive.


def test_a_client_that_could_reach_no_server_is_not_silent_until_one_has_received_for_half_an_hour(fridge: Fridge) -> None:
    rounds = watch.Rounds(fridge.database, {})
    for minute in range(0, 29, 4):
        rounds.evaluate(None, NOON + minute * MINUTE, 0.0)
    after = watch.Rounds(fridge.database, {})
    for minute in range(75, 105, 5):
        after.evaluate(None, NOON + minute * MINUTE, 0.0)
        assert fridge.open() == []
    after.evaluate(None, NOON + 105 * MINUTE, 0.0)
    assert fridge.open() == [("silent", 105)]


def test_a_silence_that_began_before_the_server_was_off_goes_on(fridge: Fridge, rounds: Rounds) -> None:
    rounds.evaluate(None, NOON + 31 * MINUTE, 1000.0)
    watch.Rounds(fridge.database, {}).evaluate(None, NOON + 90 * MINUTE, 0.0)
    assert fridge.all() == [("silent", 30, None)]


def test_a_failover_counts_the_silence_before_it(fridge: Fridge) -> None:
    for minute in range(0, 30, 4):
        watch.Rounds(fridge.database, {}).evaluate(None, NOON + minute * MINUTE, 0.0)
    watch.Rounds(fridge.database, {}).evaluate(None, NOON + 30 * MINUTE, 0.0)
    assert fridge.open() == [("silent", 30)]


def test_servers_receive_without_a_break_until_none_says_so_for_ten_minutes(fridge: Fridge) -> None:
    steps = [(0, 0), (4, 0), (5, 0), (15, 0), (25, 0), (36, 36), (40, 36), (500_000, 500_000), (41, 41), (44, 41)]
    for minute, since in steps:
        assert receiving_since_ms(fridge.database, NOON + minute * MINUTE) == NOON + since * MINUTE, minute


def test_a_reading_exactly_at_the_limit_is_not_beyond_it(fridge: Fridge) -> None:
    fridge.limit(3000, 6000)
    for minute, temperature in ((0, 7000), (5, 6000), (10, 7000), (20, 2000), (25, 3000), (30, 2000)):
        fridge.ping(NOON + minute * MINUTE, temperature)
        fridge.evaluate(NOON + minute * MINUTE + 1)
    assert fridge.all() == []


def test_a_notification_names_the_client_and_the_tap_and_when_it_was_made(fridge: Fridge) -> None:
    fridge.keg(20_000, 100)
    fridge.evaluate(NOON + 31 * MINUTE)
    with fridge.database.reading() as c:
        found = {each.alarm.kind: each for each in waiting_notifications(c, "aaaa", 9, 0)}
    assert {kind: (each.client_name, each.tap_name, each.ending) for kind, each in found.items()} == {
        "silent": ("Garage", None, False),
        "keg empty": ("Garage", "tap 0", False),
    }
    assert {each.made_ms for each in found.values()} == {NOON + 31 * MINUTE}


def test_an_address_has_the_end_of_one_alarm_and_not_that_of_another(fridge: Fridge, other: Client) -> None:
    both = frozenset({"aaaa", "bbbb"})
    fridge.evaluate(NOON + 31 * MINUTE)
    with fridge.database.writing() as c:
        first, second = waiting_notifications(c, "aaaa", 9, 0)
        end_alarm(c, first.alarm.key, NOON + 40 * MINUTE)
        set_delivered(c, first, "aaaa", both)
        assert [(each.alarm.key, each.ending) for each in waiting_notifications(c, "aaaa", 9, 0)] == [
            (second.alarm.key, False),
            (first.alarm.key, True),
        ]


def _found(fridge: Fridge) -> Client:
    with fridge.database.reading() as c:
        client = find_client(c, fridge.client.uuid)
    assert client is not None
    return client


async def _until(what: Callable[[], bool], limit_s: float = 30.0) -> None:
    end = time.monotonic() + limit_s
    while not await asyncio.to_thread(what):
        assert time.monotonic() < end
        await asyncio.sleep(0.05)
