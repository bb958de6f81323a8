"""Long downloads, made piece by piece while their reader takes them: a few at a time, for each holds a connection to the database."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from .database import in_thread

AT_MOST = 4
"""How many downloads run at a time in a process. The pool of connections has more, so that messages and pages never wait for them."""
RETRY_S = 30


class DownloadSlots:
    """Counts the downloads that run."""

    def __init__(self) -> None:
        self.taken = 0


class Download(StreamingResponse):
    """A response of `pieces`, each of which is made in a thread. They are closed when the reader has left."""

    def __init__(self, request: Request, pieces: Iterator[str], media_type: str, headers: Mapping[str, str]) -> None:
        """Raises HTTPException if too many downloads run."""
        self._slots: DownloadSlots = request.app.state.downloads
        if self._slots.taken >= AT_MOST:
            raise HTTPException(503, "too many downloads run; try again in a moment", {"Retry-After": str(RETRY_S)})
        self._pieces = _in_threads(pieces)
        super().__init__(self._pieces, media_type=media_type, headers=dict(headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        self._slots.taken += 1
        try:
            # Starlette leaves a generator whose reader has left to the collector of garbage, which an idle server does not run.
            async with aclosing(self._pieces):
                await super().__call__(scope, receive, send)
        finally:
            self._slots.taken -= 1


async def _in_threads(pieces: Iterator[str]) -> AsyncGenerator[str, None]:
    """`pieces`, each made in a thread, and closed in one."""
    # A reader can leave while a piece is made, and a generator that runs cannot be closed.
    running = threading.Lock()

    def make() -> str | None:
        with running:
            return next(pieces, None)

    def close() -> None:
        with running:
            pieces.close()  # type: ignore[attr-defined]

    try:
        while (piece := await in_thread(make)) is not None:
            yield piece
    finally:
        with anyio.CancelScope(shield=True):
            await in_thread(close)
