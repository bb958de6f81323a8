"""kegnet-server boards: boards that report by the Kegboard Event Protocol, and whether they are accepted."""

from __future__ import annotations

import argparse
from typing import Any

from ...core.syslog_handler import escape_name
from ..storage import Connection, Database
from ..storage import boards as storage
from ..storage.clients import clients, find_client, remove_client
from ..storage.records import Client
from . import arguments
from .errors import CommandError
from .lookup import changed, client_of, now_ms


def add_to(verbs: Any) -> None:
    """Adds the command and its sub-commands."""
    group = arguments.add_group(verbs, "boards", "lists, accepts and removes boards that report without a Pi")
    arguments.add_command(group, "list", list_boards, "prints the boards that ask to be accepted, and those that are accepted")
    accept = arguments.add_command(group, "accept", accept_board, "accepts a board; it gets its token when it asks next")
    remove = arguments.add_command(group, "remove", remove_board, "removes a board, or declines one that asks; what it sent is kept")
    for parser in (accept, remove):
        parser.add_argument("board", metavar="BOARD", type=arguments.utf8, help="its name or its UUID, see kegnet-server boards list")


def list_boards(_parsed: argparse.Namespace, database: Database) -> None:
    """Prints one board per line."""
    with database.reading() as connection:
        for board in storage.waiting_boards(connection):
            state = "declined" if board.denied else "asks to be accepted"
            print(f"{escape_name(board.device)}  {state}, from {escape_name(board.address)}")
        for client in clients(connection):
            if client.kind == "kegboard":
                print(f"{client.uuid}  accepted as {client.name}")


def accept_board(parsed: argparse.Namespace, database: Database) -> None:
    """Accepts a board. Raises CommandError."""
    with database.writing() as connection:
        board = _asking(connection, parsed.board)
        if board is None:
            raise CommandError(f"{parsed.board}: no board of this name asks", "kegnet-server boards list prints those that do")
        client = storage.accept_board(connection, board.device, now_ms())
        changed(connection, "client", client.uuid)
    print(f"{client.uuid}: accepted as {client.name}")


def remove_board(parsed: argparse.Namespace, database: Database) -> None:
    """Removes a board, or declines one that asks. Raises CommandError."""
    with database.writing() as connection:
        board = _asking(connection, parsed.board)
        if board is not None and storage.deny_board(connection, board.device):
            print(f"{escape_name(board.device)}: declined; kegnet-server boards accept accepts it later")
            return
        client = _accepted(connection, parsed.board)
        remove_client(connection, client.uuid, now_ms())
        changed(connection, "client", client.uuid)
    print(f"{client.uuid}: removed; what it sent is kept")


def _asking(connection: Connection, board: str) -> storage.Board | None:
    """The board that asks or was declined, by its own name or its UUID."""
    waiting = storage.waiting_boards(connection)
    return next((each for each in waiting if board == each.device or board.lower() == each.uuid), None)


def _accepted(connection: Connection, board: str) -> Client:
    """The accepted board, by its own name, its name as a client, or its UUID. Raises CommandError."""
    found = find_client(connection, storage.board_uuid(board))
    named = [found] if found else [each for each in clients(connection) if each.kind == "kegboard" and each.name == board]
    if len(named) > 1:
        raise CommandError(f"{board}: is the name of {len(named)} boards", "use the UUID, see kegnet-server boards list")
    client = named[0] if named else client_of(connection, board)
    if client.kind != "kegboard":
        raise CommandError(f"{client.uuid}: is not a board", "kegnet-server clients remove removes it")
    return client
