"""The state of clients, taps and kegs now: what the pages, the API, the metrics and MQTT show."""

from __future__ import annotations

import datetime
import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from .model.days import day_start, find_zone, week_start
from .model.levels import lasts_ms, left_ml, rate_since
from .storage import Connection
from .storage.alarms import open_alarms
from .storage.kegs import kegs_on
from .storage.pours import last_pours, poured_ml
from .storage.ranges import MOST_MS
from .storage.readings import latest_readings, pours_heard
from .storage.records import Alarm, Client, Keg, Pour, Reading, Tap
from .storage.settings import household
from .storage.taps import taps_of

LAST_POURS = 5


@dataclass(frozen=True)
class TapState:
    """A tap. `last` are its last pours, newest first; `today_ml` and `week_ml` are what was drunk.

    `left_ml` is what is in the keg, None where there is none or nobody has entered what it held.
    `lasts_ms` is how long that lasts, None also where nothing was poured lately.
    """

    tap: Tap
    keg: Keg | None
    last: tuple[Pour, ...]
    today_ml: float
    week_ml: float
    left_ml: float | None
    lasts_ms: int | None

    @property
    def last_of_keg(self) -> Pour | None:
        """The last pour of the keg that is on, or of the tap if no keg is on."""
        last = next(iter(self.last), None)
        return None if last is None or (self.keg is not None and last.at_ms < self.keg.on_ms) else last


@dataclass(frozen=True)
class ClientState:
    """A client. `heard_ms` is when its newest message came. Hidden taps are not in `taps`, which are sorted by pin."""

    client: Client
    reading: Reading | None
    heard_ms: int | None
    alarms: tuple[Alarm, ...]
    taps: tuple[TapState, ...]


def overview(connection: Connection, clients: Sequence[Client], now_ms: int) -> list[ClientState]:
    """The state of each of `clients`, in their order. The number of queries does not depend on how many there are."""
    keys = [client.key for client in clients]
    readings, pours = latest_readings(connection, keys), pours_heard(connection, keys, MOST_MS)
    alarms: dict[int, list[Alarm]] = {key: [] for key in keys}
    for alarm in open_alarms(connection, keys):
        alarms[alarm.client].append(alarm)
    taps: dict[int, list[Tap]] = {key: [] for key in keys}
    for tap in taps_of(connection, keys):
        taps[tap.client].append(tap)
    shown = [tap for key in keys for tap in taps[key] if not tap.hidden]
    last = last_pours(connection, [tap.key for tap in shown], LAST_POURS)
    states = _tap_states(connection, shown, last, now_ms)
    return [
        ClientState(
            client=client,
            reading=readings.get(client.key),
            heard_ms=_heard(readings.get(client.key), pours[client.key]),
            alarms=tuple(alarms[client.key]),
            taps=tuple(states[tap.key] for tap in taps[client.key] if not tap.hidden),
        )
        for client in clients
    ]


def state_of_tap(connection: Connection, tap: Tap, now_ms: int) -> TapState:
    """The state of one tap, also of a hidden one."""
    return _tap_states(connection, [tap], last_pours(connection, [tap.key], LAST_POURS), now_ms)[tap.key]


def _heard(reading: Reading | None, pours: Sequence[int]) -> int | None:
    return max(pours if reading is None else [*pours, reading.received_ms], default=None)


def _tap_states(connection: Connection, taps: Sequence[Tap], last: dict[int, list[Pour]], now_ms: int) -> dict[int, TapState]:
    kegs = kegs_on(connection, [tap.key for tap in taps])
    home = household(connection)
    zone = _zone(home.time_zone)
    today_ms, week_ms = day_start(now_ms, zone, home.day_begins_hour), week_start(now_ms, zone, home.day_begins_hour)
    since = {
        tap.key: (today_ms, week_ms, _on_ms(kegs.get(tap.key), now_ms), rate_since(_on_ms(kegs.get(tap.key), now_ms), now_ms))
        for tap in taps
    }
    # To the end of all times: a client's clock can be a little ahead.
    poured = iter(poured_ml(connection, [(key, since_ms, MOST_MS) for key, times in since.items() for since_ms in times]))
    states = {}
    for tap in taps:
        (_, today), (_, week), (out, _), (lately, _) = (next(poured) for _ in range(4))
        keg, left = kegs.get(tap.key), None
        if keg is not None and keg.start_ml is not None:
            left = left_ml(keg.start_ml, out)
        lasts = None if left is None else lasts_ms(left, lately, since[tap.key][3], now_ms)
        states[tap.key] = TapState(tap, keg, tuple(last[tap.key]), today, week, left, lasts)
    return states


def _on_ms(keg: Keg | None, now_ms: int) -> int:
    return now_ms if keg is None else keg.on_ms


@functools.lru_cache
def _zone(name: str) -> datetime.tzinfo:
    """The time zone, or UTC, which is logged once."""
    zone = find_zone(name)
    if zone is None:
        logging.getLogger(__name__).warning("time zone %r is unknown, so days begin by UTC; fix: kegnet-server settings", name)
    return zone or datetime.UTC
