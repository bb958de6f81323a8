"""kegnet-server settings: time zone, begin of the day, and how long single temperatures are kept."""

from __future__ import annotations

import argparse
import zoneinfo
from typing import Any

from ..storage import Database
from ..storage import settings as storage
from . import arguments
from .lookup import changed

_DAYS_AT_MOST = 36_500
_DAYS = arguments.number(1, _DAYS_AT_MOST)


def add_to(verbs: Any) -> None:
    """Adds the command."""
    parser = arguments.add_command(verbs, "settings", change_settings, "prints the settings, and changes those that are named")
    parser.add_argument("--time-zone", metavar="ZONE", type=_zone, help="such as Europe/Berlin, for days and weeks")
    parser.add_argument(
        "--day-begins", dest="day_begins_hour", metavar="HOUR", type=arguments.number(0, 23), help="a bar's evening can end at 4"
    )
    parser.add_argument(
        "--keep-temperatures", dest="retention_days", metavar="DAYS", type=_days, default=...,
        help="days after which single temperatures become hourly ones, or all to keep them",
    )  # fmt: skip


def change_settings(parsed: argparse.Namespace, database: Database) -> None:
    """Changes the settings that are named, and prints all."""
    changes = {name: getattr(parsed, name) for name in ("time_zone", "day_begins_hour") if getattr(parsed, name) is not None}
    if parsed.retention_days is not ...:
        changes["retention_days"] = parsed.retention_days
    if changes:
        with database.writing() as connection:
            storage.set_household(connection, **changes)
            changed(connection, "setting")
    with database.reading() as connection:
        household = storage.household(connection)
    print(f"time zone: {household.time_zone}")
    print(f"the day begins at: {household.day_begins_hour}:00")
    print(f"single temperatures are kept for: {'ever' if household.retention_days is None else f'{household.retention_days} days'}")


def _zone(text: str) -> str:
    """A type for argparse: a name of the time zone database."""
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise argparse.ArgumentTypeError(
            f"{text}: is not a time zone such as Europe/Berlin; timedatectl list-timezones prints them"
        ) from error
    return text


def _days(text: str) -> int | None:
    return None if text == "all" else int(_DAYS(text))
