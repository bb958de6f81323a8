"""What commands ask for at the terminal."""

from __future__ import annotations

import getpass
import sys


def ask_secret(prompt: str) -> str:
    """A text that is typed without being shown; else a line of standard input."""
    return getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
