"""Who may change something: the administrator, from a page of this server.

People log in by a form, see `login.py`. Scripts send the password with each request, by HTTP Basic authentication (RFC 7617).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import secrets
from urllib.parse import quote, urlsplit

from starlette.requests import Request

from kegnet.core.syslog_handler import escape_name

from ..context import Context
from ..limits import RefusalLimit, network
from ..log_limit import LimitedLog
from ..storage.settings import get_setting
from . import password
from .access import Reader, reader_of
from .database import read
from .forms import typed
from .sessions import FIELD, HEADER, is_token, session_id

WRONG_PASSWORDS_A_MINUTE = 20
"""For an address (IPv6: its /64), over all pages and all processes."""
AUTHENTICATE = {"WWW-Authenticate": 'Basic realm="KegNet", charset="UTF-8"'}

log = logging.getLogger(__name__)


class RefusedError(Exception):
    """The request may not do this. `status` and `headers` are the response's, the text is for the user."""

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers or {}


class Guard:
    """Checks what a request may, and passwords, one at a time: many tries at once cost no more CPU than one core's."""

    def __init__(self, context: Context) -> None:
        self._limit = RefusalLimit(context.database, "password", shared=context.shared, per_minute=WRONG_PASSWORDS_A_MINUTE)
        self._log = LimitedLog(log, "%d more wrong passwords")
        self._one_at_a_time = asyncio.Lock()
        self._secret = secrets.token_bytes(32)
        self._right: bytes | None = None

    async def check(self, request: Request) -> None:
        """Raises RefusedError, unless the administrator makes the request: by a session, or with the password in it (HTTP Basic).

        A GET by nobody is sent to the log-in, and comes back from there.
        """
        await self.check_form(request)
        given = given_password(request)
        if given is not None:
            await self._check_given(request, given)
        elif reader_of(request) is not Reader.ADMINISTRATOR:
            await self._require_password(request)
            if request.method in ("GET", "HEAD"):
                raise RefusedError(303, "log in first", {"Location": log_in_path(request)})
            raise RefusedError(403, "log in first: the session has ended")

    async def check_form(self, request: Request) -> None:
        """Raises RefusedError for a change that no page of this server asks for: from another site, or without the token of its session."""
        if request.method in ("GET", "HEAD"):
            return
        if not same_site(request):
            raise RefusedError(403, "this request comes from a page of another site")
        if session_id(request) is not None:
            token = request.headers.get(HEADER) or (await typed(request)).get(FIELD, "")
            if not is_token(request, token):
                raise RefusedError(403, "this form is of an earlier session; open its page again, and send it from there")

    async def reader_with(self, request: Request, given: str) -> Reader:
        """Who has that password. Raises RefusedError if nobody has."""
        stored = await self._require_password(request)
        if not self._is_known(stored, given):
            async with self._one_at_a_time:
                await self._check_unknown(stored, given, address_of(request))
        return Reader.ADMINISTRATOR

    async def _check_given(self, request: Request, given: str) -> None:
        request.state.reader = await self.reader_with(request, given)

    async def _require_password(self, request: Request) -> str:
        stored = await read(request, lambda connection: get_setting(connection, password.SETTING))
        if stored is None:
            raise RefusedError(403, "no password is set yet; set one on the server: kegnet-server password")
        return stored

    async def _check_unknown(self, stored: str, given: str, address: str) -> None:
        subject = network(address)
        if await self._limit.reached(subject):
            raise RefusedError(429, "too many wrong passwords from this address; wait a minute", {"Retry-After": "60"})
        if await asyncio.to_thread(password.matches, stored, given):
            self._right = self._digest(stored, given)
            return
        await self._limit.count(subject)
        self._log.line(logging.WARNING, "wrong password from %s", escape_name(address))
        raise RefusedError(401, "the password is wrong", AUTHENTICATE)

    def _is_known(self, stored: str, given: str) -> bool:
        """Whether this password was checked before: Basic authentication sends it with each request."""
        return self._right is not None and hmac.compare_digest(self._right, self._digest(stored, given))

    def _digest(self, stored: str, given: str) -> bytes:
        return hmac.digest(self._secret, f"{stored}\n{given}".encode(), hashlib.sha256)


def log_in_path(request: Request) -> str:
    """The page of the log-in, which leads back to the page of this request."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"{str(request.scope.get('root_path', '')).rstrip('/')}/login?next={quote(here, safe='/')}"


def given_password(request: Request) -> str | None:
    """The password in the request's `Authorization`, None if there is none."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        _, colon, given = base64.b64decode(credentials.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return given if colon else None


def same_site(request: Request) -> bool:
    """Whether a page of this server made the request, as far as the browser reports. Programs send neither header.

    `Sec-Fetch-Site` (Fetch Metadata) is right behind any proxy, but browsers send it to HTTPS and localhost only. Else `Origin` is compared
    with `Host`.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def address_of(request: Request) -> str:
    """The address of the request's sender, as text for the log and the limit."""
    return request.client.host if request.client else "-"
