"""--check: examines everything that counting and writing pours need, and prints a fix for each problem."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ...core import system
from ...core.finding import Finding, Level, of_config_error, report
from ...core.ini import ConfigError
from ...core.service_check import check_service
from .. import config
from ..config import DEFAULT_PATH, UNIT, MeterConfig
from .checks.configuration import check_configuration
from .checks.kernel import check_kernel
from .checks.lines import check_lines
from .checks.noise import check_noise
from .checks.pourd import check_pourd
from .checks.spool import check_spool


def check(path: Path, as_json: bool) -> int:
    """Examines the configuration at `path` and prints the findings. Returns the exit status: 1 if there is a failure."""
    return report(examine(path.absolute()), as_json)


def examine(path: Path) -> Iterator[Finding]:
    """All findings, each after those that it depends on."""
    service = system.service(UNIT)
    try:
        conf = config.load(path)
    except ConfigError as error:
        findings = [of_config_error(error)]
        conf = MeterConfig(path, path.parent.parent / "spool", ())
    else:
        findings = list(check_configuration(conf, service))
    yield from findings
    # The service reads the default file, and no other.
    configured = path == DEFAULT_PATH and all(finding.level is not Level.FAILURE for finding in findings)
    yield from _examine_all(conf, service, configured)


def _examine_all(conf: MeterConfig, service: Mapping[str, str], configured: bool) -> Iterator[Finding]:
    yield from check_kernel()
    usable, findings = check_lines(conf, service)
    yield from findings
    yield from check_noise(conf, usable)
    yield from check_spool(conf, service)
    yield from check_service(UNIT, service, configured=configured)
    yield from check_pourd()
