"""What an HTTP response means, or the error that came instead of one."""

from __future__ import annotations

import email.utils
import ssl

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from kegnet.client.http_result import RETRY_AFTER_LIMIT_S, judge_failure, judge_response, retry_after_s
from kegnet.client.outcome import Outcome
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import InvalidHeader, MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError

NOW_S = 1_800_000_000.0
BUSY = (408, 425, 429, 503)
NOT_THE_API = (404, 405, 407, 421, 426)


def expected(status: int) -> Outcome:
    """The table of the contract again."""
    if 200 <= status < 300:
        return Outcome.ACCEPTED
    if status in (401, 403):
        return Outcome.REFUSED
    if status in BUSY:
        return Outcome.BUSY
    if 400 <= status < 500 and status not in NOT_THE_API:
        return Outcome.INVALID
    return Outcome.FAILED


@given(st.integers(100, 999), st.binary(max_size=50), st.text(max_size=20))
def test_each_status_has_the_outcome_of_the_contract(status: int, body: bytes, header: str) -> None:
    result = judge_response(status, "Whatever", CaseInsensitiveDict({"Retry-After": header, "Location": header}), body, NOW_S)
    assert result.outcome is expected(status)
    assert result.reason.isprintable()
    assert len(result.reason) < 1000


def test_a_status_line_without_its_end_is_no_answer() -> None:
    for phrase in ("", "O"):
        assert judge_response(200, phrase, {}, b"", NOW_S).outcome is Outcome.FAILED
    assert judge_response(200, "OK", {}, b"", NOW_S).outcome is Outcome.ACCEPTED
    assert judge_response(200, "", {"Content-Length": "0"}, b"", NOW_S).outcome is Outcome.ACCEPTED
    assert judge_response(503, "Later", {}, b"", NOW_S).outcome is Outcome.BUSY


def test_a_redirect_names_its_target() -> None:
    result = judge_response(302, "Found", {"Location": "https://portal.example/\n"}, b"", NOW_S)
    assert result.reason == "302 Found, a redirect to https://portal.example/\\n, not followed"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("120", 120), (" 7 ", 7), ("3600", 3600), ("3601", 3600), ("9" * 5000, 3600), ("-5", 0), ("1.5", 0), ("", 0), ("soon", 0)],
)
def test_retry_after_in_seconds(text: str, seconds: float) -> None:
    assert retry_after_s({"Retry-After": text}, NOW_S) == seconds


@pytest.mark.parametrize(("ahead_s", "seconds"), [(90, 90), (-90, 0), (0, 0), (10**6, RETRY_AFTER_LIMIT_S)])
def test_retry_after_as_a_date_counts_against_the_date_of_the_response(ahead_s: int, seconds: float) -> None:
    wanted = email.utils.formatdate(NOW_S + ahead_s, usegmt=True)
    assert retry_after_s({"Retry-After": wanted}, NOW_S) == seconds
    assert retry_after_s({"Retry-After": wanted, "Date": email.utils.formatdate(NOW_S, usegmt=True)}, now_s=0) == seconds


@pytest.mark.parametrize("text", ["Fri, 15 Jan 2027 08:01:30 GMT", "Friday, 15-Jan-27 08:01:30 GMT", "Fri Jan 15 08:01:30 2027"])
def test_retry_after_in_the_three_forms_of_a_date(text: str) -> None:
    assert retry_after_s({"Retry-After": text}, NOW_S) == 90


@given(
    st.text(max_size=60) | st.text("0123456789 :,GMTadeilnorsuvy+-", max_size=40), st.text("0123456789 :,GMTadeilnorsuvy+-", max_size=40)
)
def test_retry_after_is_always_a_time_within_the_cap(text: str, date: str) -> None:
    assert 0 <= retry_after_s({"Retry-After": text, "Date": date}, NOW_S) <= RETRY_AFTER_LIMIT_S


def wrapped(error: Exception) -> requests.ConnectionError:
    return requests.ConnectionError(MaxRetryError(None, "/", error))  # type: ignore[arg-type]


def test_what_fails_before_anything_was_sent_says_nothing_of_the_message() -> None:
    refused = NewConnectionError(None, "Failed")  # type: ignore[arg-type]
    refused.__cause__ = ConnectionRefusedError(111, "Connection refused")
    result = judge_failure(wrapped(refused), "k.example", sent=False)
    assert (result.outcome, result.reason) == (Outcome.NO_CONNECTION, "Connection refused")


@pytest.mark.parametrize(
    "error",
    [
        ProtocolError("x", ConnectionResetError(104, "Connection reset by peer")),
        ReadTimeoutError(None, "", "x"),  # type: ignore[arg-type]
        InvalidHeader("Content-Length contained multiple unmatching values (2, 3)"),
    ],
)
def test_what_fails_after_something_was_sent_is_about_the_message(error: Exception) -> None:
    assert judge_failure(wrapped(error), "k.example", sent=True).outcome is Outcome.FAILED


def test_certificate_trouble_names_the_host_and_the_fix() -> None:
    error = ssl.SSLCertVerificationError(1, "failed")
    error.verify_code, error.verify_message = 10, "certificate has expired"
    result = judge_failure(wrapped(error), "k.example", sent=False)
    assert result.reason == "certificate trouble: asked for k.example, certificate has expired"
    assert "renew" in result.fix
