"""The command line: its options and their valid combinations."""

from __future__ import annotations

import argparse
from pathlib import Path

from ... import __version__
from ...core.command_line import default_if_same
from ..config import DEFAULT_PATH

PROGRAM = "kegnet-meter"


def parse() -> argparse.Namespace:
    """The parsed command line. Ends the process with status 2 if it is wrong."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Counts the pulses of flow meters and writes pours into the spool, in the foreground until SIGTERM.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument("--config", metavar="FILE", type=Path, default=DEFAULT_PATH, help="the configuration (%(default)s)")
    parsed = parser.parse_args()
    parsed.config = default_if_same(parsed.config, DEFAULT_PATH)
    return parsed


def is_mode(parsed: argparse.Namespace) -> bool:
    """Whether the command line selects a mode instead of the daemon."""
    del parsed
    return False
