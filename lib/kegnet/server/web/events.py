"""`GET /events`: server-sent events, one for what changed since the last one.

`data` is a JSON object: `clients`, the ids of the clients that changed (empty: all), and `kinds`, what changed of them.
All readers share one subscription, one encoding of each event and one heartbeat.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ..context import Context
from ..storage import Change
from ..storage.feed import EVERYTHING, Subscription

HEARTBEAT_S = 20.0
"""A comment is sent after so long without an event: routers forget silent connections."""
PACE_S = 0.5
"""The least time between two events. What changes meanwhile is merged into one."""
KEPT_EVENTS = 8
"""A reader that is further behind gets one event for everything instead of those that it missed."""
_RETRY = b"retry: 5000\n\n"
_HEARTBEAT = b": heartbeat\n\n"

log = logging.getLogger(__name__)


def encode(change: Change) -> bytes:
    """`change` as one server-sent event."""
    data = json.dumps({"clients": sorted(change.clients), "kinds": sorted(change.kinds)}, separators=(",", ":"))
    return b"data: " + data.encode() + b"\n\n"


class Broadcast:
    """The events of this process for all its readers. Its task starts with the first reader and ends when the server stops."""

    def __init__(self, context: Context, heartbeat_s: float = HEARTBEAT_S, pace_s: float = PACE_S) -> None:
        self._context = context
        self._heartbeat_s = heartbeat_s
        self._pace_s = pace_s
        self._events: deque[bytes] = deque(maxlen=KEPT_EVENTS)
        self._number = 0
        self._published = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def stream(self) -> AsyncIterator[bytes]:
        """The events from now on, until the server stops."""
        task = self._running()
        seen = self._number
        yield _RETRY
        while not task.done():
            if seen == self._number:
                await self._published.wait()
            events, seen = self._since(seen), self._number
            if events:
                yield events

    def _running(self) -> asyncio.Task[None]:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
            # Wakes the readers, whose loop then ends.
            self._task.add_done_callback(lambda _task: self._wake())
        return self._task

    def _since(self, number: int) -> bytes:
        missed = self._number - number
        if missed > len(self._events):
            return encode(EVERYTHING)
        return b"".join(list(self._events)[len(self._events) - missed :])

    def _publish(self, event: bytes) -> None:
        self._events.append(event)
        self._number += 1
        self._wake()

    def _wake(self) -> None:
        self._published.set()
        self._published = asyncio.Event()

    async def _run(self) -> None:
        changes = asyncio.create_task(self._publish_changes())
        stopping = asyncio.create_task(self._context.stopping.wait())
        try:
            await asyncio.wait({changes, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changes.cancel()
            stopping.cancel()
        for result in await asyncio.gather(changes, stopping, return_exceptions=True):
            if isinstance(result, Exception):
                log.error("the event stream failed: %s: %s", type(result).__name__, result)

    async def _publish_changes(self) -> None:
        async with self._context.feed.subscribe() as subscription:
            while True:
                self._publish(await self._next(subscription))
                await asyncio.sleep(self._pace_s)

    async def _next(self, subscription: Subscription) -> bytes:
        try:
            return encode(await asyncio.wait_for(subscription.next(), self._heartbeat_s))
        except TimeoutError:
            return _HEARTBEAT


async def events(request: Request) -> Response:
    """The stream. To HEAD, only its headers."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if request.method == "HEAD":
        return Response(media_type="text/event-stream", headers=headers)
    broadcast: Broadcast = request.app.state.broadcast
    return StreamingResponse(broadcast.stream(), media_type="text/event-stream", headers=headers)
