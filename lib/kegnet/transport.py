"""HTTP and TLS as this client wants them: one requests.Session that trusts nobody else's settings and no half answer."""

from __future__ import annotations

import functools
import http.client
import importlib.util
import io
import ssl
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable, NamedTuple, cast

if importlib.util.find_spec("charset_normalizer"):
    # With either of the two requests would guess what an answer is encoded in. Nobody here asks it to, and this one's
    # tables take 2 MB. Debian 12's requests warns that the other is newer than it knows.
    sys.modules.setdefault("chardet", None)  # type: ignore[arg-type]
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import requests
    import requests.adapters
import urllib3
import urllib3.connection
import urllib3.exceptions

from . import __version__

SYSTEM_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
ANSWER_LIMIT_BYTES = 16 * 1024
INTERIM_ANSWERS = 100
"""How many 1xx answers may come before the real one."""

FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)
"""All that a request may raise."""
_HUNG_UP = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)

_CUT = "the answer was cut off"
_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (http.client.RemoteDisconnected, "it hung up without an answer"),
    (ssl.SSLEOFError, "it hung up"),
    (ssl.SSLZeroReturnError, "it hung up"),
    (http.client.IncompleteRead, _CUT),
    (http.client.BadStatusLine, "its answer is not HTTP"),
    (http.client.UnknownProtocol, "its answer is not HTTP"),
    (urllib3.exceptions.ConnectTimeoutError, "it does not answer"),
)
_TLS_WORDS = {
    "WRONG_VERSION_NUMBER": "it does not speak TLS; is it http:// instead of https://?",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it speaks old TLS only; 1.2 is the least",
    "UNSUPPORTED_PROTOCOL": "it speaks old TLS only; 1.2 is the least",
}


