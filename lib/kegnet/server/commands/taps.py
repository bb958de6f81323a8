"""kegnet-server taps: the names and flow meters of the taps."""

from __future__ import annotations

import argparse
from typing import Any

from ..model.levels import OverfullError, resized_start_ml
from ..storage import Connection, Database
from ..storage import taps as storage
from ..storage.clients import clients
from ..storage.kegs import change_keg, kegs_of, kegs_on, put_on
from ..storage.records import PULSES_PER_LITRE, Keg, Tap
from . import arguments
from .errors import CommandError
from .lookup import changed, client_of, now_ms, tap_of

_PULSES = arguments.number(1, 10**6)


def add_to(verbs: Any) -> None:
    """Adds the command and its sub-commands."""
    group = arguments.add_group(verbs, "taps", "names taps, sets their flow meters, lists and hides them")
    change = arguments.add_command(group, "set", set_tap, "adds a tap, or changes what is named of it")
    arguments.add_tap(change)
    change.add_argument("--name", type=arguments.name, help="what the page calls it")
    change.add_argument("--pulses-per-litre", metavar="N", type=_PULSES, help=f"of its flow meter, from now on ({PULSES_PER_LITRE})")
    change.add_argument("--since-ever", action="store_true", help="with --pulses-per-litre: for all pours of the past, too")
    change.add_argument("--keg-litres", metavar="N", type=arguments.millilitres, help="size of the keg that is on")
    change.add_argument("--fresh", action="store_true", help="a new, full keg is on, from now")
    arguments.add_command(group, "list", list_taps, "prints the taps")
    hide = arguments.add_command(group, "hide", hide_tap, "hides a tap from pages, API and MQTT; its pours are kept")
    show = arguments.add_command(group, "show", show_tap, "shows a hidden tap again")
    for parser in (hide, show):
        arguments.add_tap(parser)


def set_tap(parsed: argparse.Namespace, database: Database) -> None:
    """Adds a tap, or changes what is named of it. Raises CommandError."""
    if parsed.since_ever and parsed.pulses_per_litre is None:
        raise CommandError("--since-ever needs --pulses-per-litre", "add it")
    with database.writing() as connection:
        client = client_of(connection, parsed.uuid)
        tap = storage.set_tap(connection, client.key, parsed.pin, name=parsed.name)
        if parsed.since_ever:
            storage.set_only_meter(connection, tap.key, parsed.pulses_per_litre)
        elif parsed.pulses_per_litre is not None:
            storage.set_meter_from_now(connection, tap.key, now_ms(), parsed.pulses_per_litre)
        if parsed.fresh or parsed.keg_litres is not None:
            _set_keg(connection, tap, parsed.keg_litres, parsed.fresh)
        changed(connection, "tap", client.uuid)
        line = _line_of(connection, client.uuid, tap.pin)
    print(line)


def list_taps(_parsed: argparse.Namespace, database: Database) -> None:
    """Prints one tap per line."""
    with database.reading() as connection:
        found = clients(connection)
        uuids = {client.key: client.uuid for client in found}
        taps = storage.taps_of(connection, list(uuids))
        kegs = kegs_on(connection, [tap.key for tap in taps])
    for tap in taps:
        print(_line(uuids[tap.client], tap, kegs.get(tap.key)))


def hide_tap(parsed: argparse.Namespace, database: Database) -> None:
    """Hides a tap. Raises CommandError."""
    _set_hidden(parsed, database, True)


def show_tap(parsed: argparse.Namespace, database: Database) -> None:
    """Shows a tap again. Raises CommandError."""
    _set_hidden(parsed, database, False)


def _set_hidden(parsed: argparse.Namespace, database: Database, hidden: bool) -> None:
    with database.writing() as connection:
        client, tap = tap_of(connection, parsed.uuid, parsed.pin)
        storage.set_tap(connection, client.key, tap.pin, hidden=hidden)
        changed(connection, "tap", client.uuid)
        line = _line_of(connection, client.uuid, tap.pin)
    print(line)


def _set_keg(connection: Connection, tap: Tap, volume_ml: int | None, fresh: bool) -> None:
    """Puts a full keg on, or changes the size of the one that is on."""
    current = kegs_on(connection, [tap.key]).get(tap.key)
    if not fresh:
        if current is None:
            raise CommandError("no keg is on this tap", "add --fresh if a new keg is on, or use kegnet-server kegs on")
        change_keg(connection, current.key, volume_ml=volume_ml, start_ml=_start_ml(current, volume_ml))
        return
    before = next(iter(kegs_of(connection, tap.key, 1)), None)
    if volume_ml is None and before is not None:
        volume_ml = before.volume_ml
    put_on(connection, tap.key, beer=None, on_ms=now_ms(), volume_ml=volume_ml, start_ml=volume_ml)


def _start_ml(keg: Keg, volume_ml: int | None) -> int | None:
    """What the keg contained when it was put on, after a correction of its size. Raises CommandError."""
    try:
        return resized_start_ml(keg.start_ml, keg.volume_ml, volume_ml)
    except OverfullError as error:
        less = f"is less than the {(keg.start_ml or 0) / 1000:g} litres that the keg contained when it was put on"
        raise CommandError(f"--keg-litres {(volume_ml or 0) / 1000:g}: {less}", "give a larger size, or put a new keg on") from error


def _line_of(connection: Connection, uuid: str, pin: int) -> str:
    """The line of a tap as it is now."""
    _, tap = tap_of(connection, uuid, pin)
    return _line(uuid, tap, kegs_on(connection, [tap.key]).get(tap.key))


def _line(uuid: str, tap: Tap, keg: Keg | None) -> str:
    hidden = "  hidden" if tap.hidden else ""
    return f"{uuid}  {tap.pin}  {tap.name}  {tap.pulses_per_litre} pulses per litre{_keg(keg)}{hidden}"


def _keg(keg: Keg | None) -> str:
    """The keg for a line of text; empty if none is on."""
    if keg is None:
        return ""
    beer = f"  {keg.beer.name}" if keg.beer else ""
    return beer + (f"  {keg.volume_ml / 1000:g} litres" if keg.volume_ml is not None else "")
