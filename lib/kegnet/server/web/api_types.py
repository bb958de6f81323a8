"""The values of the JSON API. OpenAPI comes from these types; the responses are made from them without validation.

Times are Unix milliseconds, temperatures thousandths of a degree Celsius, volumes millilitres. What is not known is absent from the JSON.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..model.colours import css_colour
from ..model.gaps import gaps_before
from ..overview import ClientState, TapState
from ..storage.records import Alarm, Beer, Course, Keg, Pour


@dataclass(frozen=True)
class ProblemBody:
    """The body of an error."""

    detail: str


@dataclass(frozen=True)
class HouseholdBody:
    """The settings of the installation. Days begin at `day_begins_hour` in `time_zone`."""

    time_zone: str
    day_begins_hour: int
    clients: int
    version: str


@dataclass(frozen=True)
class BeerBody:
    """A beer. `srm` is its colour, and `colour` the same for CSS. `picture` is the path of its picture; it changes with the picture."""

    id: int
    name: str
    brewery: str
    style: str
    notes: str
    colour: str
    abv_percent: float | None = None
    ibu: float | None = None
    srm: float | None = None
    picture: str | None = None


@dataclass(frozen=True)
class KegBody:
    """The keg on a tap."""

    id: int
    on_ms: int
    beer: BeerBody | None = None
    volume_ml: int | None = None
    start_ml: int | None = None


@dataclass(frozen=True)
class PourBody:
    """A pour after its corrections.

    `spilled`: it left the keg, but is nobody's drink. `deleted`: it counts for nothing. `timed_by_receipt`: the client's clock was wrong.
    """

    id: int
    at_ms: int
    pulses: int
    millilitres: float
    duration_ms: int
    spilled: bool
    deleted: bool
    corrected: bool
    timed_by_receipt: bool


@dataclass(frozen=True)
class AlarmBody:
    """An alarm. `pin` is absent where it is the client's, `ended_ms` while it lasts."""

    id: int
    client: str
    kind: str
    began_ms: int
    pin: int | None = None
    ended_ms: int | None = None


@dataclass(frozen=True)
class TapBody:
    """A tap as it is now. `lasts_ms`: how long the keg lasts at the present rate."""

    pin: int
    name: str
    pulses_per_litre: int
    today_ml: float
    week_ml: float
    last: list[PourBody]
    keg: KegBody | None = None
    left_ml: float | None = None
    lasts_ms: int | None = None


@dataclass(frozen=True)
class ClientBody:
    """A client as it is now. `heard_ms` is the receipt of its last message of any kind, `received_ms` that of the last temperature."""

    id: str
    name: str
    kind: str
    added_ms: int
    alarms: list[AlarmBody]
    taps: list[TapBody]
    millicelsius: int | None = None
    at_ms: int | None = None
    received_ms: int | None = None
    heard_ms: int | None = None
    coldest: int | None = None
    warmest: int | None = None


@dataclass(frozen=True)
class TemperatureBody:
    """The temperatures of a bin that begins at `at_ms`: `number` of them.

    `gap`: before this bin the client sent nothing for longer than a few of its intervals.
    """

    at_ms: int
    length_ms: int
    mean: float
    least: int
    most: int
    number: int
    gap: bool


def plain(value: Any) -> Any:
    """`value` as JSON's types, without what is not known."""
    if dataclasses.is_dataclass(value):
        return {name: plain(field) for name, field in vars(value).items() if field is not None}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def client_body(state: ClientState) -> ClientBody:
    """A client with its taps."""
    client, reading = state.client, state.reading
    pins = {tap_state.tap.key: tap_state.tap.pin for tap_state in state.taps}
    return ClientBody(
        id=client.uuid,
        name=client.name,
        kind=client.kind,
        added_ms=client.added_ms,
        alarms=[alarm_body(alarm, client.uuid, pins) for alarm in state.alarms],
        taps=[tap_body(tap_state) for tap_state in state.taps],
        millicelsius=reading.millicelsius if reading else None,
        at_ms=reading.at_ms if reading else None,
        received_ms=reading.received_ms if reading else None,
        heard_ms=state.heard_ms,
        coldest=client.coldest,
        warmest=client.warmest,
    )


def tap_body(state: TapState) -> TapBody:
    """A tap with its keg and its last pours."""
    return TapBody(
        pin=state.tap.pin,
        name=state.tap.name,
        pulses_per_litre=state.tap.pulses_per_litre,
        today_ml=state.today_ml,
        week_ml=state.week_ml,
        last=pour_bodies(state.last),
        keg=keg_body(state.keg) if state.keg else None,
        left_ml=state.left_ml,
        lasts_ms=state.lasts_ms,
    )


def keg_body(keg: Keg) -> KegBody:
    """A keg with its beer."""
    return KegBody(keg.key, keg.on_ms, beer_body(keg.beer) if keg.beer else None, keg.volume_ml, keg.start_ml)


def beer_body(beer: Beer) -> BeerBody:
    """A beer."""
    picture = None if beer.picture_ms is None else f"/beers/{beer.key}/picture?v={beer.picture_ms}"
    texts = (beer.name, beer.brewery, beer.style, beer.notes, css_colour(beer.srm))
    return BeerBody(beer.key, *texts, beer.abv_percent, beer.ibu, beer.srm, picture)


def pour_bodies(pours: Iterable[Pour]) -> list[PourBody]:
    """Pours, in their order."""
    return [
        PourBody(
            pour.key,
            pour.at_ms,
            pour.pulses,
            pour.millilitres,
            pour.et_ms,
            pour.spilled,
            pour.deleted,
            pour.corrected,
            pour.timed_by_receipt,
        )
        for pour in pours
    ]


def alarm_body(alarm: Alarm, uuid: str, pins: dict[int, int]) -> AlarmBody:
    """An alarm of the client `uuid`; `pins` are those of its taps by key."""
    pin = None if alarm.tap is None else pins.get(alarm.tap)
    return AlarmBody(alarm.key, uuid, alarm.kind, alarm.began_ms, pin, alarm.ended_ms)


def temperature_bodies(points: Sequence[Course]) -> list[TemperatureBody]:
    """Bins, in their order."""
    return [
        TemperatureBody(point.at_ms, point.length_ms, point.mean, point.least, point.most, point.number, gap)
        for point, gap in zip(points, gaps_before(points), strict=True)
    ]
