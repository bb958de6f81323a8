"""The KegNet REST API: every response becomes a Result. Only this module uses HTTP, by documented interfaces of requests and urllib3."""

from __future__ import annotations

import io
import socket
import ssl
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import Retry as ConnectionRetry

from .. import __version__
from ..core.messages import Message, canonical_text
from ..core.signing import CertificateFacts, SigningKey, certificate_facts
from .config import Config
from .deadline import DeadlineExceeded, time_limit
from .http_result import judge_failure, judge_response
from .outcome import Outcome, Result

REQUEST_LIMIT_S = 30.0  # For connecting, TLS, sending and the answer together. No signal interrupts name resolution.
CONNECT_TIMEOUT_S = 4.0  # Per address of a name, so that four unreachable addresses leave time for the fifth.
IDLE_CONNECTION_S = 60.0  # Longer unused connections are closed: a router may have dropped them, and the request would hang.
CERTIFICATE_LIMIT_S = 8.0  # For fetching the server's certificate.
RESPONSE_LIMIT_BYTES = 16 * 1024
INTERRUPTED_LIMIT = 20  # Maximum number of interrupted sessions (up to 1 MB each) before the process must be restarted.
SYSTEM_STORE = Path("/etc/ssl/certs/ca-certificates.crt")  # Debian's. If it does not exist, OpenSSL's default is used.

_RESEND_ONCE = ConnectionRetry(
    total=1, connect=0, read=1, status=0, redirect=0, other=1, allowed_methods=None, respect_retry_after_header=False
)
"""Resend once if the server closes a kept connection just as the request is sent (RFC 9112 §9.3.1). urllib3 counts that
as `read` or, if TLS notices it first, as `other`."""
_NEVER_RESEND = ConnectionRetry(0, read=False)
_FAILURES = (requests.RequestException, HTTPError, OSError, ValueError)
"""Everything that a request can raise, except DeadlineExceeded."""
_QUOTED = str.maketrans({"+": "%2B", "/": "%2F", "=": "%3D"})
"""The characters of base64 that a form quotes."""

_interrupted: list[tuple[requests.Session, BaseException | None]] = []
"""Interrupted sessions, with the exception that references their frames. They may contain a locked lock, and a finalizer
would wait for it. So they are kept, and never used, closed or collected."""


