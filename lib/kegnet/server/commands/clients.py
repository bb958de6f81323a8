"""kegnet-server clients: which clients are registered."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..signature import PublicKeyError, public_key
from ..storage import Database
from ..storage import clients as storage
from ..storage.records import Client
from . import arguments
from .account import as_root
from .errors import CommandError
from .lookup import changed, client_of, now_ms

_LIMIT = arguments.number(-100, 100, float)


def add_to(verbs: Any) -> None:
    """Adds the command and its sub-commands."""
    group = arguments.add_group(verbs, "clients", "registers, lists and removes clients")
    add = arguments.add_command(group, "add", add_client, "registers a client, or gives it another key or name")
    add.add_argument("uuid", metavar="UUID", type=arguments.uuid)
    add.add_argument("public_key", metavar="PUBKEY.pem", help="its public key; - for standard input")
    add.add_argument("--name", type=arguments.name, help="what the page calls it")
    arguments.add_command(group, "list", list_clients, "prints the registered clients")
    remove = arguments.add_command(group, "remove", remove_client, "removes a client; what it sent is kept")
    remove.add_argument("uuid", metavar="UUID", type=arguments.uuid)
    limits = arguments.add_command(group, "limits", set_limits, "sets the temperatures beyond which there is an alarm")
    limits.add_argument("uuid", metavar="UUID", type=arguments.uuid)
    for option in ("coldest", "warmest"):
        limits.add_argument(f"--{option}", metavar="DEGREES", type=_limit, default=..., help="in °C, or none")


def add_client(parsed: argparse.Namespace, database: Database) -> None:
    """Registers a client, or changes its key or name. Raises CommandError."""
    pem = _read(parsed.public_key)
    try:
        public_key(pem)
    except PublicKeyError as error:
        raise CommandError(f"{parsed.public_key}: {error}", "take what kegnet-client --setup prints") from error
    with database.writing() as connection:
        client = storage.set_client(connection, parsed.uuid, now_ms=now_ms(), public_key=pem, name=parsed.name)
        changed(connection, "client", client.uuid)
    print(f"{client.uuid}: registered as {client.name}")


def list_clients(_parsed: argparse.Namespace, database: Database) -> None:
    """Prints one client per line."""
    with database.reading() as connection:
        for client in storage.clients(connection):
            kind = "" if client.kind == "kegnet" else f"  {client.kind}"
            print(f"{client.uuid}  {client.name}{kind}{_limits(client)}")


def remove_client(parsed: argparse.Namespace, database: Database) -> None:
    """Removes a client. Raises CommandError."""
    with database.writing() as connection:
        client = client_of(connection, parsed.uuid)
        storage.remove_client(connection, client.uuid, now_ms())
        changed(connection, "client", client.uuid)
    print(f"{client.uuid}: removed; what it sent is kept, and clients add registers it again")


def set_limits(parsed: argparse.Namespace, database: Database) -> None:
    """Sets the limits of a client's temperature that are named. Raises CommandError."""
    with database.writing() as connection:
        client = client_of(connection, parsed.uuid)
        coldest = client.coldest if parsed.coldest is ... else parsed.coldest
        warmest = client.warmest if parsed.warmest is ... else parsed.warmest
        if coldest is not None and warmest is not None and coldest >= warmest:
            raise CommandError("the coldest temperature is not below the warmest", "swap them")
        storage.set_limits(connection, client.key, coldest, warmest)
        changed(connection, "client", client.uuid)
        print(f"{client.uuid}: {_limits(client_of(connection, client.uuid)).strip() or 'no limits'}")


def _limits(client: Client) -> str:
    """The limits for a line of text; empty if there are none."""
    limits = (("coldest", client.coldest), ("warmest", client.warmest))
    return "".join(f"  {name} {value / 1000:g} °C" for name, value in limits if value is not None)


def _limit(text: str) -> int | None:
    return None if text == "none" else round(1000 * _LIMIT(text))


def _read(name: str) -> str:
    """The file as the user who started this can read it, or standard input. Raises CommandError."""
    if name == "-":
        return sys.stdin.read()
    try:
        with as_root():
            return Path(name).read_text("utf-8", "replace")
    except OSError as error:
        raise CommandError(f"{name}: cannot be read ({error.strerror})", "name the file that contains the public key") from error
