"""Work that many readers want at the same moment, because of the same event, is done once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class _Kind:
    """The work of one key: `running` is held by the one that runs, `next` has not begun yet."""

    running: asyncio.Lock = field(default_factory=asyncio.Lock)
    next: asyncio.Task[Any] | None = None


class SharedWork:
    """For each key at most one work runs, and one waits. A request never gets the result of a work that began before the request:

    its reader knows of an event, and the result must contain what the event is about.
    """

    def __init__(self) -> None:
        self._kinds: dict[Hashable, _Kind] = {}

    async def result(self, key: Hashable, work: Callable[[], Awaitable[Any]]) -> Any:
        """The result of `work`, or of that of another request with the same key. Raises what it raises."""
        kind = self._kinds.setdefault(key, _Kind())
        if kind.next is None:
            kind.next = asyncio.create_task(self._run(key, kind, work))
            # If all have left, nobody asks for its error.
            kind.next.add_done_callback(lambda task: task.cancelled() or task.exception())
        # One who leaves must not cancel the work of the others.
        return await asyncio.shield(kind.next)

    async def _run(self, key: Hashable, kind: _Kind, work: Callable[[], Awaitable[Any]]) -> Any:
        async with kind.running:
            kind.next = None
            try:
                return await work()
            finally:
                if kind.next is None:
                    del self._kinds[key]
