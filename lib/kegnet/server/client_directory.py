"""The registered clients in memory, for the tasks that see every change: a ping must not cost a query over all of them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from .storage import Change, Database
from .storage.clients import clients
from .storage.records import Client

AT_ONCE = 500
"""Clients that are looked at in one transaction: what is in memory is bounded."""


class ClientDirectory:
    """The clients as they were at the last change that concerned them. For one thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_uuid: dict[str, Client] = {}

    def read(self) -> list[Client]:
        """All clients, read again. Raises UnavailableError, StorageError."""
        with self._database.reading() as c:
            self._by_uuid = {client.uuid: client for client in clients(c)}
        return list(self._by_uuid.values())

    def all(self) -> list[Client]:
        """All clients as they were last read."""
        return list(self._by_uuid.values())

    def of(self, change: Change) -> list[Client]:
        """The registered clients that a change names. Raises UnavailableError, StorageError."""
        if "client" in change.kinds or not change.clients <= self._by_uuid.keys():
            self.read()
        return [self._by_uuid[uuid] for uuid in change.clients if uuid in self._by_uuid]

    def without(self, change: Change) -> frozenset[str]:
        """The UUIDs that a change names and that are not registered any more; after `of()`."""
        return change.clients - self._by_uuid.keys()


def in_chunks(chosen: Iterable[Client]) -> Iterable[list[Client]]:
    """The clients in lists of at most `AT_ONCE`."""
    rest = iter(chosen)
    while some := list(islice(rest, AT_ONCE)):
        yield some
