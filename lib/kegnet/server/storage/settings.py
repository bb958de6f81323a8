"""The settings of the installation, as names with texts, and the household's as one value."""

from __future__ import annotations

import os
import re
import zoneinfo
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from kegnet.core.syslog_handler import escape_name

from ..model.units import POURS
from . import schema
from .database import Connection, insert_into
from .errors import StorageError
from .feed import Change, announce

PUBLIC_URL_CHARACTERS = 300
"""A phone reads the QR code of such an address from some distance."""
_setting = schema.setting
_INSTALLATION = "installation"


@dataclass(frozen=True)
class Household:
    """The settings of an installation. `time_zone` is a name of the IANA database, a day begins at `day_begins_hour`, 0 to 23.

    Temperatures older than `retention_days` are thinned out (None: never). `installation` is a random id that never changes.
    `title` is above every page. A glass has `glass_ml`. `temperature` and `volume` are the units for readers who chose none, see
    `model.units`. `public_url` is the address in the QR code of the wall; empty: the address by which the wall was opened.
    """

    time_zone: str
    day_begins_hour: int
    retention_days: int | None
    installation: str
    title: str = "KegNet"
    glass_ml: int = 330
    temperature: str = "C"
    volume: str = "l"
    public_url: str = ""


NO_HOUSEHOLD = Household("UTC", 0, None, "")
"""The values for pages while the settings cannot be read."""


def get_setting(connection: Connection, name: str) -> str | None:
    """The text that is set under `name`."""
    value = connection.execute(sa.select(_setting.c.value).where(_setting.c.name == name)).scalar()
    return None if value is None else str(value)


def locked_setting(connection: Connection, name: str) -> str | None:
    """Likewise; until this transaction ends, no other one locks or changes it. On SQLite every transaction that writes does so."""
    value = connection.execute(sa.select(_setting.c.value).where(_setting.c.name == name).with_for_update()).scalar()
    return None if value is None else str(value)


def is_still(connection: Connection, name: str, value: str) -> bool:
    """Whether the setting `name` is `value`, and so until the end of this transaction. On SQLite, only one transaction writes at a time."""
    query = sa.select(_setting.c.value).where(_setting.c.name == name).with_for_update(read=True)
    return bool(connection.execute(query).scalar() == value)


def get_settings(connection: Connection, names: Collection[str]) -> dict[str, str]:
    """The named settings that are set, by name."""
    rows = connection.execute(sa.select(_setting.c.name, _setting.c.value).where(_setting.c.name.in_(names)))
    return {row.name: row.value for row in rows}


def set_setting(connection: Connection, name: str, value: str | None) -> None:
    """Sets it; None removes it."""
    put_setting(connection, name, value)
    announce(connection, Change(frozenset(), frozenset({"setting"})))


def put_setting(connection: Connection, name: str, value: str | None) -> None:
    """Sets or removes a setting that no page shows, so no change is published."""
    if value is None:
        connection.execute(sa.delete(_setting).where(_setting.c.name == name))
    else:
        # Of two concurrent calls, the last one counts, and none fails.
        added = insert_into(connection, _setting).values(name=name, value=value)
        connection.execute(added.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


def add_setting(connection: Connection, name: str, value: str) -> bool:
    """Sets a setting if it is not set. Of two concurrent calls, one succeeds. False: it was already set."""
    added = _add(connection, name, value)
    if added:
        announce(connection, Change(frozenset(), frozenset({"setting"})))
    return added


def made_once(connection: Connection, name: str, value: str) -> str:
    """The setting `name`, after it was set to `value` if there was none. Concurrent processes get the same text."""
    _add(connection, name, value)
    return get_setting(connection, name) or value


def _add(connection: Connection, name: str, value: str) -> bool:
    """Adds a setting if it is not there. Returns whether it was added."""
    added = insert_into(connection, _setting).values(name=name, value=value).on_conflict_do_nothing(index_elements=["name"])
    return bool(connection.execute(added).rowcount)


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
        title=found.get("title") or NO_HOUSEHOLD.title,
        glass_ml=int(found.get("glass_ml", NO_HOUSEHOLD.glass_ml)),
        temperature=found.get("temperature", NO_HOUSEHOLD.temperature),
        volume=found.get("volume", NO_HOUSEHOLD.volume),
        public_url=found.get("public_url", NO_HOUSEHOLD.public_url),
    )


def set_household(connection: Connection, **changes: Any) -> None:
    """Changes the named settings, but not `installation`. Raises StorageError if a value is invalid."""
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
    if not 10 <= wanted.glass_ml <= 5000:
        raise StorageError(f"{wanted.glass_ml} ml: this is not the size of a glass", "write 10 to 5000 millilitres")
    if wanted.public_url and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", wanted.public_url):
        raise StorageError(f"{wanted.public_url}: this is not an address of a web page", "write one such as https://kegs.example.org")
    if len(wanted.public_url) > PUBLIC_URL_CHARACTERS:
        raise StorageError("the address for phones is too long", f"write at most {PUBLIC_URL_CHARACTERS} characters")
    if wanted.temperature not in ("C", "F") or wanted.volume not in POURS:
        raise StorageError(f"{wanted.temperature}, {wanted.volume}: unknown units", f"choose C or F, and one of {', '.join(POURS)}")


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
