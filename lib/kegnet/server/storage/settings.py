"""The settings of the installation, as names with texts, and the household's as one value."""

from __future__ import annotations

import os
import zoneinfo
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from kegnet.core.syslog_handler import escape_name

from . import schema
from .database import Connection
from .errors import StorageError
from .feed import Change, announce

_setting = schema.setting
_INSTALLATION = "installation"


@dataclass(frozen=True)
class Household:
    """What a whole installation shares. `time_zone` is a name of the IANA database, a day begins at `day_begins_hour`, 0 to 23.

    Temperatures older than `retention_days` are thinned out (None: never). `installation` is a random id that never changes.
    """

    time_zone: str
    day_begins_hour: int
    retention_days: int | None
    installation: str


def get_setting(connection: Connection, name: str) -> str | None:
    """The text that is set under `name`."""
    value = connection.execute(sa.select(_setting.c.value).where(_setting.c.name == name)).scalar()
    return None if value is None else str(value)


def set_setting(connection: Connection, name: str, value: str | None) -> None:
    """Sets it; None removes it."""
    if value is None:
        connection.execute(sa.delete(_setting).where(_setting.c.name == name))
    elif not connection.execute(sa.update(_setting).where(_setting.c.name == name).values(value=value)).rowcount:
        connection.execute(sa.insert(_setting).values(name=name, value=value))
    announce(connection, Change(frozenset(), frozenset({"setting"})))


def household(connection: Connection) -> Household:
    """The household's settings. Without a time zone it is that of the system."""
    rows = connection.execute(sa.select(_setting.c.name, _setting.c.value))
    found = {row.name: row.value for row in rows}
    retention = found.get("retention_days")
    return Household(
        time_zone=found.get("time_zone") or system_time_zone(),
        day_begins_hour=int(found.get("day_begins_hour", 0)),
        retention_days=None if retention is None else int(retention),
        installation=found.get(_INSTALLATION, ""),
    )


def set_household(connection: Connection, **changes: Any) -> None:
    """Changes `time_zone`, `day_begins_hour` or `retention_days`. Raises StorageError: the value is none of these."""
    _require_valid(replace(household(connection), **changes))
    for name, value in changes.items():
        set_setting(connection, name, None if value is None else str(value))


def _require_valid(wanted: Household) -> None:
    if not _is_time_zone(wanted.time_zone):
        raise StorageError(f"{escape_name(wanted.time_zone)}: this is not a time zone", "write one such as Europe/Berlin")
    if not 0 <= wanted.day_begins_hour <= 23:
        raise StorageError(f"{wanted.day_begins_hour}: a day cannot begin at that hour", "write an hour from 0 to 23")
    if wanted.retention_days is not None and not 1 <= wanted.retention_days <= 36_500:
        raise StorageError(f"{wanted.retention_days}: this is not a number of days", "write 1 to 36500, or nothing to keep everything")


def system_time_zone() -> str:
    """The name of the system's time zone, from /etc/localtime (localtime(5)); UTC if there is none."""
    try:
        _, found, name = os.readlink("/etc/localtime").partition("zoneinfo/")
    except OSError:
        return "UTC"
    return name if found and _is_time_zone(name) else "UTC"


def _is_time_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True
