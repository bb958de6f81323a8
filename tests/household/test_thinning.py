"""Old pings become hours, and a message that was accepted is still not counted again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kegnet.server.maintenance import prepare
from kegnet.server.storage import Connection, schema
from kegnet.server.storage.readings import course, latest_readings
from kegnet.server.storage.records import Client, Course, Reading
from kegnet.server.storage.settings import set_household
from kegnet.server.storage.thinning import lower_future_time, newest_ping_ms, thin, thinned_before_ms
from support.http import Signer, post
from support.kegnet_server import KegnetServer, now_ms
from support.stored_history import DAY_MS, HOUR_MS, NOW, History
from support.wait import wait_for

START = NOW - NOW % HOUR_MS


def pings(history: History) -> list[int]:
    """The times of the pings that are left, relative to START."""
    with history.reading() as connection:
        return list(
            connection.execute(sa.select(schema.ping.c.at_ms - START).order_by(schema.ping.c.client, schema.ping.c.at_ms)).scalars()
        )


def hours(history: History) -> list[tuple[int, ...]]:
    return [(client, from_ms - START, *values) for client, from_ms, *values in history.rows(schema.hour)]


def thin_all(history: History, before_ms: int, limit: int = 1000) -> list[int]:
    numbers = []
    while number := history.call(thin, before_ms, limit):
        numbers.append(number)
    return numbers


def test_pings_of_an_hour_become_its_least_mean_and_most(history: History) -> None:
    client, other = history.client(), history.client()
    for at_ms, temp in ((0, 4000), (1, 4001), (HOUR_MS - 1, 2000), (HOUR_MS, 5000), (2 * HOUR_MS - 1, 6000), (2 * HOUR_MS, 7000)):
        history.ping(client, START + at_ms, temp)
    history.ping(other, START, -500)
    history.ping(other, START + 9 * HOUR_MS)
    assert history.call(thin, START + 2 * HOUR_MS + 5, 1000) == 6
    assert hours(history) == [
        (client.key, 0, 10_001 / 3, 2000, 4001, 3),
        (client.key, HOUR_MS, 5500, 5000, 6000, 2),
        (other.key, 0, -500, -500, -500, 1),
    ]
    assert pings(history) == [2 * HOUR_MS, 9 * HOUR_MS]
    assert history.call(thin, START + 2 * HOUR_MS + 5, 1000) == 0
    assert len(hours(history)) == 3


def test_an_hour_that_is_not_over_stays(history: History) -> None:
    client = history.client()
    for at_ms in (0, HOUR_MS):
        history.ping(client, START + at_ms)
    assert history.call(thin, START + HOUR_MS - 1, 1000) == 0
    assert history.call(thin, START + HOUR_MS, 1000) == 1
    assert pings(history) == [HOUR_MS]


def test_a_transaction_thins_about_as_many_pings_as_it_may(history: History) -> None:
    client, other = history.client(), history.client()
    for number in range(7):
        history.ping(client, START + number * 60_000, 1000 * number)
    for number in range(3):
        history.ping(other, START + number * 60_000, 1000 * number)
    for each in (client, other):
        history.ping(each, START + HOUR_MS)
    assert thin_all(history, START + HOUR_MS, 3) == [3, 3, 3, 1]
    assert hours(history) == [(client.key, 0, 3000, 0, 6000, 7), (other.key, 0, 1000, 0, 2000, 3)]


def test_more_pings_of_one_moment_than_a_transaction_may_thin_are_no_hindrance(history: History) -> None:
    client = history.client()
    for temp in (1000, 2000, 6000):
        history.ping(client, START, temp)
    history.ping(client, START + 5, 9000)
    history.ping(client, START + HOUR_MS)
    assert thin_all(history, START + HOUR_MS, 1) == [3, 1]
    assert hours(history) == [(client.key, 0, 4500, 1000, 9000, 4)]


def test_the_newest_ping_of_a_client_stays(history: History) -> None:
    client = history.client()
    for at_ms in (0, 5):
        history.ping(client, START + at_ms, 4000 + at_ms)
    assert thin_all(history, START + 99 * HOUR_MS) == [1]
    with history.reading() as connection:
        assert latest_readings(connection, [client.key]) == {client.key: Reading(START + 5, START + 305, 4005)}
    history.ping(client, START + 100 * HOUR_MS)
    assert thin_all(history, START + 99 * HOUR_MS) == [1]
    assert hours(history) == [(client.key, 0, 4002.5, 4000, 4005, 2)]


def test_pings_that_are_timed_by_their_receipt_stay(history: History) -> None:
    client = history.client()
    for ts_ms in (START + 10 * 365 * 24 * HOUR_MS, 1000):
        history.ping(client, START, ts_ms=ts_ms)
    history.ping(client, START + 1)
    history.ping(client, START + HOUR_MS)
    assert thin_all(history, START + HOUR_MS) == [1]
    assert pings(history) == [0, 0, HOUR_MS]


def test_the_time_before_which_nothing_is_stored_stays_when_the_pings_are_gone(history: History) -> None:
    assert history.call(thinned_before_ms) == 0
    history.call(thin, START + 5, 1)
    assert history.call(thinned_before_ms) == START
    history.call(thin, START - HOUR_MS, 1)
    assert history.call(thinned_before_ms) == START
    history.call(thin, START + HOUR_MS, 1)
    assert history.call(thinned_before_ms) == START + HOUR_MS


def test_a_thinning_by_a_clock_that_was_ahead_keeps_no_later_ping_away(history: History) -> None:
    client = history.client()
    history.ping(client, START)
    thin_all(history, START + 370 * 24 * HOUR_MS)
    history.ping(client, START + HOUR_MS)
    assert pings(history) == [0, HOUR_MS]


def test_a_time_in_the_future_is_lowered_and_no_other(history: History) -> None:
    history.call(thin, START, 1)
    assert not history.call(lower_future_time, START, START - HOUR_MS)
    assert history.call(thinned_before_ms) == START
    assert history.call(lower_future_time, START - 1, START - 5 * HOUR_MS + 7)
    assert history.call(thinned_before_ms) == START - 5 * HOUR_MS


def test_the_newest_ping_of_all_clients(history: History) -> None:
    assert history.call(newest_ping_ms) is None
    early, late = history.client(), history.client()
    assert history.call(newest_ping_ms) is None
    for client, at_ms in ((late, START + 5), (early, START), (late, START + 3)):
        history.ping(client, at_ms)
    assert history.call(newest_ping_ms) == START + 5


def test_a_clock_that_is_ahead_thins_out_nothing_of_today(history: History) -> None:
    client = history.client()
    for day in (40, 29, 0):
        history.ping(client, START - day * DAY_MS)
    history.call(set_household, retention_days=30)
    assert prepare(history.database, START + 400 * DAY_MS) == START - 30 * DAY_MS
    assert prepare(history.database, START + 5) == START - 30 * DAY_MS
    assert prepare(history.database, START - DAY_MS) == START - 31 * DAY_MS


def test_without_a_retention_or_a_ping_nothing_is_thinned_out(history: History) -> None:
    history.call(set_household, retention_days=30)
    assert prepare(history.database, START) is None
    history.call(set_household, retention_days=None)
    history.ping(history.client(), START)
    assert prepare(history.database, START) is None


def test_a_server_whose_clock_was_ahead_stores_temperatures_again_and_logs_that(tmp_path: Path, key: Path) -> None:
    before = History(f"sqlite:///{tmp_path / 'kegnet.sqlite'}")
    before.call(set_household, retention_days=30)
    before.call(thin, now_ms() + 370 * DAY_MS, 1)
    before.close()
    with KegnetServer(tmp_path) as server:
        signer = Signer(key).register(server)
        assert post(server, "/rest/v2/ping", signer.ping(temp=5000)).status == 200
        wait_for(lambda: len(server.messages_of("ping", signer.client_id)) == 1)
        wait_for(lambda: "by a clock that was ahead" in server.log())

        def lowered() -> bool:
            with server.database.reading() as connection:
                return thinned_before_ms(connection) <= now_ms() - 30 * DAY_MS

        wait_for(lowered)


def test_a_replay_of_a_thinned_ping_does_not_count_again(history: History) -> None:
    client = history.client()
    old, new = (history.verified_ping(client, START + at_ms, 4000) for at_ms in (0, HOUR_MS))
    history.insert([old, new])
    thin_all(history, START + HOUR_MS)
    history.insert([replace(each, received_ms=START + 2 * HOUR_MS) for each in (old, new)])
    assert pings(history) == [HOUR_MS]
    assert thin_all(history, START + HOUR_MS) == []
    assert hours(history) == [(client.key, 0, 4000, 4000, 4000, 1)]


def test_a_ping_that_was_stored_late_joins_its_hour(history: History) -> None:
    client = history.client()
    for at_ms, temp in ((0, 4000), (1, 6000), (HOUR_MS, 0)):
        history.ping(client, START + at_ms, temp)
    thin_all(history, START + HOUR_MS)
    # As another server's transaction does that began before.
    row = {"client": client.key, "ts_ms": START + 2, "digest": bytes(32), "ts_seconds": False, "temp": 2000}
    history.call(Connection.execute, sa.insert(schema.ping).values(at_ms=START + 2, received_ms=START, **row))
    thin_all(history, START + HOUR_MS)
    assert hours(history) == [(client.key, 0, 4000, 2000, 6000, 3)]


def test_a_thinning_waits_for_a_server_that_is_about_to_store_pings(new_history: Callable[[str], History]) -> None:
    history = new_history("postgresql")
    history.call(thin, START, 1)
    with history.database.writing() as storing:
        assert thinned_before_ms(storing) == START
        thread = threading.Thread(target=history.call, args=(thin, START + HOUR_MS, 1))
        thread.start()
        wait_for(history.waits_for_a_lock)
        assert thinned_before_ms(storing) == START
    thread.join()
    assert history.call(thinned_before_ms) == START + HOUR_MS


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 3 * HOUR_MS), st.integers(-55_000, 125_000)), min_size=1, max_size=30), st.integers(1, 12))
def test_a_course_by_hours_is_the_same_after_thinning(history: History, readings: list[tuple[int, int]], limit: int) -> None:
    client: Client = history.client()
    history.insert([history.verified_ping(client, START + 50 * HOUR_MS + at_ms, temp) for at_ms, temp in readings])

    def by_hours() -> list[Course]:
        with history.reading() as connection:
            return course(connection, client.key, START, START + 99 * HOUR_MS, HOUR_MS)

    before = by_hours()
    # A clock of its own each time: what is older than a thinned hour is not stored.
    row = sa.delete(schema.setting).where(schema.setting.c.name == "thinned_before_ms")
    thin_all(history, START + 55 * HOUR_MS, limit)
    history.call(Connection.execute, row)
    after = by_hours()
    assert [(each.at_ms, each.least, each.most) for each in after] == [(each.at_ms, each.least, each.most) for each in before]
    assert all(abs(one.mean - other.mean) < 1e-6 for one, other in zip(before, after, strict=True))
