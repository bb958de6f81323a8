"""The alarms on PostgreSQL, where two leaders can be there for a moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from kegnet.server.storage.alarms import begin_alarm, end_alarm
from kegnet.server.storage.boards import Board, accept_board, hand_out_token, remember_board, waiting_boards
from kegnet.server.storage.notifications import drop_notifications, set_delivered, waiting_notifications
from support.fridge import DAY, MINUTE, NOON, Fridge


@pytest.fixture
def fridge(new_url: Callable[[str], str]) -> Iterator[Fridge]:
    made = Fridge(new_url("postgresql"))
    yield made
    made.database.close()


def test_alarms_begin_and_end_and_are_notified(fridge: Fridge) -> None:
    fridge.limit(1000, 6000)
    for minute, temperature in ((0, 7000), (10, 7000), (20, 5000)):
        fridge.ping(NOON + minute * MINUTE, temperature)
        fridge.evaluate(NOON + minute * MINUTE + 1)
    assert fridge.all() == [("too warm", 10, 20)]
    fridge.keg(20_000, 20_000)
    fridge.pour(NOON + 21 * MINUTE, 18_500)
    fridge.evaluate(NOON + 22 * MINUTE)
    fridge.evaluate(NOON + 60 * MINUTE)
    assert fridge.open() == [("keg low", 22), ("silent", 51)]
    assert len(fridge.waiting()) == 4
    with fridge.database.writing() as c:
        for each in waiting_notifications(c, "aaaa", 9, 0):
            set_delivered(c, each, "aaaa", frozenset({"aaaa"}))
    assert fridge.waiting() == []


def test_an_old_notification_is_dropped_and_not_that_of_an_alarm_that_lasts(fridge: Fridge) -> None:
    with fridge.database.writing() as c:
        over = begin_alarm(c, fridge.client.key, None, "silent", NOON)
        end_alarm(c, over.key, NOON + MINUTE)
        begin_alarm(c, fridge.client.key, None, "too warm", NOON)
    with fridge.database.writing() as c:
        assert len(waiting_notifications(c, "aaaa", 9, NOON)) == 3
        assert [each.alarm.kind for each in waiting_notifications(c, "aaaa", 9, NOON + DAY)] == ["too warm"]
        assert drop_notifications(c, NOON + DAY) == [frozenset(), frozenset()]
    assert fridge.waiting() == [("too warm", False)]


def test_an_alarm_ends_when_its_limit_is_moved_beyond_all_its_readings(fridge: Fridge) -> None:
    fridge.limit(None, 6000)
    for minute in (0, 10):
        fridge.ping(NOON + minute * MINUTE, 7800)
        fridge.evaluate(NOON + minute * MINUTE + 1)
    fridge.limit(None, 7700)
    fridge.evaluate(NOON + 12 * MINUTE)
    assert fridge.open() == [("too warm", 10)]
    fridge.limit(None, 8000)
    fridge.evaluate(NOON + 13 * MINUTE)
    assert fridge.all() == [("too warm", 10, 13)]


def test_two_leaders_at_the_same_moment_begin_an_alarm_once(fridge: Fridge) -> None:
    both_began, one_committed = threading.Barrier(2, timeout=15), []

    def lead() -> None:
        with fridge.database.writing() as c:
            both_began.wait()
            one_committed.append(begin_alarm(c, fridge.client.key, None, "silent", NOON))

    threads = [threading.Thread(target=lead) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(15)
    assert len(one_committed) == 2
    assert one_committed[0] == one_committed[1]
    assert fridge.waiting() == [("silent", False)]


def test_a_board_is_accepted(fridge: Fridge) -> None:
    with fridge.database.writing() as c:
        remember_board(c, Board("kegboard-a1b2c3", "192.0.2.1", NOON, NOON, network="192.0.2.1"))
        assert [board.device for board in waiting_boards(c)] == ["kegboard-a1b2c3"]
        client = accept_board(c, "kegboard-a1b2c3", NOON)
        assert hand_out_token(c, client, "192.0.2.2", NOON) is None
        assert hand_out_token(c, client, "192.0.2.1", NOON)
        assert hand_out_token(c, client, "192.0.2.1", NOON) is None
