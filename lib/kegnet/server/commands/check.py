"""kegnet-server check: examines everything that the server needs, and prints a fix for each problem."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from ...core import system
from ...core.finding import Finding, Level, report
from ...core.service_check import check_service
from ..config import Config
from ..storage import StorageError, UnavailableError, open_database
from . import arguments
from .account import become_owner
from .checks.broker import check_broker, check_notify
from .checks.certificate import examine_certificate
from .checks.configuration import check_configuration
from .checks.database import check_contents, check_space
from .checks.listening import check_listening

UNIT = "kegnet-server.service"


def add_to(verbs: Any) -> None:
    """Adds the command."""
    parser = arguments.add_unopened(verbs, "check", check, "examines configuration, database, certificate, port, broker and clients")
    parser.add_argument("--json", action="store_true", help="prints JSON")


def check(parsed: argparse.Namespace, config: Config) -> int:
    """Examines everything and prints the findings. Returns the exit status: 1 if there is a failure."""
    return report(examine(config), parsed.json)


def examine(config: Config) -> Iterator[Finding]:
    """All findings, each after those that it depends on."""
    options = config.options
    yield from check_configuration(config)
    # Root reads the key; what follows is done as the user of the service.
    yield from examine_certificate(options)
    become_owner(options.database)
    yield from check_space(options.database)
    yield from _examine_database(options.database)
    yield from check_listening(options)
    yield from check_broker(options)
    yield from check_notify(options)
    yield from check_service(UNIT, system.service(UNIT), "journalctl -u kegnet-server")


def _examine_database(url: str) -> Iterator[Finding]:
    try:
        database = open_database(url)
    except StorageError as error:
        yield Finding("database", Level.FAILURE, error.problem, error.fix)
    except UnavailableError as error:
        yield Finding("database", Level.FAILURE, str(error), "start the database, or wait; the server tries again by itself")
    else:
        yield from check_contents(database)
        database.close()
