"""check: the database, its disk, the settings, and clients that are silent."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from ....core import system
from ....core.finding import Finding, Level
from ...model.alarms import AlarmKind
from ...storage import Database
from ...storage.alarms import open_alarms
from ...storage.clients import clients
from ...storage.migrate import HEAD
from ...storage.settings import get_setting, household

_SQLITE = "sqlite:///"
_FEW_BYTES, _TOO_FEW_BYTES = 500_000_000, 20_000_000
_NAMED_AT_MOST = 10
_WELCOME = "open the page /welcome of this server, or: sudo kegnet-server password"
_ADD = "open the page /clients of this server, or: sudo kegnet-server clients add UUID PUBKEY.pem"


def check_space(url: str) -> Iterator[Finding]:
    """The free space of the disk of an SQLite database."""
    folder = Path(url.removeprefix(_SQLITE)).parent
    if not url.startswith(_SQLITE) or not folder.is_dir():
        return
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:.1f} GB are free in {folder}"
    if free > _FEW_BYTES:
        yield Finding("disk", Level.OK, text)
    else:
        level = Level.WARNING if free > _TOO_FEW_BYTES else Level.FAILURE
        yield Finding("disk", level, text, "delete files; kegnet-server settings --keep-temperatures DAYS makes the database smaller")


def check_contents(database: Database) -> Iterator[Finding]:
    """The open database: its revision, its settings and its clients."""
    with database.reading() as connection:
        registered = clients(connection)
        home = household(connection)
        has_password = get_setting(connection, "password hash") is not None
        silent = {alarm.client for alarm in open_alarms(connection) if AlarmKind(alarm.kind) is AlarmKind.SILENT}
    yield Finding("database", Level.OK, f"{database.shown}, revision {HEAD}")
    yield _check_time(home.time_zone, home.day_begins_hour)
    if not has_password:
        yield Finding("password", Level.WARNING, "there is none, so nobody can change anything on the page", _WELCOME)
    if not registered:
        yield Finding("clients", Level.WARNING, "none is registered", _ADD if has_password else _WELCOME)
        return
    names = [client.name for client in registered if client.key in silent]
    if names:
        shown = ", ".join(names[:_NAMED_AT_MOST]) + (" and others" if len(names) > _NAMED_AT_MOST else "")
        fix = "check their power and network, and run there: kegnet-client --check"
        yield Finding("clients", Level.WARNING, f"{len(names)} of {len(registered)} are silent: {shown}", fix)
    else:
        yield Finding("clients", Level.OK, f"{len(registered)} registered, none is silent")


def _check_time(zone: str, begins_hour: int) -> Finding:
    text = f"{zone}, the day begins at {begins_hour}:00"
    try:
        if not system.clock_is_synchronised():
            return Finding("time", Level.WARNING, f"{text}; the clock is not synchronised", "timedatectl set-ntp true")
    except OSError:
        pass
    if zone in ("UTC", "Etc/UTC"):
        fix = "if this is not intended: kegnet-server settings --time-zone Europe/Berlin"
        return Finding("time", Level.WARNING, f"{text}; days and weeks are those of UTC", fix)
    return Finding("time", Level.OK, text)
