"""The JSON API below /api. It only reads, and needs no password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kegnet import __version__

from ..overview import overview
from ..storage import Connection, readings
from ..storage.alarms import alarms_of, open_alarms
from ..storage.beers import beers
from ..storage.clients import clients, clients_by_key, count_clients, find_client
from ..storage.pours import find_pour, pours_of
from ..storage.records import Client
from ..storage.schema import PIN_AT_MOST
from ..storage.settings import household
from ..storage.taps import find_tap, taps_of
from . import api_types as types
from .database import now_ms, read, read_history
from .pages import shared_work
from .spans import Span, bin_length

LATEST_MS = 253_402_300_799_999
"""The end of the year 9999."""
CLIENTS_AT_MOST = 100
POURS_AT_MOST = 1000
POINTS_AT_MOST = 2000

Problem = types.ProblemBody
router = APIRouter(
    prefix="/api",
    responses={503: {"model": Problem, "description": "The database does not answer. `Retry-After` says when to try again."}},
)
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "There is no such client, tap or pour."}}

# FastAPI 0.92 has no Annotated: each of these is a parameter's default.
LIMIT_OF_CLIENTS = Query(50, ge=1, le=CLIENTS_AT_MOST)
OFFSET = Query(0, ge=0, le=10**9, description="How many clients to leave out, in the order of their names.")
LIMIT_OF_POURS = Query(100, ge=1, le=POURS_AT_MOST)
SINCE = Query(None, ge=0, le=LATEST_MS, description="The earliest time, in Unix milliseconds.")
UNTIL = Query(None, ge=0, le=LATEST_MS, description="The end, which is not included, in Unix milliseconds.")
POINTS = Query(POINTS_AT_MOST, ge=1, le=POINTS_AT_MOST, description="With `since` or `until`: at most so many bins, plus one at each end.")
BEFORE = Query(None, ge=1, le=2**31 - 1, description="The id of the last pour of the page before: the next page.")
PIN = Path(ge=0, le=PIN_AT_MOST, description="The number of a flow meter.")


async def _json(request: Request, query: Callable[[Connection], Any]) -> JSONResponse:
    """The result of `query`, which is made into JSON in the same thread."""
    return await read(request, lambda connection: JSONResponse(types.plain(query(connection))))


@router.get("/household", response_model=types.HouseholdBody)
async def get_household(request: Request) -> JSONResponse:
    """The settings of the installation."""

    def query(connection: Connection) -> types.HouseholdBody:
        settings = household(connection)
        return types.HouseholdBody(settings.time_zone, settings.day_begins_hour, count_clients(connection), __version__)

    return await _json(request, query)


@router.get("/clients", response_model=list[types.ClientBody])
async def get_clients(request: Request, limit: int = LIMIT_OF_CLIENTS, offset: int = OFFSET) -> JSONResponse:
    """A page of clients as they are now, by name."""
    return await _json(request, lambda c: [types.client_body(state) for state in overview(c, clients(c, offset, limit), now_ms())])


@router.get("/clients/{client}", response_model=types.ClientBody, responses=NOT_FOUND)
async def get_client(request: Request, client: UUID) -> JSONResponse:
    """A client as it is now."""
    return await _json(request, lambda c: types.client_body(overview(c, [_known(c, client)], now_ms())[0]))


@router.get("/clients/{client}/temperatures", response_model=list[types.TemperatureBody], responses=NOT_FOUND)
async def get_temperatures(
    request: Request,
    client: UUID,
    over: Literal["1h", "24h", "7d", "30d", "90d", "1y"] = "24h",
    since: int | None = SINCE,
    until: int | None = UNTIL,
    points: int = POINTS,
) -> Response:
    """The course of a temperature in bins that are aligned to the clock, oldest first: for `over` up to now, or from `since` to `until`.

    The same temperatures always give the same bins, so a peak does not change with time.
    """
    since_ms, until_ms, bin_ms = _bins(over, since, until, points)

    def query(connection: Connection) -> list[types.TemperatureBody]:
        return types.temperature_bodies(readings.course(connection, _known(connection, client).key, since_ms, until_ms, bin_ms))

    # After an event all open charts ask for the same.
    key = ("temperatures", client, since_ms, until_ms, bin_ms)
    body = await shared_work(request).result(key, lambda: read_history(request, lambda c: JSONResponse(types.plain(query(c))).body))
    return Response(body, media_type="application/json")


@router.get("/clients/{client}/taps/{pin}/pours", response_model=list[types.PourBody], responses=NOT_FOUND)
async def get_pours(
    request: Request,
    client: UUID,
    pin: int = PIN,
    limit: int = LIMIT_OF_POURS,
    before: int | None = BEFORE,
    since: int | None = SINCE,
    until: int | None = UNTIL,
) -> JSONResponse:
    """The pours of a tap, newest first. The next page: `before` the `id` of the last one."""

    def query(connection: Connection) -> list[types.PourBody]:
        tap = find_tap(connection, _known(connection, client).key, pin)
        if tap is None:
            raise HTTPException(404, "there is no such tap")
        if before is not None and find_pour(connection, before) is None:
            raise HTTPException(404, "there is no such pour")
        return types.pour_bodies(pours_of(connection, [tap.key], since_ms=since, until_ms=until, before=before, limit=limit))

    return await _json(request, query)


@router.get("/clients/{client}/alarms", response_model=list[types.AlarmBody], responses=NOT_FOUND)
async def get_alarms_of_client(request: Request, client: UUID, since: int | None = SINCE) -> JSONResponse:
    """The alarms of a client that began at `since` or later, and those that last."""

    def query(connection: Connection) -> list[types.AlarmBody]:
        known = _known(connection, client)
        pins = _pins(connection, [known])
        return [types.alarm_body(alarm, known.uuid, pins) for alarm in alarms_of(connection, known.key, since or 0)]

    return await _json(request, query)


@router.get("/alarms", response_model=list[types.AlarmBody])
async def get_alarms(request: Request) -> Response:
    """The alarms that last."""

    def query(connection: Connection) -> list[types.AlarmBody]:
        alarms = open_alarms(connection)
        concerned = {client.key: client for client in clients_by_key(connection, {alarm.client for alarm in alarms})}
        pins = _pins(connection, list(concerned.values()))
        return [types.alarm_body(alarm, concerned[alarm.client].uuid, pins) for alarm in alarms if alarm.client in concerned]

    # After an outage there can be an alarm of each client, and many readers ask at once.
    body = await shared_work(request).result("alarms", lambda: read(request, lambda c: JSONResponse(types.plain(query(c))).body))
    return Response(body, media_type="application/json")


@router.get("/beers", response_model=list[types.BeerBody])
async def get_beers(request: Request) -> JSONResponse:
    """The library of beers, by name."""
    return await _json(request, lambda connection: [types.beer_body(beer) for beer in beers(connection)])


def _known(connection: Connection, uuid: UUID) -> Client:
    client = find_client(connection, str(uuid))
    if client is None:
        raise HTTPException(404, "there is no such client")
    return client


def _pins(connection: Connection, concerned: list[Client]) -> dict[int, int]:
    return {tap.key: tap.pin for tap in taps_of(connection, [client.key for client in concerned])}


def _bins(over: str, since: int | None, until: int | None, points: int) -> tuple[int, int, int]:
    """From when until when, and the length of a bin."""
    if since is None and until is None:
        span = Span.of(over) or Span.DAY
        return (*span.bounds(now_ms()), span.bin_ms)
    until_ms = now_ms() if until is None else until
    since_ms = max(0, until_ms - Span.DAY.length_ms) if since is None else since
    return since_ms, until_ms, bin_length(until_ms - since_ms, points)
