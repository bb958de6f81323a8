"""The registered clients by UUID with their parsed keys, so that a message costs no query."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from ..signature import PublicKeyError, public_key
from ..storage import Connection, Database
from ..storage.clients import find_client

FORGET_AFTER_S = 3600.0
"""Even if the announcement of a change is lost, it counts after this long."""
REMEMBERED_AT_MOST = 20_000


@dataclass(frozen=True)
class Signer:
    """A registered client. `key` is its row's, `verifier` its public key."""

    key: int
    uuid: str
    added_ms: int
    verifier: RSAPublicKey


class Signers:
    """Finds clients. For the event loop's thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[float, Signer]] = {}
        self._asked: dict[str, asyncio.Future[Signer | None]] = {}
        self._lookup: asyncio.Task[None] | None = None
        self._changes = 0

    def known(self, uuid: str) -> Signer | None:
        """The client, if it was found less than `FORGET_AFTER_S` ago."""
        found = self._known.get(uuid)
        return found[1] if found is not None and time.monotonic() < found[0] else None

    async def find(self, uuid: str) -> Signer | None:
        """The client from the database; None if it is not registered. All that are asked for meanwhile share a query's thread.

        Raises UnavailableError.
        """
        future = self._asked.get(uuid)
        if future is None:
            future = self._asked[uuid] = asyncio.get_running_loop().create_future()
        if self._lookup is None:
            self._lookup = asyncio.create_task(self._look_up())
        return await asyncio.shield(future)

    def forget(self) -> None:
        """Clients have changed: reads them again."""
        self._known.clear()
        self._changes += 1

    async def _look_up(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, {}
            changes = self._changes
            try:
                found = await asyncio.to_thread(self._read, list(asked))
            except Exception as error:  # each waiting request gets it
                for future in asked.values():
                    future.set_exception(error)
                    future.exception()
                continue
            if changes == self._changes:
                self._remember(found)
            for uuid, future in asked.items():
                future.set_result(found.get(uuid))
        self._lookup = None

    def _read(self, uuids: list[str]) -> dict[str, Signer]:
        with self._database.reading() as connection:
            signers = (_signer(connection, uuid) for uuid in uuids)
            return {signer.uuid: signer for signer in signers if signer is not None}

    def _remember(self, found: dict[str, Signer]) -> None:
        if len(self._known) + len(found) > REMEMBERED_AT_MOST:
            self._known.clear()
        until = time.monotonic() + FORGET_AFTER_S
        self._known.update({uuid: (until, signer) for uuid, signer in found.items()})


def _signer(connection: Connection, uuid: str) -> Signer | None:
    client = find_client(connection, uuid)
    if client is None or client.kind != "kegnet":
        return None
    try:
        return Signer(client.key, client.uuid, client.added_ms, public_key(client.public_key))
    except PublicKeyError:
        return None
