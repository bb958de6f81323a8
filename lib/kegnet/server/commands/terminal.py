"""Prompts at the terminal."""

from __future__ import annotations

import getpass
import sys


def ask_secret(prompt: str) -> str:
    """A text that is typed at the terminal without echo, or a line of standard input."""
    return getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
