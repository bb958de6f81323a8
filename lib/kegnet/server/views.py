"""What the page, the JSON API, the metrics and MQTT show: values, computed from what is kept."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import sqlalchemy as sa

from .schema import ping, pour
from .store import PULSES_PER_LITRE, Client, Store, Tap

SILENT_MS = 30 * 60 * 1000
"""A client of whom nothing has come for so long is silent: three pings at their usual interval."""
LAST_POURS = 5
CLIENTS_A_PAGE = 50
POINTS = 180
"""A course has about so many points, however long it is."""
_DAY_MS = 24 * 3600 * 1000
_WEEK_MS = 7 * _DAY_MS


@dataclass(frozen=True)
class PourView:
    """One pour: when, in Unix milliseconds, how much, and how long it took."""

    at_ms: int
    pulses: int
    millilitres: float
    duration_ms: int


@dataclass(frozen=True)
class TapView:
    """A tap. `left_ml` is None where nobody has said what the keg held, `lasts_ms` also where nothing was poured lately."""

    pin: int
    name: str
    pulses_per_litre: int
    last: tuple[PourView, ...]
    today_ml: float
    week_ml: float
    keg_ml: int | None
    left_ml: float | None
    lasts_ms: int | None


@dataclass(frozen=True)
class ClientView:
    """A client as it is now. Temperatures in thousandths of a degree Celsius; None where nothing has come yet."""

    id: str
    name: str
    millicelsius: int | None
    at_ms: int | None
    seen_ms: int | None
    silent: bool
    too_cold: bool
    too_warm: bool
    coldest: int | None
    warmest: int | None
    taps: tuple[TapView, ...]

    @property
    def alarms(self) -> list[str]:
        """What is wrong, in words."""
        wrong = {"too cold": self.too_cold, "too warm": self.too_warm, "silent": self.silent}
        return [words for words, so in wrong.items() if so]


@dataclass(frozen=True)
class Point:
    """Temperatures of a stretch of time that begins at `at_ms`, in thousandths of a degree Celsius."""

    at_ms: int
    mean: float
    least: int
    most: int


def overview(store: Store, now_ms: int, page: int = 0) -> list[ClientView]:
    """One page of clients, by name."""
    taps: dict[str, list[Tap]] = {}
    for tap in store.taps():
        taps.setdefault(tap.client, []).append(tap)
    chosen = store.clients()[page * CLIENTS_A_PAGE : (page + 1) * CLIENTS_A_PAGE]
    with store.reading() as connection:
        return [_client(connection, client, taps.get(client.id, []), now_ms) for client in chosen]


def everyone(store: Store, now_ms: int) -> Iterator[ClientView]:
    """All clients, by name, a page of them at a time."""
    for page in count():
        clients = overview(store, now_ms, page)
        yield from clients
        if len(clients) < CLIENTS_A_PAGE:
            return


def course(store: Store, client_id: str, since_ms: int, until_ms: int) -> list[Point]:
    """How the temperature went, oldest first."""
    width = max(1, (until_ms - since_ms) // POINTS)
    after_ms = ping.c.at_ms - since_ms
    bin_ = after_ms - after_ms % width
    query = (
        sa.select(bin_.label("bin"), sa.func.avg(ping.c.temp), sa.func.min(ping.c.temp), sa.func.max(ping.c.temp))
        .where(ping.c.id == client_id.lower(), ping.c.at_ms >= since_ms, ping.c.at_ms < until_ms)
        .group_by("bin")
        .order_by("bin")
    )
    with store.reading() as connection:
        return [Point(since_ms + int(start), float(mean), least, most) for start, mean, least, most in connection.execute(query)]


def last_pours(store: Store, client_id: str, pin: int, limit: int) -> list[PourView]:
    """The last pours of a tap, the latest first."""
    usual = Tap(client_id, pin, "", PULSES_PER_LITRE, None, None)
    tap = next((tap for tap in store.taps() if (tap.client, tap.pin) == (client_id, pin)), usual)
    with store.reading() as connection:
        return _last(connection, tap, limit)


def _last(connection: sa.engine.Connection, tap: Tap, limit: int) -> list[PourView]:
    columns = (pour.c.at_ms, pour.c.pulses, pour.c.et, pour.c.ts)
    query = sa.select(*columns).where(_of(tap)).order_by(pour.c.at_ms.desc()).limit(limit)
    # What came with its time in seconds has its duration in seconds, too.
    return [
        PourView(at_ms, pulses, 1000 * tap.litres(pulses), et if at_ms == ts else et * 1000)
        for at_ms, pulses, et, ts in connection.execute(query)
    ]


def _of(tap: Tap) -> sa.sql.elements.ColumnElement[bool]:
    return (pour.c.id == tap.client) & (pour.c.pin == tap.pin)


def _client(connection: sa.engine.Connection, client: Client, taps: list[Tap], now_ms: int) -> ClientView:
    latest = connection.execute(
        sa.select(ping.c.temp, ping.c.at_ms, ping.c.received_ms).where(ping.c.id == client.id).order_by(ping.c.at_ms.desc()).limit(1)
    ).first()
    millicelsius, at_ms, seen_ms = latest or (None, None, None)
    known = {tap.pin: tap for tap in taps}
    for pin in _pins(connection, client.id):
        known.setdefault(pin, Tap(client.id, pin, f"tap {pin}", PULSES_PER_LITRE, None, None))
    return ClientView(
        id=client.id,
        name=client.name,
        millicelsius=millicelsius,
        at_ms=at_ms,
        seen_ms=seen_ms,
        silent=seen_ms is None or now_ms - seen_ms > SILENT_MS,
        too_cold=millicelsius is not None and client.coldest is not None and millicelsius < client.coldest,
        too_warm=millicelsius is not None and client.warmest is not None and millicelsius > client.warmest,
        coldest=client.coldest,
        warmest=client.warmest,
        taps=tuple(_tap(connection, known[pin], now_ms) for pin in sorted(known)),
    )


def _pins(connection: sa.engine.Connection, client_id: str) -> list[int]:
    """The pins of which pours have come. A walk from one to the next by the index, however many the pours are."""
    found: list[int] = []
    after = -(2**31)
    while len(found) < 64:
        pin = connection.execute(sa.select(sa.func.min(pour.c.pin)).where(pour.c.id == client_id, pour.c.pin > after)).scalar()
        if pin is None:
            break
        found.append(pin)
        after = pin
    return found


def _tap(connection: sa.engine.Connection, tap: Tap, now_ms: int) -> TapView:
    def millilitres_since(since_ms: int) -> float:
        query = sa.select(sa.func.coalesce(sa.func.sum(pour.c.pulses), 0)).where(_of(tap), pour.c.at_ms >= since_ms)
        return 1000 * tap.litres(int(connection.execute(query).scalar_one()))

    left_ml = None
    if tap.keg_ml is not None and tap.tapped_ms is not None:
        left_ml = max(0.0, tap.keg_ml - millilitres_since(tap.tapped_ms))
    midnight = _midnight(now_ms)
    return TapView(
        pin=tap.pin,
        name=tap.name,
        pulses_per_litre=tap.pulses_per_litre,
        last=tuple(_last(connection, tap, LAST_POURS)),
        today_ml=millilitres_since(midnight),
        week_ml=millilitres_since(_monday(midnight)),
        keg_ml=tap.keg_ml,
        left_ml=left_ml,
        lasts_ms=_lasts_ms(left_ml, millilitres_since(max(now_ms - _WEEK_MS, tap.tapped_ms or 0)), tap.tapped_ms, now_ms),
    )


def _lasts_ms(left_ml: float | None, lately_ml: float, tapped_ms: int | None, now_ms: int) -> int | None:
    """How long what is left lasts, at the rate of the last week, or since the keg is on, but a day at least."""
    if left_ml is None or lately_ml <= 0:
        return None
    over_ms = min(_WEEK_MS, max(_DAY_MS, now_ms - (tapped_ms or 0)))
    return round(left_ml / lately_ml * over_ms)


def _midnight(now_ms: int) -> int:
    """When the day of `now_ms` began here."""
    here = datetime.datetime.fromtimestamp(now_ms / 1000).astimezone()
    return round(here.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)


def _monday(midnight_ms: int) -> int:
    """When the week of that day began here."""
    here = datetime.datetime.fromtimestamp(midnight_ms / 1000)
    return round((here - datetime.timedelta(days=here.weekday())).timestamp() * 1000)
