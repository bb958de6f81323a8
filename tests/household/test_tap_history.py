"""What the page of a tap shows, from SQLite and from PostgreSQL: the same answers, by a constant number of queries."""

from __future__ import annotations

import time
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from kegnet.server.model.days import day_start
from kegnet.server.model.pours import CorrectionKind
from kegnet.server.storage import StorageError
from kegnet.server.storage.bins import Bin, poured_in_bins
from kegnet.server.storage.keg_history import poured_kegs
from kegnet.server.storage.kegs import kegs_of, kegs_on, put_back, put_on, take_off
from kegnet.server.storage.messages import VerifiedMessage
from kegnet.server.storage.pour_details import details_of
from kegnet.server.storage.pours import correct, find_pour, poured_ml, pours_of, undo_correction
from kegnet.server.storage.records import Client, Keg, Tap
from kegnet.server.storage.settings import household, set_household
from kegnet.server.storage.taps import meters_of, set_meter, unset_meter
from kegnet.server.web.tap_values import level_bins, level_days
from support.stored_history import DAY_MS, HOUR_MS, NOW, History
from support.wait import is_quick

DELETE, MOVE, SPILL, VOLUME = CorrectionKind.DELETE, CorrectionKind.MOVE, CorrectionKind.SPILL, CorrectionKind.VOLUME
QUARTER_MS = 900_000
HOUR = NOW - NOW % HOUR_MS


def keg(history: History, tap: Tap, on_ms: int) -> Keg:
    made: Keg = history.call(put_on, tap.key, beer=None, on_ms=on_ms, volume_ml=19_000, start_ml=19_000)
    return made


def bins(history: History, tap: Tap, since_ms: int = 0, until_ms: int = NOW + DAY_MS, bin_ms: int = HOUR_MS) -> list[Bin]:
    with history.reading() as connection:
        return poured_in_bins(connection, tap.key, since_ms, until_ms, bin_ms)


def queries_of(history: History, tap: Tap) -> int:
    """How many queries one look at a tap needs."""
    asked: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    sa.event.listen(sa.engine.Engine, "before_cursor_execute", count)
    with history.reading() as connection:
        poured_in_bins(connection, tap.key, 0, NOW + DAY_MS, HOUR_MS)
        poured_kegs(connection, tap.key, 9)
        details_of(connection, pours_of(connection, [tap.key], limit=50))
    sa.event.remove(sa.engine.Engine, "before_cursor_execute", count)
    return len(asked)


# Bins.


def test_bins_have_the_pours_of_their_time(history: History) -> None:
    client = history.client()
    tap = history.tap(client, 0)
    for at_ms in (HOUR - 1, HOUR, HOUR + 1, HOUR + HOUR_MS - 1, HOUR + HOUR_MS):
        history.pour(client, 0, at_ms, 560)
    history.pour(client, 1, HOUR, 5600)
    assert bins(history, tap) == [Bin(HOUR - HOUR_MS, 100, 100), Bin(HOUR, 300, 300), Bin(HOUR + HOUR_MS, 100, 100)]
    assert bins(history, tap, HOUR, HOUR + HOUR_MS) == [Bin(HOUR, 300, 300)]
    assert bins(history, tap, HOUR + 1, HOUR + HOUR_MS) == [Bin(HOUR, 200, 200)], "a bin keeps its place"
    assert bins(history, tap, HOUR + 2 * HOUR_MS, HOUR + 9 * HOUR_MS) == []


def test_a_bin_counts_each_pour_by_the_k_factor_of_its_time(history: History) -> None:
    client = history.client()
    tap = history.tap(client, 0)
    for at_ms in (HOUR, HOUR + 10, HOUR + 20):
        history.pour(client, 0, at_ms, 5600)
    history.call(set_meter, tap.key, HOUR + 10, 2800)
    history.call(set_meter, tap.key, HOUR + 20, 11_200)
    assert bins(history, tap) == [Bin(HOUR, 3500, 3500)]


