"""Prompts at the terminal."""

from __future__ import annotations

import getpass
import sys

from .errors import CommandError


def ask_new_password(prompt: str) -> str:
    """A password that is typed twice at the terminal without echo, or a line of standard input. Raises CommandError if they differ."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass(prompt)
    if getpass.getpass("The same again: ") != password:
        raise CommandError("these are two different passwords", "type the same one twice")
    return password
