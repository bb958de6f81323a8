"""kegnet-server password: sets the password that changes on the page need."""

from __future__ import annotations

import argparse
from typing import Any

from ..storage import Database
from ..web.password import set_password
from . import arguments
from .lookup import changed
from .terminal import ask_new_password


def add_to(verbs: Any) -> None:
    """Adds the command."""
    arguments.add_command(verbs, "password", ask_password, "sets the password that changes on the page need")


def ask_password(_parsed: argparse.Namespace, database: Database) -> None:
    """Asks for the password, or reads a line from standard input. Raises ProblemError if it is too short."""
    text = ask_new_password("New password: ")
    with database.writing() as connection:
        set_password(connection, text)
        changed(connection, "setting")
    print("The password is set.")
