"""Finds the clients and taps that the command line names, the time and the household's time zone."""

from __future__ import annotations

import datetime
import time

from ..storage import Change, Connection, announce
from ..storage.clients import find_client
from ..storage.records import Client, Tap
from ..storage.settings import household
from ..storage.taps import find_tap
from ..web import times
from .errors import CommandError


def now_ms() -> int:
    """The time in Unix milliseconds."""
    return time.time_ns() // 10**6


def zone_of(connection: Connection) -> datetime.tzinfo:
    """The household's time zone; UTC where this system does not know it."""
    return times.zone_of(household(connection).time_zone)


def client_of(connection: Connection, uuid: str) -> Client:
    """The registered client. Raises CommandError."""
    client = find_client(connection, uuid)
    if client is None:
        raise CommandError(f"{uuid}: is not a registered client", "kegnet-server clients list prints them; clients add adds one")
    return client


def tap_of(connection: Connection, uuid: str, pin: int) -> tuple[Client, Tap]:
    """The tap and its client. Raises CommandError."""
    client = client_of(connection, uuid)
    tap = find_tap(connection, client.key, pin)
    if tap is None:
        raise CommandError(f"{uuid} {pin}: is not a tap", "kegnet-server taps list prints them; taps set adds one")
    return client, tap


def changed(connection: Connection, kind: str, *uuids: str) -> None:
    """Announces a change of these clients to all processes, so that open pages show it. No client: it concerns all."""
    announce(connection, Change(frozenset(uuids), frozenset({kind})))
