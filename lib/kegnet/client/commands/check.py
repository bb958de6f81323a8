"""--check: examines everything that pings and pours need, and prints a fix for each problem."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ...core import system
from ...core.finding import Finding, Level, of_config_error, report
from ...core.ini import ConfigError
from ...core.service_check import check_service
from .. import config, deadline
from ..config import Config
from .checks.clock import check_clock
from .checks.configuration import check_configuration, check_key
from .checks.sensor import check_sensor
from .checks.server import check_server
from .checks.spool import check_spool

_NEEDED_TO_START = ("configuration", "key")
"""The findings about what the service needs to start."""


def check(path: Path, as_json: bool) -> int:
    """Examines the configuration at `path` and prints the findings. Returns the exit status: 1 if there is a failure."""
    deadline.install()
    return report(examine(path.absolute()), as_json)


def examine(path: Path) -> Iterator[Finding]:
    """All findings, each after those that it depends on."""
    service = system.service(config.UNIT)
    # The service reads the default file, and no other.
    configured = path == config.DEFAULT_PATH
    for finding in _examine_all_but_service(path, service):
        configured = configured and not (finding.level is Level.FAILURE and finding.what in _NEEDED_TO_START)
        yield finding
    yield from check_service(config.UNIT, service, configured=configured)


def _examine_all_but_service(path: Path, service: Mapping[str, str]) -> Iterator[Finding]:
    try:
        conf = config.load(path)
    except ConfigError as error:
        yield of_config_error(error)
        yield from _examine_defaults(_defaults(path), service)
    else:
        yield from check_configuration(conf, service)
        yield from _examine_all(conf, service)


def _examine_all(conf: Config, service: Mapping[str, str]) -> Iterator[Finding]:
    key, finding = check_key(conf, service)
    yield finding
    yield from check_spool(conf, service)
    reading, findings = check_sensor(conf)
    yield from findings
    clock = check_clock()
    yield clock
    # No message may contain the time of a clock that has not been set.
    is_set = clock.level is not Level.FAILURE
    yield from check_server(conf, key, reading if is_set else None)
    if conf.has_sensor and (key is None or reading is None or not is_set):
        yield Finding("ping", Level.WARNING, "not sent: it needs a key, a temperature and a clock that is set", "fix the failures above")


def _examine_defaults(conf: Config, service: Mapping[str, str]) -> Iterator[Finding]:
    """The findings that need no configuration, in the default places."""
    yield check_key(conf, service)[1]
    yield from check_spool(conf, service)
    yield from check_sensor(conf)[1]
    yield check_clock()
    yield Finding("server", Level.WARNING, "not examined", "fix the configuration first")


def _defaults(path: Path) -> Config:
    return Config(path, "", "", config.default_key(path), None, config.default_spool(path), 0, None, True, config.W1_DEVICES)
