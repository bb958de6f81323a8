"""The database of the demo: a client with six taps and a month of sample data."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from ..storage import Connection, Database, open_database
from ..storage.alarms import begin_alarm, end_alarm
from ..storage.beers import set_beer
from ..storage.clients import set_client, set_limits
from ..storage.kegs import put_on
from ..storage.messages import VerifiedMessage
from ..storage.settings import set_household, set_setting
from ..storage.taps import set_tap
from ..storage.writer import Writer
from ..web.password import set_password
from . import PASSWORD, PINS
from .beers import BEERS
from .month import DAY_MS, Month, SampleKeg, month

SETTING = "sample data"
"""If it is set, pages show a notice."""
AT_ONCE = 2000


def fill(url: str, client_id: str, public_key: str) -> None:
    """Makes the database at `url`."""
    now_ms = time.time_ns() // 10**6
    database = open_database(url)
    with database.writing() as connection:
        client = set_client(connection, client_id, now_ms=now_ms - 31 * DAY_MS, public_key=public_key, name="Garage")
        set_limits(connection, client.key, 2000, 6500)
        set_household(connection, title="The Garage")
        set_setting(connection, SETTING, "a month of history")
        set_password(connection, PASSWORD)
        sample = month(client.key, now_ms, PINS)
        for pin, kegs in zip(PINS, sample.kegs, strict=True):
            _add_tap(connection, client.key, pin, kegs)
        _add_alarms(connection, client.key, sample)
    asyncio.run(_write(database, sample.messages))
    database.close()


def _add_tap(connection: Connection, client: int, pin: int, kegs: Sequence[SampleKeg]) -> None:
    number = PINS.index(pin)
    tap = set_tap(connection, client, pin, name=f"Tap {number + 1}")
    beer = BEERS[number]
    added = set_beer(
        connection, None, name=beer.name, brewery=beer.brewery, style=beer.style, abv_percent=beer.abv_percent, ibu=beer.ibu,
        srm=beer.srm, notes=beer.notes,
    )  # fmt: skip
    for keg in kegs:
        key = added.key if added else None
        put_on(connection, tap.key, beer=key, on_ms=keg.on_ms, volume_ml=beer.keg_ml, start_ml=keg.start_ml)


def _add_alarms(connection: Connection, client: int, sample: Month) -> None:
    """The alarms that have ended. The server begins the others itself."""
    for kind, began_ms, ended_ms in sample.alarms:
        alarm = begin_alarm(connection, client, None, kind, began_ms)
        end_alarm(connection, alarm.key, ended_ms, notify=False)


async def _write(database: Database, messages: Sequence[VerifiedMessage]) -> None:
    writer = Writer(database)
    writer.start()
    for first in range(0, len(messages), AT_ONCE):
        await asyncio.gather(*(writer.keep(message) for message in messages[first : first + AT_ONCE]))
    await writer.stop()
