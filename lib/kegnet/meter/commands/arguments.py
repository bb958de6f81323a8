"""The command line: its options and their valid combinations."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path

from ... import __version__
from ...core.syslog_handler import escape
from ..config import DEFAULT_PATH

PROGRAM = "kegnet-meter"


def parse() -> argparse.Namespace:
    """The parsed command line. Ends the process with status 2 if it is wrong."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Counts the pulses of flow meters, and writes a file for each pour, in the foreground until SIGTERM.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument("--config", metavar="FILE", type=Path, default=DEFAULT_PATH, help="the configuration (%(default)s)")
    parsed = parser.parse_args()
    with contextlib.suppress(OSError):
        # Then messages name commands without --config.
        if os.path.samefile(parsed.config, DEFAULT_PATH):
            parsed.config = DEFAULT_PATH
    return parsed


def is_mode(parsed: argparse.Namespace) -> bool:
    """Whether the command line selects a mode instead of the daemon."""
    del parsed
    return False


def repair_streams() -> None:
    """Replaces closed standard streams with /dev/null, and escapes what they cannot encode."""
    sys.stdin = sys.stdin or os.fdopen(os.open(os.devnull, os.O_RDONLY), "r")
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def complain(line: str) -> None:
    """Prints an error on stderr, as one printable line. Ignores a stderr that cannot be written."""
    with contextlib.suppress(OSError):
        print(f"{PROGRAM}: {escape(line)}", file=sys.stderr)
