"""The command line: its commands, the configuration that they use, and the exit status."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from ... import __version__
from ...core.command_line import complain, repair_streams, run_mode
from ...core.ini import ConfigError
from ...core.problem import ProblemError
from .. import config
from ..config import Config
from ..storage import StorageError, UnavailableError, open_database
from . import beers, boards, check, clients, kegs, password, pours, serve, settings, taps, transfer
from .account import become_owner
from .arguments import PROGRAM

_COMMANDS = (serve, check, clients, taps, kegs, beers, pours, boards, settings, password, transfer)
HELP = """\
From nothing to a page: open http://NAME:8080/welcome, where NAME is this host. Or by commands, with what kegnet-client --setup prints:
  sudo kegnet-server clients add UUID PUBKEY.pem --name Garage
  sudo kegnet-server taps set UUID 17 --name IPA --keg-litres 19 --fresh
  sudo kegnet-server password
  sudo systemctl start kegnet-server

Exit status: 0 success; 1 the command cannot do this, or check found a failure; 2 wrong command line; 74 the output cannot be
written; 75 the database cannot be reached now; 78 the configuration or the database has to be changed; 130 Ctrl-C in a command;
141 a pipe was closed.
See also kegnet-server(8).
"""


def main(words: Sequence[str] | None = None) -> int:
    """Does what the command line says. Returns the exit status."""
    repair_streams()
    parsed = _parser().parse_args(words)
    return run_mode(PROGRAM, lambda: _run(parsed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="The KegNet server of a household or a bar: accepts signed pings and pours, stores them, and shows them on a page.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument("--config", metavar="FILE", type=Path, help=f"the configuration ({config.DEFAULT_PATH})")
    parser.add_argument("--database", metavar="URL", help="another database than that of the configuration, which is then not read")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for command in _COMMANDS:
        command.add_to(verbs)
    return parser


def _run(parsed: argparse.Namespace) -> int:
    """Runs the command; an error is one line on stderr."""
    try:
        return _dispatch(parsed)
    except ConfigError as error:
        complain(PROGRAM, str(error))
        return os.EX_CONFIG
    except ProblemError as error:
        complain(PROGRAM, str(error))
        return 1
    except UnavailableError as error:
        complain(PROGRAM, f"{error}; fix: try again when the database is available")
        return os.EX_TEMPFAIL


def _dispatch(parsed: argparse.Namespace) -> int:
    try:
        conf = load(parsed)
    except ConfigError as error:
        if getattr(parsed, "run_unopened", None) is not check.check:
            raise
        return check.report_config_error(parsed, error)
    if hasattr(parsed, "run_unopened"):
        return int(parsed.run_unopened(parsed, conf) or os.EX_OK)
    for warning in conf.warnings:
        complain(PROGRAM, f"warning: {warning}")
    become_owner(conf.options.database)
    try:
        database = open_database(conf.options.database)
    except StorageError as error:
        complain(PROGRAM, str(error))
        return os.EX_CONFIG
    try:
        complain(PROGRAM, f"database: {database.shown}")
        return int(parsed.run(parsed, database) or os.EX_OK)
    finally:
        database.close()


def load(parsed: argparse.Namespace) -> Config:
    """The configuration with the options of the command line. Raises ConfigError."""
    given = {"database": parsed.database} | {name: getattr(parsed, f"given_{name}", None) for name in serve.OPTIONS}
    if given["database"] is None and parsed.config is None:
        given["database"] = os.environ.get("KEGNET_DATABASE")
    return config.load(parsed.config, {name: text for name, text in given.items() if text is not None})
