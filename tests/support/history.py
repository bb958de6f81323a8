"""Messages put straight into a server's database, as if they had been sent: history that no test can wait for."""

from __future__ import annotations

import asyncio
import hashlib

from kegnet.server.storage import Database
from kegnet.server.storage.clients import find_client
from kegnet.server.storage.messages import VerifiedMessage, VerifiedPing, VerifiedPour
from kegnet.server.storage.writer import Writer


def client_key(database: Database, client_id: str) -> int:
    """The key of a registered client."""
    with database.reading() as connection:
        client = find_client(connection, client_id)
    assert client is not None
    return client.key


def ping(client: int, at_ms: int, millicelsius: int) -> VerifiedPing:
    """A ping that was received when it was sent. `client` is the client's key."""
    return VerifiedPing(client, at_ms, _digest("ping", client, at_ms, millicelsius), False, millicelsius, at_ms, at_ms)


def pour(client: int, at_ms: int, pulses: int, pin: int = 0) -> VerifiedPour:
    """A pour that was received when it began."""
    return VerifiedPour(client, at_ms, _digest("pour", client, at_ms, pulses, pin), False, pin, pulses, 8000, at_ms, at_ms)


def store(database: Database, *messages: VerifiedMessage) -> None:
    """Stores them; all readers of the database's servers are notified."""
    asyncio.run(_store(database, messages))


async def _store(database: Database, messages: tuple[VerifiedMessage, ...]) -> None:
    writer = Writer(database)
    writer.start()
    await asyncio.gather(*map(writer.keep, messages))
    await writer.stop()


def _digest(*values: object) -> bytes:
    return hashlib.sha256(repr(values).encode()).digest()
