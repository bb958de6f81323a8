"""Finds who sends a request, and whether it may be answered. This is done before a page runs, so no page can omit it."""

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
"""Pages for everybody, also where reading needs a password. Of the installation, they contain only the title."""
WALL = re.compile(r"/tv(/.*)?|/events|/beers/[0-9]+/picture")
"""The paths that the wall's link opens."""


class Reader(Enum):
    """The rights of the sender of a request: to change things, to read, or only those of everybody."""

    ADMINISTRATOR = "administrator"
    READER = "reader"
    NOBODY = "nobody"


class RefusedError(Exception):
    """The request is refused. `status` and `headers` are those of the response, the text is for the user. `log_in`: a log-in helps."""

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None, *, log_in: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers or {}
        self.log_in = log_in


class Access:
    """Sets `request.state.reader`, and refuses a request that the sender may not make.

    `judge` raises an error for that, and `answer` makes a response of it.
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
    """Who sends the request, as far as it is known before a password is checked."""
    reader: Reader = getattr(request.state, "reader", Reader.NOBODY)
    return reader


def opens_wall(request: Request, token: str | None) -> bool:
    """Whether the request has the token of the wall's link, and its path is one that the link opens."""
    given = request.query_params.get("token", "")
    is_token = token is not None and secrets.compare_digest(given.encode(), token.encode())
    return is_token and request.method in SAFE and WALL.fullmatch(request.scope["path"]) is not None


def token_query(request: Request) -> str:
    """The query with the token for what the wall loads; empty without a token."""
    return str(getattr(request.state, "token_query", ""))
