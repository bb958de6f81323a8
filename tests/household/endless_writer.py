"""Stores pings until it is killed, and prints the number of each that is durable: URL CLIENT-KEY FIRST-NUMBER."""

from __future__ import annotations

import asyncio
import hashlib
import sys

from kegnet.server.storage import open_database
from kegnet.server.storage.messages import VerifiedPing
from kegnet.server.storage.writer import Writer


async def main(url: str, client: int, first: int) -> None:
    """Eight senders at once."""
    writer = Writer(open_database(url))
    writer.start()

    async def send(start: int) -> None:
        for number in range(start, start + 100_000):
            await writer.keep(VerifiedPing(client, number, hashlib.sha256(b"%d" % number).digest(), False, 1, number, number))
            print(number, flush=True)

    await asyncio.gather(*(send(first + 100_000 * sender) for sender in range(8)))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
