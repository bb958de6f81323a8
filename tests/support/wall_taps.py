"""Taps with beers for the tests of pages: names as they are, names of 80 characters without a blank, and Arabic ones."""

from __future__ import annotations

import math

from kegnet.server.storage.beers import set_beer
from kegnet.server.storage.kegs import put_on
from kegnet.server.storage.messages import VerifiedMessage

from .history import client_key, ping, pour, store
from .kegnet_server import KegnetServer, now_ms

CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenschrankbeleuchtungsanlagenwart1"
ARABIC = "جعة الشتاء الداكنة من مصنع الجعة القديم في المدينة على ضفاف النهر الكبير"
_MINUTE_MS, _DAY_MS = 60_000, 86_400_000
_BEERS = (
    (LONG[:80], LONG[:80], LONG[:80], 12.5, 120, 20, 0.5),
    (ARABIC, "مصنع الجعة القديم", "بورتر البلطيق", 8.6, 34, 30, 0.97),
    ("Two Sunsets IPA", "Own brew", "American IPA", 6.4, 58, 8, 0.48),
    ("Copper Line", "Own brew", "Altbier", 4.8, 42, 12, 0.09),
    ("Sour & Wild", "Friends' share", "Kettle sour", None, None, None, 0.001),
)
"""Name, brewery, style, alcohol, bitterness, colour, and how full the keg is."""


def add_taps(server: KegnetServer, number: int) -> None:
    """Adds a client with a day of temperatures and so many taps."""
    server.add_client(CLIENT, "x", "Garage")
    key, now = client_key(server.database, CLIENT), now_ms()
    messages: list[VerifiedMessage] = [ping(key, now - at * 10 * _MINUTE_MS, 4200 + int(900 * math.sin(at / 9))) for at in range(144)]
    for pin in range(number):
        name, brewery, style, abv, ibu, srm, full = _BEERS[pin % len(_BEERS)]
        tap = server.set_tap(CLIENT, pin, LONG[:80] if pin == 0 else f"Tap {pin + 1}")
        with server.writing() as connection:
            fields = {"name": name, "brewery": brewery, "style": style, "abv_percent": abv, "ibu": ibu, "srm": srm, "notes": ""}
            beer = set_beer(connection, None, **fields)
            assert beer is not None
            put_on(connection, tap.key, beer=beer.key, on_ms=now - 4 * _DAY_MS, volume_ml=19_000, start_ml=19_000)
        messages.append(pour(key, now - 3 * _DAY_MS, round((1 - full) * 19 * 5600), pin))
        messages.append(pour(key, now - (2 + pin) * 60 * _MINUTE_MS, 1850, pin))
    store(server.database, *messages)
