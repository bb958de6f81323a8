"""`GET /events`: server-sent events with the values that changed.

The first event is `hello`: `now_ms`, the server's clock, and `version`, that of the pages. `heartbeat` is sent after 5 seconds without
another event. An event without a name is an `Update`. All readers share one subscription, one query and one encoding of each event.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ..context import Context
from ..storage import Change, StorageError, UnavailableError
from ..storage.feed import Subscription
from ..storage.settings import get_settings
from .auth import RIGHTS, rights_of
from .database import now_ms
from .static_files import PAGE_VERSION
from .updates import Update, read_update

HEARTBEAT_S = 5.0
"""A heartbeat is sent after this pause: routers drop silent connections, and a page reports after 15 s that its values are old."""
PACE_S = 0.25
"""The least time between two events. What changes meanwhile is merged into one."""
MANY_PACE_S = 2.0
"""The least pause after an event about too many clients to list. In a burst of thousands, all events are of this kind."""
REST = 4
"""A pause is at least `REST` times the CPU time of the queries before it."""
READERS_A_SECOND = 2000
"""Upper bound on events sent per second, counted once for each reader."""
KEPT_EVENTS = 8
"""A reader that has missed more events has to reload its page."""
_RETRY = b"retry: 5000\n"

log = logging.getLogger(__name__)


class Broadcast:
    """The events of this process for all its readers. Its task runs while there are readers, until the server stops."""

    def __init__(self, context: Context, heartbeat_s: float = HEARTBEAT_S, pace_s: float = PACE_S) -> None:
        self._context = context
        self._heartbeat_s = heartbeat_s
        self._pace_s = pace_s
        self._kept: deque[Update] = deque(maxlen=KEPT_EVENTS)
        self._number = 0
        self._rights: Mapping[str, str] | None = None
        self._encoded: dict[int, bytes] = {}
        self._published = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._readers = 0

    async def stream(self, rights: Mapping[str, str] | None = None) -> AsyncIterator[bytes]:
        """The events from now on, until the server stops or the rights are others than `rights`, by which the reader was admitted."""
        admitted = rights or {}
        self._readers += 1
        try:
            task, seen = self._running(), self._number
            yield _RETRY + hello(now_ms())
            while not task.done():
                if seen == self._number:
                    await self._published.wait()
                event, seen = self._since(seen), self._number
                if event:
                    yield event
                if self._rights not in (None, admitted):
                    # The reader's next request is checked by the new rights.
                    break
        finally:
            self._readers -= 1
            self._rest()

    def _running(self) -> asyncio.Task[None]:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
            # Wakes the readers, whose loop then ends.
            self._task.add_done_callback(lambda _task: self._wake())
        return self._task

    def _rest(self) -> None:
        """Ends the task if nobody reads. The next reader starts another one."""
        if not self._readers and self._task is not None:
            self._task.cancel()
            self._task = None

    def _since(self, number: int) -> bytes:
        """All events after the one with that number, as one. Readers that have missed the same events share its encoding."""
        missed = self._number - number
        if missed and missed not in self._encoded:
            self._encoded[missed] = self._merged(missed).encoded()
        return self._encoded.get(missed, b"")

    def _merged(self, missed: int) -> Update:
        first, *later = list(self._kept)[-missed:]
        if missed > len(self._kept):
            first = Update(first.now_ms, frozenset({"client"}), reload=True)
        for update in later:
            first = first.merged(update)
        return first

    def _publish(self, update: Update) -> None:
        self._kept.append(update)
        self._number += 1
        self._encoded.clear()
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
            # They can have changed since the first reader was admitted.
            self._rights = await self._read_rights()
            while True:
                update, cpu_s = await self._next(subscription)
                if "setting" in update.kinds:
                    self._rights = await self._read_rights()
                self._publish(update)
                await asyncio.sleep(max(MANY_PACE_S if update.many else self._pace_s, REST * cpu_s, self._readers / READERS_A_SECOND))

    async def _next(self, subscription: Subscription) -> tuple[Update, float]:
        try:
            # Not wait_for(): in Python 3.11 it can ignore a cancellation that comes with the change.
            async with asyncio.timeout(self._heartbeat_s):
                change = await subscription.next()
        except TimeoutError:
            return Update(now_ms()), 0.0
        try:
            return await asyncio.to_thread(self._read, change)
        except (UnavailableError, StorageError) as error:
            # The pages report it themselves when a load fails.
            self._context.outage.began(str(error))
            return Update(now_ms(), change.kinds, reload=True, many=True), 0.0

    async def _read_rights(self) -> Mapping[str, str]:
        """The present rights. If the database does not answer, those of nobody: all readers are checked again."""
        try:
            return await asyncio.to_thread(self._rights_now)
        except (UnavailableError, StorageError):
            return {"": "unknown"}

    def _rights_now(self) -> Mapping[str, str]:
        with self._context.database.reading() as connection:
            return get_settings(connection, RIGHTS)

    def _read(self, change: Change) -> tuple[Update, float]:
        """The update for a change, and the CPU time that it took."""
        began = time.thread_time()
        return read_update(self._context.database, change, now_ms()), time.thread_time() - began


def hello(at_ms: int) -> bytes:
    """The first event of a stream."""
    data = json.dumps({"now_ms": at_ms, "version": PAGE_VERSION}, separators=(",", ":"))
    return b"event: hello\ndata: " + data.encode() + b"\n\n"


async def events(request: Request) -> Response:
    """The stream. To HEAD, only its headers."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if request.method == "HEAD":
        return Response(media_type="text/event-stream", headers=headers)
    broadcast: Broadcast = request.app.state.broadcast
    return StreamingResponse(broadcast.stream(rights_of(request)), media_type="text/event-stream", headers=headers)
