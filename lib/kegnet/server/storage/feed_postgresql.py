"""LISTEN on a connection of its own, watched by the event loop (psycopg2's asynchronous notifications)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .errors import StorageError, UnavailableError, one_line

if TYPE_CHECKING:
    from .database import Database

_RETRY_S = (0.5, 1, 2, 5)
EVERYTHING = ""
"""A payload that is none: everything may have changed."""

log = logging.getLogger(__name__)


class _LostError(Exception):
    """The connection is gone; the text says why."""


async def listen(database: Database, receive: Callable[[str], None], check_s: float) -> None:
    """Calls `receive` with each payload, until it is cancelled. `EVERYTHING` comes first, and after each new connection."""
    failures = 0
    while True:
        try:
            connection = await asyncio.to_thread(_connect, database)
        except (UnavailableError, StorageError):
            failures += 1
        else:
            failures = 0
            receive(EVERYTHING)
            reason = await _receive_until_lost(connection, receive, check_s)
            log.warning("the change feed lost its connection and makes a new one: %s", reason)
        await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])


async def _receive_until_lost(connection: Any, receive: Callable[[str], None], check_s: float) -> str:
    loop = asyncio.get_running_loop()
    lost: asyncio.Future[str] = loop.create_future()
    descriptor = connection.fileno()
    try:
        while True:
            loop.add_reader(descriptor, _poll, connection, receive, lost)
            done, _ = await asyncio.wait([lost], timeout=check_s)
            loop.remove_reader(descriptor)
            if done:
                return lost.result()
            # A host that vanished sends no end of the connection.
            await asyncio.to_thread(_check, connection)
            _take(connection, receive)
    except _LostError as error:
        return str(error)
    finally:
        loop.remove_reader(descriptor)
        connection.close()


def _poll(connection: Any, receive: Callable[[str], None], lost: asyncio.Future[str]) -> None:
    try:
        connection.poll()
        _take(connection, receive)
    except Exception as error:  # of a driver that only one of the two databases needs
        if not lost.done():
            lost.set_result(one_line(error))


def _take(connection: Any, receive: Callable[[str], None]) -> None:
    for notification in connection.notifies:
        receive(notification.payload)
    connection.notifies.clear()


def _connect(database: Database) -> Any:
    connection = database.raw_connection()
    try:
        with connection.cursor() as cursor:
            cursor.execute("LISTEN kegnet")
    except Exception as error:
        connection.close()
        raise UnavailableError(one_line(error)) from error
    return connection


def _check(connection: Any) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception as error:
        raise _LostError(one_line(error)) from error
