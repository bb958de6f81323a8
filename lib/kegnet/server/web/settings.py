"""`/settings`: the page with the forms, and the one way in which each of them is handled. Everything here needs the password."""

from __future__ import annotations

import functools
import logging
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from kegnet.core.syslog_handler import escape_name

from ..model.units import Units
from ..storage import Connection, StorageError
from ..storage.beers import beers
from ..storage.clients import clients, count_clients
from ..storage.kegs import kegs_on
from ..storage.settings import household
from ..storage.taps import taps_of
from . import times
from .auth import address_of
from .database import read, write
from .forms import Form, typed
from .pages import CLIENTS_A_PAGE, page_number
from .render import render, root_path
from .sessions import report
from .submit import guard_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mistake:
    """A form that could not be accepted: which one (the path that it is sent to), what was typed, and what is wrong by field."""

    action: str = ""
    typed: dict[str, str] | None = None
    errors: dict[str, str] | None = None


@functools.lru_cache
def time_zones() -> list[str]:
    """The names of the time zones that this system knows."""
    return sorted(zoneinfo.available_timezones())


async def settings(request: Request) -> Response:
    """The forms of one page of clients."""
    await guard_of(request).check(request)
    return await _show(request, Mistake())


async def _show(request: Request, mistake: Mistake) -> Response:
    number = page_number(request)
    more = {"mistake": mistake}
    status = 400 if mistake.errors else 200
    return await read(request, lambda connection: render(request, "settings.html", settings_values(connection, number) | more, status))


def settings_values(connection: Connection, number: int) -> dict[str, object]:
    """The values of `settings.html`."""
    shown = clients(connection, number * CLIENTS_A_PAGE, CLIENTS_A_PAGE)
    taps = taps_of(connection, [client.key for client in shown])
    home = household(connection)
    zone = times.zone_of(home.time_zone)
    return {
        "clients": shown,
        "taps": {client.key: [tap for tap in taps if tap.client == client.key] for client in shown},
        "kegs": kegs_on(connection, [tap.key for tap in taps]),
        "beers": beers(connection),
        "household": home,
        "clock": lambda at_ms: times.text(at_ms, zone),
        "time_zones": time_zones(),
        "number_of_clients": count_clients(connection),
        "clients_a_page": CLIENTS_A_PAGE,
        "page": number,
    }


async def handle(request: Request, subject: str, anchor: str, change: Callable[[Connection, Form, Units], None]) -> Response:
    """Answers the request of a form: checks the password, and runs `change` in one transaction.

    `change` adds an error to the form instead of changing anything. `subject` is for the log, `anchor` is where the page is then opened.
    """
    await guard_of(request).check(request)
    form, units = Form(await typed(request)), Units.of(request.cookies)
    try:
        await write(request, lambda connection: change(connection, form, units))
    except StorageError as error:
        form.errors["action"] = str(error)
    if form.errors:
        return await _show(request, Mistake(request.url.path, form.typed, form.errors))
    log.info("%s changed by %s", subject, escape_name(address_of(request)))
    report(request, "Saved.")
    query = f"?page={page_number(request)}"
    return RedirectResponse(f"{root_path(request)}/settings{query}" + (f"#{anchor}" if anchor else ""), 303)
