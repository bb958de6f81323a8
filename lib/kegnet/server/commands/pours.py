"""kegnet-server pours: lists pours and corrects them. The pour itself stays; a correction can be undone."""

from __future__ import annotations

import argparse
import datetime
from typing import Any

from ..model.pours import CorrectionKind
from ..storage import Connection, Database
from ..storage import pours as storage
from ..storage.clients import clients
from ..storage.records import Pour, Tap
from ..storage.taps import taps_of
from ..web.times import local
from . import arguments
from .errors import CommandError
from .lookup import changed, client_of, now_ms, tap_of, zone_of

_MOST = 100_000


def add_to(verbs: Any) -> None:
    """Adds the command and its sub-commands."""
    group = arguments.add_group(verbs, "pours", "lists and corrects pours")
    listing = arguments.add_command(group, "list", list_pours, "prints the last pours, newest first, with their numbers")
    listing.add_argument("uuid", metavar="UUID", nargs="?", type=arguments.uuid, help="of one client only")
    listing.add_argument("--limit", metavar="N", type=arguments.number(1, _MOST), default=20, help="how many (%(default)s)")
    correct = arguments.add_command(group, "correct", correct_pour, "corrects a pour; it can be undone")
    undo = arguments.add_command(group, "undo", undo_correction, "undoes the last correction of a pour")
    for parser in (correct, undo):
        parser.add_argument("pour", metavar="NUMBER", type=arguments.number(1, 2**31 - 1), help="see kegnet-server pours list")
    kinds = correct.add_mutually_exclusive_group(required=True)
    kinds.add_argument("--spill", action="store_true", help="it left the keg, but nobody drank it")
    kinds.add_argument("--delete", action="store_true", help="it counts for nothing, such as the water of a cleaning")
    kinds.add_argument("--move", nargs=2, metavar=("UUID", "PIN"), help="it was poured at this tap")
    kinds.add_argument("--volume", metavar="LITRES", type=arguments.millilitres, help="it was this amount")


def list_pours(parsed: argparse.Namespace, database: Database) -> None:
    """Prints one pour per line. Raises CommandError."""
    with database.reading() as connection:
        found = [client_of(connection, parsed.uuid)] if parsed.uuid else clients(connection)
        names = {client.key: client.name for client in found}
        taps = {tap.key: tap for tap in taps_of(connection, list(names))}
        pours, zone = storage.pours_of(connection, list(taps), limit=parsed.limit), zone_of(connection)
    for pour in pours:
        tap = taps[pour.tap]
        print(_line(pour, f"{names[tap.client]}, {tap.name}", zone))


def correct_pour(parsed: argparse.Namespace, database: Database) -> None:
    """Corrects a pour. Raises CommandError."""
    with database.writing() as connection:
        pour = _find(connection, parsed.pour)
        kind, value = _correction(connection, parsed)
        storage.correct(connection, pour.key, kind, value, now_ms())
        changed(connection, "pour")
        _print(connection, pour.key)


def undo_correction(parsed: argparse.Namespace, database: Database) -> None:
    """Undoes the last correction of a pour. Raises CommandError."""
    with database.writing() as connection:
        pour = _find(connection, parsed.pour)
        made = [correction for correction in storage.corrections_of(connection, pour.key) if correction.undone_ms is None]
        if not made:
            raise CommandError(f"pour {pour.key} has no correction", "kegnet-server pours list marks the corrected ones")
        storage.undo_correction(connection, max(correction.key for correction in made), now_ms())
        changed(connection, "pour")
        _print(connection, pour.key)


def _correction(connection: Connection, parsed: argparse.Namespace) -> tuple[CorrectionKind, int | None]:
    """The kind of the correction and its value. Raises CommandError."""
    if parsed.spill or parsed.delete:
        return CorrectionKind.SPILL if parsed.spill else CorrectionKind.DELETE, None
    if parsed.volume is not None:
        return CorrectionKind.VOLUME, parsed.volume
    try:
        uuid, pin = arguments.uuid(parsed.move[0]), arguments.number(0, arguments.PIN_AT_MOST)(parsed.move[1])
    except argparse.ArgumentTypeError as error:
        raise CommandError(f"--move {error}", "kegnet-server taps list prints the taps") from error
    return CorrectionKind.MOVE, tap_of(connection, uuid, pin)[1].key


def _find(connection: Connection, key: int) -> Pour:
    pour = storage.find_pour(connection, key)
    if pour is None:
        raise CommandError(f"{key}: no pour has this number", "kegnet-server pours list prints the last ones")
    return pour


def _print(connection: Connection, key: int) -> None:
    """Prints the pour as it counts now."""
    pour = _find(connection, key)
    taps: dict[int, Tap] = {tap.key: tap for tap in taps_of(connection, [client.key for client in clients(connection)])}
    print(_line(pour, taps[pour.tap].name if pour.tap in taps else "-", zone_of(connection)))


def _line(pour: Pour, place: str, zone: datetime.tzinfo) -> str:
    at = local(pour.at_ms, zone).isoformat(" ", "seconds")
    words = [word for word in ("deleted", "spilled", "corrected", "timed_by_receipt") if getattr(pour, word)]
    marks = f"  ({', '.join(words).replace('_', ' ')})" if words else ""
    return f"{pour.key}  {at}  {place}  {pour.millilitres / 1000:.3f} litres{marks}"
