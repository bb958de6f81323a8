"""The change feed: what one process commits is reported to all processes, on every host.

PostgreSQL does this by NOTIFY within the transaction, SQLite by a datagram to a socket of each process after the commit.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

import sqlalchemy as sa

from . import feed_postgresql, feed_sqlite

if TYPE_CHECKING:
    from .database import Connection, Database
    from .sqlite_file import SqliteFile

KINDS = frozenset({"ping", "pour", "alarm", "client", "tap", "setting"})
COALESCE_S = 0.05
"""A change waits this long for others: a burst of messages is few changes for a thousand readers."""
CHECK_S = 10
PAYLOAD_LIMIT_BYTES = 7900
"""PostgreSQL's limit is below 8000 (NOTIFY)."""
_CLIENTS_LIMIT = 1000
"""Upper bound on the clients of a change that waits for a reader; more than these are all."""
_PENDING = "kegnet_changes"


@dataclass(frozen=True)
class Change:
    """What changed: the uuids of the clients that it concerns (none: all), and which kinds of things."""

    clients: frozenset[str]
    kinds: frozenset[str]

    def merged(self, other: Change) -> Change:
        """Both together."""
        all_of_them = not self.clients or not other.clients
        clients = frozenset() if all_of_them else self.clients | other.clients
        return Change(clients if len(clients) <= _CLIENTS_LIMIT else frozenset(), self.kinds | other.kinds)

    def payload(self) -> str:
        """The change as text of at most PAYLOAD_LIMIT_BYTES; of too many clients it becomes one of all."""
        kinds = sorted(self.kinds)
        text = json.dumps([kinds, sorted(self.clients)], separators=(",", ":"))
        return text if len(text) <= PAYLOAD_LIMIT_BYTES else json.dumps([kinds, []])

    @classmethod
    def parse(cls, payload: str) -> Change:
        """The change of a payload. What is not one counts as a change of everything."""
        try:
            kinds, clients = json.loads(payload)
            return cls(frozenset(map(str, clients)), frozenset(map(str, kinds)))
        except (ValueError, TypeError):
            return EVERYTHING


EVERYTHING = Change(frozenset(), KINDS)


def announce(connection: Connection, change: Change) -> None:
    """Reports the change to all processes once the transaction of `Database.writing()` is committed."""
    pending = connection.info.get(_PENDING)
    connection.info[_PENDING] = change if pending is None else pending.merged(change)


def clear(connection: Connection) -> None:
    """Forgets what an earlier transaction that was rolled back announced."""
    connection.info.pop(_PENDING, None)


def send_before_commit(connection: Connection) -> None:
    """PostgreSQL: adds the announced changes to the transaction."""
    if connection.dialect.name == "postgresql":
        change = connection.info.pop(_PENDING, None)
        if change is not None:
            connection.execute(sa.text("SELECT pg_notify('kegnet', :payload)"), {"payload": change.payload()})


def send_after_commit(connection: Connection, file: SqliteFile | None) -> None:
    """SQLite: sends the announced changes to the other processes."""
    change = connection.info.pop(_PENDING, None)
    if change is not None and file is not None:
        feed_sqlite.send(file, change.payload())


class Subscription:
    """What one reader has not seen yet, merged into one change."""

    def __init__(self, leave: Callable[[Subscription], None]) -> None:
        self._leave = leave
        self._pending: Change | None = None
        self._arrived = asyncio.Event()

    async def next(self) -> Change:
        """Waits for a change; all that changed since the last call."""
        await self._arrived.wait()
        self._arrived.clear()
        change, self._pending = self._pending, None
        return EVERYTHING if change is None else change

    def put(self, change: Change) -> None:
        """Adds a change."""
        self._pending = change if self._pending is None else self._pending.merged(change)
        self._arrived.set()

    def close(self) -> None:
        """Ends it."""
        self._leave(self)

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Change:
        return await self.next()

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Feed:
    """The changes of all processes, for the subscriptions in this process's event loop.

    Every `check_s` seconds it makes sure that it can still be reached.
    """

    def __init__(self, database: Database, check_s: float = CHECK_S) -> None:
        self._database = database
        self._check_s = check_s
        self._subscriptions: set[Subscription] = set()
        self._pending: Change | None = None

    def subscribe(self) -> Subscription:
        """Everything that changes from now on."""
        subscription = Subscription(self._subscriptions.discard)
        self._subscriptions.add(subscription)
        return subscription

    def readers(self) -> int:
        """How many subscriptions there are."""
        return len(self._subscriptions)

    async def run(self) -> None:
        """Listens until it is cancelled. Once it listens, also after an interruption, it reports a change of everything."""
        if self._database.file is None:
            await feed_postgresql.listen(self._database, self._receive, self._check_s)
        else:
            await feed_sqlite.listen(self._database.file, self._receive, self._check_s)

    def _receive(self, payload: str) -> None:
        change = Change.parse(payload)
        if self._pending is None:
            self._pending = change
            asyncio.get_running_loop().call_later(COALESCE_S, self._distribute)
        else:
            self._pending = self._pending.merged(change)

    def _distribute(self) -> None:
        change, self._pending = self._pending, None
        if change is not None:
            for subscription in self._subscriptions:
                subscription.put(change)
