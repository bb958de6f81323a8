"""Beers, kegs, pours and temperatures: the same answers from SQLite and from PostgreSQL."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace

import pytest
import sqlalchemy as sa
from kegnet.server.model.alarms import Heard
from kegnet.server.model.pours import CorrectionKind
from kegnet.server.overview import overview, state_of_tap
from kegnet.server.storage import Connection, StorageError, schema
from kegnet.server.storage.alarms import begin_alarm
from kegnet.server.storage.beers import beers, find_beer, remove_beer, set_beer
from kegnet.server.storage.boards import Board, accept_board, hand_out_token, remember_board, token_hash
from kegnet.server.storage.clients import clients, find_client, set_client
from kegnet.server.storage.first_keg import put_first_keg_on, remember_first_keg
from kegnet.server.storage.kegs import change_keg, find_keg, kegs_of, kegs_on, put_back, put_on, set_level, take_off, undo_keg
from kegnet.server.storage.pours import correct, corrections_of, find_pour, last_pours, poured_ml, pours_of, stream_pours, undo_correction
from kegnet.server.storage.readings import course, heard, latest_readings, samples, stream_readings
from kegnet.server.storage.records import Beer, Client, Course, Keg, Pour, Reading, Tap
from kegnet.server.storage.settings import set_household, set_setting
from kegnet.server.storage.taps import find_tap, set_meter, taps_of
from kegnet.server.web.fridges import fridges_of
from support.stored_history import DAY_MS, HOUR_MS, NOW, History
from support.wait import wait_for

DELETE, MOVE, SPILL, VOLUME = CorrectionKind.DELETE, CorrectionKind.MOVE, CorrectionKind.SPILL, CorrectionKind.VOLUME
FOREVER = 2**62
ID = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"


def keg(history: History, tap: Tap, on_ms: int, beer: int | None = None, start_ml: int | None = 19_000) -> Keg:
    with history.database.writing() as connection:
        return put_on(connection, tap.key, beer=beer, on_ms=on_ms, volume_ml=19_000, start_ml=start_ml)


def out(history: History, tap: Tap, since_ms: int = 0, until_ms: int = FOREVER) -> tuple[float, float]:
    with history.reading() as connection:
        return poured_ml(connection, [(tap.key, since_ms, until_ms)])[0]


def listed(history: History, taps: list[Tap], limit: int = 99, **where: int) -> list[int]:
    with history.reading() as connection:
        return [pour.key for pour in pours_of(connection, [tap.key for tap in taps], limit=limit, **where)]


def last(history: History, tap: Tap, limit: int = 99) -> list[int]:
    with history.reading() as connection:
        return [pour.key for pour in last_pours(connection, [tap.key], limit)[tap.key]]


@contextmanager
def counted_queries(history: History) -> Iterator[tuple[Connection, list[str]]]:
    asked: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    sa.event.listen(sa.engine.Engine, "before_cursor_execute", count)
    with history.reading() as connection:
        yield connection, asked
    sa.event.remove(sa.engine.Engine, "before_cursor_execute", count)


# Clients.


def test_a_client_that_is_added_twice_at_once_is_one_client(history: History) -> None:
    def add(name: str) -> object:
        return history.call(set_client, ID, now_ms=NOW, public_key="x", name=name)

    with first_then(history, lambda: add("Second")) as connection:
        first = set_client(connection, ID.upper(), now_ms=NOW, public_key="x", name="First")
    with history.reading() as connection:
        assert clients(connection) == [replace(first, name="Second")]


# Taps.


def test_a_new_tap_has_a_name_and_the_usual_k_factor(history: History) -> None:
    client = history.client()
    assert history.tap(client, 4) == Tap(1, client.key, 4, "tap 4", False, 5600)


def test_what_is_given_of_a_tap_is_changed_and_no_more(history: History) -> None:
    client = history.client()
    made = history.tap(client, 4, name="IPA", hidden=True)
    assert (made.name, made.hidden) == ("IPA", True)
    assert history.tap(client, 4, hidden=False) == Tap(made.key, client.key, 4, "IPA", False, 5600)
    assert history.tap(client, 4, name="Stout") == history.tap(client, 4) == Tap(made.key, client.key, 4, "Stout", False, 5600)


def test_taps_are_listed_by_client_and_pin(history: History) -> None:
    first, second, third = history.client("a"), history.client("b"), history.client("c")
    for client, pin in ((second, 1), (second, 0), (first, 3), (third, 0)):
        history.tap(client, pin)
    with history.reading() as connection:
        assert [(tap.client, tap.pin) for tap in taps_of(connection, [second.key, first.key])] == [
            (first.key, 3),
            (second.key, 0),
            (second.key, 1),
        ]
        assert taps_of(connection, []) == []
        assert find_tap(connection, first.key, 0) is None
        assert find_tap(connection, first.key, 3) is not None


def test_a_tap_shows_its_last_k_factor(history: History) -> None:
    client = history.client()
    tap = history.tap(client)
    for from_ms, pulses in ((NOW, 5000), (0, 4000), (NOW, 6000)):
        history.call(set_meter, tap.key, from_ms, pulses)
    assert history.tap(client).pulses_per_litre == 6000


@pytest.mark.parametrize("pulses", [-1, 0, 1_000_001])
def test_a_k_factor_that_cannot_be_is_refused(history: History, pulses: int) -> None:
    tap = history.tap(history.client())
    with pytest.raises(StorageError) as refused:
        history.call(set_meter, tap.key, 0, pulses)
    assert refused.value.problem == f"{pulses} pulses per litre cannot be"
    for possible in (1, 1_000_000):
        history.call(set_meter, tap.key, 0, possible)


# Beers.


def test_the_library_has_its_beers_by_name(history: History) -> None:
    stout = history.call(set_beer, None, name="Stout", brewery="Lake", style="dry", abv_percent=4.2, ibu=40.0, srm=38.5, notes="Nitro")
    ale = history.call(set_beer, None, name="Ale")
    assert stout == Beer(stout.key, "Stout", "Lake", "dry", 4.2, 40.0, 38.5, "Nitro")
    assert ale == Beer(ale.key, "Ale", "", "", None, None, None, "")
    with history.reading() as connection:
        assert beers(connection) == [ale, stout]
        assert find_beer(connection, ale.key) == ale
        assert find_beer(connection, 99) is None


def test_a_beer_is_changed_and_removed(history: History) -> None:
    ale = history.call(set_beer, None, name="Ale", style="mild")
    history.call(set_beer, None, name="Stout")
    changed = history.call(set_beer, ale.key, name="Old Ale")
    assert (changed.name, changed.style) == ("Old Ale", "mild")
    assert history.call(set_beer, ale.key) == changed
    assert history.call(set_beer, 99, name="x") is None
    assert [history.call(remove_beer, ale.key, NOW) for _ in range(2)] == [True, False]
    with history.reading() as connection:
        assert [beer.name for beer in beers(connection)] == ["Stout"]
        assert find_beer(connection, ale.key) is None


# Kegs.


def test_a_new_keg_takes_the_one_before_off(history: History) -> None:
    tap = history.tap(history.client())
    ale = history.call(set_beer, None, name="Ale")
    first = keg(history, tap, NOW - 9 * DAY_MS, ale.key)
    second = history.call(put_on, tap.key, beer=None, on_ms=NOW - 2 * DAY_MS, volume_ml=None, start_ml=None)
    assert first == Keg(first.key, tap.key, ale, NOW - 9 * DAY_MS, None, 19_000, 19_000)
    assert second == Keg(second.key, tap.key, None, NOW - 2 * DAY_MS, None, None, None)
    with history.reading() as connection:
        assert kegs_on(connection, [tap.key]) == {tap.key: second}
        assert kegs_of(connection, tap.key, 9) == [second, Keg(first.key, tap.key, ale, NOW - 9 * DAY_MS, NOW - 2 * DAY_MS, 19_000, 19_000)]
        assert kegs_of(connection, tap.key, 1) == [second]
        assert find_keg(connection, second.key) == second


def test_a_tap_can_be_without_a_keg(history: History) -> None:
    client = history.client()
    first, second = history.tap(client, 0), history.tap(client, 1)
    made = keg(history, first, NOW - DAY_MS)
    other = keg(history, second, NOW - DAY_MS)
    history.call(take_off, made.key, NOW)
    history.call(take_off, made.key, NOW + 5)
    history.call(take_off, 99, NOW)
    with history.reading() as connection:
        assert kegs_on(connection, [first.key, second.key]) == {second.key: other}
        assert [(each.key, each.off_ms) for each in kegs_of(connection, first.key, 9)] == [(made.key, NOW)]


def test_a_keg_that_was_undone_gives_the_tap_back_to_the_one_before(history: History) -> None:
    tap = history.tap(history.client())
    first, second = keg(history, tap, NOW - 9 * DAY_MS), keg(history, tap, NOW - DAY_MS)
    history.call(undo_keg, second.key, NOW)
    history.call(undo_keg, second.key, NOW)
    with history.reading() as connection:
        assert kegs_on(connection, [tap.key]) == {tap.key: first}
        assert kegs_of(connection, tap.key, 9) == [first]
        assert find_keg(connection, second.key) is None


def test_a_keg_in_the_middle_can_be_undone(history: History) -> None:
    tap, other = history.tap(history.client()), history.tap(history.client())
    times = [NOW - 9 * DAY_MS, NOW - 5 * DAY_MS, NOW - DAY_MS]
    for each in (tap, other):
        made = [keg(history, each, on_ms) for on_ms in times]
    history.call(undo_keg, made[1].key, NOW)
    with history.reading() as connection:
        assert [(each.on_ms, each.off_ms) for each in kegs_of(connection, other.key, 9)] == [(times[2], None), (times[0], times[2])]
        # The same times on another tap are another story.
        assert [(each.on_ms, each.off_ms) for each in kegs_of(connection, tap.key, 9)] == [
            (times[2], None),
            (times[1], times[2]),
            (times[0], times[1]),
        ]


def test_a_keg_that_was_taken_off_before_stays_off(history: History) -> None:
    tap = history.tap(history.client())
    first = keg(history, tap, NOW - 9 * DAY_MS)
    history.call(take_off, first.key, NOW - 2 * DAY_MS)
    second = keg(history, tap, NOW - DAY_MS)
    history.call(undo_keg, second.key, NOW)
    with history.reading() as connection:
        assert kegs_on(connection, [tap.key]) == {}


def test_a_keg_that_was_taken_off_at_the_time_of_the_next_one_stays_off(history: History) -> None:
    tap = history.tap(history.client())
    first = keg(history, tap, NOW - 9 * DAY_MS)
    history.call(take_off, first.key, NOW - DAY_MS)
    second = keg(history, tap, NOW - DAY_MS)
    history.call(undo_keg, second.key, NOW)
    with history.reading() as connection:
        assert kegs_on(connection, [tap.key]) == {}
        assert [(each.key, each.off_ms) for each in kegs_of(connection, tap.key, 9)] == [(first.key, NOW - DAY_MS)]


def test_of_two_concurrent_changes_of_a_tap_the_second_sees_the_first(history: History) -> None:
    tap = history.tap(history.client())
    first = keg(history, tap, NOW - 9 * DAY_MS)
    with first_then(history, lambda: keg(history, tap, NOW - 5 * DAY_MS)) as connection:
        second = put_on(connection, tap.key, beer=None, on_ms=NOW - 6 * DAY_MS, volume_ml=None, start_ml=None)
    with history.reading() as connection:
        third, *before = kegs_of(connection, tap.key, 9)
        assert [(each.key, each.off_ms) for each in before] == [(second.key, third.on_ms), (first.key, second.on_ms)]
    with first_then(history, lambda: history.call(take_off, third.key, NOW)) as connection:
        take_off(connection, third.key, NOW - DAY_MS)
    with first_then(history, lambda: refused_put_back(history, third)) as connection:
        put_on(connection, tap.key, beer=None, on_ms=NOW, volume_ml=None, start_ml=None)
    with history.reading() as connection:
        fourth, *before = kegs_of(connection, tap.key, 9)
        assert (fourth.off_ms, [each.off_ms for each in before]) == (None, [NOW - DAY_MS, third.on_ms, second.on_ms])
    with first_then(history, lambda: history.call(undo_keg, fourth.key, NOW)) as connection:
        take_off(connection, fourth.key, NOW + DAY_MS)
    with history.reading() as connection:
        assert kegs_of(connection, tap.key, 9) == before


def refused_put_back(history: History, made: Keg) -> None:
    with pytest.raises(StorageError, match="another keg was put on since"):
        history.call(put_back, made.key)


@contextmanager
def first_then(history: History, second: Callable[[], object]) -> Iterator[Connection]:
    """A transaction; `second` begins before its commit, and has ended when this ends."""
    with ThreadPoolExecutor() as pool:
        with history.database.writing() as connection:
            yield connection
            later = pool.submit(second)
            # It waits for the commit, or ends at once without noticing the first one.
            wait([later], 0.5)
        later.result()


def test_kegs_do_not_overlap(history: History) -> None:
    history.call(set_household, time_zone="UTC")
    tap = history.tap(history.client())
    first = keg(history, tap, NOW)
    with pytest.raises(StorageError) as refused:
        keg(history, tap, NOW)
    assert refused.value.problem == "the tap has a keg since 2026-11-25 15:00 UTC"
    with pytest.raises(StorageError) as refused:
        history.call(take_off, first.key, NOW)
    assert refused.value.problem == "the tap has this keg since 2026-11-25 15:00 UTC"
    history.call(take_off, first.key, NOW + DAY_MS)
    with pytest.raises(StorageError) as refused:
        keg(history, tap, NOW + DAY_MS - 1)
    assert refused.value.problem == "the tap had another keg until 2026-11-26 15:00 UTC"
    assert refused.value.fix == "enter 2026-11-26 15:00 or a later time, or undo that keg first"
    assert keg(history, tap, NOW + DAY_MS).off_ms is None
    assert keg(history, tap, NOW + DAY_MS + 2).on_ms == NOW + DAY_MS + 2


def test_what_was_entered_of_a_keg_can_be_changed(history: History) -> None:
    tap = history.tap(history.client())
    ale = history.call(set_beer, None, name="Ale")
    made = keg(history, tap, NOW)
    history.call(change_keg, made.key, beer=ale.key, volume_ml=30_000, start_ml=15_000)
    history.call(change_keg, made.key)
    with history.reading() as connection:
        assert find_keg(connection, made.key) == Keg(made.key, tap.key, ale, NOW, None, 30_000, 15_000)
    history.call(change_keg, made.key, start_ml=None)
    with history.reading() as connection:
        assert find_keg(connection, made.key) == Keg(made.key, tap.key, ale, NOW, None, 30_000, None)
    with pytest.raises(TypeError, match="no such field of a keg: off_ms, on_ms"):
        history.call(change_keg, made.key, on_ms=1, off_ms=1)


def test_a_keg_keeps_a_beer_that_was_removed(history: History) -> None:
    tap = history.tap(history.client())
    ale = history.call(set_beer, None, name="Ale")
    keg(history, tap, NOW, ale.key)
    history.call(remove_beer, ale.key, NOW)
    with history.reading() as connection:
        assert kegs_on(connection, [tap.key])[tap.key].beer == ale


def test_the_level_can_be_set(history: History) -> None:
    client = history.client()
    tap = history.tap(client)
    history.pour(client, 0, NOW - DAY_MS - 1)
    made = keg(history, tap, NOW - DAY_MS, start_ml=None)
    history.pour(client, 0, NOW - DAY_MS)
    history.pour(client, 0, NOW, 2800)
    history.pour(client, 0, NOW + 1)
    history.call(set_level, made.key, 12_000, NOW)
    history.call(set_level, 99, 12_000, NOW)
    with history.reading() as connection:
        # The last pour is later than now by this server's clock.
        assert find_keg(connection, made.key) == Keg(made.key, tap.key, None, NOW - DAY_MS, None, 19_000, 14_500)
        assert state_of_tap(connection, tap, NOW).left_ml == 12_000


def test_a_level_that_would_need_too_large_a_keg_is_refused(history: History) -> None:
    client = history.client()
    made = keg(history, history.tap(client), NOW - DAY_MS)
    for number in range(13):
        history.pour(client, 0, NOW - number, 10**9)
    with pytest.raises(StorageError) as refused:
        history.call(set_level, made.key, 1000, NOW)
    assert refused.value.problem == "this level is not possible: 2321429 litres have been poured since the keg was put on"
    with history.reading() as connection:
        assert find_keg(connection, made.key) == made


def test_the_level_of_a_keg_that_is_off_counts_its_own_pours(history: History) -> None:
    client = history.client()
    tap = history.tap(client)
    made = keg(history, tap, NOW - DAY_MS, start_ml=None)
    history.pour(client, 0, NOW - 10)
    history.call(take_off, made.key, NOW - 5)
    history.pour(client, 0, NOW - 5)
    history.call(set_level, made.key, 0, NOW)
    with history.reading() as connection:
        found = find_keg(connection, made.key)
    assert found is not None
    assert found.start_ml == 1000


def test_the_first_keg_of_a_tap_counts_from_the_first_pour_or_the_removal_of_the_keg_before(history: History) -> None:
    client = history.client()
    for pin, off_ms in ((0, None), (1, NOW - HOUR_MS), (2, NOW - 9 * DAY_MS)):
        history.pour(client, pin, NOW - DAY_MS)
        tap = history.tap(client, pin)
        if off_ms is not None:
            history.call(take_off, keg(history, tap, NOW - 10 * DAY_MS).key, off_ms)
        history.call(remember_first_keg, f"Ale {pin}", 19_000)
        assert history.call(put_first_keg_on, client, tap, NOW)
        with history.reading() as connection:
            # A keg that replaces none is on after the removal of the one before, not at that time.
            assert kegs_on(connection, [tap.key])[tap.key].on_ms == max(NOW - DAY_MS, off_ms + 1 if off_ms else 0)


def test_the_undo_of_the_first_keg_does_not_put_the_keg_before_it_on(history: History) -> None:
    client = history.client()
    tap = history.tap(client)
    history.pour(client, 0, NOW - DAY_MS)
    history.call(take_off, keg(history, tap, NOW - 10 * DAY_MS).key, NOW - HOUR_MS)
    history.call(remember_first_keg, "Ale", 19_000)
    assert history.call(put_first_keg_on, client, tap, NOW)
    with history.reading() as connection:
        first = kegs_on(connection, [tap.key])[tap.key]
    history.call(undo_keg, first.key, NOW)
    with history.reading() as connection:
        assert kegs_on(connection, [tap.key]) == {}


def test_of_two_that_put_the_first_keg_on_one_succeeds(new_history: Callable[[str], History]) -> None:
    history = new_history("postgresql")
    client = history.client()
    one, other = history.tap(client, 0), history.tap(client, 1)
    history.call(remember_first_keg, "Ale", 19_000)
    with ThreadPoolExecutor(1) as pool:
        with history.database.writing() as connection:
            assert put_first_keg_on(connection, client, one, NOW)
            second = pool.submit(history.call, put_first_keg_on, client, other, NOW)
            wait_for(history.waits_for_a_lock)
        assert not second.result()
    with history.reading() as connection:
        assert list(kegs_on(connection, [one.key, other.key])) == [one.key]


def test_of_two_requests_of_an_accepted_board_one_gets_its_token(new_history: Callable[[str], History]) -> None:
    history = new_history("postgresql")
    history.call(remember_board, Board("kegboard-1", "192.0.2.9", NOW, NOW, network="192.0.2.9"))
    board = history.call(accept_board, "kegboard-1", NOW)
    with ThreadPoolExecutor(1) as pool:
        with history.database.writing() as connection:
            token = hand_out_token(connection, board, "192.0.2.9", NOW)
            second = pool.submit(history.call, hand_out_token, board, "192.0.2.9", NOW)
            wait_for(history.waits_for_a_lock)
        assert second.result() is None
    with history.reading() as connection:
        found = find_client(connection, board.uuid)
    assert token is not None
    assert found is not None
    assert found.public_key == token_hash(token)


# Pours.


def test_a_pour_is_as_it_came(history: History) -> None:
    client = history.client()
    key = history.pour(client, 3, NOW, 1400, received_ms=NOW + 70)
    tap = history.tap(client, 3)
    with history.reading() as connection:
        assert find_pour(connection, key) == Pour(key, tap.key, NOW, NOW + 70, 1400, 8000, 250.0, False, False, False, False)
        assert find_pour(connection, key + 1) is None


def test_a_pour_says_if_its_client_had_a_wrong_clock(history: History) -> None:
    client = history.client()
    keys = [history.pour(client, 3, NOW, ts_ms=NOW), history.pour(client, 3, NOW, ts_ms=NOW + 1)]
    with history.reading() as connection:
        assert [pour.timed_by_receipt for key in keys if (pour := find_pour(connection, key))] == [False, True]


def test_a_new_k_factor_leaves_the_past_as_it_was(history: History) -> None:
    client = history.client()
    times = [NOW - 3 * HOUR_MS, NOW - 2 * HOUR_MS - 1, NOW - 2 * HOUR_MS, NOW - HOUR_MS, NOW]
    for at_ms in times:
        history.pour(client, 0, at_ms, 2800)
    tap = history.tap(client)
    history.call(set_meter, tap.key, NOW - 2 * HOUR_MS, 2800)
    history.call(set_meter, tap.key, NOW, 1400)
    with history.reading() as connection:
        assert [pour.millilitres for pour in pours_of(connection, [tap.key], limit=9)] == [2000, 1000, 1000, 500, 500]
    assert out(history, tap) == (5000, 5000)
    assert out(history, tap, NOW - HOUR_MS) == (3000, 3000)
    assert out(history, tap, NOW - 3 * HOUR_MS, NOW - 2 * HOUR_MS) == (1000, 1000)
    history.call(set_meter, tap.key, 0, 5000)
    assert out(history, tap, 0, NOW - 2 * HOUR_MS) == (1120, 1120)


def test_spans_count_their_own_pours(history: History) -> None:
    client = history.client()
    for number, at_ms in enumerate((NOW - 2, NOW - 1, NOW, NOW + 1)):
        history.pour(client, 0, at_ms, 56 * 10**number)
        history.pour(client, 1, at_ms, 5600)
    tap, other, empty = history.tap(client, 0), history.tap(client, 1), history.tap(client, 2)
    spans = [
        (tap.key, NOW - 2, NOW + 2),
        (tap.key, NOW - 1, NOW + 1),
        (other.key, NOW, NOW + 1),
        (tap.key, NOW + 1, FOREVER),
        (tap.key, 0, NOW - 2),
        (tap.key, NOW, NOW),
        (tap.key, NOW + 1, NOW),
        (empty.key, 0, FOREVER),
        (tap.key, NOW - 1, NOW + 1),
    ]
    with history.reading() as connection:
        assert poured_ml(connection, spans) == [(each, each) for each in (11_110, 1100, 1000, 10_000, 0, 0, 0, 0, 1100)]
        assert poured_ml(connection, []) == []


def test_pulses_beyond_all_sums_are_no_error(history: History) -> None:
    client = history.client()
    for at_ms in (NOW, NOW + 1):
        history.pour(client, 0, at_ms, 2**63 - 1)
    assert out(history, history.tap(client))[0] == pytest.approx(2**64 / 5.6)


@pytest.mark.parametrize(
    ("kind", "value", "millilitres", "counts"),
    [(SPILL, None, 1000, (1000, 0)), (DELETE, None, 1000, (0, 0)), (VOLUME, 300, 300, (300, 300)), (VOLUME, 0, 0, (0, 0))],
)
def test_a_correction_counts_until_it_is_undone(
    history: History, kind: CorrectionKind, value: int | None, millilitres: int, counts: tuple[int, int]
) -> None:
    client = history.client()
    key = history.pour(client, 0, NOW)
    history.pour(client, 0, NOW + 1, 56)
    tap = history.tap(client)
    made = history.call(correct, key, kind, value, NOW + 5)
    with history.reading() as connection:
        pour = find_pour(connection, key)
        (correction,) = corrections_of(connection, key)
    assert pour is not None
    assert (pour.millilitres, pour.spilled, pour.deleted, pour.corrected) == (millilitres, kind is SPILL, kind is DELETE, True)
    assert (correction.key, correction.pour, correction.kind, correction.value) == (made, key, kind, value)
    assert (correction.made_ms, correction.undone_ms) == (NOW + 5, None)
    assert out(history, tap) == (counts[0] + 10, counts[1] + 10)
    assert [history.call(undo_correction, each, NOW + 6) for each in (made, made, made + 1)] == [True, False, False]
    assert out(history, tap) == (1010, 1010)
    with history.reading() as connection:
        assert [(each.key, each.undone_ms) for each in corrections_of(connection, key)] == [(made, NOW + 6)]
        pour = find_pour(connection, key)
    assert pour is not None
    assert (pour.millilitres, pour.corrected) == (1000, False)


@pytest.mark.parametrize(
    ("key", "kind", "value", "problem"),
    [
        (99, SPILL, None, "there is no pour 99"),
        (1, MOVE, 99, "there is no tap 99"),
        (1, MOVE, None, "there is no tap None"),
        (1, VOLUME, -1, "-1 millilitres cannot be"),
        (1, VOLUME, None, "None millilitres cannot be"),
    ],
)
def test_a_correction_that_cannot_be_is_refused(history: History, key: int, kind: CorrectionKind, value: int | None, problem: str) -> None:
    assert history.pour(history.client(), 0, NOW) == 1
    with pytest.raises(StorageError) as refused:
        history.call(correct, key, kind, value, NOW)
    assert refused.value.problem == problem
    assert history.rows(schema.correction) == []


def test_several_corrections_of_a_pour_count_once(history: History) -> None:
    client = history.client()
    key = history.pour(client, 0, NOW)
    for kind, value in ((VOLUME, 300), (SPILL, None), (VOLUME, 400), (SPILL, None)):
        history.call(correct, key, kind, value, NOW)
    assert out(history, history.tap(client)) == (400, 0)
    assert listed(history, [history.tap(client)]) == [key]
    with history.reading() as connection:
        assert [each.value for each in corrections_of(connection, key)] == [300, None, 400], "the second spill is the first one"


def test_two_equal_corrections_at_the_same_time_are_one(history: History) -> None:
    key = history.pour(history.client(), 0, NOW)
    with first_then(history, lambda: history.call(correct, key, SPILL, None, NOW)) as connection:
        correct(connection, key, SPILL, None, NOW)
    with history.reading() as connection:
        assert len(corrections_of(connection, key)) == 1


def test_a_moved_pour_counts_for_the_other_tap_by_the_meter_that_counted_it(history: History) -> None:
    client = history.client()
    key, stays = history.pour(client, 0, NOW), history.pour(client, 0, NOW - 1, 56)
    first, second, third = history.tap(client, 0), history.tap(client, 1), history.tap(client, 2)
    history.call(set_meter, first.key, 0, 2800)
    history.call(set_meter, second.key, 0, 100)
    history.call(correct, key, MOVE, third.key, NOW)
    move = history.call(correct, key, MOVE, second.key, NOW)
    assert [out(history, tap) for tap in (first, second, third)] == [(20, 20), (2000, 2000), (0, 0)]
    assert [listed(history, [tap]) for tap in (first, second, third)] == [[stays], [key], []]
    assert [last(history, tap) for tap in (first, second, third)] == [[stays], [key], []]
    assert listed(history, [second, first]) == [key, stays]
    with history.reading() as connection:
        both = poured_ml(connection, [(first.key, 0, FOREVER), (second.key, 0, FOREVER), (second.key, NOW + 1, FOREVER)])
        assert both == [(20, 20), (2000, 2000), (0, 0)]
        assert poured_ml(connection, [(second.key, NOW, NOW + 1)]) == [(2000, 2000)]
        pour = find_pour(connection, key)
    assert pour is not None
    assert (pour.tap, pour.millilitres) == (second.key, 2000)
    history.call(undo_correction, move, NOW)
    assert [out(history, tap) for tap in (first, second, third)] == [(20, 20), (0, 0), (2000, 2000)]


def test_a_pour_that_was_moved_to_its_own_tap_counts_once(history: History) -> None:
    client = history.client()
    key = history.pour(client, 0, NOW)
    tap = history.tap(client)
    history.call(correct, key, MOVE, tap.key, NOW)
    assert out(history, tap) == (1000, 1000)
    assert listed(history, [tap], limit=1) == last(history, tap, 1) == [key]


def test_pours_are_listed_newest_first(history: History) -> None:
    client = history.client()
    keys = {at_ms: history.pour(client, at_ms % 2, NOW + at_ms) for at_ms in (3, 1, 4, 5, 9, 2, 6)}
    even, odd = history.tap(client, 0), history.tap(client, 1)
    assert NOW % 2 == 0
    assert listed(history, [even, odd]) == [keys[at_ms] for at_ms in (9, 6, 5, 4, 3, 2, 1)]
    assert listed(history, [odd, even], limit=3) == [keys[at_ms] for at_ms in (9, 6, 5)]
    assert listed(history, [even], limit=2) == [keys[at_ms] for at_ms in (6, 4)]
    assert listed(history, [even, odd], since_ms=NOW + 3, until_ms=NOW + 6) == [keys[at_ms] for at_ms in (5, 4, 3)]
    assert listed(history, [even, odd], until_ms=NOW + 6, limit=1) == [keys[5]]
    assert listed(history, [even, odd], since_ms=NOW + 10) == listed(history, []) == []


def test_a_pour_of_1970_is_listed(history: History) -> None:
    client = history.client()
    keys = [history.pour(client, 0, at_ms) for at_ms in (0, 1)]
    tap, other = history.tap(client, 0), history.tap(client, 1)
    assert listed(history, [tap]) == last(history, tap) == [keys[1], keys[0]]
    history.call(correct, keys[0], MOVE, other.key, NOW)
    assert listed(history, [other]) == last(history, other) == [keys[0]]
    assert out(history, other) == (1000, 1000)


def test_each_client_has_its_own_last_pours(history: History) -> None:
    early, late = history.client(), history.client()
    keys = {
        client.key: [history.pour(client, 0, at_ms + each) for each in range(3)] for client, at_ms in ((early, NOW - DAY_MS), (late, NOW))
    }
    for client in (early, late):
        assert last(history, history.tap(client), 2) == keys[client.key][:0:-1]
        assert listed(history, [history.tap(client)], limit=2) == keys[client.key][:0:-1]


def test_pages_of_pours_have_each_once(history: History) -> None:
    client = history.client()
    keys = [history.pour(client, number % 2, NOW + number // 4) for number in range(12)]
    taps = [history.tap(client, 0), history.tap(client, 1)]
    pages: list[list[int]] = []
    before: dict[str, int] = {}
    while page := listed(history, taps, limit=5, **before):
        pages.append(page)
        before = {"before": page[-1]}
    assert pages == [keys[11:6:-1], keys[6:1:-1], keys[1::-1]]
    assert listed(history, taps, before=keys[5], until_ms=NOW + 1) == keys[3::-1]
    assert listed(history, taps[:1], before=keys[6], limit=1) == [keys[4]]
    assert listed(history, taps[:1], before=keys[4], limit=1) == [keys[2]]
    assert listed(history, taps, before=keys[2], until_ms=NOW + 1) == keys[1::-1]
    assert listed(history, taps, before=10**6, limit=1) == [keys[11]]


def test_deleted_and_moved_pours_take_no_place_among_the_last_ones(history: History) -> None:
    client = history.client()
    keys = [history.pour(client, 0, NOW + number) for number in range(8)]
    tap, other = history.tap(client, 0), history.tap(client, 1)
    history.call(correct, keys[7], DELETE, None, NOW)
    history.call(correct, keys[6], MOVE, other.key, NOW)
    history.call(correct, keys[5], SPILL, None, NOW)
    undone = history.call(correct, keys[4], DELETE, None, NOW)
    history.call(undo_correction, undone, NOW)
    assert last(history, tap, 3) == [keys[5], keys[4], keys[3]]
    assert last(history, other, 3) == [keys[6]]
    assert listed(history, [tap], limit=3) == [keys[7], keys[5], keys[4]]
    with history.reading() as connection:
        assert [pour.deleted for pour in pours_of(connection, [tap.key], limit=2)] == [True, False]
        found = last_pours(connection, [other.key, tap.key], 2)
        assert {key: [pour.key for pour in pours] for key, pours in found.items()} == {other.key: [keys[6]], tap.key: [keys[5], keys[4]]}
        assert last_pours(connection, [], 2) == {}


def test_an_old_pour_that_was_moved_is_not_among_newer_ones(history: History) -> None:
    client = history.client()
    moved = history.pour(client, 0, NOW - DAY_MS)
    keys = [history.pour(client, 1, NOW + number) for number in range(3)]
    second = history.tap(client, 1)
    history.call(correct, moved, MOVE, second.key, NOW)
    assert last(history, second, 2) == [keys[2], keys[1]]
    assert last(history, second, 4) == [keys[2], keys[1], keys[0], moved]
    assert listed(history, [second], since_ms=NOW - DAY_MS + 1) == keys[::-1]
    assert listed(history, [second], until_ms=NOW) == [moved]
    assert listed(history, [second], until_ms=NOW - DAY_MS) == []


def test_all_pours_of_a_client_can_be_read_one_by_one(history: History) -> None:
    client, other = history.client(), history.client()
    history.pour(other, 0, NOW)
    # More than two pages of each tap, with pours of the same time where one page ends.
    history.insert([history.verified_pour(client, number % 2, NOW + number // 3) for number in range(2010)])
    (key, *_) = listed(history, [history.tap(client, 1)], limit=1)
    history.call(correct, key, DELETE, None, NOW)
    early = history.pour(client, 2, 0)
    with history.reading() as connection:
        found = list(stream_pours(connection, client.key))
    assert found[0].key == early
    assert [pour.at_ms for pour in found[1:]] == [NOW + number // 3 for number in range(2010)]
    assert len({pour.key for pour in found}) == 2011
    assert [pour.key for pour in found if pour.deleted] == [key]


def test_a_moved_pour_is_read_with_the_client_at_whose_tap_it_counts(history: History) -> None:
    client, other = history.client(), history.client()
    left, right, far = history.tap(client, 0), history.tap(client, 1), history.tap(other, 0)
    stays, within, away, back, comes, passes = (
        history.pour(reporter, 0, NOW + number) for number, reporter in enumerate((client, client, client, client, other, other))
    )
    undone = history.call(correct, away, MOVE, far.key, NOW)
    for key, *taps in ((within, right), (back, far, left), (comes, right), (passes, left, far)):
        for tap in taps:
            history.call(correct, key, MOVE, tap.key, NOW)
    with history.reading() as connection:
        assert [(pour.key, pour.tap) for pour in stream_pours(connection, client.key)] == [
            (stays, left.key), (within, right.key), (back, left.key), (comes, right.key)
        ]  # fmt: skip
        assert [(pour.key, pour.tap) for pour in stream_pours(connection, other.key)] == [(away, far.key), (passes, far.key)]
    history.call(undo_correction, undone, NOW)
    with history.reading() as connection:
        assert [pour.key for pour in stream_pours(connection, other.key)] == [passes]


# Temperatures.


def test_the_latest_reading_is_the_newest_by_the_time_that_counts(history: History) -> None:
    first, second, third = history.client(), history.client(), history.client()
    history.ping(first, NOW, 4000)
    history.ping(first, NOW - 1, 5000)
    # A clock that is years ahead, and one that is years behind: timed by their receipt.
    history.ping(second, NOW - 2, 6000, received_ms=NOW - 2, ts_ms=NOW + 9 * 365 * DAY_MS)
    history.ping(second, NOW - 1, 7000, received_ms=NOW - 1, ts_ms=1000)
    with history.reading() as connection:
        assert latest_readings(connection, [first.key, second.key, third.key]) == {
            first.key: Reading(NOW, NOW + 300, 4000),
            second.key: Reading(NOW - 1, NOW - 1, 7000),
        }
        assert latest_readings(connection, [third.key]) == latest_readings(connection, []) == {}


def test_of_readings_of_one_moment_the_last_received_counts(history: History) -> None:
    client = history.client()
    for temp, received in ((4000, 5), (5000, 9), (6000, 7)):
        history.ping(client, NOW, temp, received_ms=NOW + received)
    with history.reading() as connection:
        assert latest_readings(connection, [client.key]) == {client.key: Reading(NOW, NOW + 9, 5000)}


def test_a_course_has_bins_by_the_clock(history: History) -> None:
    client, other = history.client(), history.client()
    start = NOW - NOW % (3 * HOUR_MS)
    history.ping(other, start, 9999)
    for at_ms, temp in ((-1, 1000), (0, 4000), (10, 5000), (3 * HOUR_MS - 1, 3000), (6 * HOUR_MS, 7000), (9 * HOUR_MS, 8000)):
        history.ping(client, start + at_ms, temp)
    expected = [Course(start, 3 * HOUR_MS, 4000.0, 3000, 5000, 3), Course(start + 6 * HOUR_MS, 3 * HOUR_MS, 7000.0, 7000, 7000, 1)]
    with history.reading() as connection:
        assert course(connection, client.key, start, start + 9 * HOUR_MS, 3 * HOUR_MS) == expected
        # The first and the last bin are whole whenever one asks.
        assert course(connection, client.key, start + 5, start + 6 * HOUR_MS + 1, 3 * HOUR_MS) == expected
        assert course(connection, client.key, start, start + 6 * HOUR_MS, 3 * HOUR_MS) == expected[:1]
        assert course(connection, client.key, start, start + 1, 7) == [Course(start - start % 7, 7, 2500.0, 1000, 4000, 2)]


def test_a_course_joins_thinned_hours_and_pings(history: History) -> None:
    client = history.client()
    day = NOW - NOW % DAY_MS
    hours = [(0, 3000.0, 2000, 4000, 6), (HOUR_MS, 6000.0, 5500, 7000, 2), (5 * HOUR_MS, 1000.0, 1, 2000, 1)]
    for at_ms, mean, least, most, number in hours:
        row = {"client": client.key, "from_ms": day + at_ms, "mean": mean, "least": least, "most": most, "number": number}
        history.call(Connection.execute, sa.insert(schema.hour).values(row))
    history.ping(client, day + HOUR_MS + 1, 8000)
    history.ping(client, day + HOUR_MS + 2, 1000)
    with history.reading() as connection:
        until = day + 4 * HOUR_MS
        assert course(connection, client.key, day, until, 2 * HOUR_MS) == [Course(day, 2 * HOUR_MS, 3900.0, 1000, 8000, 10)]
        assert course(connection, client.key, day, until, HOUR_MS) == [
            Course(day, HOUR_MS, 3000.0, 2000, 4000, 6),
            Course(day + HOUR_MS, HOUR_MS, 5250.0, 1000, 8000, 4),
        ]
        # A thinned hour stays an hour.
        assert course(connection, client.key, day, until, HOUR_MS // 2) == [
            Course(day, HOUR_MS, 3000.0, 2000, 4000, 6),
            Course(day + HOUR_MS, HOUR_MS, 5250.0, 1000, 8000, 4),
        ]
        assert course(connection, client.key, day + HOUR_MS, day + HOUR_MS + 2, 2) == [
            Course(day + HOUR_MS, HOUR_MS, (12_000 + 8000) / 3, 5500, 8000, 3),
        ]


def test_a_sample_is_the_last_temperature_of_its_slot(history: History) -> None:
    one, other, quiet = history.client("a"), history.client("b"), history.client("c")
    for at_ms, temp in ((999, 1), (1000, 2), (1500, 3), (1999, 4), (3000, -5), (4000, 6)):
        history.ping(one, at_ms, temp)
    history.ping(other, 2999, 7)
    with history.reading() as connection:
        found = samples(connection, [one.key, other.key, quiet.key], 1000, range(1, 4))
        assert found == {one.key: {1: 4, 3: -5}, other.key: {2: 7}, quiet.key: {}}
        assert samples(connection, [], 1000, range(1, 4)) == {}


def test_all_readings_of_a_client_can_be_read_one_by_one(history: History) -> None:
    client = history.client()
    for number in (2, 1, 3):
        history.ping(client, NOW + number, number)
    history.ping(history.client(), NOW, 9)
    row = {"client": client.key, "from_ms": NOW - HOUR_MS, "mean": 3000.6, "least": 1, "most": 5000, "number": 6}
    history.call(Connection.execute, sa.insert(schema.hour).values(row))
    with history.reading() as connection:
        assert list(stream_readings(connection, client.key)) == [
            Reading(NOW - HOUR_MS, NOW - HOUR_MS, 3001),
            *(Reading(NOW + number, NOW + number + 300, number) for number in (1, 2, 3)),
        ]


def test_a_client_is_heard_by_messages_of_any_kind(history: History) -> None:
    client, silent, quiet = history.client(), history.client(), history.client()
    for number in range(1, 10):
        history.ping(client, NOW + 10 * number, received_ms=NOW + 10 * number)
    history.pour(client, 0, NOW, received_ms=NOW + 55)
    history.pour(client, 1, NOW, received_ms=NOW + 45)
    for number in range(11):
        history.pour(quiet, 1, NOW + number, received_ms=NOW + 100 + number)
    with history.reading() as connection:
        assert heard(connection, [client.key, silent.key, quiet.key], NOW + DAY_MS) == {
            client.key: Heard([NOW + each for each in range(20, 100, 10)], [NOW + 45, NOW + 55]),
            silent.key: Heard([], []),
            quiet.key: Heard([], [NOW + 103 + each for each in range(8)]),
        }
        assert heard(connection, [], NOW) == {}


def test_messages_that_were_received_later_are_not_heard(history: History) -> None:
    client = history.client()
    for number in range(20):
        history.ping(client, NOW + number, received_ms=NOW + number)
        history.pour(client, 0, NOW + number, received_ms=NOW + number)
    with history.reading() as connection:
        last = [NOW + 2 + number for number in range(8)]
        assert heard(connection, [client.key], NOW + 9) == {client.key: Heard(last, last)}


def test_clients_are_heard_by_their_own_messages(history: History) -> None:
    early, late = history.client(), history.client()
    for client, start in ((early, NOW - DAY_MS), (late, NOW)):
        history.insert([history.verified_ping(client, start + number, 4000) for number in range(9)])
        history.insert([history.verified_pour(client, 0, start + number, received_ms=start) for number in range(9)])
    with history.reading() as connection:
        found = heard(connection, [early.key, late.key], NOW + DAY_MS)
    assert found == {
        client.key: Heard([start + 300 + each for each in range(1, 9)], [start] * 8)
        for client, start in ((early, NOW - DAY_MS), (late, NOW))
    }


# The overview.


def test_the_overview_has_everything_of_a_client(history: History) -> None:
    client, empty = history.client("Garage"), history.client("Cellar")
    ale = history.call(set_beer, None, name="Ale")
    monday = NOW - 2 * DAY_MS - 15 * HOUR_MS
    today = NOW - 15 * HOUR_MS
    keys = [history.pour(client, 0, at_ms, 560) for at_ms in (monday - 1, monday, today - 1, today, NOW, NOW + 60_000)]
    history.call(correct, keys[4], SPILL, None, NOW)
    tap, hidden, bare = history.tap(client, 0), history.tap(client, 1, hidden=True), history.tap(client, 2)
    on = keg(history, tap, NOW - 4 * DAY_MS, ale.key)
    history.ping(client, NOW, 4000, received_ms=NOW + 1)
    alarm = history.call(begin_alarm, client.key, None, "too warm", NOW)
    with history.reading() as connection:
        first, second = overview(connection, clients(connection), NOW)
    assert (first.client, first.reading, first.heard_ms, first.alarms, first.taps) == (empty, None, None, (), ())
    assert (second.client, second.reading, second.alarms) == (client, Reading(NOW, NOW + 1, 4000), (alarm,))
    assert second.heard_ms == NOW + 60_300
    assert [state.tap for state in second.taps] == [tap, bare]
    state = second.taps[0]
    assert state.keg == on
    assert [pour.key for pour in state.last] == keys[:0:-1]
    assert (state.today_ml, state.week_ml, state.left_ml) == (200, 400, 19_000 - 600)
    assert state.lasts_ms == round(18_400 / 600 * 4 * DAY_MS)
    bare_state = second.taps[1]
    assert (bare_state.keg, bare_state.last, bare_state.today_ml, bare_state.week_ml) == (None, (), 0, 0)
    assert (bare_state.left_ml, bare_state.lasts_ms) == (None, None)
    assert hidden not in [state.tap for state in second.taps]


def test_a_client_is_heard_by_what_it_sent_whatever_was_corrected(history: History) -> None:
    sender, other = history.client("Garage"), history.client("Cellar")
    keys = [history.pour(sender, 0, NOW + each, received_ms=NOW + 10 + each) for each in range(7)]
    history.pour(other, 0, NOW, received_ms=NOW + 1)
    history.call(correct, keys[6], DELETE, None, NOW)
    history.call(correct, keys[5], MOVE, history.tap(other, 0).key, NOW)
    silent = history.client("Attic")
    history.call(correct, keys[4], MOVE, history.tap(silent, 0).key, NOW)
    with history.reading() as connection:
        states = overview(connection, [sender, other, silent], NOW)
    assert [state.heard_ms for state in states] == [NOW + 16, NOW + 1, None]


def test_the_rate_is_of_the_last_week_though_the_keg_is_older(history: History) -> None:
    client = history.client()
    for at_ms in (NOW - 8 * DAY_MS, NOW - 7 * DAY_MS - 1, NOW - 7 * DAY_MS, NOW - DAY_MS):
        history.pour(client, 0, at_ms)
    keg(history, history.tap(client), NOW - 30 * DAY_MS)
    with history.reading() as connection:
        (state,) = overview(connection, [client], NOW)[0].taps
    assert (state.left_ml, state.lasts_ms) == (15_000, round(15_000 / 2000 * 7 * DAY_MS))


def test_a_keg_without_a_known_volume_has_no_level(history: History) -> None:
    client = history.client()
    history.pour(client, 0, NOW)
    made = keg(history, history.tap(client), NOW - DAY_MS, start_ml=None)
    with history.reading() as connection:
        (state,) = overview(connection, [client], NOW)[0].taps
    assert (state.keg, state.left_ml, state.lasts_ms, state.today_ml) == (made, None, None, 1000)


def test_a_new_keg_is_full_whatever_was_poured_before(history: History) -> None:
    client = history.client()
    history.pour(client, 0, NOW - 1)
    keg(history, history.tap(client), NOW)
    with history.reading() as connection:
        (state,) = overview(connection, [client], NOW)[0].taps
    assert (state.left_ml, state.lasts_ms, [pour.at_ms for pour in state.last]) == (19_000, None, [NOW - 1])
    assert state.last_of_keg is None, "it was of the beer before"
    history.pour(client, 0, NOW)
    with history.reading() as connection:
        (state,) = overview(connection, [client], NOW)[0].taps
    assert state.last_of_keg is not None
    assert state.last_of_keg.at_ms == NOW


def test_a_pour_of_a_hidden_tap_is_heard(history: History) -> None:
    client = history.client()
    history.pour(client, 0, NOW, received_ms=NOW + 5)
    history.tap(client, 0, hidden=True)
    with history.reading() as connection:
        (state,) = overview(connection, [client], NOW)
    assert (state.heard_ms, state.taps) == (NOW + 5, ())
    history.pour(client, 0, NOW + 1, received_ms=NOW + 6)
    with history.reading() as connection:
        (state,) = overview(connection, [client], NOW)
    assert (state.heard_ms, state.taps) == (NOW + 6, ()), "a pour does not show it again"


def test_days_begin_by_the_settings(history: History) -> None:
    client = history.client()
    night = NOW - 15 * HOUR_MS
    for at_ms, pulses in ((night + 3 * HOUR_MS - 1, 5600), (night + 3 * HOUR_MS, 2800)):
        history.pour(client, 0, at_ms, pulses)
    history.call(set_household, time_zone="Europe/Berlin", day_begins_hour=4)
    with history.reading() as connection:
        (state,) = overview(connection, [client], NOW)[0].taps
    assert (state.today_ml, state.week_ml) == (500, 1500)


def test_an_unknown_time_zone_is_utc_and_is_logged_once(history: History, caplog: pytest.LogCaptureFixture) -> None:
    client = history.client()
    history.pour(client, 0, NOW - 15 * HOUR_MS)
    name = f"Mars/{uuid.uuid4().hex}"
    history.call(set_setting, "time_zone", name)
    with caplog.at_level(logging.WARNING), history.reading() as connection:
        for _ in range(2):
            (state,) = overview(connection, [client], NOW)[0].taps
            assert state.today_ml == 1000
    assert [record.message for record in caplog.records] == [
        f"time zone '{name}' is unknown, so days begin by UTC; fix: kegnet-server settings"
    ]


def test_the_number_of_queries_does_not_depend_on_clients_and_history(history: History) -> None:
    made: list[Client] = []
    asked: list[int] = []
    for number in range(2):
        for _ in range(1 + 6 * number):
            client = history.client()
            made.append(client)
            for pin in range(1 + number):
                keys = [history.pour(client, pin, NOW - DAY_MS * each) for each in range(3)]
                history.call(correct, keys[0], SPILL, None, NOW)
                tap = history.tap(client, pin)
                history.call(set_meter, tap.key, NOW - DAY_MS, 5000)
                keg(history, tap, NOW - 9 * DAY_MS)
                history.ping(client, NOW)
        with counted_queries(history) as (connection, queries):
            states = overview(connection, made, NOW)
            assert len(fridges_of(connection, states, NOW)) == len(made)
        asked.append(len(queries))
    assert asked[0] == asked[1] <= 20
