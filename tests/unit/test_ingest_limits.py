"""Refusals: who counts as one sender, how many there may be, and what the log says of them."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import pytest
from kegnet.server import limits, log_limit
from kegnet.server.counters import Counters
from kegnet.server.limits import RefusalLimit, network
from kegnet.server.log_limit import LimitedLog
from kegnet.server.storage import Database


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unix", "unix"),
    ],
)
def test_a_household_has_one_address_of_ipv4_or_64_bits_of_ipv6(address: str, expected: str) -> None:
    assert network(address) == expected


def test_a_name_from_outside_is_cut() -> None:
    assert len(network("x" * 5000)) == 60


def test_the_61st_refusal_of_a_minute_is_one_too_many(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_790_000_000 * 10**9)
    limit = RefusalLimit(database, "message", shared=False)

    async def ask() -> tuple[list[bool], bool, bool]:
        first = [await limit.reached("192.0.2.7"), *[await limit.count("192.0.2.7") for _ in range(61)]]
        return first, await limit.reached("192.0.2.7"), await limit.reached("192.0.2.8")

    assert asyncio.run(ask()) == ([False] * 61 + [True], True, False)


def test_a_new_minute_begins_with_no_refusals(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    minutes = iter([100] * 3 + [101] * 3)
    monkeypatch.setattr(time, "time_ns", lambda: next(minutes) * 60 * 10**9)
    limit = RefusalLimit(database, "message", shared=False, per_minute=2)

    async def count() -> list[bool]:
        return [await limit.count("192.0.2.7") for _ in range(6)]

    assert asyncio.run(count()) == [False, False, True] * 2


def test_refusals_at_the_same_moment_all_count_while_the_database_is_slow(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_790_000_000 * 10**9)
    limit = RefusalLimit(database, "message", shared=True, per_minute=5)

    async def count() -> bool:
        with database.writing():
            counting = [asyncio.ensure_future(limit.count("192.0.2.7")) for _ in range(10)]
            await asyncio.wait(counting, timeout=0.3)
        await asyncio.gather(*counting)
        return await limit.reached("192.0.2.7")

    assert asyncio.run(count())


def test_an_answer_of_the_database_of_the_last_minute_does_not_count_in_this_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    minutes = [100]
    monkeypatch.setattr(time, "time_ns", lambda: minutes[0] * 60 * 10**9)
    limit = RefusalLimit(database, "message", shared=True, per_minute=3)

    async def count() -> bool:
        for _ in range(3):
            await limit.count("192.0.2.7")
        with database.writing():
            late = asyncio.ensure_future(limit.count("192.0.2.7"))
            await asyncio.wait([late], timeout=0.3)
            minutes[0] += 1
            counting = asyncio.ensure_future(limit.count("192.0.2.7"))
            await asyncio.wait([counting], timeout=0.3)
        await asyncio.gather(late, counting)
        return await limit.reached("192.0.2.7")

    assert not asyncio.run(count())


def test_subjects_beyond_the_bound_share_a_count(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_790_000_000 * 10**9)
    monkeypatch.setattr(limits, "SUBJECTS_AT_MOST", 3)
    limit = RefusalLimit(database, "message", shared=False, per_minute=1)

    async def count() -> list[bool]:
        return [await limit.count(f"192.0.2.{number}") for number in range(6)]

    assert asyncio.run(count())[:4] == [False] * 4
    assert asyncio.run(count())[4:] == [True] * 2


def test_a_subject_keeps_its_count_when_there_are_too_many(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_790_000_000 * 10**9)
    monkeypatch.setattr(limits, "SUBJECTS_AT_MOST", 3)
    limit = RefusalLimit(database, "message", shared=False, per_minute=2)

    async def count() -> list[bool]:
        for number in range(10):
            await limit.count(f"192.0.2.{number}")
        return [await limit.count("192.0.2.1") for _ in range(2)]

    assert asyncio.run(count()) == [False, True]


@pytest.mark.parametrize("shared", [False, True])
def test_random_ids_of_one_network_use_up_no_other_networks_count(
    database: Database, monkeypatch: pytest.MonkeyPatch, *, shared: bool
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_790_000_000 * 10**9)
    monkeypatch.setattr(limits, "SUBJECTS_AT_MOST", 200)
    limit = RefusalLimit(database, "message", shared=shared)

    async def count() -> tuple[list[bool], list[bool]]:
        flood = [await limit.count("192.0.2.7", f"invented-{number}") for number in range(400)]
        return flood, [await limit.count(f"192.0.2.{number}", "new") for number in range(8, 108)]

    flood, others = asyncio.run(count())
    assert flood == [False] * 110 + [True] * 290, "50 counts of its own, and one of 60 for the rest"
    assert others == [False] * 100


def test_a_burst_is_ten_lines_and_a_summary(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_limit, "WINDOW_S", 1.0)
    caplog.set_level(logging.INFO)
    limited = LimitedLog(logging.getLogger("test"), "%d more pours")

    async def burst() -> None:
        for number in range(1000):
            limited.line(logging.INFO, "pour %d", number)
        await asyncio.sleep(1.2)
        limited.line(logging.INFO, "later")

    asyncio.run(burst())
    assert caplog.messages == [*[f"pour {number}" for number in range(10)], "990 more pours", "later"]


def test_a_new_window_has_ten_lines_again(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (log_limit.LINES_AT_MOST, log_limit.WINDOW_S) == (10, 10)
    monkeypatch.setattr(log_limit, "WINDOW_S", 1.0)
    caplog.set_level(logging.INFO)
    limited = LimitedLog(logging.getLogger("test"), "%d more")

    async def two_bursts() -> None:
        for burst in ("first", "second"):
            for number in range(13):
                limited.line(logging.INFO, "%s %d", burst, number)
            await asyncio.sleep(1.2)

    asyncio.run(two_bursts())
    expected = [[*[f"{burst} {number}" for number in range(10)], "3 more"] for burst in ("first", "second")]
    assert caplog.messages == [*expected[0], *expected[1]]


def test_a_window_begins_with_its_first_line(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_limit, "WINDOW_S", 1.0)
    caplog.set_level(logging.INFO)
    limited = LimitedLog(logging.getLogger("test"), "%d more")

    async def slowly() -> None:
        limited.line(logging.INFO, "early")
        await asyncio.sleep(0.7)
        for number in range(9):
            limited.line(logging.INFO, "middle %d", number)
        await asyncio.sleep(0.5)
        for number in range(11):
            limited.line(logging.INFO, "late %d", number)
        await asyncio.sleep(1.2)

    asyncio.run(slowly())
    middle, late = ([f"{word} {number}" for number in range(count)] for word, count in (("middle", 9), ("late", 10)))
    assert caplog.messages == ["early", *middle, *late, "1 more"]


def test_a_minute_has_sixty_seconds(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([60_000, 60_059, 60_060])
    monkeypatch.setattr(time, "time_ns", lambda: next(seconds) * 10**9)
    limit = RefusalLimit(database, "message", shared=False, per_minute=1)

    async def count() -> list[bool]:
        return [await limit.count("192.0.2.7") for _ in range(3)]

    assert asyncio.run(count()) == [False, True, False]


def test_a_database_that_is_away_leaves_the_count_of_this_process(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_790_000_000 * 10**9)
    limit = RefusalLimit(database, "message", shared=True, per_minute=2)
    (tmp_path / "kegnet.sqlite").unlink()

    async def count() -> list[bool]:
        return [await limit.count("192.0.2.7") for _ in range(3)]

    assert asyncio.run(count()) == [False, False, True]
    assert not asyncio.run(RefusalLimit(database, "message", shared=True, per_minute=1).reached("192.0.2.7"))


def test_messages_are_counted_by_endpoint_and_result() -> None:
    counters = Counters()
    counters.message("pour", "accepted")
    counters.message("pour", "accepted")
    counters.message("ping", "invalid")
    assert counters.messages() == {("pour", "accepted"): 2, ("ping", "invalid"): 1}


def test_new_pulses_become_litres_by_the_k_factor_of_their_time() -> None:
    counters = Counters()
    counters.poured("uuid", 4, 586)
    counters.poured("uuid", 4, 14)
    assert counters.litres({("uuid", 4): 600}) == {("uuid", 4): 1.0}
    counters.poured("uuid", 4, 600)
    assert counters.litres({("uuid", 4): 1200}) == {("uuid", 4): 1.5}, "what was poured before stays"
    counters.poured("uuid", 5, 5000)
    assert counters.litres({}) == {("uuid", 4): 1.5}, "its k-factor is not known yet"
    assert counters.litres({("uuid", 5): 5000}) == {("uuid", 4): 1.5, ("uuid", 5): 1.0}


def test_processes_that_share_the_database_share_the_count(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_790_000_000 * 10**9)
    first, second = (RefusalLimit(database, "message", shared=True, per_minute=2) for _ in range(2))

    async def count() -> list[bool]:
        return [await limit.count("192.0.2.7") for limit in (first, second, first, second)]

    assert asyncio.run(count())[:3] == [False, False, True]
    for shared in (True, False):
        assert asyncio.run(RefusalLimit(database, "message", shared=shared, per_minute=2).reached("192.0.2.7")) is shared
