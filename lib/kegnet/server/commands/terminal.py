"""Prompts at the terminal."""

from __future__ import annotations

import getpass
import sys

from .errors import CommandError


def ask_new_password(prompt: str) -> str:
    """A password that is typed twice at the terminal without echo, or a line of standard input.

    Raises CommandError if they differ, and at Ctrl-D.
    """
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    try:
        password, again = getpass.getpass(prompt), getpass.getpass("The same again: ")
    except EOFError as error:
        # The line of the prompt has not ended.
        print(file=sys.stderr)
        raise CommandError("no password was typed", "type one, and Enter") from error
    if again != password:
        raise CommandError("these are two different passwords", "type the same one twice")
    return password
