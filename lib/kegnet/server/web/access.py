"""Who makes a request: found for each one before its page runs, from its session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ..context import Context
from ..storage import UnavailableError
from ..storage.logins import role_of
from .database import in_thread, now_ms
from .sessions import session_id


class Reader(Enum):
    """What the sender of a request may: change things, read, or only what everybody may."""

    ADMINISTRATOR = "administrator"
    READER = "reader"
    NOBODY = "nobody"


class Access:
    """Sets `request.state.reader`."""

    def __init__(self, app: ASGIApp, context: Context, unavailable: Callable[[Request, Exception], Awaitable[Response]]) -> None:
        self._app = app
        self._context = context
        self._unavailable = unavailable

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request."""
        if scope["type"] == "http":
            request = Request(scope)
            try:
                request.state.reader = await self._reader(request)
            except UnavailableError as error:
                await (await self._unavailable(request, error))(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _reader(self, request: Request) -> Reader:
        session = session_id(request)
        if session is None:
            return Reader.NOBODY

        def role() -> str | None:
            with self._context.database.reading() as connection:
                return role_of(connection, session, now_ms())

        return Reader(await in_thread(role) or Reader.NOBODY.value)


def reader_of(request: Request) -> Reader:
    """Who makes the request, as far as it is known before a password is checked."""
    reader: Reader = getattr(request.state, "reader", Reader.NOBODY)
    return reader
