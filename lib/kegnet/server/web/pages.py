"""The pages that everybody may read: the kegs, and the courses of their temperatures."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ..model.units import Units
from ..overview import ClientState, overview
from ..storage import Connection
from ..storage.clients import clients, count_clients
from ..storage.settings import get_setting, household
from . import charts, times
from .database import now_ms, read
from .render import draw, root_path
from .shared_work import SharedWork

CLIENTS_A_PAGE = 50
SAMPLE_DATA = "sample data"
"""The setting that marks the demo's database."""
_YEAR_S = 365 * 86_400


async def home(request: Request) -> Response:
    """The page; with `temperature` or `volume` it stores them in cookies of this reader."""
    if request.query_params.keys() & {"temperature", "volume"}:
        units = Units.of({**request.cookies, **request.query_params})
        answer = RedirectResponse(f"{root_path(request)}/", 303)
        for name, value in (("temperature", units.temperature), ("volume", units.volume)):
            answer.set_cookie(name, value, max_age=_YEAR_S, httponly=True, samesite="lax", secure=request.url.scheme == "https")
        return answer
    return await _kegs(request, "page.html")


async def kegs(request: Request) -> Response:
    """The part of the page that changes, for its script."""
    return await _kegs(request, "kegs.html")


async def _kegs(request: Request, template: str) -> Response:
    """After an event all open pages ask for the same at once."""
    number = page_number(request)
    key = (template, number, root_path(request), Units.of(request.cookies))

    def query(connection: Connection) -> str:
        return draw(request, template, kegs_values(connection, number, now_ms()))

    html = await shared_work(request).result(key, lambda: read(request, query))
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


def shared_work(request: Request) -> SharedWork:
    """That of the application."""
    work: SharedWork = request.app.state.shared_work
    return work


def page_number(request: Request) -> int:
    """Which page of clients the request is about; 0 is the first."""
    text = request.query_params.get("page", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def kegs_values(connection: Connection, number: int, now: int) -> dict[str, object]:
    """The values of `kegs.html`: one page of clients as they are at `now`, in Unix milliseconds."""
    states = overview(connection, clients(connection, number * CLIENTS_A_PAGE, CLIENTS_A_PAGE), now)
    home = household(connection)
    zone = times.zone_of(home.time_zone)
    return {
        "household": home,
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
