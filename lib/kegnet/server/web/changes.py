"""The changes that the forms of `/settings` make.

A field that a request does not contain changes nothing; one that is empty removes what it set. A wrong value changes nothing at all,
and the form comes back with what was typed and the reason.
"""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..model.units import Units
from ..storage import Change, Connection, announce
from ..storage.beers import beers, set_beer
from ..storage.clients import find_client, set_client, set_limits
from ..storage.kegs import change_keg, kegs_on, put_on, take_off, undo_keg
from ..storage.records import Client, Keg, Tap
from ..storage.schema import PIN_AT_MOST
from ..storage.settings import set_household
from ..storage.taps import find_tap, set_meter, set_tap
from .database import now_ms
from .forms import Form
from .settings import handle, time_zones

LARGEST_KEG_ML = 10**8
COLDEST, WARMEST = -100_000, 200_000
"""The bounds of an alarm limit, in thousandths of a degree Celsius."""


async def change_household(request: Request) -> Response:
    """The time zone, and when a day begins."""

    def change(connection: Connection, form: Form, _units: Units) -> None:
        zone = form.name("time_zone")
        hour = form.whole("day_begins_hour", 0, 23)
        if zone is not None and zone not in time_zones():
            form.errors["time_zone"] = "choose one of the list, for example Europe/Berlin"
        changes: dict[str, object] = {"time_zone": zone, "day_begins_hour": hour}
        if not form.errors:
            set_household(connection, **{name: value for name, value in changes.items() if value is not None})

    return await handle(request, "the installation", "", change)


async def change_client(request: Request) -> Response:
    """A client's name, and its alarm limits."""
    uuid = uuid_of(request)

    def change(connection: Connection, form: Form, units: Units) -> None:
        client = _client(connection, uuid)
        name = form.name("name")
        limits = [_limit(form, field, now, units) for field, now in (("coldest", client.coldest), ("warmest", client.warmest))]
        coldest, warmest = limits
        if coldest is not None and warmest is not None and coldest >= warmest:
            form.errors["warmest"] = "enter more than the limit below"
        if not form.errors:
            set_client(connection, client.uuid, now_ms=now_ms(), name=name, kind=client.kind)
            set_limits(connection, client.key, coldest, warmest)

    return await handle(request, f"client {uuid}", f"client-{uuid}", change)


def _limit(form: Form, field: str, now: int | None, units: Units) -> int | None:
    if not form.has(field):
        return now
    degrees = form.number(field, round(units.degrees(COLDEST)), round(units.degrees(WARMEST)))
    return None if degrees is None else units.millicelsius(degrees)


async def change_tap(request: Request) -> Response:
    """A tap's name, whether it is hidden, and the k-factor of its flow meter from now on."""
    uuid, pin = uuid_of(request), request.path_params["pin"]

    def change(connection: Connection, form: Form, _units: Units) -> None:
        client = _client(connection, uuid)
        tap = _tap(connection, client, pin)
        name, k_factor = form.name("name"), form.whole("pulses_per_litre", 1, 10**6)
        if form.errors:
            return
        # A box that is not ticked is not sent: a hidden field shows that the form contains it.
        hidden = form.has("hidden") if form.has("hidden_box") else None
        set_tap(connection, client.key, tap.pin, name=name, hidden=hidden)
        if k_factor is not None and k_factor != tap.pulses_per_litre:
            set_meter(connection, tap.key, now_ms(), k_factor)
        announce(connection, Change(frozenset({client.uuid}), frozenset({"tap"})))

    return await handle(request, f"tap {pin} of client {uuid}", f"tap-{uuid}-{pin}", change)


async def change_keg_of_tap(request: Request) -> Response:
    """What is on a tap. `action`: `new` keg, `change` the one that is on, take it `off`, or `undo` the last new one."""
    uuid, pin = uuid_of(request), request.path_params["pin"]

    def change(connection: Connection, form: Form, units: Units) -> None:
        tap = _tap(connection, _client(connection, uuid), pin)
        keg = kegs_on(connection, [tap.key]).get(tap.key)
        announce(connection, Change(frozenset({uuid}), frozenset({"tap"})))
        match form.typed.get("action"):
            case "new" | "change" as action:
                _set_keg(connection, form, units, tap, keg if action == "change" else None)
            case "off" if keg is not None:
                take_off(connection, keg.key, now_ms())
            case "undo" if keg is not None:
                undo_keg(connection, keg.key, now_ms())
            case "off" | "undo":
                form.errors["action"] = "no keg is on this tap"
            case _:
                form.errors["action"] = "choose what to do: new, change, off or undo"

    return await handle(request, f"keg at tap {pin} of client {uuid}", f"tap-{uuid}-{pin}", change)


def _set_keg(connection: Connection, form: Form, units: Units, tap: Tap, keg: Keg | None) -> None:
    beer_name = form.name("beer", may_be_empty=True)
    volumes = {field: _millilitres(form, field, units) for field in ("volume", "start")}
    volume_ml, start_ml = volumes["volume"], volumes["start"]
    if volume_ml is not None and start_ml is not None and start_ml > volume_ml:
        form.errors["start"] = "enter no more than the size of the keg"
    if form.errors:
        return
    if keg is None:
        beer = _beer(connection, beer_name) if beer_name else None
        put_on(connection, tap.key, beer=beer, on_ms=now_ms(), volume_ml=volume_ml, start_ml=volume_ml if start_ml is None else start_ml)
        return
    changes: dict[str, int | None] = {f"{field}_ml": value for field, value in volumes.items() if form.has(field)}
    if beer_name is not None:
        changes["beer"] = _beer(connection, beer_name) if beer_name else None
    change_keg(connection, keg.key, **changes)


def _millilitres(form: Form, field: str, units: Units) -> int | None:
    number = form.number(field, 0.01, LARGEST_KEG_ML / units.keg_ml(1))
    return None if number is None else units.keg_ml(number)


def _beer(connection: Connection, name: str) -> int | None:
    """The key of the beer of that name, which is added if there is none."""
    known = next((beer for beer in beers(connection) if beer.name == name), None)
    added = known or set_beer(connection, None, name=name)
    return None if added is None else added.key


def uuid_of(request: Request) -> str:
    """The client that the path names."""
    return str(request.path_params["client"])


def _client(connection: Connection, uuid: str) -> Client:
    client = find_client(connection, uuid)
    if client is None:
        raise HTTPException(404, "there is no such client")
    return client


def _tap(connection: Connection, client: Client, pin: str) -> Tap:
    is_pin = pin.isascii() and pin.isdigit() and len(pin) < 6 and int(pin) <= PIN_AT_MOST
    tap = find_tap(connection, client.key, int(pin)) if is_pin else None
    if tap is None:
        raise HTTPException(404, "there is no such tap")
    return tap
