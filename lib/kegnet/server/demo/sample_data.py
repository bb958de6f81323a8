"""The database of the demo: a client with two taps, and a week of sample data: a fridge, and guests in the evenings."""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
import time
from collections.abc import Iterator

from ..storage import Connection, Database, open_database
from ..storage.beers import set_beer
from ..storage.clients import set_client, set_limits
from ..storage.kegs import put_on
from ..storage.messages import VerifiedMessage, VerifiedPing, VerifiedPour
from ..storage.records import PULSES_PER_LITRE
from ..storage.settings import set_setting
from ..storage.taps import set_tap
from ..storage.writer import Writer
from . import PINS

SETTING = "sample data"
"""If it is set, pages show a notice."""
BEERS = (("IPA", "India Pale Ale", 6.2, 55.0, 9.0), ("Stout", "Dry Stout", 4.4, 38.0, 35.0))
"""Name, style, alcohol by volume, bitterness and colour of the beers, in the order of the taps."""
PING_MS = 600_000
WEEK_MS = 7 * 86_400_000
KEG_MS = 4 * 86_400_000
_OPENS, _CLOSES = 17, 23


def fill(url: str, client_id: str, public_key: str) -> None:
    """Makes the database at `url`."""
    now_ms = time.time_ns() // 10**6
    database = open_database(url)
    with database.writing() as connection:
        client = _add_client(connection, client_id, public_key, now_ms)
    asyncio.run(_write(database, list(_week(client, now_ms))))
    database.close()


def _add_client(connection: Connection, client_id: str, public_key: str, now_ms: int) -> int:
    """Adds the client, its taps and their kegs; returns the client's key."""
    client = set_client(connection, client_id, now_ms=now_ms - WEEK_MS, public_key=public_key, name="Garage")
    set_limits(connection, client.key, 2000, 6500)
    for pin, (name, style, abv, ibu, srm) in zip(PINS, BEERS, strict=True):
        tap = set_tap(connection, client.key, pin, name=name)
        beer = set_beer(connection, None, name=name, brewery="", style=style, abv_percent=abv, ibu=ibu, srm=srm, notes="")
        put_on(connection, tap.key, beer=beer.key if beer else None, on_ms=now_ms - KEG_MS, volume_ml=19_000, start_ml=19_000)
    set_setting(connection, SETTING, "a week of history")
    return client.key


async def _write(database: Database, messages: list[VerifiedMessage]) -> None:
    writer = Writer(database)
    writer.start()
    for first in range(0, len(messages), 500):
        await asyncio.gather(*(writer.keep(message) for message in messages[first : first + 500]))
    await writer.stop()


def _week(client: int, now_ms: int) -> Iterator[VerifiedMessage]:
    """The pings and pours of the week before `now_ms`."""
    chance = random.Random(now_ms)
    for number, at_ms in enumerate(range(now_ms - WEEK_MS, now_ms, PING_MS)):
        cooled = 4200 + 1000 * math.sin(number / 3) + chance.uniform(-150, 150)
        warm = 2500 * math.exp(-((number % 1008 - 600) ** 2) / 200)
        yield VerifiedPing(client, at_ms, _digest("ping", at_ms), False, round(cooled + warm), at_ms, at_ms)
        if _OPENS <= time.localtime(at_ms / 1000).tm_hour <= _CLOSES and chance.random() < 0.25:
            started_ms = min(at_ms + chance.randrange(PING_MS), now_ms)
            yield _pour(client, started_ms, chance.choice(PINS), chance.uniform(0.15, 0.5))


def _pour(client: int, at_ms: int, pin: int, litres: float) -> VerifiedPour:
    pulses, et_ms = round(litres * PULSES_PER_LITRE), round(litres * 14_000)
    return VerifiedPour(client, at_ms, _digest("pour", at_ms), False, pin, pulses, et_ms, at_ms, at_ms)


def _digest(kind: str, at_ms: int) -> bytes:
    return hashlib.sha256(f"{kind} {at_ms}".encode()).digest()