class Answer(NamedTuple):
    """An answer whose head is whole, and whose body is, or is as much as anybody needs of a longer one."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Link:
    """The way to one server: a session, its connection kept. It trusts the CA certificates in `ca_bundle`, or the system's."""

    def __init__(self, base_url: str, ca_bundle: Path | None, timeouts_s: tuple[float, float]) -> None:
        """`timeouts_s` are for one address's connection, and for each wait after. Raises OSError if the certificates cannot be used."""
        self._base_url = base_url
        self._timeouts_s = timeouts_s
        self._meanwhile: Callable[[], None] = lambda: None
        self._session = _session(ca_bundle, lambda: self._meanwhile())
        self._adapter = self._session.get_adapter(base_url)
        self._requests: dict[str, requests.PreparedRequest] = {}
        self._kept = False

    def post(self, endpoint: str, form: str, meanwhile: Callable[[], None] = lambda: None) -> Answer:
        """Posts a form once, and does `meanwhile` while the answer is on its way. Raises one of `FAILURES`; then `close()` is due."""
        self._meanwhile = meanwhile
        with self._whole_head(endpoint, form) as response:
            answer = Answer(response.status, response.headers, _whole_body(response))
        self._kept = True
        return answer

    def close(self) -> None:
        """Drops the connection."""
        self._kept = False
        self._session.close()

    def _whole_head(self, endpoint: str, form: str) -> urllib3.HTTPResponse:
        try:
            return self._ask(endpoint, form)
        except FAILURES as error:
            if not (self._kept and _hung_up(error)):
                raise
        # A server may close a kept connection just as the next request goes out (RFC 9112 §9.3.1): that is no outage.
        self.close()
        return self._ask(endpoint, form)

    def _ask(self, endpoint: str, form: str) -> urllib3.HTTPResponse:
        request = self._requests.get(endpoint) or self._prepare(endpoint)
        request.body = form
        request.headers["Content-Length"] = str(len(form))
        # Redirects, cookies, proxies: what a session's own send() adds is what this client must not have.
        return cast(urllib3.HTTPResponse, self._adapter.send(request, stream=True, timeout=self._timeouts_s))

    def _prepare(self, endpoint: str) -> requests.PreparedRequest:
        """What all requests to an endpoint have in common, which takes longer to prepare than one takes to send."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        made = self._session.prepare_request(requests.Request("POST", f"{self._base_url}/{endpoint}", headers=headers))
        # urllib3 copies them for each request; with names that are always written alike, a plain dictionary will do.
        made.headers = cast(Any, dict(made.headers))
        self._requests[endpoint] = made
        return made


def _session(ca_bundle: Path | None, meanwhile: Callable[[], None]) -> requests.Session:
    made = requests.Session()
    # What the machine has for others (.netrc, proxies, REQUESTS_CA_BUNDLE) is not for this server.
    made.trust_env = False
    made.headers.clear()
    made.headers.update({"User-Agent": f"kegnet-client/{__version__}", "Accept-Encoding": "identity"})
    adapter = _Adapter(tls_context(ca_bundle), meanwhile)
    made.mount("https://", adapter)
    made.mount("http://", adapter)
    return made


def _whole_body(response: urllib3.HTTPResponse) -> bytes:
    """The answer's body, undecoded, or as much of it as anybody needs. Raises an error if it was cut off.

    Read to its end, the connection can be used again.
    """
    body = b""
    while len(body) < ANSWER_LIMIT_BYTES:
        chunk: bytes = response.read(ANSWER_LIMIT_BYTES - len(body), decode_content=False)
        if not chunk:
            break
        body += chunk
        if response.length_remaining == 0:
            break
    else:
        return body
    if response.length_remaining:
        raise urllib3.exceptions.ProtocolError(_CUT)
    return body


def _hung_up(error: BaseException) -> bool:
    """Whether the other end has closed the connection."""
    return isinstance(_innermost(error), _HUNG_UP)


def words(error: BaseException) -> str:
    """Why a request failed, for an owner: by its innermost error, for libraries wrap them in errors of their own."""
    inner = _innermost(error)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted ({inner.verify_message})"
    if isinstance(inner, ssl.SSLError) and inner.reason in _TLS_WORDS:
        return _TLS_WORDS[inner.reason]
    for kind, said in _WORDS:
        if isinstance(inner, kind):
            return said
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    if isinstance(inner, OSError) and "timed out" in str(inner):
        return "it does not answer"
    return str(inner) or type(inner).__name__


def _innermost(error: BaseException, depth: int = 10) -> BaseException:
    if isinstance(error, http.client.HTTPException):
        return error  # What it met on the way, such as a number that is none, says less.
    context = None if error.__suppress_context__ else error.__context__
    for inner in (getattr(error, "reason", None), *reversed(error.args), error.__cause__, context):
        if isinstance(inner, BaseException) and depth > 0:
            return _innermost(inner, depth - 1)
    return error


class _Lines(io.BufferedReader):
    """An answer as it comes. While `in_head`, a line that the connection's end has cut off is an error."""

    in_head = False
    _begun = False

    def readline(self, size: int | None = -1) -> bytes:
        line = super().readline(-1 if size is None else size)
        # An end before the first byte is for http.client to tell: nothing has been answered.
        if self.in_head and not line.endswith(b"\n") and len(line) != size and (line or self._begun):
            raise http.client.IncompleteRead(line)
        self._begun = True
        return line


class _Answer(http.client.HTTPResponse):
    """An answer whose head is whole, after a bounded number of interim ones.

    RFC 9112 §8: what a head would say that was cut off is not known. RFC 9110 §15.2: any number of 1xx answers
    may come first, asked for or not; http.client knows of `100 Continue` only.
    """

    _interim_answers = 0

    def begin(self) -> None:
        """Reads the head."""
        if self.headers is not None:
            return
        lines = _Lines(cast(io.RawIOBase, self.fp.detach()))
        self.fp = lines
        lines.in_head = True
        super().begin()
        lines.in_head = False

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        if not 100 <= status < 200 or status == http.client.SWITCHING_PROTOCOLS:
            return version, status, reason
        self._interim_answers += 1
        if self._interim_answers > INTERIM_ANSWERS:
            raise http.client.HTTPException("too many interim answers")
        return version, http.client.CONTINUE, reason


