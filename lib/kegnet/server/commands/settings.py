"""kegnet-server settings: the settings of the household, and who may read."""

from __future__ import annotations

import argparse
import zoneinfo
from typing import Any

from ..model.units import POURS
from ..storage import Connection, Database
from ..storage import settings as storage
from ..web.password import READERS_SETTING, set_readers_password
from ..web.wall_link import new_wall_token, remove_wall_token, wall_path
from . import arguments
from .lookup import changed
from .terminal import ask_new_password

_DAYS_AT_MOST = 36_500
_DAYS = arguments.number(1, _DAYS_AT_MOST)
_HOUSEHOLD = ("title", "glass_ml", "temperature", "volume", "time_zone", "day_begins_hour", "public_url")


def add_to(verbs: Any) -> None:
    """Adds the command."""
    parser = arguments.add_command(verbs, "settings", change_settings, "prints the settings, and changes those that are named")
    parser.add_argument("--title", metavar="TEXT", type=arguments.name, help="the name above every page")
    parser.add_argument(
        "--glass", dest="glass_ml", metavar="ML", type=arguments.number(10, 5000), help="the size of a glass in millilitres"
    )
    parser.add_argument("--temperature", choices=("C", "F"), help="the unit of temperature for readers who chose none")
    parser.add_argument("--volume", choices=tuple(POURS), help="the unit of volume for readers who chose none")
    parser.add_argument("--time-zone", metavar="ZONE", type=_zone, help="such as Europe/Berlin, for days and weeks")
    parser.add_argument(
        "--day-begins", dest="day_begins_hour", metavar="HOUR", type=arguments.number(0, 23), help="a bar's evening can end at 4"
    )
    parser.add_argument(
        "--keep-temperatures", dest="retention_days", metavar="DAYS", type=_days, default=...,
        help="days after which single temperatures become hourly ones, or all to keep them",
    )  # fmt: skip
    parser.add_argument(
        "--reading", choices=("everybody", "password"), help="who may read; with password, a prompt asks for the readers' password"
    )
    parser.add_argument(
        "--public-url", metavar="URL", type=_url, help="the address for phones in the wall's QR code, or none: the address of the wall"
    )
    parser.add_argument("--wall-link", choices=("new", "none"), help="a link that opens only /tv where reading needs a password")


def change_settings(parsed: argparse.Namespace, database: Database) -> None:
    """Changes the settings that are named, and prints all. Raises ProblemError."""
    changes = {name: getattr(parsed, name) for name in _HOUSEHOLD if getattr(parsed, name) is not None}
    if parsed.retention_days is not ...:
        changes["retention_days"] = parsed.retention_days
    readers = ask_new_password("New password of the readers: ") if parsed.reading == "password" else None
    if changes or parsed.reading or parsed.wall_link:
        with database.writing() as connection:
            storage.set_household(connection, **changes)
            if parsed.reading:
                set_readers_password(connection, readers)
            if parsed.wall_link:
                (new_wall_token if parsed.wall_link == "new" else remove_wall_token)(connection)
            changed(connection, "setting")
    with database.reading() as connection:
        _print(connection)


def _print(connection: Connection) -> None:
    household = storage.household(connection)
    needs_password = storage.get_setting(connection, READERS_SETTING) is not None
    print(f"title: {household.title}")
    print(f"a glass: {household.glass_ml} ml")
    print(f"units: °{household.temperature}, {POURS[household.volume].name}")
    print(f"time zone: {household.time_zone}")
    print(f"the day begins at: {household.day_begins_hour}:00")
    print(f"single temperatures are kept for: {'ever' if household.retention_days is None else f'{household.retention_days} days'}")
    print(f"reading: {'with a password' if needs_password else 'everybody'}")
    print(f"address for phones: {household.public_url or 'none'}")
    print(f"wall's link: {wall_path(connection) or 'none'}")


def _zone(text: str) -> str:
    """A type for argparse: a name of the time zone database."""
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise argparse.ArgumentTypeError(
            f"{text}: is not a time zone such as Europe/Berlin; timedatectl list-timezones prints them"
        ) from error
    return text


def _url(text: str) -> str:
    return "" if text == "none" else arguments.utf8(text)


def _days(text: str) -> int | None:
    if text == "all":
        return None
    try:
        return int(_DAYS(text))
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, or all") from error