def test_bins_count_corrections(history: History) -> None:
    client = history.client()
    tap, other = history.tap(client, 0), history.tap(client, 1)
    spilled, deleted, moved, measured = (history.pour(client, 0, HOUR, 560) for _ in range(4))
    brought = history.pour(client, 1, HOUR + HOUR_MS, 560)
    outside = history.pour(client, 1, HOUR - 9 * DAY_MS, 560)
    for pour, kind, value in (
        (spilled, SPILL, None), (deleted, DELETE, None), (moved, MOVE, other.key), (measured, VOLUME, 250), (brought, MOVE, tap.key),
        (outside, MOVE, tap.key),
    ):  # fmt: skip
        history.call(correct, pour, kind, value, NOW)
    assert bins(history, tap, HOUR - DAY_MS) == [Bin(HOUR, 350, 250), Bin(HOUR + HOUR_MS, 100, 100)]
    assert bins(history, other, HOUR - DAY_MS) == [Bin(HOUR, 100, 100)]


def test_bins_sum_to_what_was_poured(history: History) -> None:
    client = history.client()
    tap = history.tap(client, 0)
    for number in range(40):
        key = history.pour(client, 0, NOW - number * 5 * HOUR_MS - number * 77_777, 500 + number)
        if number % 7 == 0:
            history.call(correct, key, SPILL, None, NOW)
    history.call(set_meter, tap.key, NOW - 3 * DAY_MS, 4321)
    with history.reading() as connection:
        ((out, drunk),) = poured_ml(connection, [(tap.key, NOW - 6 * DAY_MS, NOW)])
    made = bins(history, tap, NOW - 6 * DAY_MS, NOW, QUARTER_MS)
    assert sum(each.out_ml for each in made) == pytest.approx(out)
    assert sum(each.drunk_ml for each in made) == pytest.approx(drunk)


def test_a_bin_with_pulses_beyond_all_sums_is_no_error(history: History) -> None:
    client = history.client()
    for number in range(2):
        history.pour(client, 0, HOUR + number, 2**63 - 1)
    assert bins(history, history.tap(client, 0))[0].out_ml == pytest.approx(2 * 1000 * 2**63 / 5600)


# Details.


def test_a_pour_is_shown_with_what_it_was(history: History) -> None:
    client = history.client()
    tap, other = history.tap(client, 0), history.tap(client, 1)
    plain, corrected = history.pour(client, 0, NOW, 2800), history.pour(client, 0, NOW + 1, 5600)
    history.call(set_meter, tap.key, NOW + 1, 2800)
    gone = history.call(correct, corrected, DELETE, None, NOW)
    spill = history.call(correct, corrected, SPILL, None, NOW)
    move = history.call(correct, corrected, MOVE, other.key, NOW + 7)
    history.call(undo_correction, gone, NOW)
    with history.reading() as connection:
        found = [find_pour(connection, key) for key in (corrected, plain)]
        first, second = details_of(connection, [pour for pour in found if pour])
        assert details_of(connection, []) == []
    assert (second.meter, second.counted_ml, second.corrections) == (tap.key, 500, ())
    assert (first.meter, first.pour.tap, first.counted_ml) == (tap.key, other.key, 2000)
    assert [(each.key, each.kind, each.value, each.made_ms) for each in first.corrections] == [
        (spill, SPILL, None, NOW),
        (move, MOVE, other.key, NOW + 7),
    ]


# Kegs.


def test_kegs_are_shown_with_what_was_poured_of_each(history: History) -> None:
    client = history.client()
    tap = history.tap(client, 0)
    first, second = keg(history, tap, NOW - 9 * DAY_MS), keg(history, tap, NOW - 2 * DAY_MS)
    for at_ms in (NOW - 10 * DAY_MS, NOW - 9 * DAY_MS, NOW - 2 * DAY_MS - 1, NOW - 2 * DAY_MS, NOW):
        key = history.pour(client, 0, at_ms)
    history.call(correct, key, SPILL, None, NOW)
    with history.reading() as connection:
        made = [(each.keg.key, each.out_ml, each.drunk_ml) for each in poured_kegs(connection, tap.key, 9)]
        assert made == [(second.key, 2000, 1000), (first.key, 2000, 2000)]
        assert [each.keg.key for each in poured_kegs(connection, tap.key, 1, 1)] == [first.key]
        assert poured_kegs(connection, tap.key, 9, 2) == []


