"""What the parts of a running server share."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from .counters import Counters
from .options import ServeOptions
from .outage import Outage
from .storage import Database
from .storage.feed import Feed
from .storage.notifications import Notification
from .storage.writer import Writer


@dataclass(frozen=True)
class Sending:
    """A message for these notifications that is being sent. Its `answer` is None where it was delivered, else the reason."""

    notifications: Sequence[Notification]
    title: str
    answer: asyncio.Future[str | None]


@dataclass(frozen=True)
class Context:
    """Made once per process, when the database is open. `stopping` is set when the process is about to end: streams end then.

    `outage` logs that the database is away, once. By the fingerprint of an address, `sending` is the message that is being sent to it,
    and `sent` are the notifications whose delivery to it is not stored yet. A later leadership of this process waits for the message,
    and repeats none of them.
    """

    database: Database
    writer: Writer
    feed: Feed
    options: ServeOptions
    counters: Counters
    outage: Outage
    stopping: asyncio.Event
    sending: dict[str, Sending] = field(default_factory=dict)
    sent: dict[str, Sequence[Notification]] = field(default_factory=dict)

    @property
    def shared(self) -> bool:
        """Whether other processes serve the same clients: with one address, or on other hosts with a database server."""
        return self.database.postgresql or self.options.workers > 1
