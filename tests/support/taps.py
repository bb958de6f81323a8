"""Houses for the tests of pages: how many taps there are, and what is wrong with them."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kegnet.server.storage.alarms import open_alarms
from kegnet.server.storage.beers import set_beer
from kegnet.server.storage.clients import set_client, set_limits
from kegnet.server.storage.kegs import put_on
from kegnet.server.storage.receiving import set_receiving
from kegnet.server.storage.records import Client
from kegnet.server.storage.taps import set_tap

from .history import ping, pour, store
from .kegnet_server import KegnetServer
from .wait import wait_for

LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenschrankbeleuchtungsanlagenwartung"[:80]
ARABIC = "بيرة القمح البيضاء من حديقة الجيران في المدينة القديمة على ضفاف النهر الكبير جدا"[:80]


@dataclass(frozen=True)
class Tapped:
    """A beer on a tap: its level (0 to 1), the size of its keg, what is poured on a day, and how many minutes ago the last pour was.

    Without `litres_a_day` the keg was full nine days ago.
    """

    name: str
    brewery: str
    style: str
    abv: float
    ibu: float | None
    srm: float | None
    level: float
    size_ml: int = 19_000
    minutes: int = 60
    litres_a_day: float | None = None


BEERS = (
    Tapped("Two Sunsets IPA", "Own brew", "American IPA", 6.4, 58.0, 8.0, 0.48),
    Tapped("Night Shift", "Own brew", "Dry stout", 4.3, 38.0, 40.0, 0.59),
    Tapped("Kellerbier", "Brauerei Meister", "Zwickl", 5.1, 24.0, 5.0, 0.92),
    Tapped(LONG, LONG, LONG, 12.75, 120.0, 18.0, 0.08),
    Tapped("Pale Moon Hefeweizen", "Own brew", "Weissbier", 5.3, 13.0, 3.0, 0.0),
    Tapped(ARABIC, ARABIC, "Gose", 4.8, None, 2.0, 0.74),
    Tapped("Sour & Wild", "Friends' share", "Kettle sour", 3.9, 6.0, None, 0.35),
    Tapped("Winter Porter of the old harbour", "", "Baltic porter", 8.6, 34.0, 30.0, 0.97),
)
MINUTE_MS = 60 * 1000
DAY_MS = 24 * 60 * MINUTE_MS


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 10**6


def add_client(
    server: KegnetServer, name: str, taps: int = 0, *, first: int = 0, trouble: str = "", tapped: Sequence[Tapped] = ()
) -> Client:
    """A client with a day of temperatures, with a gap, and with `taps` taps: the `BEERS` from number `first` on; or those of `tapped`.

    `trouble`: `too warm` or `silent`, by what it has sent; the server's watch begins the alarm, see `wait_for_alarms`.
    """
    with server.writing() as connection:
        client = set_client(connection, str(uuid.uuid4()), now_ms=now_ms() - 30 * DAY_MS, public_key="x", name=name)
        set_limits(connection, client.key, 1000, 7000)
        set_receiving(connection, 0, now_ms())
    sent = [number for number in range(30 if trouble == "silent" else 0, 144) if not 60 < number < 75]
    warmth = {number: 5000 if trouble == "too warm" and number < 6 else 0 for number in sent}
    values = [ping(client.key, now_ms() - 600_000 * number, 4200 + round(900 * math.sin(number / 9)) + warmth[number]) for number in sent]
    store(server.database, *values)
    for pin, beer in enumerate(tapped or [BEERS[(first + pin) % len(BEERS)] for pin in range(taps)]):
        add_tap(server, client, pin, beer)
    return client


def add_tap(server: KegnetServer, client: Client, pin: int, tapped: Tapped) -> None:
    """A tap, from which something was poured on each of nine days."""
    out_ml = (1 - tapped.level) * tapped.size_ml if tapped.litres_a_day is None else 9000 * tapped.litres_a_day
    start_ml = round(tapped.level * tapped.size_ml + out_ml)
    facts = {"brewery": tapped.brewery, "style": tapped.style, "abv_percent": tapped.abv, "ibu": tapped.ibu, "srm": tapped.srm}
    with server.writing() as connection:
        tap = set_tap(connection, client.key, pin)
        beer = set_beer(connection, None, name=tapped.name, **facts)
        assert beer is not None
        put_on(connection, tap.key, beer=beer.key, on_ms=now_ms() - 10 * DAY_MS, volume_ml=tapped.size_ml, start_ml=start_ml)
    last_ms = now_ms() - MINUTE_MS * tapped.minutes - 1000 * pin
    store(server.database, *(pour(client.key, last_ms - DAY_MS * day, round(out_ml / 9000 * 5600), pin) for day in range(9)))


def wait_for_alarms(server: KegnetServer, number: int) -> None:
    """Waits until there are so many open alarms."""

    def all_began() -> bool:
        with server.database.reading() as connection:
            return len(open_alarms(connection)) >= number

    # The server rests between two evaluations, up to half a minute.
    wait_for(all_began, limit_s=90)


def one(server: KegnetServer) -> None:
    """One tap."""
    add_client(server, "Garage", 1)


def six(server: KegnetServer) -> None:
    """Six taps of one client; a keg is low, one is empty."""
    add_client(server, "Garage", 6)
    wait_for_alarms(server, 2)


def twenty(server: KegnetServer) -> None:
    """Twenty taps of three clients with long names, of which one is too warm and one is silent; a tap without a keg, a hidden one."""
    for number, (name, kind) in enumerate(((LONG, "too warm"), (ARABIC, ""), ("Keller", "silent"))):
        client = add_client(server, name, 6, first=6 * number, trouble=kind)
        with server.writing() as connection:
            set_tap(connection, client.key, 20, name="hidden one", hidden=True)
            if number < 2:
                set_tap(connection, client.key, 10)
    wait_for_alarms(server, 6)


def no_data(server: KegnetServer) -> None:
    """A client that has sent nothing, with a tap without a keg, and a keg of which nobody has entered anything."""
    with server.writing() as connection:
        client = set_client(connection, str(uuid.uuid4()), now_ms=now_ms(), public_key="x", name=LONG)
        set_tap(connection, client.key, 0, name=LONG)
        unknown = set_tap(connection, client.key, 1)
        put_on(connection, unknown.key, beer=None, on_ms=now_ms(), volume_ml=None, start_ml=None)


def empty(_server: KegnetServer) -> None:
    """No client."""


HOUSES: dict[str, Callable[[KegnetServer], None]] = {"empty": empty, "no data": no_data, "1 tap": one, "6 taps": six, "20 taps": twenty}
