"""The pages that everybody may read: the kegs, and the courses of their temperatures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import jinja2
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ..model.units import Units, ago, span
from ..overview import ClientState, overview
from ..storage import Connection, readings
from ..storage.clients import clients, count_clients, find_client
from ..storage.readings import latest_readings
from ..storage.records import Client
from ..storage.settings import get_setting, household
from . import charts, times
from .database import now_ms, read

CLIENTS_A_PAGE = 50
SAMPLE_DATA = "sample data"
"""The setting that marks the demo's database."""
_YEAR_S = 365 * 86_400

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals.update(ago=ago, span=span, spans=tuple(charts.Span))


def render(
    request: Request, template: str, values: Mapping[str, object], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A page. `root` in templates is the path below which the server is reached, mostly empty."""
    shared = {"root": root_path(request), "units": Units.of(request.cookies)}
    html = _templates.get_template(template).render({**shared, **values})
    return HTMLResponse(html, status, headers={"Cache-Control": "no-store", **(headers or {})})


def root_path(request: Request) -> str:
    """The path below which the server is reached, without a slash at its end."""
    return str(request.scope.get("root_path", "")).rstrip("/")


async def home(request: Request) -> Response:
    """The page; with `temperature` or `volume` it stores them in cookies of this reader."""
    if request.query_params.keys() & {"temperature", "volume"}:
        units = Units.of({**request.cookies, **request.query_params})
        answer = RedirectResponse(f"{root_path(request)}/", 303)
        for name, value in (("temperature", units.temperature), ("volume", units.volume)):
            answer.set_cookie(name, value, max_age=_YEAR_S, httponly=True, samesite="lax", secure=request.url.scheme == "https")
        return answer
    return render(request, "page.html", await _kegs(request))


async def kegs(request: Request) -> Response:
    """The part of the page that changes, for its script."""
    return render(request, "kegs.html", await _kegs(request))


def error_page(request: Request, status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """A page for an error, with a way back."""
    return render(request, "error.html", {"status": status, "text": text, "sample_data": False}, status, headers)


async def _kegs(request: Request) -> dict[str, object]:
    number, now = page_number(request), now_ms()
    return await read(request, lambda connection: kegs_values(connection, number, now))


def page_number(request: Request) -> int:
    """Which page of clients the request is about; 0 is the first."""
    text = request.query_params.get("page", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def kegs_values(connection: Connection, number: int, now: int) -> dict[str, object]:
    """The values of `kegs.html`: one page of clients as they are at `now`, in Unix milliseconds."""
    states = overview(connection, clients(connection, number * CLIENTS_A_PAGE, CLIENTS_A_PAGE), now)
    zone = times.zone_of(household(connection).time_zone)
    return {
        "clients": states,
        "number_of_clients": count_clients(connection),
        "clients_a_page": CLIENTS_A_PAGE,
        "page": number,
        "now_ms": now,
        "chart_versions": {state.client.key: _chart_versions(state) for state in states},
        "iso": lambda at_ms: times.iso(at_ms, zone),
        "clock": lambda at_ms: times.text(at_ms, zone),
        "sample_data": get_setting(connection, SAMPLE_DATA) is not None,
    }


def _chart_versions(state: ClientState) -> dict[charts.Span, int]:
    """A number for each chart that changes when it is worth loading again."""
    received_ms = state.reading.received_ms if state.reading else 0
    return {span: received_ms // (span.bin_ms // 2) for span in charts.Span}


async def course(request: Request) -> Response:
    """`/courses/{client}/{span}.svg`: the chart of a client's temperature. 304 where the reader has it already."""
    span = charts.Span.of(request.path_params["span"])
    if span is None:
        raise HTTPException(404, "there is no such chart")
    units, (since_ms, until_ms) = Units.of(request.cookies), span.bounds(now_ms())
    uuid = str(request.path_params["client"])

    def state(connection: Connection) -> tuple[Client, str, int]:
        client = find_client(connection, uuid)
        if client is None:
            raise HTTPException(404, "there is no such client")
        reading = latest_readings(connection, [client.key]).get(client.key)
        return client, household(connection).time_zone, reading.received_ms if reading else 0

    client, zone_name, received_ms = await read(request, state)
    key = (client.key, client.name, client.coldest, client.warmest, received_ms, span.label, until_ms, units.temperature, zone_name)
    etag = f'"{hashlib.sha256(repr(key).encode()).hexdigest()[:24]}"'
    headers = {"Cache-Control": "private, no-cache", "Vary": "Cookie", "ETag": etag}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    points = await read(request, lambda connection: readings.course(connection, client.key, since_ms, until_ms, span.bin_ms))
    values = {
        "chart": charts.chart(points, client, span, since_ms, units, times.zone_of(zone_name)),
        "title": f"Temperature of {client.name} over {span.title}",
        **{name.lower(): getattr(charts, name) for name in ("WIDTH", "HEIGHT", "LEFT", "RIGHT", "TOP", "BOTTOM")},
    }
    svg = _templates.get_template("chart.svg").render(values)
    # Opened on its own, the picture has a style, but no script and no source of anything.
    headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return Response(svg, media_type="image/svg+xml", headers=headers)
