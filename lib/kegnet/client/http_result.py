"""Turns an HTTP response, or the error instead of one, into a Result. No I/O."""

from __future__ import annotations

import email.utils
import http
import re
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http.client import BadStatusLine, RemoteDisconnected

from urllib3.exceptions import SSLError

from ..core.syslog_handler import escape_name
from .outcome import Outcome, Result

RETRY_AFTER_LIMIT_S = 3600.0

_BUSY = (408, 425, 429, 503)
_NOT_THE_API = (404, 405, 407, 421, 426)
_HOSTNAME_MISMATCH = 62
_CERTIFICATE_FIXES = {
    9: "set this machine's clock: timedatectl set-ntp true",
    10: "ask the server's administrator to renew it, unless this machine's clock is wrong",
    _HOSTNAME_MISMATCH: "use the name that the certificate is for in serviceBaseURL",
    64: "use the name that the certificate is for in serviceBaseURL",
}
"""By the codes X509_V_ERR_* of openssl-verification-options(1)."""
_UNKNOWN_AUTHORITY_FIX = "name the certificate of the authority that signed it in caBundle"
_OLD_TLS = "the server offers no TLS version, or no cipher, that this machine accepts (TLS 1.2 is the least)"
_TLS_PROBLEMS = {
    "WRONG_VERSION_NUMBER": "the server does not use TLS; is it http:// instead of https://?",
    "TLSV1_ALERT_PROTOCOL_VERSION": _OLD_TLS,
    "UNSUPPORTED_PROTOCOL": _OLD_TLS,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": _OLD_TLS,
}


def judge_response(status: int, phrase: str, headers: Mapping[str, str], body: bytes, now_s: float) -> Result:
    """The result of a response (RFC 9110 §15). `now_s` is the Unix time, used if Retry-After is a date."""
    standard = _standard_phrase(status)
    # http.client accepts a status line that was cut off: then there are no headers, and the phrase is incomplete.
    if not headers and phrase != standard and standard.startswith(phrase):
        return Result(Outcome.FAILED, "the answer was cut off in its first line")
    text = escape_name(" ".join(body.decode("utf-8", "replace").split()))
    reason = f"{status} {standard}".rstrip()
    explained = f"{reason}: {text}" if text else reason
    if 200 <= status < 300:
        return Result(Outcome.ACCEPTED, reason)
    if 300 <= status < 400:
        target = headers.get("Location")
        redirect = f"a redirect to {escape_name(target)}" if target else "a redirect without a target"
        return Result(Outcome.FAILED, f"{reason}, {redirect}, not followed", fix="check serviceBaseURL, or log in to the network")
    if status in (401, 403):
        return Result(Outcome.REFUSED, explained)
    if status in _BUSY:
        return Result(Outcome.BUSY, explained, retry_after_s(headers, now_s))
    if status in _NOT_THE_API:
        return Result(Outcome.FAILED, explained, fix="check serviceBaseURL")
    return Result(Outcome.INVALID if 400 <= status < 500 else Outcome.FAILED, explained)


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float:
    """The delay that Retry-After (RFC 9110 §10.2.3) requests, in seconds, capped; 0 if it is absent, past or invalid.

    A date is relative to the response's Date, because this machine's clock (`now_s`) may differ from the server's.
    """
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch("[0-9]+", text):
        return min(float(text), RETRY_AFTER_LIMIT_S)
    wanted = _http_date_s(text)
    if wanted is None:
        return 0.0
    sent = _http_date_s(headers.get("Date", ""))
    return max(0.0, min(wanted - (now_s if sent is None else sent), RETRY_AFTER_LIMIT_S))


def judge_failure(error: BaseException, host: str, sent: bool) -> Result:
    """The result of a request to `host` that raised `error`. `sent`: whether a part of the request was sent before.

    Libraries wrap errors, so the innermost cause decides.
    """
    causes = list(_causes(error))
    inner = causes[-1]
    if isinstance(inner, ssl.SSLCertVerificationError):
        return _untrusted(host, inner.verify_message, inner.verify_code)
    if isinstance(inner, ValueError) and not isinstance(inner, OSError) and any(isinstance(cause, SSLError) for cause in causes):
        # urllib3 before 2.0 compares the names itself, and raises its own error.
        return _untrusted(host, str(inner), _HOSTNAME_MISMATCH)
    return Result(Outcome.FAILED if sent else Outcome.NO_CONNECTION, escape_name(_describe(inner)))


def _untrusted(host: str, problem: str, verify_code: int) -> Result:
    fix = _CERTIFICATE_FIXES.get(verify_code, _UNKNOWN_AUTHORITY_FIX)
    reason = f"certificate trouble: asked for {host}, {escape_name(problem)}"
    return Result(Outcome.NO_CONNECTION, reason, fix=fix, untrusted=True)


def _standard_phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""


def _http_date_s(text: str) -> float | None:
    """The Unix time of an HTTP date in one of its three forms (RFC 9110 §5.6.7), all of them in GMT."""
    try:
        moment: datetime = email.utils.parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """`error` and what caused it, the innermost last."""
    for _ in range(10):  # Causes can be circular.
        if error is None:
            return
        yield error
        context = None if error.__suppress_context__ else error.__context__
        inner = (getattr(error, "reason", None), *reversed(error.args), error.__cause__, context)
        error = next((cause for cause in inner if isinstance(cause, BaseException)), None)


def _describe(error: BaseException) -> str:
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return "the TLS connection was closed"
    if isinstance(error, ssl.SSLError) and error.reason:
        return _TLS_PROBLEMS.get(error.reason, f"TLS error: {error.reason.lower().replace('_', ' ')}")
    if isinstance(error, RemoteDisconnected):
        return "the connection was closed without an answer"
    if isinstance(error, BadStatusLine):
        return "the answer is not HTTP"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
