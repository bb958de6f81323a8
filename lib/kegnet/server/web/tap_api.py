"""The level of a keg over time, in the JSON API."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from ..storage import Connection
from ..storage.clients import find_client
from ..storage.kegs import find_keg, kegs_on
from ..storage.taps import find_tap
from . import api
from . import api_types as types
from .database import now_ms, read
from .tap_values import level_bins, level_points

router = APIRouter(prefix="/api", responses=api.router.responses)
KEG = Query(None, ge=1, le=2**31 - 1, description="The id of a keg that was on this tap. Without it: the keg that is on.")


@dataclass(frozen=True)
class PointBody:
    """The level of a keg from `at_ms` on, until the next point."""

    at_ms: int
    left_ml: float


@dataclass(frozen=True)
class LevelBody:
    """The level of a keg. `points` begin when it was put on; there are none if its contents were not entered.

    `until_ms` is when it was taken off, else now. `keg` is absent if no keg is on.
    """

    until_ms: int
    points: list[PointBody]
    keg: types.KegBody | None = None


@router.get("/clients/{client}/taps/{pin}/level", response_model=LevelBody, responses=api.NOT_FOUND)
async def get_level(request: Request, client: UUID, pin: int = api.PIN, keg: int | None = KEG) -> JSONResponse:
    """The level of a keg after each pour, oldest first. Pours of one minute (on long kegs: of a quarter of an hour) are one point."""

    def query(connection: Connection) -> JSONResponse:
        return JSONResponse(types.plain(_level(connection, client, pin, keg)))

    return await read(request, query)


def _level(connection: Connection, client: UUID, pin: int, keg_key: int | None) -> LevelBody:
    known = find_client(connection, str(client))
    tap = None if known is None else find_tap(connection, known.key, pin)
    if tap is None:
        raise HTTPException(404, "there is no such tap")
    keg = kegs_on(connection, [tap.key]).get(tap.key) if keg_key is None else find_keg(connection, keg_key)
    if keg_key is not None and (keg is None or keg.tap != tap.key):
        raise HTTPException(404, "there is no such keg")
    now = now_ms()
    if keg is None:
        return LevelBody(now, [])
    points = level_points(keg, level_bins(connection, keg, now))
    return LevelBody(keg.off_ms or now, [PointBody(*point) for point in points], types.keg_body(keg))
