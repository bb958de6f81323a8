"""`/courses/{client}/{span}.svg`: the chart of a client's temperature as a picture."""

from __future__ import annotations

import hashlib

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..storage import Connection, readings
from ..storage.clients import find_client
from ..storage.readings import latest_readings
from ..storage.records import Client
from ..storage.settings import Household, household
from . import charts, times
from .database import now_ms, read, read_history
from .pages import shared_work
from .render import choices_of, draw

GEOMETRY = {name.lower(): getattr(charts, name) for name in ("WIDTH", "HEIGHT", "LEFT", "RIGHT", "TOP", "BOTTOM")}
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Opened on its own, the picture has a style, but no script and no source of anything."""


async def course(request: Request) -> Response:
    """The picture; 304 if the reader has it already."""
    span = charts.Span.of(request.path_params["span"])
    if span is None:
        raise HTTPException(404, "there is no such chart")
    uuid, until_ms = str(request.path_params["client"]), span.bounds(now_ms())[1]

    def state(connection: Connection) -> tuple[Client, Household, int]:
        client = find_client(connection, uuid)
        if client is None:
            raise HTTPException(404, "there is no such client")
        reading = latest_readings(connection, [client.key]).get(client.key)
        return client, household(connection), reading.received_ms if reading else 0

    client, home, received_ms = await read(request, state)
    units, zone = choices_of(request, home).units, home.time_zone
    key = (client, received_ms, span, until_ms, units.temperature, zone)
    etag = f'"{hashlib.sha256(repr(key).encode()).hexdigest()[:24]}"'
    headers = {"Cache-Control": "private, no-cache", "Vary": "Cookie", "ETag": etag, "Content-Security-Policy": POLICY}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)

    def picture(connection: Connection) -> str:
        since_ms = until_ms - span.length_ms
        points = readings.course(connection, client.key, since_ms, until_ms, span.bin_ms)
        chart = charts.chart(points, client, span, since_ms, units, times.zone_of(zone))
        return draw(request, "chart.svg", {"chart": chart, "title": f"Temperature of {client.name} over {span.title}", **GEOMETRY})

    svg = await shared_work(request).result(key, lambda: read_history(request, picture))
    return Response(svg, media_type="image/svg+xml", headers=headers)
