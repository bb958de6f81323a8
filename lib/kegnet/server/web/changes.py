"""The changes that the forms of `/settings` make.

A field that a request does not contain changes nothing; one that is empty removes what it set. A wrong value changes nothing at all,
and the form comes back with what was typed and the reason.
"""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..model.units import Units
from ..storage import Connection
from ..storage.clients import find_client, set_client, set_limits
from ..storage.records import Client
from ..storage.settings import set_household
from .database import now_ms
from .forms import Form
from .settings import handle, time_zones

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


def uuid_of(request: Request) -> str:
    """The client that the path names."""
    return str(request.path_params["client"])


def _client(connection: Connection, uuid: str) -> Client:
    client = find_client(connection, uuid)
    if client is None:
        raise HTTPException(404, "there is no such client")
    return client
