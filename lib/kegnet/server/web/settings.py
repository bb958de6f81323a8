"""`/settings`: the settings of the household, who may read, and the version of this server. All of it needs the administrator."""

from __future__ import annotations

import functools
import zoneinfo

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kegnet import __version__

from ..model.units import VOLUMES, Units
from ..storage import Connection
from ..storage.settings import Household, get_setting, household
from ..storage.transfer import export_lines
from . import password, settings_changes
from .database import context_of, read
from .downloads import Download
from .render import render, units_of
from .settings_changes import glass_number, glass_unit
from .submit import NO_MISTAKE, Mistake, guard_of
from .wall_link import wall_path

DEGREES = {"C": "°C", "F": "°F"}
HOURS = {str(hour): "midnight" if hour == 0 else "noon" if hour == 12 else f"{hour}:00" for hour in range(24)}


@functools.lru_cache
def time_zones() -> list[str]:
    """The names of time zones to choose from. Those without a place, such as `Zulu` and `GB`, are older names of others."""
    return sorted(name for name in zoneinfo.available_timezones() if "/" in name or name == "UTC")


async def settings(request: Request) -> Response:
    """The page."""
    await guard_of(request).check(request)
    return await show(request, NO_MISTAKE)


async def show(request: Request, mistake: Mistake) -> Response:
    """The page, with the errors of one of its forms. Passwords are not sent back."""
    kept = {name: text for name, text in mistake.typed.items() if "password" not in name}
    mistake = Mistake(mistake.action, kept, mistake.errors)

    def page(connection: Connection) -> Response:
        home = household(connection)
        values = _values(connection, home, units_of(request, home, mistake.typed))
        return render(request, "settings.html", {**values, "mistake": mistake}, 400 if mistake.errors else 200)

    return await read(request, page)


def _values(connection: Connection, home: Household, units: Units) -> dict[str, object]:
    return {
        "household": home,
        "units": units,
        "glass_number": glass_number(home.glass_ml, units),
        "glass_unit": glass_unit(units),
        "degrees": DEGREES,
        "volumes": VOLUMES,
        "hours": HOURS,
        "time_zones": time_zones(),
        "is_private": get_setting(connection, password.READERS_SETTING) is not None,
        "wall_path": wall_path(connection),
        "least_characters": password.LEAST_CHARACTERS,
        "version": __version__,
        "database": "PostgreSQL" if connection.dialect.name == "postgresql" else "SQLite",
    }


async def change(request: Request) -> Response:
    """Changes the settings of the household."""
    return await settings_changes.change_household(request, show)


async def change_password(request: Request) -> Response:
    """The administrator's password."""
    return await settings_changes.change_password(request, show)


async def change_reading(request: Request) -> Response:
    """Changes whether reading needs a password, and which one."""
    return await settings_changes.change_reading(request, show)


async def change_wall_link(request: Request) -> Response:
    """The wall's link."""
    return await settings_changes.change_wall_link(request, show)


async def export(request: Request) -> Response:
    """Everything but passwords as JSON lines, for `kegnet-server import`."""
    await guard_of(request).check(request)
    lines = export_lines(context_of(request).database)
    headers = {"Content-Disposition": 'attachment; filename="kegnet.jsonl"', "Cache-Control": "no-store"}
    return Download(request, lines, "application/jsonl", headers)


ROUTES = (
    Route("/settings", settings),
    Route("/settings", change, methods=["POST"]),
    Route("/settings/password", change_password, methods=["POST"]),
    Route("/settings/reading", change_reading, methods=["POST"]),
    Route("/settings/wall", change_wall_link, methods=["POST"]),
    Route("/settings/export", export),
)
