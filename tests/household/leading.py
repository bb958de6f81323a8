"""Prints a word when it becomes the leader, and goes on until it is killed: URL."""

from __future__ import annotations

import asyncio
import sys

from kegnet.server.storage import open_database
from kegnet.server.storage.leader import Leader


async def work() -> None:
    """What the leader does."""
    print("leading", flush=True)
    await asyncio.Event().wait()


asyncio.run(Leader(open_database(sys.argv[1]), every_s=0.3).run(work))
