"""The group commit: messages that arrive together share one transaction."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Sequence

from .database import Database
from .errors import StorageError, UnavailableError
from .insert import Inserter
from .messages import VerifiedMessage

QUEUE_LIMIT = 20_000
"""Upper bound on the messages that wait for the database."""
BATCH_LIMIT = 2_000
"""Upper bound on the messages of one transaction."""

_Waiting = tuple[VerifiedMessage, "asyncio.Future[bool]"]


class Writer:
    """Commits verified messages, in a thread of its own. All methods belong to one event loop. At most `queue_limit` messages wait."""

    def __init__(self, database: Database, queue_limit: int = QUEUE_LIMIT) -> None:
        self._queue_limit = queue_limit
        self._inserter = Inserter(database)
        self._batches: queue.SimpleQueue[list[_Waiting] | None] = queue.SimpleQueue()
        self._waiting: list[_Waiting] = []
        self._busy = False
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Commits what is queued, and ends the thread."""
        self._stopping = True
        await self._idle.wait()
        if self._thread is not None:
            self._batches.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    def keep(self, message: VerifiedMessage) -> Awaitable[bool]:
        """Resolves once the message is durable: True if it is new. Raises UnavailableError, at once if the queue is full."""
        if self._stopping or self._thread is None:
            raise UnavailableError("the server is stopping")
        if len(self._waiting) >= self._queue_limit:
            raise UnavailableError("too many messages wait for the database")
        future = self._loop.create_future()
        self._waiting.append((message, future))
        if not self._busy:
            self._busy = True
            self._idle.clear()
            # Later in this turn of the loop, so that all that has arrived is in it.
            self._loop.call_soon(self._hand_over)
        return future

    def _hand_over(self) -> None:
        batch, self._waiting = self._waiting[:BATCH_LIMIT], self._waiting[BATCH_LIMIT:]
        self._batches.put(batch)

    def _finish(self, batch: list[_Waiting], results: Sequence[bool | Exception]) -> None:
        """In the event loop: one wake-up for the whole batch."""
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue  # its sender has gone
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
        if self._waiting:
            self._hand_over()
        else:
            self._busy = False
            self._idle.set()

    def _work(self) -> None:
        """The thread."""
        while (batch := self._batches.get()) is not None:
            results = self._insert([message for message, _ in batch])
            self._loop.call_soon_threadsafe(self._finish, batch, results)

    def _insert(self, messages: list[VerifiedMessage]) -> Sequence[bool | Exception]:
        try:
            return self._inserter.insert(messages)
        except UnavailableError as error:
            # An exception that is raised again and again grows, so each has its own.
            return [UnavailableError(str(error)) for _ in messages]
        except StorageError as error:
            return [UnavailableError(error.problem) for _ in messages]
        except Exception as error:
            # A message that the database refuses must not take the others with it.
            if len(messages) == 1:
                return [error]
            middle = len(messages) // 2
            return [*self._insert(messages[:middle]), *self._insert(messages[middle:])]
