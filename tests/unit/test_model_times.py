"""Which time counts for a message, tried at its bounds."""

from __future__ import annotations

import pytest
from kegnet.server.model.times import counted_ms, in_ms

ADDED = 1_790_000_000_000
RECEIVED = ADDED + 1_000_000_000
MINUTE = 60_000
DAY = 24 * 60 * MINUTE


@pytest.mark.parametrize(
    ("ts", "expected"),
    [
        (1_372_686_435, (1_372_686_435_000, True)),
        (1_372_686_435_017, (1_372_686_435_017, False)),
        (0, (0, True)),
        (99_999_999_999, (99_999_999_999_000, True)),
        (100_000_000_000, (100_000_000_000, False)),
    ],
)
def test_a_time_is_in_seconds_where_milliseconds_would_be_before_1973(ts: int, expected: tuple[int, bool]) -> None:
    assert in_ms(ts) == expected


@pytest.mark.parametrize("ts_ms", [RECEIVED, RECEIVED - 1, RECEIVED + 5 * MINUTE, ADDED, ADDED - 90 * DAY])
def test_a_possible_time_counts_as_it_was_sent(ts_ms: int) -> None:
    assert counted_ms(ts_ms, RECEIVED, ADDED) == (ts_ms, False)


@pytest.mark.parametrize("ts_ms", [RECEIVED + 5 * MINUTE + 1, ADDED - 90 * DAY - 1, 0, 253_402_300_799_999])
def test_an_impossible_time_is_replaced_by_that_of_the_receipt(ts_ms: int) -> None:
    assert counted_ms(ts_ms, RECEIVED, ADDED) == (RECEIVED, True)
