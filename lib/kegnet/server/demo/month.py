"""A month of sample data: one open fridge door, one outage, and pours in the evenings, more of them at weekends."""

from __future__ import annotations

import hashlib
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..model.alarms import DELAY_MS, SILENT_MS, AlarmKind
from ..storage.messages import VerifiedMessage, VerifiedPing, VerifiedPour
from ..storage.records import PULSES_PER_LITRE
from .beers import BEERS, SampleBeer

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
DAYS = 30
PING_MS = 5 * MINUTE_MS
GUESTS = {0: 8, 1: 8, 2: 10, 3: 16, 4: 34, 5: 40, 6: 16}
"""How many glasses on an evening, by day of the week; Monday is 0."""
OUTAGE_MS = (12 * DAY_MS, 10 * DAY_MS + 9 * HOUR_MS)
"""The outage: from and until how long before now."""
OPEN_MS = (5 * DAY_MS, 5 * DAY_MS - 100 * MINUTE_MS)
"""The open fridge: from and until how long before now."""
_OPENS = 17 * HOUR_MS


@dataclass(frozen=True)
class SampleKeg:
    """A keg: when it was put on, and what it held then."""

    on_ms: int
    start_ml: int


@dataclass(frozen=True)
class Month:
    """The messages of a month, the kegs of each tap (oldest first), and the alarms that are over: kind, beginning and end."""

    messages: list[VerifiedMessage]
    kegs: list[list[SampleKeg]]
    alarms: list[tuple[str, int, int]]


def month(client: int, now_ms: int, pins: Sequence[int]) -> Month:
    """The month before `now_ms` of a client (its key) with a tap at each of `pins`."""
    chance = random.Random(now_ms)
    glasses = sorted(_glasses(now_ms, chance))
    pours: list[list[tuple[int, float]]] = [[] for _ in pins]
    for at_ms, litres in glasses:
        tap = chance.choices(range(len(pins)), [beer.thirst for beer in BEERS])[0]
        pours[tap].append((at_ms, litres))
    kegs = [_kegs(beer, [(at, 1000 * litres) for at, litres in poured], now_ms) for beer, poured in zip(BEERS, pours, strict=True)]
    messages: list[VerifiedMessage] = list(_pings(client, now_ms, chance))
    for pin, poured in zip(pins, pours, strict=True):
        messages += [_pour(client, at_ms, pin, litres) for at_ms, litres in poured]
    return Month(messages, kegs, _alarms(now_ms))


def _alarms(now_ms: int) -> list[tuple[str, int, int]]:
    silent_ms, heard_ms = (now_ms - ago_ms for ago_ms in OUTAGE_MS)
    opened_ms, closed_ms = (now_ms - ago_ms for ago_ms in OPEN_MS)
    return [
        (AlarmKind.SILENT.value, silent_ms + SILENT_MS, heard_ms),
        (AlarmKind.TOO_WARM.value, opened_ms + 10 * MINUTE_MS + DELAY_MS, closed_ms + 30 * MINUTE_MS),
    ]


def _is_silent(at_ms: int, now_ms: int) -> bool:
    return OUTAGE_MS[1] < now_ms - at_ms < OUTAGE_MS[0]


def _pings(client: int, now_ms: int, chance: random.Random) -> Iterator[VerifiedMessage]:
    """The compressor runs for about 30 of 90 minutes; afternoons are a little warmer."""
    for at_ms in range(now_ms - DAYS * DAY_MS, now_ms, PING_MS):
        if _is_silent(at_ms, now_ms):
            continue
        cooled = 4100 + 700 * math.sin(at_ms / (15 * MINUTE_MS)) + 350 * math.sin(2 * math.pi * at_ms / DAY_MS)
        ago_ms = now_ms - at_ms
        warm = 0.0
        if ago_ms <= OPEN_MS[0]:
            until_closed = min(1.0, (OPEN_MS[0] - ago_ms) / (OPEN_MS[0] - OPEN_MS[1]))
            warm = 9000 * until_closed**0.6 * math.exp(-max(0, OPEN_MS[1] - ago_ms) / (40 * MINUTE_MS))
        temp = round(cooled + warm + chance.uniform(-120, 120))
        yield VerifiedPing(client, at_ms, _digest("ping", at_ms), False, temp, at_ms, at_ms)


def _glasses(now_ms: int, chance: random.Random) -> Iterator[tuple[int, float]]:
    """When glasses were poured, and how many litres: in the evening by the local clock, most around nine."""
    for ago in range(DAYS, -1, -1):
        day = time.localtime((now_ms - ago * DAY_MS) / 1000)
        midnight_ms = round(time.mktime((day.tm_year, day.tm_mon, day.tm_mday, 0, 0, 0, 0, 0, -1)) * 1000)
        for _ in range(round(GUESTS[day.tm_wday] * chance.uniform(0.7, 1.3))):
            at_ms = midnight_ms + _OPENS + round(chance.betavariate(2.5, 2) * 7 * HOUR_MS)
            if now_ms - DAYS * DAY_MS < at_ms < now_ms and not _is_silent(at_ms, now_ms):
                yield at_ms, chance.choice((0.2, 0.3, 0.3, 0.33, 0.33, 0.4, 0.5)) * chance.uniform(0.9, 1.05)


def _kegs(beer: SampleBeer, pours: Sequence[tuple[int, float]], now_ms: int) -> list[SampleKeg]:
    """The kegs of these pours (time and millilitres, oldest first). The present keg ends at the level of `beer`."""
    first_ms = now_ms - DAYS * DAY_MS
    kegs: list[SampleKeg] = []
    to_pour, poured, next_ms = (1 - beer.level) * beer.keg_ml, 0.0, now_ms
    for at_ms, millilitres in reversed(pours):
        if poured + millilitres > to_pour:
            kegs.append(SampleKeg((at_ms + next_ms) // 2, beer.keg_ml if kegs or beer.level else round(poured)))
            to_pour, poured = 0.98 * beer.keg_ml, 0.0
        poured, next_ms = poured + millilitres, at_ms
    # The oldest one was part-full when the month began.
    kegs.append(SampleKeg(first_ms, beer.keg_ml if not kegs and beer.level else round(poured)))
    return kegs[::-1]


def _pour(client: int, at_ms: int, pin: int, litres: float) -> VerifiedPour:
    pulses, et_ms = round(litres * PULSES_PER_LITRE), round(litres * 14_000)
    return VerifiedPour(client, at_ms, _digest(f"pour {pin}", at_ms), False, pin, pulses, et_ms, at_ms, at_ms)


def _digest(kind: str, at_ms: int) -> bytes:
    return hashlib.sha256(f"{kind} {at_ms}".encode()).digest()
