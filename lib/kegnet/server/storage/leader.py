"""One of all processes is the leader: it sends notifications, publishes, and maintains the database."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from .database import Database
from .errors import StorageError, UnavailableError, one_line

TRY_EVERY_S = 3
"""How often a process tries to become the leader, and how often the leader makes sure that it still is."""
_CHECK_LIMIT_S = 5
_KEY = 5601
"""The key of PostgreSQL's advisory lock."""
_TRY = f"SELECT pg_try_advisory_lock({_KEY})"
_VANISHED = "SET tcp_keepalives_idle = 3; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3; SET tcp_user_timeout = 5000"
"""The server ends the session, and with it the lock, soon after the leader's host has vanished."""

log = logging.getLogger(__name__)


class _Lock(Protocol):
    """A lock that one process has, and loses when it dies."""

    def acquire(self) -> bool:
        """Tries; True if it is ours now."""

    def is_held(self) -> bool:
        """It is still ours."""

    def release(self) -> None:
        """Gives it back, if it is ours."""


class Leader:
    """The leadership of this process. It tries every `every_s` seconds, and then makes sure that it still has it."""

    def __init__(self, database: Database, every_s: float = TRY_EVERY_S) -> None:
        self._every_s = every_s
        self._lock: _Lock = _PostgresqlLock(database) if database.file is None else _FileLock(database.file.leader)

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Runs `work` while this process is the leader, and cancels it when it is no more; until it is cancelled itself."""
        try:
            while True:
                if await asyncio.to_thread(self._lock.acquire):
                    await self._lead(work)
                await asyncio.sleep(self._every_s)
        finally:
            await asyncio.to_thread(self._lock.release)

    async def _lead(self, work: Callable[[], Awaitable[None]]) -> None:
        log.info("this process is the leader")
        task = asyncio.ensure_future(work())
        try:
            while not (await asyncio.wait([task], timeout=self._every_s))[0]:
                if not await self._is_held():
                    log.warning("this process is not the leader any more")
                    return
            if (error := task.exception()) is not None:
                log.error("the leader's work failed and starts again: %s", one_line(error), exc_info=error)
        finally:
            task.cancel()
            await asyncio.wait([task])
            # In a thread, because it waits for a question that is not answered yet.
            await asyncio.to_thread(self._lock.release)

    async def _is_held(self) -> bool:
        try:
            # Not wait_for(): in Python 3.11 it can ignore a cancellation that comes with the answer.
            async with asyncio.timeout(_CHECK_LIMIT_S):
                return await asyncio.to_thread(self._lock.is_held)
        except TimeoutError:
            return False


class _FileLock:
    """flock(2) on a file beside the database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        try:
            descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
        except OSError as error:
            log.warning("%s: %s", self._path, error.strerror)
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        if not self.is_held():
            self.release()
            return False
        return True

    def is_held(self) -> bool:
        # A process that locks a new file of that name is a second leader.
        try:
            return self._descriptor is not None and os.path.samestat(os.fstat(self._descriptor), os.stat(self._path))
        except OSError:
            return False

    def release(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class _PostgresqlLock:
    """An advisory lock of a session."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Any = None

    def acquire(self) -> bool:
        try:
            if self._connection is None:
                self._connection = self._database.raw_connection()
                return self._ask(f"{_VANISHED}; {_TRY}")
        except (UnavailableError, StorageError):
            return False
        return self._ask(_TRY)

    def is_held(self) -> bool:
        return self._connection is not None and self._ask("SELECT true")

    def _ask(self, question: str) -> bool:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(question)
                return bool(cursor.fetchone()[0])
        except Exception as error:  # of a driver that only one of the two databases needs
            log.warning("the connection of the leadership is lost: %s", one_line(error))
            self.release()
            return False

    def release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
