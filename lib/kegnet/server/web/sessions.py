"""Sessions: a signed cookie with a random id, the tokens of forms, and the report of the last change.

Starlette's `SessionMiddleware` makes the cookie, itsdangerous the tokens. The rights of a session are in the database, see `access.py`.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..context import Context
from ..storage.logins import LASTS_MS
from ..storage.settings import get_setting, made_once
from .database import in_thread

COOKIE = "kegnet_session"
STATIC = "/static/"
FIELD, HEADER = "csrf_token", "x-csrf-token"
"""The field of a form, and the header of a script's `fetch`, that contain the token."""
FLASH_BYTES_AT_MOST = 3000
"""The largest report in the cookie. Browsers ignore a cookie of more than 4096 bytes, and it also contains the id and the signature."""
NO_UNDO = "The text before was too long for an undo."
_KEY_SETTING = "session key"
_SECONDS = LASTS_MS // 1000
_SAME_SITE: Literal["lax"] = "lax"


class Sessions:
    """Adds `request.session` to each request except those for static files. The cookie is sent only if the session has changed."""

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app = app
        self._context = context
        self._key = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request. Raises UnavailableError."""
        if scope["type"] != "http" or scope["path"].startswith(STATIC):
            await self._app(scope, receive, send)
            return
        before: dict[str, Any] = {}

        async def inner(scope: Scope, receive: Receive, send: Send) -> None:
            before.update(scope["session"])
            await self._app(scope, receive, send)

        async def send_if_changed(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["session"] == before:
                message = {**message, "headers": [each for each in message["headers"] if not _is_cookie(*each)]}
            await send(message)

        key = self._key = self._key or await in_thread(self._read_key)
        scope.setdefault("state", {})["tokens"] = URLSafeTimedSerializer(key, salt="csrf")
        middleware = SessionMiddleware(
            inner, key, COOKIE, _SECONDS, path=scope.get("root_path") or "/", same_site=_SAME_SITE, https_only=scope["scheme"] == "https"
        )
        await middleware(scope, receive, send_if_changed)

    def _read_key(self) -> str:
        """The key of all signatures: made once for all processes, and stored in the database."""
        with self._context.database.reading() as connection:
            known = get_setting(connection, _KEY_SETTING)
        if known is not None:
            return known
        with self._context.database.writing() as connection:
            return made_once(connection, _KEY_SETTING, secrets.token_urlsafe(32))


def _is_cookie(name: bytes, value: bytes) -> bool:
    return name.lower() == b"set-cookie" and value.startswith(COOKIE.encode() + b"=")


def session_of(request: Request) -> dict[str, Any]:
    """The request's session; empty if it has none."""
    session: dict[str, Any] = request.scope.get("session", {})
    return session


def session_id(request: Request) -> str | None:
    """The random id of the session; None if there is no session."""
    found = session_of(request).get("id")
    return found if isinstance(found, str) else None


def new_session(request: Request) -> str:
    """Begins a new session, with nothing of the old one; its id."""
    request.session.clear()
    request.session["id"] = secrets.token_urlsafe(32)
    return str(request.session["id"])


def ensure_session(request: Request) -> None:
    """Begins a session if there is none: a form for everybody, such as the log-in, needs one for its token."""
    if session_id(request) is None:
        new_session(request)


def csrf_token(request: Request) -> str:
    """A token for the forms of a page; empty without a session."""
    session = session_id(request)
    return "" if session is None else str(request.state.tokens.dumps(session))


def is_token(request: Request, token: str) -> bool:
    """Whether `token` was made for this session."""
    try:
        made_for = request.state.tokens.loads(token, max_age=_SECONDS)
    except BadData:
        return False
    return isinstance(made_for, str) and secrets.compare_digest(made_for.encode(), (session_id(request) or "").encode())


def report(request: Request, path: str, text: str, undo: tuple[str, Mapping[str, str]] | None = None) -> None:
    """The page at `path` shows `text` once. `undo` is the path and the fields of a form that undoes the change.

    Both paths are below the root; a query and a fragment of `path` do not count. An undo that is too large for a cookie is left out,
    and the text says so.
    """
    if session_id(request) is None:
        return
    action, fields = undo or (None, {})
    flash = {"path": urlsplit(path).path, "text": text, "action": action, "fields": dict(fields)}
    if encoded_bytes(flash) > FLASH_BYTES_AT_MOST:
        flash |= {"text": f"{text} {NO_UNDO}", "action": None, "fields": {}}
    request.session["flash"] = flash


def encoded_bytes(flash: Mapping[str, Any]) -> int:
    """The size of a report in the cookie, as JSON in base64 (SessionMiddleware): a Cyrillic letter takes 8 bytes."""
    return len(base64.b64encode(json.dumps(flash).encode()))


def take_report(request: Request, path: str) -> Mapping[str, Any] | None:
    """The report of the last change for the page at `path`, which is then removed. Other pages and scripts do not remove it."""
    flash = session_of(request).get("flash")
    if not is_page(request) or not isinstance(flash, dict) or flash.get("path") != path:
        return None
    del request.session["flash"]
    return flash


def is_page(request: Request) -> bool:
    """Whether a browser loads a page with this request. Scripts and pictures accept anything but HTML, or `*/*`."""
    return request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "text/html")