def test_a_keg_that_was_taken_off_can_be_put_back(history: History) -> None:
    tap = history.tap(history.client())
    first = keg(history, tap, NOW - 2 * DAY_MS)
    history.call(take_off, first.key, NOW - DAY_MS)
    history.call(put_back, first.key)
    with history.reading() as connection:
        assert kegs_on(connection, [tap.key]) == {tap.key: first}
    history.call(put_back, first.key)
    history.call(put_back, 99)
    second = keg(history, tap, NOW)
    with pytest.raises(StorageError) as refused:
        history.call(put_back, first.key)
    assert refused.value.problem == "another keg was put on since"
    with history.reading() as connection:
        assert [(each.key, each.off_ms) for each in kegs_of(connection, tap.key, 9)] == [(second.key, None), (first.key, NOW)]


# K-factors.


def test_a_k_factor_can_be_taken_back(history: History) -> None:
    client = history.client()
    tap = history.tap(client)
    history.call(set_meter, tap.key, 0, 5000)
    history.call(set_meter, tap.key, NOW, 6000)
    assert history.call(unset_meter, tap.key, NOW) is True
    assert history.call(unset_meter, tap.key, NOW) is False
    assert history.tap(client).pulses_per_litre == 5000
    with history.reading() as connection:
        assert meters_of(connection, [tap.key]) == {tap.key: [(0, 5000)]}


# Cost.


def test_the_number_of_queries_of_a_tap_does_not_depend_on_its_history(history: History) -> None:
    client = history.client()
    tap = history.tap(client)
    history.pour(client, 0, NOW)
    keg(history, tap, NOW - 400 * DAY_MS)
    few = queries_of(history, tap)
    for number in range(1, 30):
        key = history.pour(client, 0, NOW - number * HOUR_MS)
        history.call(correct, key, SPILL, None, NOW)
        history.call(set_meter, tap.key, NOW - number * DAY_MS, 5000 + number)
        keg(history, tap, NOW - (31 - number) * DAY_MS)
    assert queries_of(history, tap) == few <= 25


def five_years_of(history: History, client: Client, pours_a_day: int) -> None:
    days = 5 * 365
    made: list[VerifiedMessage] = [
        history.verified_pour(client, 0, NOW - day * DAY_MS - number * 600_000, 1800 + number)
        for day in range(days)
        for number in range(pours_a_day)
    ]
    for start in range(0, len(made), 5000):
        history.insert(made[start : start + 5000])


def test_the_days_of_a_long_keg_are_those_of_a_zone_with_half_an_hour(history: History) -> None:
    client = history.client()
    history.call(set_household, time_zone="Asia/Kolkata")
    zone = ZoneInfo("Asia/Kolkata")
    at_ms = day_start(NOW, zone, 0) + 15 * 60_000
    history.pour(client, 0, at_ms)
    on = keg(history, history.tap(client), NOW - 100 * DAY_MS)
    with history.reading() as connection:
        days = level_days(on, level_bins(connection, on, NOW), household(connection))
    assert [day.start_ms for day in days] == [day_start(at_ms, zone, 0)]


def test_a_tap_of_five_years_is_shown_quickly(history: History) -> None:
    client, other = history.client(), history.client()
    five_years_of(history, client, 12)
    five_years_of(history, other, 12)
    tap = history.tap(client)
    for number in range(1, 100):
        keg(history, tap, NOW - (100 - number) * 14 * DAY_MS)
    history.call(sa.engine.Connection.exec_driver_sql, "ANALYZE")

    def look_s() -> float:
        begun = time.monotonic()
        with history.reading() as connection:
            assert len(poured_in_bins(connection, tap.key, NOW - 56 * DAY_MS, NOW + 1, QUARTER_MS)) > 500
            assert len(poured_kegs(connection, tap.key, 10)) == 10
            assert len(details_of(connection, pours_of(connection, [tap.key], limit=10))) == 10
        took_s = time.monotonic() - begun
        print(f"{history.database.shown}: {1000 * took_s:.0f} ms")
        return took_s

    assert is_quick(look_s, 1, tries=20)
