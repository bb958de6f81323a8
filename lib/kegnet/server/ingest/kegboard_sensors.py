"""Which sensor of a board counts: a client has one temperature, and a board can have several sensors.

It is the first one that ever reported. When it is replaced, another one counts: one that has reported for an hour, while the first did not.
It must also have reported a few times, because after a power cut any of them can be the first to report.
"""

from __future__ import annotations

import asyncio
import logging

from kegnet.core.syslog_handler import escape_name

from ..storage import Database
from ..storage.boards import choose_sensor, sensor_of
from ..storage.readings import latest_readings
from ..storage.records import Client

REPLACED_MS = 60 * 60 * 1000
REPORTS = 10
_SENSORS_AT_MOST = 16
"""Of a board, to bound the memory."""

log = logging.getLogger(__name__)


class Sensors:
    """Chooses the sensors. Another process may choose, too."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._others: dict[int, dict[str, tuple[int, int]]] = {}

    async def counts(self, client: Client, sensor: str, at_ms: int) -> bool:
        """Whether a temperature of this sensor at that time counts. Raises UnavailableError."""
        chosen, heard_ms = await asyncio.to_thread(_chosen, self._database, client.key)
        if chosen is None:
            return await asyncio.to_thread(_choose, self._database, client.key, None, sensor) == sensor
        if chosen == sensor:
            return True
        if not self._has_replaced(client.key, sensor, heard_ms, at_ms):
            return False
        now = await asyncio.to_thread(_choose, self._database, client.key, chosen, sensor)
        text = "the temperature of the Kegboard %s is now that of its sensor %s; %s has not reported for an hour"
        log.warning(text, escape_name(client.name), escape_name(now), escape_name(chosen))
        return now == sensor

    def _has_replaced(self, client_key: int, sensor: str, heard_ms: int, at_ms: int) -> bool:
        """`heard_ms` is when the chosen sensor last reported."""
        others = self._others.setdefault(client_key, {})
        first_ms, reports = others.get(sensor, (at_ms, 0))
        if heard_ms >= first_ms:
            first_ms, reports = at_ms, 0
        if len(others) >= _SENSORS_AT_MOST:
            others.clear()
        others[sensor] = first_ms, reports + 1
        return reports >= REPORTS and at_ms - first_ms >= REPLACED_MS


def _chosen(database: Database, client_key: int) -> tuple[str | None, int]:
    """The sensor that counts, and when it last reported."""
    with database.reading() as c:
        reading = latest_readings(c, [client_key]).get(client_key)
        return sensor_of(c, client_key), reading.at_ms if reading else 0


def _choose(database: Database, client_key: int, before: str | None, sensor: str) -> str:
    with database.writing() as c:
        return choose_sensor(c, client_key, before, sensor)
