"""Gaps in the temperatures of a client."""

from __future__ import annotations

from dataclasses import dataclass

from kegnet.server.model.gaps import gaps_before

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True)
class Bin:
    at_ms: int
    length_ms: int
    number: int


def gaps(*bins: Bin) -> list[int]:
    """The places of the bins that have a gap before them."""
    return [place for place, gap in enumerate(gaps_before(bins)) if gap]


def test_a_pause_of_a_few_intervals_is_a_gap() -> None:
    every_two_minutes = [Bin(10 * MINUTE_MS * place, 10 * MINUTE_MS, 5) for place in (0, 1, 2, 3, 5, 6)]
    assert gaps(*every_two_minutes) == [4], "one bin of ten minutes without a message"


def test_a_client_that_reports_seldom_has_no_gaps() -> None:
    assert gaps(*(Bin(30 * MINUTE_MS * place, MINUTE_MS, 1) for place in range(20))) == []
    assert gaps(*(Bin(30 * MINUTE_MS * place, MINUTE_MS, 1) for place in (0, 1, 2, 3, 5, 6))) == [], "one message is missing"
    assert gaps(*(Bin(30 * MINUTE_MS * place, MINUTE_MS, 1) for place in (0, 1, 2, 3, 8, 9))) == [4]


def test_an_outage_of_three_days_is_a_gap_in_the_chart_of_a_year() -> None:
    days = [Bin(DAY_MS * place, DAY_MS, 144) for place in (*range(200), *range(203, 365))]
    assert gaps(*days) == [200]


def test_thinned_hours_among_short_bins_are_no_gaps() -> None:
    hours = [Bin(HOUR_MS * place, HOUR_MS, 6) for place in range(10)]
    recent = [Bin(10 * HOUR_MS + 10 * MINUTE_MS * place, 10 * MINUTE_MS, 1) for place in range(60)]
    assert gaps(*hours, *recent) == []


def test_nothing_and_one_message_have_no_gaps() -> None:
    assert gaps_before([]) == []
    assert gaps_before([Bin(0, HOUR_MS, 1)]) == [False]
