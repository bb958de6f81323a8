"""How requests use the database: in a bounded number of threads, so that the event loop never waits for it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from ..context import Context
from ..limits import network
from ..storage import Connection

THREADS = 4
"""How many requests read or write at a time. The others wait in the order in which they came."""
HISTORY_THREADS = 2
"""The same for queries of months and years of temperatures, which take half a second each: pages and log-ins do not wait for them."""
HISTORY_WAITING_AT_MOST = 32
"""How many such requests of one network run and wait."""
_threads = ThreadPoolExecutor(THREADS, "web")
_history_threads = ThreadPoolExecutor(HISTORY_THREADS, "history")
_history_waiting: Counter[str] = Counter()

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
    return await _database_work(request, _reading(request, query))


def _reading(request: Request, query: Callable[[Connection], T]) -> Callable[[], T]:
    def work() -> T:
        with context_of(request).database.reading() as connection:
            return query(connection)

    return work


async def read_history(request: Request, query: Callable[[Connection], T]) -> T:
    """The same for a query of much history. Raises HTTPException, too: the network of the request has too many of them."""
    sender = network(request.client.host if request.client else "-")
    if _history_waiting[sender] >= HISTORY_WAITING_AT_MOST:
        raise HTTPException(429, "too many requests for history; try again in a moment", {"Retry-After": "5"})
    _history_waiting[sender] += 1
    try:
        return await _database_work(request, _reading(request, query), _history_threads)
    finally:
        _history_waiting[sender] -= 1
        if not _history_waiting[sender]:
            del _history_waiting[sender]


async def write(request: Request, change: Callable[[Connection], T]) -> T:
    """The result of `change` in one transaction, which is committed. Raises UnavailableError."""

    def work() -> T:
        with context_of(request).database.writing() as connection:
            return change(connection)

    return await _database_work(request, work)


async def _database_work(request: Request, work: Callable[[], T], threads: ThreadPoolExecutor = _threads) -> T:
    result = await asyncio.get_running_loop().run_in_executor(threads, work)
    context_of(request).outage.over()
    return result


async def in_thread(work: Callable[[], T]) -> T:
    """The result of `work`, which runs in one of the `THREADS` threads."""
    return await asyncio.get_running_loop().run_in_executor(_threads, work)
