"""What kegnet-server check examines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ....core import system
from ....core.finding import Finding, Level
from ....core.service_check import check_service
from ...config import Config
from ...options import ServeOptions
from ...storage import StorageError, UnavailableError, open_database
from ..account import become_owner
from .broker import check_broker, check_notify
from .certificate import examine_certificate
from .configuration import check_configuration
from .database import check_contents, check_space
from .listening import check_listening

UNIT = "kegnet-server.service"
_UNITS = "kegnet-server*.service"
"""`UNIT`, and those of processes at ports of their own."""


def examine(config: Config) -> Iterator[Finding]:
    """All findings, each after those that it depends on."""
    options = config.options
    yield from check_configuration(config)
    # As the user who started this, usually root: the key is readable only for root.
    yield from examine_certificate(options)
    become_owner(options.database)
    yield from check_space(options.database)
    yield from _examine_database(options.database)
    yield from check_broker(options)
    yield from check_notify(options)
    for unit in system.started_units(_UNITS) or [UNIT]:
        yield from _examine_service(unit, options)


def _examine_service(unit: str, options: ServeOptions) -> Iterator[Finding]:
    name = unit.removesuffix(".service")
    port = name.partition("@")[2]
    yield from check_listening(replace(options, listen=f"127.0.0.1:{port}") if port else options, name)
    yield from check_service(unit, system.service(unit), f"journalctl -u {name}")


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
