"""How requests use the database: in a bounded number of threads, so that the event loop never waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import Request

from ..context import Context
from ..storage import Connection

THREADS = 4
"""How many requests read or write at a time. The others wait in the order in which they came."""
_threads = ThreadPoolExecutor(THREADS, "web")

T = TypeVar("T")


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 10**6


def context_of(request: Request) -> Context:
    """The context of the server that serves `request`."""
    context: Context = request.app.state.context
    return context


async def read(request: Request, query: Callable[[Connection], T]) -> T:
    """The result of `query` in a reading connection. Raises UnavailableError."""

    def work() -> T:
        with context_of(request).database.reading() as connection:
            return query(connection)

    return await _database_work(request, work)


async def write(request: Request, change: Callable[[Connection], T]) -> T:
    """The result of `change` in one transaction, which is committed. Raises UnavailableError."""

    def work() -> T:
        with context_of(request).database.writing() as connection:
            return change(connection)

    return await _database_work(request, work)


async def _database_work(request: Request, work: Callable[[], T]) -> T:
    result = await in_thread(work)
    context_of(request).outage.over()
    return result


async def in_thread(work: Callable[[], T]) -> T:
    """The result of `work`, which runs in one of the `THREADS` threads."""
    return await asyncio.get_running_loop().run_in_executor(_threads, work)
