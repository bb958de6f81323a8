"""`/tv`: the taps for a screen on the wall. It has no controls. Its script keeps it up to date for weeks.

`?theme=light` instead of dark, `?title=` for a title of its own, `?page=` for a browser without scripts.
"""

from __future__ import annotations

import ipaddress
import math
from urllib.parse import urlsplit

import segno
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..overview import overview
from ..storage import Connection
from ..storage.clients import clients
from ..storage.settings import Household, household
from . import times
from .cards import Card, cards_of
from .database import in_thread, now_ms, read
from .fridges import fridges_of
from .pages import CLIENTS_A_PAGE, page_number, shared_work
from .render import render, root_path
from .static_files import PAGE_VERSION

TAPS_A_PAGE = 8
BADGES = 3
"""Temperatures beside the title; those with an alarm come first."""
TITLE_AT_MOST = 80


async def tv(request: Request) -> Response:
    """The page. After an event, all screens request it at once, so they share the queries."""
    work = shared_work(request).result("wall", lambda: read(request, lambda connection: wall_values(connection, now_ms())))
    values = {**await work, **_choices(request)}
    return await in_thread(lambda: render(request, "tv.html", {**values, **_address(request, values["household"])}))


def wall_values(connection: Connection, now: int) -> dict[str, object]:
    """The values for all screens."""
    states = overview(connection, clients(connection, 0, CLIENTS_A_PAGE), now)
    home = household(connection)
    cards = cards_of(states, now, times.zone_of(home.time_zone), alarms_first=False)
    fridges = fridges_of(connection, states, now)[:BADGES]
    return {"household": home, "fridges": fridges, "cards": cards, "now_ms": now, **paged(cards)}


def paged(cards: list[Card]) -> dict[str, int]:
    """The number of pages, and of taps on each, as even as possible. static/tv.js computes the same."""
    pages = max(1, math.ceil(len(cards) / TAPS_A_PAGE))
    return {"pages": pages, "taps_a_page": math.ceil(len(cards) / pages)}


def _choices(request: Request) -> dict[str, object]:
    query = request.query_params
    return {
        "theme": "light" if query.get("theme") == "light" else "dark",
        "title": query.get("title", "")[:TITLE_AT_MOST].strip(),
        "page": page_number(request),
        "version": PAGE_VERSION,
    }


def _address(request: Request, home: object) -> dict[str, object]:
    """The address for phones, as a QR code and as text. A loopback address gives none, because no phone can open it."""
    assert isinstance(home, Household)  # noqa: S101
    url = home.public_url or f"{request.url.scheme}://{request.url.netloc}{root_path(request)}/"
    parts = urlsplit(url)
    if not home.public_url and is_loopback(parts.hostname or ""):
        return {"address": "", "code": ""}
    return {"address": f"{parts.netloc}{parts.path}".rstrip("/"), "code": qr_code(url)}


def is_loopback(host: str) -> bool:
    """Whether it is a loopback name or address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("", "localhost")


def qr_code(url: str) -> Markup:
    """A QR code as SVG, with the white border that it needs. Empty if the address is too long for one."""
    try:
        code = segno.make(url, error="m", micro=False)
    except segno.DataOverflowError:
        return Markup()
    return Markup(code.svg_inline(border=2, omitsize=True, dark="#000", light="#fff", svgclass="code", lineclass=None))  # noqa: S704


ROUTES = (Route("/tv", tv),)
