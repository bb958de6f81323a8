"""kegnet-server kegs: which keg is on which tap, and since when."""

from __future__ import annotations

import argparse
import datetime
from dataclasses import replace
from typing import Any

from ..model.days import past_ms
from ..storage import Connection, Database
from ..storage import kegs as storage
from ..storage.beers import beers
from ..storage.records import Beer, Keg
from ..web.times import local
from . import arguments
from .errors import CommandError
from .lookup import changed, now_ms, tap_of, zone_of

_SINCE = "when it happened, such as 2026-11-29T18:30, in the time zone of the settings; default: now"


def add_to(verbs: Any) -> None:
    """Adds the command and its sub-commands."""
    group = arguments.add_group(verbs, "kegs", "puts kegs on taps, takes them off, lists and undoes that")
    on = arguments.add_command(group, "on", put_on, "a keg is on the tap; the one before is off")
    arguments.add_tap(on)
    on.add_argument("--beer", type=arguments.utf8, help="its beer, by name or number; see kegnet-server beers list")
    on.add_argument("--litres", metavar="N", type=arguments.millilitres, help="the size of the keg")
    on.add_argument("--left", metavar="N", type=arguments.millilitres, help="litres that are in it, if it is not full")
    off = arguments.add_command(group, "off", take_off, "no keg is on the tap any more")
    undo = arguments.add_command(
        group, "undo", undo_keg, "undoes the last change: removes the newest keg, or puts it on again if it was taken off"
    )
    listing = arguments.add_command(group, "list", list_kegs, "prints the kegs of a tap, newest first")
    for parser in (on, off):
        parser.add_argument("--since", metavar="TIME", type=_time, help=_SINCE)
    for parser in (off, undo, listing):
        arguments.add_tap(parser)


def put_on(parsed: argparse.Namespace, database: Database) -> None:
    """Puts a keg on. Raises CommandError, StorageError: at that time it cannot have been on."""
    if parsed.left is not None and (parsed.litres is None or parsed.left > parsed.litres):
        raise CommandError("--left needs --litres, and cannot be more", "give the size of the keg with --litres")
    with database.writing() as connection:
        client, tap = tap_of(connection, parsed.uuid, parsed.pin)
        beer = _beer(connection, parsed.beer) if parsed.beer else None
        start_ml = parsed.litres if parsed.left is None else parsed.left
        key = beer.key if beer else None
        on_ms = _past(connection, parsed.since)
        keg = storage.put_on(connection, tap.key, beer=key, on_ms=on_ms, volume_ml=parsed.litres, start_ml=start_ml)
        changed(connection, "tap", client.uuid)
        line = _line(keg, zone_of(connection))
    print(f"{tap.name}: {line}")


def take_off(parsed: argparse.Namespace, database: Database) -> None:
    """Takes the keg off. Raises CommandError."""
    with database.writing() as connection:
        client, tap = tap_of(connection, parsed.uuid, parsed.pin)
        keg = storage.kegs_on(connection, [tap.key]).get(tap.key)
        if keg is None:
            raise CommandError(f"no keg is on {tap.name}", "kegnet-server taps list prints what is on")
        off_ms = _past(connection, parsed.since)
        storage.take_off(connection, keg.key, off_ms)
        changed(connection, "tap", client.uuid)
        line = _line(replace(keg, off_ms=off_ms), zone_of(connection))
    print(f"{tap.name}: {line}")


def undo_keg(parsed: argparse.Namespace, database: Database) -> None:
    """Undoes the last change: removes the newest keg, or puts it on again if it was taken off. Raises CommandError."""
    with database.writing() as connection:
        client, tap = tap_of(connection, parsed.uuid, parsed.pin)
        newest = next(iter(storage.kegs_of(connection, tap.key, 1)), None)
        if newest is None:
            raise CommandError(f"{tap.name} has had no keg", "kegnet-server kegs on puts one on")
        if newest.off_ms is None:
            storage.undo_keg(connection, newest.key, now_ms())
        else:
            storage.put_back(connection, newest.key)
        changed(connection, "tap", client.uuid)
        zone = zone_of(connection)
    if newest.off_ms is None:
        print(f"Undone: {_line(newest, zone)}")
    else:
        print(f"Undone, on again: {_line(replace(newest, off_ms=None), zone)}")


def list_kegs(parsed: argparse.Namespace, database: Database) -> None:
    """Prints the kegs of a tap, one per line. Raises CommandError."""
    with database.reading() as connection:
        _, tap = tap_of(connection, parsed.uuid, parsed.pin)
        zone = zone_of(connection)
        for keg in storage.kegs_of(connection, tap.key, 1000):
            print(_line(keg, zone))


def _line(keg: Keg, zone: datetime.tzinfo) -> str:
    end = "now" if keg.off_ms is None else _local(keg.off_ms, zone)
    amount = "" if keg.volume_ml is None else f"  {(keg.start_ml or 0) / 1000:g} of {keg.volume_ml / 1000:g} litres"
    return f"{_local(keg.on_ms, zone)} to {end}  {keg.beer.name if keg.beer else '-'}{amount}"


def _beer(connection: Connection, text: str) -> Beer:
    """The beer with this number, else with this name. Raises CommandError."""
    known = beers(connection)
    found = [beer for beer in known if str(beer.key) == text] or [beer for beer in known if beer.name.casefold() == text.casefold()]
    if len(found) != 1:
        if found:
            fix = f"use the number, such as --beer {found[0].key}; kegnet-server beers list prints them"
            raise CommandError(f"{text}: several beers have this name", fix)
        fix = "kegnet-server beers list prints them with their numbers; beers add adds one"
        raise CommandError(f"{text}: no beer has this name or number", fix)
    return found[0]


def _past(connection: Connection, moment: datetime.datetime | None) -> int:
    """The time in Unix milliseconds, by the household's clock if it has no zone; now if there is none. Raises CommandError."""
    now = now_ms()
    if moment is None:
        return now
    at_ms = round(moment.timestamp() * 1000) if moment.tzinfo else past_ms(moment, zone_of(connection), now)
    if not 0 <= at_ms <= now:
        problem = "is before 1970" if at_ms < 0 else "is in the future"
        raise CommandError(f"--since {moment.isoformat(' ', 'minutes')}: {problem}", "give a time in the past")
    return at_ms


def _time(text: str) -> datetime.datetime:
    """A type for argparse: an ISO 8601 time."""
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text}: is not a time such as 2026-11-29T18:30") from error


def _local(at_ms: int, zone: datetime.tzinfo) -> str:
    return local(at_ms, zone).isoformat(" ", "minutes")