class _InOnePiece:
    """Sends a request's head and body together: one TLS record, one packet. urllib3 since 2.0 gives the body apart, though."""

    _buffer: list[bytes]

    def _send_output(self, message_body: object = None, encode_chunked: bool = False) -> None:
        if not isinstance(message_body, bytes):
            super()._send_output(message_body, encode_chunked)  # type: ignore[misc]
            return
        request = b"\r\n".join((*self._buffer, b"", message_body))
        self._buffer.clear()
        self.send(request)  # type: ignore[attr-defined]


class _Meanwhile:
    """Has something done while the answer is on its way."""

    def __init__(self, *args: Any, meanwhile: Callable[[], None], **kwargs: Any) -> None:
        self._meanwhile = meanwhile
        super().__init__(*args, **kwargs)

    def getresponse(self, **_: Any) -> Any:
        # urllib3 before 2.0 first asks as Python 2 wanted to be asked, and had it been refused, would ask once more.
        self._meanwhile()
        return super().getresponse()  # type: ignore[misc]


class _HTTPConnection(_InOnePiece, _Meanwhile, urllib3.connection.HTTPConnection):
    response_class = _Answer


class _HTTPSConnection(_InOnePiece, _Meanwhile, urllib3.connection.HTTPSConnection):
    response_class = _Answer


class _HTTPConnectionPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSConnectionPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class _Adapter(requests.adapters.HTTPAdapter):
    """Connects with one TLS context of ours, so that the CA certificates are read once, not at each connection; to one server."""

    def __init__(self, context: ssl.SSLContext, meanwhile: Callable[[], None]) -> None:
        self._context = context
        self._meanwhile = meanwhile
        self._pool: Any = None
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPConnectionPool, "https": _HTTPSConnectionPool}

    def get_connection(self, url: Any, proxies: Any = None) -> Any:
        """The pool of connections to the server (requests before 2.32)."""
        return self._pool or self._keep(super().get_connection(url, proxies))

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Likewise (requests since 2.32)."""
        return self._pool or self._keep(super().get_connection_with_tls_context(*args, **kwargs))

    def _keep(self, pool: Any) -> Any:
        pool.ConnectionCls = functools.partial(pool.ConnectionCls, meanwhile=self._meanwhile)
        self._pool = pool
        return pool

    def request_url(self, request: Any, _proxies: Any) -> str:
        """What the request line names: no proxy wants the whole address."""
        return str(request.path_url)

    def build_response(self, _request: Any, resp: Any) -> Any:
        """urllib3's own answer: there are no cookies to keep, and no encoding to guess."""
        return resp

    def close(self) -> None:
        """Drops the pool and its connections."""
        self._pool = None
        super().close()

    def cert_verify(self, conn: Any, *_: Any) -> None:
        """The context verifies already."""
        conn.cert_reqs = "CERT_REQUIRED"


def tls_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """What is asked of a server's TLS: 1.2 or later, and a certificate by an authority in `ca_bundle`, or by one of the system's.

    Whether it is the right host's is for the caller to look at. Raises OSError if the authorities cannot be used.
    """
    context = ssl.create_default_context(cafile=ca_bundle or (SYSTEM_CA_BUNDLE if SYSTEM_CA_BUNDLE.is_file() else None))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.13 also wants extensions that certificates made at home often lack, and that older ones never wanted.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # urllib3 holds the certificate against the host itself, as it does where this is False; OpenSSL, asked to
    # do it, would refuse a host that is an IP address, for which urllib3 before 2.0 names no host in the handshake.
    context.check_hostname = False
    return context