class RestApi:
    """The server at `config.base_url`, for the client `config.uuid` that signs with `key`; without a key only `probe()` works."""

    def __init__(self, config: Config, key: SigningKey | None) -> None:
        """Raises ConfigError if `caBundle` cannot be used. Does not touch the network."""
        self._base_url = config.base_url
        self._host = (urlsplit(config.base_url).hostname or "").replace("%25", "%")
        self._client_id = config.uuid
        self._key = key
        # A path, not True: requests then reads the file for each new connection, so that an update of the store takes effect.
        self._store = str(config.ca_bundle or (SYSTEM_STORE if SYSTEM_STORE.is_file() else ssl.get_default_verify_paths().cafile))
        try:
            ssl.create_default_context(cafile=config.ca_bundle)
        except OSError as error:
            problem = f"it cannot be used ({error.strerror or error})"
            open_it = f"let everybody read it (chmod a+r), and move it out of /home and /root, e.g. to {config.path.parent}"
            fix = open_it if isinstance(error, PermissionError) else "use the path of CA certificates in PEM form"
            raise config.error("caBundle", config.ca_bundle, problem, fix) from error
        self._last_used = float("-inf")
        self._open()

    def close(self) -> None:
        """Closes the connection."""
        self._session.close()

    def post(self, message: Message) -> Result:
        """Signs `message` and posts it once. Takes at most `REQUEST_LIMIT_S`, plus name resolution. Never raises."""
        if self._key is None:
            raise ValueError("a message needs a key")
        fields = message.fields(self._client_id)
        fields["sig"] = self._key.sign(canonical_text(fields)).translate(_QUOTED)  # The other values have no such characters.
        return self.post_form(message.endpoint, "&".join(f"{name}={value}" for name, value in fields.items()))

    def post_form(self, endpoint: str, form: str) -> Result:
        """Posts an encoded form once, within the same time. Never raises."""
        answer = self._request("POST", f"{self._base_url}/{endpoint}", form)
        if isinstance(answer, Result):
            return answer
        response, body = answer
        return judge_response(response.status_code, response.reason or "", response.headers, body, time.time())

    def probe(self) -> Result:
        """Sends a GET for the base URL. Every HTTP response is ACCEPTED: it shows that there is a connection."""
        answer = self._request("GET", self._base_url, "")
        return answer if isinstance(answer, Result) else Result(Outcome.ACCEPTED, f"{answer[0].status_code} {answer[0].reason}".rstrip())

    def _open(self) -> None:
        self._adapter = HTTPAdapter(pool_connections=1, pool_maxsize=1)
        self._session = _new_session(self._adapter)
        self._prepared: dict[str, requests.PreparedRequest] = {}  # By URL, without their bodies.
        self._kept = False

    def _request(self, method: str, url: str, form: str) -> tuple[requests.Response, bytes] | Result:
        """The response to one request and its body, or the result if there is none."""
        if not self._kept or time.monotonic() - self._last_used > IDLE_CONNECTION_S:
            self._session.close()
            self._kept = False
            try:
                # Outside the time limit, which cannot interrupt it: a slow name server is not a failure of the request.
                socket.getaddrinfo(self._host, None)
            except (OSError, UnicodeError) as error:
                return judge_failure(error, self._host, sent=False)
        self._adapter.max_retries = _RESEND_ONCE if self._kept else _NEVER_RESEND
        answer = self._exchange(method, url, _Form(form.encode("ascii")))
        self._kept = not isinstance(answer, Result)
        self._last_used = time.monotonic()
        return answer

    def _exchange(self, method: str, url: str, form: _Form) -> tuple[requests.Response, bytes] | Result:
        response: requests.Response | None = None
        body = bytearray()
        interruption: BaseException | None = None
        limit = time_limit(REQUEST_LIMIT_S)
        try:
            with limit:
                # Not Session.send(): it reads the whole decompressed body of a redirect, even if it does not follow it.
                timeout = (CONNECT_TIMEOUT_S, REQUEST_LIMIT_S)
                response = self._adapter.send(self._prepare(method, url, form), stream=True, timeout=timeout, verify=self._store)
                _read_body(response, body)
        except DeadlineExceeded as error:
            interruption = error
        except _FAILURES as error:
            return judge_failure(error, self._host, form.sent)
        finally:
            if limit.expired:
                _interrupted.append((self._session, interruption))
                self._open()
        if response is None:
            return Result(Outcome.FAILED if form.sent else Outcome.NO_CONNECTION, f"no answer within {REQUEST_LIMIT_S:.0f} s")
        if response.status_code < 200:
            # An interim response. Otherwise the final one would count as the answer to the next message.
            self._session.close()
        return response, bytes(body)

    def _prepare(self, method: str, url: str, form: _Form) -> requests.PreparedRequest:
        """The request. Only its body is prepared for each message: the rest takes a tenth of the time of a pour."""
        if url not in self._prepared:
            self._prepared[url] = self._session.prepare_request(requests.Request(method, url))
        if method == "POST":
            self._prepared[url].prepare_body(form, files=None)
        return self._prepared[url]


class _Form(io.BytesIO):
    """A request's body. It is read once there is a connection: then `sent` is true."""

    sent = False

    def read(self, size: int | None = -1) -> bytes:
        self.sent = True
        return super().read(size)


def server_certificate(host: str, port: int) -> CertificateFacts | None:
    """The content of the server's certificate, trusted or not; None if the server sends none in time."""
    try:
        with time_limit(CERTIFICATE_LIMIT_S):
            return certificate_facts(ssl.get_server_certificate((host, port), timeout=CONNECT_TIMEOUT_S))
    except (DeadlineExceeded, OSError, ValueError):
        return None


def must_restart() -> bool:
    """Whether so many requests were interrupted that the process must be restarted."""
    return len(_interrupted) >= INTERRUPTED_LIMIT


def _new_session(adapter: HTTPAdapter) -> requests.Session:
    session = requests.Session()
    # Ignore .netrc, proxies and REQUESTS_CA_BUNDLE: they are meant for other programs.
    session.trust_env = False
    session.headers.clear()
    content = {"Content-Type": "application/x-www-form-urlencoded", "Accept-Encoding": "identity"}
    session.headers.update({"User-Agent": f"kegnet-client/{__version__}", **content})
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _read_body(response: requests.Response, body: bytearray) -> None:
    """Reads at most `RESPONSE_LIMIT_BYTES` into `body`. The connection can be reused only if the body was read to its end."""
    try:
        # Not raw.stream(): in urllib3 1.26 it reads a chunk's size line of any length into memory.
        while len(body) < RESPONSE_LIMIT_BYTES and not response.raw.closed:
            chunk = response.raw.read(RESPONSE_LIMIT_BYTES - len(body), decode_content=False)
            if not chunk:
                break
            body += chunk
    except _FAILURES:
        pass  # The status line has decided already.
    finally:
        response.close()
