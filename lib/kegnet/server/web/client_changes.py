"""The changes that the forms of a client's page make."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..model.units import Units
from ..storage import Connection
from ..storage.boards import forget_board
from ..storage.clients import find_client, remove_client, restore_client, set_client, set_limits
from ..storage.records import Client
from .database import now_ms
from .forms import Form
from .submit import Done, Show, Undo, guard_of, submit

COLDEST, WARMEST = -100_000, 200_000
"""The bounds of an alarm limit, in thousandths of a degree Celsius."""


async def check(request: Request) -> None:
    """Raises RefusedError, unless the request may change something."""
    await guard_of(request).check(request)


async def change_name(request: Request, show: Show) -> Response:
    """Changes the name."""
    uuid = uuid_of(request)

    def change(connection: Connection, form: Form, _units: Units) -> Done | None:
        client = _client(connection, uuid)
        name = form.name("name")
        if form.errors:
            return None
        set_client(connection, uuid, now_ms=now_ms(), name=name, kind=client.kind)
        return Done(f"/clients/{uuid}", "The name is saved.", Undo(f"/clients/{uuid}/name", {"name": client.name}))

    return await submit(request, f"client {uuid}", change, show)


async def change_limits(request: Request, show: Show) -> Response:
    """Changes the alarm limits that the form contains, without those that are as it has shown them. The undo sends the previous values."""
    uuid = uuid_of(request)

    def change(connection: Connection, form: Form, units: Units) -> Done | None:
        client = _client(connection, uuid)
        form.omit_unchanged("coldest")
        form.omit_unchanged("warmest")
        coldest, warmest = (_limit(form, field, now, units) for field, now in (("coldest", client.coldest), ("warmest", client.warmest)))
        if coldest is not None and warmest is not None and coldest >= warmest:
            form.errors["warmest"] = "enter more than the limit below"
        if form.errors:
            return None
        set_limits(connection, client.key, coldest, warmest)
        changes = {"coldest": (client.coldest, coldest), "warmest": (client.warmest, warmest)}
        fields = {_exact(field): "" if before is None else str(before) for field, (before, now) in changes.items() if now != before}
        return Done(f"/clients/{uuid}", "The alarm limits are saved.", Undo(f"/clients/{uuid}/limits", fields) if fields else None)

    return await submit(request, f"client {uuid}", change, show)


async def remove(request: Request, show: Show) -> Response:
    """Removes the client; its history is kept."""
    uuid = uuid_of(request)

    def change(connection: Connection, _form: Form, _units: Units) -> Done | None:
        client = _client(connection, uuid)
        remove_client(connection, uuid, now_ms())
        return Done("/clients", f"{client.name} is removed.", Undo(f"/clients/{uuid}/add", {}))

    return await submit(request, f"client {uuid}", change, show)


async def add_again(request: Request, show: Show) -> Response:
    """Registers a removed client again."""
    uuid = uuid_of(request)

    def change(connection: Connection, _form: Form, _units: Units) -> Done | None:
        if not restore_client(connection, uuid, now_ms()):
            raise HTTPException(404, "there is no such client")
        forget_board(connection, uuid)
        return Done(f"/clients/{uuid}", "The client is registered again.")

    return await submit(request, f"client {uuid}", change, show)


def uuid_of(request: Request) -> str:
    """The client that the path names."""
    return str(request.path_params["client"])


def _limit(form: Form, field: str, now: int | None, units: Units) -> int | None:
    if form.has(_exact(field)):
        millicelsius = form.number(_exact(field), COLDEST, WARMEST)
        return None if millicelsius is None else round(millicelsius)
    if not form.has(field):
        return now
    degrees = form.number(field, round(units.degrees(COLDEST)), round(units.degrees(WARMEST)))
    return None if degrees is None else units.millicelsius(degrees)


def _exact(field: str) -> str:
    """The field in which the undo sends a limit in thousandths of a degree Celsius, because the units can have changed by then."""
    return f"{field}_millicelsius"


def _client(connection: Connection, uuid: str) -> Client:
    client = find_client(connection, uuid)
    if client is None:
        raise HTTPException(404, "there is no such client")
    return client
