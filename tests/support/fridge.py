"""A database with a client whose messages the test sends, and what the evaluation of the alarms makes of them."""

from __future__ import annotations

import hashlib

from kegnet.server.alarm_rounds import evaluate
from kegnet.server.storage import open_database
from kegnet.server.storage.alarms import alarms_of, open_alarms
from kegnet.server.storage.clients import clients, set_client, set_limits
from kegnet.server.storage.insert import Inserter
from kegnet.server.storage.kegs import put_on
from kegnet.server.storage.messages import VerifiedPing, VerifiedPour
from kegnet.server.storage.notifications import waiting_notifications
from kegnet.server.storage.records import Client
from kegnet.server.storage.taps import set_tap

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
NOON = 1_800_000_000_000
UUID = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"


class Fridge:
    """A database with clients, whose messages the test sends."""

    def __init__(self, url: str) -> None:
        self.database = open_database(url)
        self._inserter = Inserter(self.database)
        self.client = self.add_client(UUID)

    def add_client(self, uuid: str, at_ms: int = NOON) -> Client:
        with self.database.writing() as c:
            return set_client(c, uuid, now_ms=at_ms, public_key="", name="Garage")

    def limit(self, coldest: int | None, warmest: int | None) -> None:
        with self.database.writing() as c:
            set_limits(c, self.client.key, coldest, warmest)

    def ping(self, at_ms: int, millicelsius: int, received_ms: int | None = None, client: Client | None = None) -> None:
        key, digest = (client or self.client).key, hashlib.sha256(f"{at_ms},{millicelsius}".encode()).digest()
        self._inserter.insert([VerifiedPing(key, at_ms, digest, False, millicelsius, at_ms, at_ms if received_ms is None else received_ms)])

    def pour(self, at_ms: int, millilitres: float) -> None:
        pulses, digest = round(millilitres * 5.6), hashlib.sha256(f"{at_ms}".encode()).digest()
        self._inserter.insert([VerifiedPour(self.client.key, at_ms, digest, False, 0, pulses, 1000, at_ms, at_ms)])

    def keg(self, volume_ml: int | None, start_ml: int | None, on_ms: int = NOON) -> int:
        with self.database.writing() as c:
            return put_on(c, set_tap(c, self.client.key, 0).key, beer=None, on_ms=on_ms, volume_ml=volume_ml, start_ml=start_ml).key

    def evaluate(self, now_ms: int) -> int:
        """Evaluates all; how many alarms began or ended."""
        with self.database.reading() as c:
            everyone = clients(c)
        return evaluate(self.database, everyone, now_ms, kegs=True).turns

    def open(self) -> list[tuple[str, int]]:
        """The alarms that last: kind and beginning, in minutes after noon."""
        with self.database.reading() as c:
            return [(alarm.kind, (alarm.began_ms - NOON) // MINUTE) for alarm in open_alarms(c)]

    def all(self) -> list[tuple[str, int, int | None]]:
        """All alarms of the client: kind, beginning, end."""
        with self.database.reading() as c:
            found = alarms_of(c, self.client.key, 0)
        return [(a.kind, (a.began_ms - NOON) // MINUTE, None if a.ended_ms is None else (a.ended_ms - NOON) // MINUTE) for a in found]

    def waiting(self) -> list[tuple[str, bool]]:
        """The notifications that are to be sent: kind, and whether it is an end."""
        with self.database.reading() as c:
            return [(each.alarm.kind, each.ending) for each in waiting_notifications(c, "nobody", 100, 0)]
