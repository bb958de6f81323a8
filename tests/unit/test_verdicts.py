"""What an HTTP answer means."""

from __future__ import annotations

import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kegnet.api import LONGEST_RETRY_AFTER_S, Verdict, judge, retry_after_s
from requests.structures import CaseInsensitiveDict

NOW_S = 1_800_000_000.0


@given(st.integers(100, 999), st.binary(max_size=50), st.text(max_size=20))
def test_each_status_has_the_verdict_of_the_contract(status: int, body: bytes, header: str) -> None:
    outcome = judge(status, CaseInsensitiveDict({"Retry-After": header, "Location": header}), body, NOW_S)
    if status // 100 == 2:
        assert outcome.verdict is Verdict.ACCEPTED
    elif status // 100 == 4 and status not in (408, 425, 429):
        assert outcome.verdict is Verdict.REJECTED
    else:
        assert outcome.verdict is Verdict.UNAVAILABLE
    assert outcome.reason.isprintable()
    assert len(outcome.reason) < 1000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("120", 120), (" 7 ", 7), ("3600", 3600), ("3601", 3600), ("9" * 5000, 3600), ("-5", 0), ("1.5", 0), ("", 0), ("soon", 0)],
)
def test_retry_after_in_seconds(text: str, seconds: float) -> None:
    assert retry_after_s(text, NOW_S) == seconds


@pytest.mark.parametrize(("ahead_s", "seconds"), [(90, 90), (-90, 0), (0, 0), (10**6, LONGEST_RETRY_AFTER_S)])
def test_retry_after_as_a_date(ahead_s: int, seconds: float) -> None:
    assert retry_after_s(email.utils.formatdate(NOW_S + ahead_s, usegmt=True), NOW_S) == seconds


@given(st.text(max_size=60) | st.text("0123456789 :,GMTadeilnorsuvy+-", max_size=40))
def test_retry_after_is_always_a_time_within_the_cap(text: str) -> None:
    assert 0 <= retry_after_s(text, NOW_S) <= LONGEST_RETRY_AFTER_S
