"""What runs beside the answers: opening the database, the writer, the change feed, and the work of the leader."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

from kegnet.core.problem import ProblemError
from kegnet.core.systemd import ServiceManager

from .context import Context
from .counters import Counters
from .ingest.keys import Signers
from .leader_work import leader_work
from .options import ServeOptions
from .outage import Outage
from .restarts import always
from .storage import Database, StorageError, UnavailableError, open_database
from .storage.errors import one_line
from .storage.feed import Feed
from .storage.leader import Leader
from .storage.sqlite_file import SqliteFile
from .storage.writer import Writer

log = logging.getLogger(__name__)

RETRY_FIRST_S, RETRY_AT_MOST_S = 1.0, 15.0
FILE_EVERY_S = 3.0
"""Interval at which SQLite's file is looked at."""


class ReplacedError(ProblemError):
    """The database's file was replaced: another start uses the new one."""


class Background:
    """Of one process. `on_open` is called once `context` is there; `failed` gets what only a person can fix."""

    def __init__(self, options: ServeOptions, database: Database | None, service: ServiceManager) -> None:
        """`database` is None if it was away; it is then opened later."""
        self._options = options
        self._database = database
        self._tasks: list[asyncio.Task[None]] = []
        self.context: Context | None = None
        self.signers: Signers | None = None
        self.outage = Outage(away=database is None, service=service)
        self.failed: Future[ProblemError] = Future()
        self.on_open: Callable[[Context], None] = lambda _context: None

    def start(self) -> None:
        """In the event loop: opens what can be opened."""
        if self._database is None:
            self._tasks.append(asyncio.create_task(self._open_later()))
        else:
            self._begin(self._database)

    async def stop(self) -> None:
        """Ends all work; what was handed to the writer is finished."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.context is not None:
            await self.context.writer.stop()
            self.context.database.close()

    async def _open_later(self) -> None:
        pause_s = RETRY_FIRST_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_AT_MOST_S)
            try:
                database = await asyncio.to_thread(open_database, self._options.database)
            except UnavailableError:
                continue
            except StorageError as error:
                self.failed.set_result(error)
                return
            except Exception as error:
                log.error("the database cannot be opened: %s; it is tried again", one_line(error), exc_info=error)
                continue
            self.outage.over()
            self._begin(database)
            return

    def _begin(self, database: Database) -> None:
        writer, feed = Writer(database), Feed(database)
        writer.start()
        self.context = Context(database, writer, feed, self._options, Counters(), self.outage, asyncio.Event())
        self.on_open(self.context)
        leader, context = Leader(database), self.context
        if database.file is not None:
            file = database.file
            self._always("file of the database", lambda: self._watch(file))
        self._always("change feed", feed.run)
        self._always("registered clients", lambda: self._follow_clients(feed))
        self._always("leader", lambda: leader.run(lambda: leader_work(context)))

    def _always(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        self._tasks.append(asyncio.create_task(always(name, run, self.outage)))

    async def _watch(self, file: SqliteFile) -> None:
        """Until the file is replaced, as `kegnet-server restore` does. What this process remembers is not of the new one."""
        # Again at the end: a file that was away can be back since the first look.
        while file.is_in_place() or not file.path.exists() or file.is_in_place():
            await asyncio.sleep(FILE_EVERY_S)
        self.failed.set_result(ReplacedError(f"{file.path}: was replaced", "start kegnet-server again; systemd does so"))
        await asyncio.Event().wait()

    async def _follow_clients(self, feed: Feed) -> None:
        async with feed.subscribe() as subscription:
            while True:
                change = await subscription.next()
                if "client" in change.kinds and self.signers is not None:
                    self.signers.forget()
