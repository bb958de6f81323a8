"""The pages that everybody may read: the kegs, and the courses of their temperatures."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ..overview import overview
from ..shared_work import SharedWork
from ..storage import Connection
from ..storage.clients import clients, count_clients
from ..storage.settings import get_setting, household
from . import password, times
from .cards import cards_of
from .database import in_thread, now_ms, read
from .fridges import fridges_of
from .render import render

CLIENTS_A_PAGE = 50
SAMPLE_DATA = "sample data"
"""The setting that marks the demo's database."""


async def home(request: Request) -> Response:
    """The page."""
    return await _kegs(request, "home.html")


async def kegs(request: Request) -> Response:
    """The part of the page that changes, for its script."""
    return await _kegs(request, "kegs.html")


async def _kegs(request: Request, template: str) -> Response:
    """After an event, all open pages request the same at once, so they share the queries."""
    number = page_number(request)
    work = shared_work(request).result(
        ("kegs", number), lambda: read(request, lambda connection: kegs_values(connection, number, now_ms()))
    )
    values = await work
    return await in_thread(lambda: render(request, template, values))


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
        "fridges": fridges_of(connection, states, now),
        "cards": cards_of(states, now, zone),
        "number_of_clients": count_clients(connection),
        "clients_a_page": CLIENTS_A_PAGE,
        "page": number,
        "now_ms": now,
        "has_password": get_setting(connection, password.SETTING) is not None,
        "sample_data": get_setting(connection, SAMPLE_DATA) is not None,
    }
