"""`/csv/…`: all temperatures and pours of a client for a spreadsheet, row by row, so that years of them need no memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from datetime import tzinfo
from itertools import islice

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..storage import Connection
from ..storage.clients import find_client
from ..storage.pours import stream_pours
from ..storage.readings import stream_readings
from ..storage.records import Client
from ..storage.settings import household
from ..storage.taps import taps_of
from . import times
from .database import context_of, read
from .downloads import Download

ROWS_AT_A_TIME = 500
Row = tuple[object, ...]


async def temperatures(request: Request) -> Response:
    """The temperatures of a client, oldest first."""
    client, zone = await _client(request)

    def rows(connection: Connection) -> Iterator[Row]:
        yield "time", "at_ms", "celsius", "received_ms"
        for reading in stream_readings(connection, client.key):
            yield times.iso(reading.at_ms, zone), reading.at_ms, f"{reading.millicelsius / 1000:.3f}", reading.received_ms

    return _csv(request, client, "temperatures", rows)


async def pours(request: Request) -> Response:
    """The pours that count for the taps of a client, after their corrections, oldest first."""
    client, zone = await _client(request)

    def rows(connection: Connection) -> Iterator[Row]:
        taps = {tap.key: tap for tap in taps_of(connection, [client.key])}
        yield "time", "at_ms", "pin", "tap", "litres", "pulses", "duration_ms", "spilled"
        for pour in stream_pours(connection, client.key):
            if pour.deleted:
                continue
            tap = taps[pour.tap]
            yield (
                times.iso(pour.at_ms, zone), pour.at_ms, tap.pin, no_formula(tap.name),
                f"{pour.millilitres / 1000:.3f}", pour.pulses, pour.et_ms, int(pour.spilled),
            )  # fmt: skip

    return _csv(request, client, "pours", rows)


def no_formula(text: str) -> str:
    """`text` as a spreadsheet shows it, instead of computing it."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


async def _client(request: Request) -> tuple[Client, tzinfo]:
    def query(connection: Connection) -> tuple[Client, tzinfo]:
        client = find_client(connection, str(request.path_params["client"]))
        if client is None:
            raise HTTPException(404, "there is no such client")
        return client, times.zone_of(household(connection).time_zone)

    return await read(request, query)


def _csv(request: Request, client: Client, name: str, rows: Callable[[Connection], Iterator[Row]]) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}-{client.uuid}.csv"'}
    if request.method == "HEAD":
        return Response(media_type="text/csv", headers=headers)

    def pieces() -> Iterator[str]:
        with context_of(request).database.reading() as connection:
            remaining = rows(connection)
            while piece := _text(islice(remaining, ROWS_AT_A_TIME)):
                yield piece

    return Download(request, pieces(), "text/csv", headers)


def _text(rows: Iterable[Row]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
