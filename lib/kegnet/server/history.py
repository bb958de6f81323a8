"""A week that never was, for the demo: a fridge that hums, and guests in the evenings."""

from __future__ import annotations

import math
import random

from .store import PULSES_PER_LITRE, Store

PING_MS = 600_000
WEEK_MS = 7 * 86_400_000
_OPENS, _CLOSES = 17, 23


def make_up(store: Store, client_id: str, pins: tuple[int, ...], now_ms: int) -> None:
    """Fills `store` with a week of pings and pours of a client up to `now_ms`, and marks it as made up."""
    chance = random.Random(now_ms)
    for number, at_ms in enumerate(range(now_ms - WEEK_MS, now_ms, PING_MS)):
        hum = 4200 + 1000 * math.sin(number / 3) + chance.uniform(-150, 150)
        warm = 2500 * math.exp(-((number % 1008 - 600) ** 2) / 200)
        _keep(store, "ping", client_id, at_ms, {"temp": round(hum + warm)})
    for at_ms in range(now_ms - WEEK_MS, now_ms, PING_MS):
        if _OPENS <= at_ms // 3_600_000 % 24 <= _CLOSES and chance.random() < 0.25:
            litres = chance.uniform(0.15, 0.5)
            _keep(store, "pour", client_id, at_ms + chance.randrange(PING_MS), _poured(chance.choice(pins), litres))
    store.set_setting("made up", "a week of history")


def _poured(pin: int, litres: float) -> dict[str, int]:
    return {"pin": pin, "pulses": round(litres * PULSES_PER_LITRE), "et": round(litres * 14_000)}


def _keep(store: Store, endpoint: str, client_id: str, at_ms: int, values: dict[str, int]) -> None:
    fields = {name: str(value) for name, value in values.items()}
    store.keep(endpoint, "v2", {"id": client_id, **fields, "ts": str(at_ms), "sig": f"made up: {endpoint} {at_ms}"})
