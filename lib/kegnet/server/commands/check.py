"""kegnet-server check: examines everything that the server needs, and prints a fix for each problem."""

from __future__ import annotations

import argparse
from typing import Any

from ...core.finding import of_config_error, report
from ...core.ini import ConfigError
from ..config import Config
from . import arguments


def add_to(verbs: Any) -> None:
    """Adds the command."""
    parser = arguments.add_unopened(verbs, "check", check, "examines configuration, database, certificate, port, broker and clients")
    parser.add_argument("--json", action="store_true", help="prints JSON")


def check(parsed: argparse.Namespace, config: Config) -> int:
    """Examines everything and prints the findings. Returns the exit status: 1 if there is a failure."""
    # The other commands do without these modules, which take seconds to import on a small machine.
    from .checks import examine

    return report(examine(config), parsed.json)


def report_config_error(parsed: argparse.Namespace, error: ConfigError) -> int:
    """Prints the only finding if there is no valid configuration. Returns the exit status."""
    return report([of_config_error(error)], parsed.json)
