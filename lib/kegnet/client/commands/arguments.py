"""The command line: its options and their valid combinations."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from ... import __version__
from ...core.command_line import default_if_same
from ..config import DEFAULT_PATH

PROGRAM = "kegnet-client"

HELP = """\
From a new host to the first ping:
  sudo kegnet-client --setup            makes a key, a UUID and client.conf, and prints what the server needs
  sudo kegnet-client --setup --server URL --code 1234-5678
                                        also registers this client, with the code that a page of the server shows
  sudo kegnet-client --check            examines everything, and prints a fix for each problem
  sudo systemctl start kegnet-client    starts it; systemctl status kegnet-client shows its state in one line

To send pours again that were set aside as X.pour.fail: sudo kegnet-client --requeue

Exit status: 0 success, or SIGTERM or SIGINT ended the daemon; 1 --check found a failure, --requeue could not queue all,
or the server did not register this client; 2 wrong command line; 70 unexpected error; 74 the output cannot be written;
75 too many interrupted requests, systemd starts the daemon again; 78 the configuration or the key cannot be used;
130 Ctrl-C in a mode; 141 a pipe was closed.
See also kegnet-client(8) and client.conf(5).
"""


def parse() -> argparse.Namespace:
    """The parsed command line. Ends the process with status 2 if it is wrong."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Sends a kegerator's temperature and pours to the KegNet REST API, in the foreground until SIGTERM. Modes:",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--setup", action="store_true", help="makes what is missing: a key, a UUID, client.conf; overwrites nothing")
    modes.add_argument("--check", action="store_true", help="examines configuration, key, spool, sensor, clock, server and service")
    modes.add_argument("--requeue", nargs="*", metavar="FILE", help="queues pours again that were set aside: these, or all")
    modes.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument("--config", metavar="FILE", type=Path, default=DEFAULT_PATH, help="the configuration (%(default)s)")
    parser.add_argument("--server", metavar="URL", help="with --setup: serviceBaseURL; without it, --setup asks")
    parser.add_argument(
        "--code", metavar="CODE", type=_code, help="with --setup: registers this client with the code that a page of the server shows"
    )
    parser.add_argument("--json", action="store_true", help="with --check: prints JSON")
    parsed = parser.parse_args()
    if parsed.server is not None and not parsed.setup:
        parser.error("--server needs --setup")
    if parsed.code is not None and not parsed.setup:
        parser.error("--code needs --setup")
    if parsed.json and not parsed.check:
        parser.error("--json needs --check")
    parsed.config = default_if_same(parsed.config, DEFAULT_PATH)
    return parsed


def _code(text: str) -> str:
    """The digits of a code, which is typed with or without a hyphen."""
    digits = text.replace("-", "").replace(" ", "")
    if not re.fullmatch("[0-9]{8}", digits):
        raise argparse.ArgumentTypeError(f"{text}: this is not a code; a code has 8 digits, as in 1234-5678")
    return digits


def is_mode(parsed: argparse.Namespace) -> bool:
    """Whether the command line selects a mode instead of the daemon."""
    return bool(parsed.setup or parsed.check or parsed.requeue is not None)
