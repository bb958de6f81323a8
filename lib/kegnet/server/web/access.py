"""Who makes a request, and whether it may be answered at all. Found for each request before its page runs, so no page can forget it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from enum import Enum

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .sessions import STATIC

SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing, see RFC 9110 §9.2.1."""
OPEN = ("/login", "/logout", "/welcome", "/manifest.webmanifest")
"""Pages that also those may load who may not read: they contain nothing of the installation but its title."""
WALL = re.compile(r"/tv(/.*)?|/events|/beers/[0-9]+/picture")
"""What the wall's link opens."""


class Reader(Enum):
    """What the sender of a request may: change things, read, or only what everybody may."""

    ADMINISTRATOR = "administrator"
    READER = "reader"
    NOBODY = "nobody"


class RefusedError(Exception):
    """The request may not do this. `status` and `headers` are the response's, the text is for the user."""

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers or {}


class Access:
    """Sets `request.state.reader`, and refuses what the sender may not read.

    `judge` raises an error for that, and `answer` turns it into a response.
    """

    def __init__(
        self, app: ASGIApp, judge: Callable[[Request], Awaitable[None]], answer: Callable[[Request, Exception], Awaitable[Response]]
    ) -> None:
        self._app = app
        self._judge = judge
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request."""
        if scope["type"] == "http" and not scope["path"].startswith(STATIC):
            request = Request(scope, receive)
            try:
                await self._judge(request)
            except Exception as error:
                await (await self._answer(request, error))(scope, receive, send)
                return
        await self._app(scope, receive, send)


def reader_of(request: Request) -> Reader:
    """Who makes the request, as far as it is known before a password is checked."""
    reader: Reader = getattr(request.state, "reader", Reader.NOBODY)
    return reader


def opens_wall(request: Request, token: str | None) -> bool:
    """Whether the request has the token of the wall's link, and is for what that opens."""
    given = request.query_params.get("token", "")
    is_token = token is not None and secrets.compare_digest(given.encode(), token.encode())
    return is_token and request.method in SAFE and WALL.fullmatch(request.scope["path"]) is not None


def token_query(request: Request) -> str:
    """The query by which the pages of the wall load what they need; empty where they need none."""
    return str(getattr(request.state, "token_query", ""))
