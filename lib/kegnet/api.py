"""The KegNet REST API: one message in, one of three outcomes out. No other room knows HTTP or TLS.

The server is one thing: when it is unavailable to a pour it is to a ping, so both share one backoff here.
"""

from __future__ import annotations

import email.utils
import enum
import http.client
import re
import ssl
import time
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any

import requests
import requests.adapters
import urllib3.exceptions

from . import __version__
from .backoff import Backoff
from .config import Config
from .deadline import DeadlineExceeded, within
from .logs import shown
from .messages import Message, canonical_text
from .signer import Signer

REQUEST_DEADLINE_S = 30.0
"""Over all of a request: name, connection, TLS, sending, answer."""
CONNECT_TIMEOUT_S = 8.0
"""For one address; a name with a dead IPv6 address leaves time for its IPv4 address."""
IDLE_CONNECTION_S = 60.0
"""A connection unused for longer is not used again: routers forget silently, and the request would hang."""
LONGEST_RETRY_AFTER_S = 3600.0
ANSWER_LIMIT_BYTES = 16 * 1024

SYSTEM_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")

_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)


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


def judge(status: int, headers: requests.structures.CaseInsensitiveDict[str], body: bytes, now_s: float) -> Outcome:
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
        return min(float(text[:9]), LONGEST_RETRY_AFTER_S)
    try:
        wanted_s = email.utils.parsedate_to_datetime(text).timestamp() - now_s
    except (TypeError, ValueError, IndexError, OverflowError):
        return 0.0
    return max(0.0, min(wanted_s, LONGEST_RETRY_AFTER_S))


class Api:
    """The server at `config.base_url`, to which `signer` speaks for `config.uuid`."""

    def __init__(self, config: Config, signer: Signer, backoff: Backoff) -> None:
        """Raises ConfigError if the CA certificates cannot be used. Does not touch the network."""
        self.backoff = backoff
        self.outage_since: float | None = None
        self.outage_reason = ""
        self._base_url = config.base_url
        self._client_id = config.uuid
        self._signer = signer
        self._session = _session(_tls_context(config))
        self._last_used = float("-inf")

    @property
    def ready_at(self) -> float:
        """Before this time, on the monotonic clock, nothing is to be sent."""
        return self.backoff.due

    def close(self) -> None:
        """Drops the connection."""
        self._session.close()

    def send(self, message: Message) -> Outcome:
        """Signs `message` and posts it once. Takes `REQUEST_DEADLINE_S` at most; raises nothing."""
        fields = message.fields(self._client_id)
        fields["sig"] = self._signer.sign(canonical_text(fields))
        if time.monotonic() - self._last_used > IDLE_CONNECTION_S:
            self._session.close()
        try:
            outcome = within(REQUEST_DEADLINE_S, lambda: self._post(f"{self._base_url}/{message.endpoint}", fields))
        except DeadlineExceeded:
            outcome = Outcome(Verdict.UNAVAILABLE, "no whole answer in time")
        except _FAILURES as error:
            outcome = Outcome(Verdict.UNAVAILABLE, shown(_words(error)))
        self._note(outcome, time.monotonic())
        return outcome

    def _post(self, url: str, fields: dict[str, str]) -> Outcome:
        timeouts = (CONNECT_TIMEOUT_S, REQUEST_DEADLINE_S)
        with self._session.post(url, data=fields, timeout=timeouts, stream=True, allow_redirects=False) as response:
            body = _whole_body(response)
            return judge(response.status_code, response.headers, body, time.time())

    def _note(self, outcome: Outcome, now: float) -> None:
        self._last_used = now
        if outcome.verdict is Verdict.UNAVAILABLE:
            self._session.close()
            self.backoff.failed(now, outcome.retry_after_s)
            self.outage_reason = outcome.reason
            if self.outage_since is None:
                self.outage_since = now
        else:
            self.backoff.succeeded()
            self.outage_since = None


class _Session(requests.Session):
    """A session that knows of no redirects: requests reads a redirect's body, whole, before it is asked to follow."""

    def get_redirect_target(self, _response: requests.Response) -> str | None:
        return None


class _Adapter(requests.adapters.HTTPAdapter):
    """Connects with one TLS context of ours, so that the CA certificates are read once, not at each connection."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)

    def cert_verify(self, conn: Any, *_: Any) -> None:
        """The context verifies already."""
        conn.cert_reqs = "CERT_REQUIRED"


def _session(context: ssl.SSLContext) -> requests.Session:
    session = _Session()
    # What the machine has for others (.netrc, proxies, REQUESTS_CA_BUNDLE) is not for this server.
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.clear()
    session.headers.update({"User-Agent": f"kegnet-client/{__version__}", "Accept-Encoding": "identity"})
    adapter = _Adapter(context)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _tls_context(config: Config) -> ssl.SSLContext:
    bundle = config.ca_bundle or (SYSTEM_CA_BUNDLE if SYSTEM_CA_BUNDLE.is_file() else None)
    try:
        context = ssl.create_default_context(cafile=bundle)
    except OSError as error:
        raise config.error(
            "caBundle", bundle, f"cannot be used ({error.strerror or error}); it takes CA certificates in PEM form"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.13 also wants extensions that certificates made at home often lack, and that older ones never wanted.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # urllib3 holds the certificate against the host itself, as it does where this is False; OpenSSL, asked to
    # do it, would refuse a host that is an IP address, for which urllib3 before 2.0 names no host in the handshake.
    context.check_hostname = False
    return context


def _whole_body(response: requests.Response) -> bytes:
    """The answer's body, undecoded, or as much of it as anybody needs. Raises an error if it was cut off.

    Read to its end, the connection can be used again.
    """
    body = b""
    while len(body) < ANSWER_LIMIT_BYTES:
        chunk: bytes = response.raw.read(ANSWER_LIMIT_BYTES - len(body), decode_content=False)
        if not chunk:
            break
        body += chunk
    else:
        return body
    if response.raw.length_remaining:
        raise urllib3.exceptions.ProtocolError("the answer was cut off")
    return body


def _words(error: BaseException, depth: int = 10) -> str:
    """The innermost reason of an error that libraries have wrapped in errors of their own."""
    for inner in (getattr(error, "reason", None), *reversed(error.args), error.__cause__, error.__context__):
        if isinstance(inner, BaseException) and depth > 0:
            return _words(inner, depth - 1)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted ({error.verify_message})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
