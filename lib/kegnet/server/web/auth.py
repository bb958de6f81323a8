"""Who may change something: the administrator, from a page of this server.

People log in by a form, see `login.py`. Scripts send the password with each request, by HTTP Basic authentication (RFC 7617).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from starlette.requests import Request

from ..context import Context
from ..storage import Connection
from ..storage.logins import role_of
from ..storage.settings import get_settings
from . import password, wall_link
from .access import OPEN, SAFE, Reader, RefusedError, opens_wall, reader_of
from .database import now_ms, read
from .forms import typed
from .hosts import Hosts
from .passwords import AUTHENTICATE, Passwords
from .sessions import FIELD, HEADER, is_page, is_token, session_id

HASHES = {Reader.ADMINISTRATOR: password.SETTING, Reader.READER: password.READERS_SETTING}
RIGHTS = (*HASHES.values(), wall_link.SETTING)
"""The settings that decide who may read or change something."""
PROGRAMS = ("/api/", "/csv/")
"""Paths for programs, which send a password only after the answer 401."""


@dataclass(frozen=True)
class Rules:
    """The rights of a request by `settings`, which are `RIGHTS`, and its session. `hashes` are those of the passwords that are set."""

    hashes: Mapping[Reader, str]
    wall_token: str | None
    reader: Reader
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Checked:
    """Whose password was entered, and the hash that it matched."""

    reader: Reader
    stored: str


class Guard:
    """Checks each request, and those for the administrator in more detail."""

    def __init__(self, context: Context) -> None:
        self._hosts = Hosts(context.options)
        self._passwords = Passwords(context)

    async def judge(self, request: Request) -> None:
        """Finds who sends the request. Raises RefusedError if the sender may not read it, and for a change under a foreign name."""
        rules = await self._rules(request)
        request.state.reader = rules.reader
        request.state.rights = rules.settings
        path, is_private = request.scope["path"], Reader.READER in rules.hashes
        if is_private or request.method not in SAFE or path in OPEN:
            self._require_own_name(request)
        if opens_wall(request, rules.wall_token):
            request.state.token_query = f"?token={rules.wall_token}"
        elif is_private and path not in OPEN and rules.reader is Reader.NOBODY:
            given = given_password(request)
            if given is None:
                raise _log_in_first(request)
            request.state.reader = await self.reader_with(request, given)

    async def check(self, request: Request) -> None:
        """Raises RefusedError, unless the administrator sends the request: by a session, or with the password in it (HTTP Basic).

        For a page, the answer is a redirect to the log-in, which redirects back.
        """
        self._require_own_name(request)
        _require_same_site(request)
        given = given_password(request)
        if reader_of(request) is not Reader.ADMINISTRATOR and given is not None:
            request.state.reader = await self.reader_with(request, given)
        if reader_of(request) is not Reader.ADMINISTRATOR:
            await self._require_password(request)
            raise _log_in_first(request)
        # It can read the body, up to a megabyte (see `uploads`): not for strangers.
        await self.check_form(request)

    async def check_form(self, request: Request) -> None:
        """Raises RefusedError for a change that no page of this server sent: from another site, or without the token of its session."""
        _require_same_site(request)
        if request.method not in SAFE and session_id(request) is not None:
            token = request.headers.get(HEADER) or (await typed(request)).get(FIELD, "")
            if not is_token(request, token):
                raise RefusedError(403, "this form is of an earlier session, so nothing was saved")

    async def reader_with(self, request: Request, given: str) -> Reader:
        """Whose password `given` is. Raises RefusedError if it is nobody's."""
        return (await self.checked(request, given)).reader

    async def checked(self, request: Request, given: str) -> Checked:
        """The same with the hash. Raises RefusedError if it is nobody's password."""
        hashes = await self._require_password(request)
        reader = await self._passwords.reader_with(hashes, given, address_of(request))
        return Checked(reader, hashes[reader])

    def _require_own_name(self, request: Request) -> None:
        host = request.headers.get("host")
        if not self._hosts.allow(request.url.scheme, host):
            raise RefusedError(421, Hosts.unknown(host or ""))

    async def _rules(self, request: Request) -> Rules:
        session = session_id(request)

        def query(connection: Connection) -> Rules:
            found = get_settings(connection, RIGHTS)
            hashes = {reader: found[name] for reader, name in HASHES.items() if name in found}
            role = None if session is None else role_of(connection, session, now_ms())
            return Rules(hashes, found.get(wall_link.SETTING), Reader(role or Reader.NOBODY.value), found)

        return await read(request, query)

    async def _require_password(self, request: Request) -> Mapping[Reader, str]:
        hashes = (await self._rules(request)).hashes
        if Reader.ADMINISTRATOR not in hashes:
            raise RefusedError(403, "no password is set yet; set one on the page /welcome, or on the server: kegnet-server password")
        return hashes


def rights_of(request: Request) -> Mapping[str, str]:
    """The settings by which a request was admitted: those of `RIGHTS` that are set."""
    rights: Mapping[str, str] = getattr(request.state, "rights", {})
    return rights


def _require_same_site(request: Request) -> None:
    if request.method not in SAFE and not same_site(request):
        raise RefusedError(403, "this request comes from a page of another site")


def _log_in_first(request: Request) -> RefusedError:
    """The error for a request that needs a log-in: a redirect for pages, a refusal for scripts and programs."""
    if is_page(request):
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        root = str(request.scope.get("root_path", "")).rstrip("/")
        return RefusedError(303, "log in first", {"Location": f"{root}/login?next={quote(here, safe='/')}"})
    # With 401, a browser would show its own dialog for the password.
    is_program = request.method in ("GET", "HEAD") and "cookie" not in request.headers and request.url.path.startswith(PROGRAMS)
    headers = AUTHENTICATE if is_program else {}
    return RefusedError(401 if is_program else 403, "log in first, or send the password", headers, log_in=not is_program)


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
    try:
        return origin is None or urlsplit(origin).netloc == request.headers.get("host")
    except ValueError:
        return False


def address_of(request: Request) -> str:
    """The address of the request's sender, as text for the log and the limit."""
    return request.client.host if request.client else "-"
