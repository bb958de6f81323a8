"""The KegNet REST API: one message in, one of three outcomes out. No other room knows HTTP or TLS.

The server is one thing: when it is unavailable to a pour it is to a ping, so both share one backoff here.
"""

from __future__ import annotations

import calendar
import contextlib
import enum
import http.client
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Callable

from .backoff import Backoff
from .config import Config
from .deadline import DeadlineExceeded, within
from .logs import shown
from .messages import Message, canonical_text, form
from .signer import Signer
from .transport import FAILURES, Link, words

REQUEST_DEADLINE_S = 30.0
"""Over all of a request: name, connection, TLS, sending, answer."""
CONNECT_TIMEOUT_S = 8.0
"""For one address; a name with a dead IPv6 address leaves time for its IPv4 address."""
IDLE_CONNECTION_S = 60.0
"""A connection unused for longer is not used again: routers forget silently, and the request would hang."""
LONGEST_RETRY_AFTER_S = 3600.0
_HTTP_DATES = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y")
"""The three forms of a date that a recipient must accept (RFC 9110 §5.6.7); all are in GMT."""


class Verdict(enum.Enum):
    """What the server made of a message: taken; refused for good; not now."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class Outcome:
    """A verdict, with the reason in words fit for the log. `retry_after_s`: not again before, in seconds."""

    verdict: Verdict
    reason: str
    retry_after_s: float = 0.0


def judge(status: int, headers: Mapping[str, str], body: bytes, now_s: float) -> Outcome:
    """What an answer means (RFC 9110 §15). `now_s` is Unix time, for a Retry-After that is a date."""
    reason = f"{status} {shown(http.client.responses.get(status, ''))}".rstrip()
    if 200 <= status < 300:
        return Outcome(Verdict.ACCEPTED, reason)
    if 300 <= status < 400:
        # Following it would turn the POST into a GET, and a captive portal's page into an acceptance.
        return Outcome(Verdict.UNAVAILABLE, f"{reason}, a redirect to {shown(headers.get('Location', 'nowhere'))}")
    said = shown(" ".join(body.decode("utf-8", "replace").split()))
    if said:
        reason = f"{reason}: {said}"
    if 400 <= status < 500 and status not in (408, 425, 429):
        return Outcome(Verdict.REJECTED, reason)
    return Outcome(Verdict.UNAVAILABLE, reason, retry_after_s(headers.get("Retry-After", ""), now_s))


def retry_after_s(text: str, now_s: float) -> float:
    """The seconds that a Retry-After header (RFC 9110 §10.2.3) asks for, at `now_s` Unix time; 0 if it is none."""
    text = text.strip()
    if re.fullmatch("[0-9]+", text):
        return min(float(text), LONGEST_RETRY_AFTER_S)
    for style in _HTTP_DATES:
        with contextlib.suppress(ValueError):
            wanted_s = calendar.timegm(time.strptime(text, style)) - now_s
            return max(0.0, min(wanted_s, LONGEST_RETRY_AFTER_S))
    return 0.0


class Api:
    """The server at `config.base_url`, to which `signer` speaks for `config.uuid`."""

    def __init__(self, config: Config, signer: Signer, backoff: Backoff) -> None:
        """Raises ConfigError if the CA certificates cannot be used. Does not touch the network."""
        self.backoff = backoff
        self.outage_since: float | None = None
        self.outage_reason = ""
        self._client_id = config.uuid
        self._signer = signer
        self._ahead: tuple[Message, dict[str, str]] | None = None
        try:
            self._link = Link(config.base_url, config.ca_bundle, (CONNECT_TIMEOUT_S, REQUEST_DEADLINE_S))
        except OSError as error:
            mend = f"cannot be used ({error.strerror or error}); it takes CA certificates in PEM form"
            raise config.error("caBundle", config.ca_bundle, mend) from error
        self._last_used = float("-inf")

    @property
    def ready_at(self) -> float:
        """Before this time, on the monotonic clock, nothing is to be sent."""
        return self.backoff.due

    def close(self) -> None:
        """Drops the connection."""
        self._link.close()

    def send(self, message: Message, upcoming: Callable[[], Message | None] = lambda: None) -> Outcome:
        """Signs `message` and posts it once. Takes `REQUEST_DEADLINE_S` at most; raises nothing.

        `upcoming` gives what is likely to be sent next: it is signed while the answer is on its way.
        """
        fields = self._signed(message)
        if time.monotonic() - self._last_used > IDLE_CONNECTION_S:
            self.close()
        try:
            outcome = within(REQUEST_DEADLINE_S, lambda: self._post(message.endpoint, fields, upcoming))
        except DeadlineExceeded:
            outcome = Outcome(Verdict.UNAVAILABLE, "no whole answer in time")
        except FAILURES as error:
            outcome = Outcome(Verdict.UNAVAILABLE, shown(words(error)))
        self._note(outcome, time.monotonic())
        return outcome

    def _signed(self, message: Message) -> dict[str, str]:
        if self._ahead is not None and self._ahead[0] == message:
            return self._ahead[1]
        fields = message.fields(self._client_id)
        fields["sig"] = self._signer.sign(canonical_text(fields))
        return fields

    def _post(self, endpoint: str, fields: Mapping[str, str], upcoming: Callable[[], Message | None]) -> Outcome:
        def sign_ahead() -> None:
            message = upcoming()
            if message is not None:
                self._ahead = message, self._signed(message)

        answer = self._link.post(endpoint, form(fields), sign_ahead)
        return judge(answer.status, answer.headers, answer.body, time.time())

    def _note(self, outcome: Outcome, now: float) -> None:
        self._last_used = now
        if outcome.verdict is Verdict.UNAVAILABLE:
            self.close()
            self.backoff.failed(now, outcome.retry_after_s)
            self.outage_reason = outcome.reason
            if self.outage_since is None:
                self.outage_since = now
        else:
            self.backoff.succeeded()
            self.outage_since = None
