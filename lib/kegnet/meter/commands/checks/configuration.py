"""--check: meter.conf."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from ....core import system
from ....core.finding import Finding, Level
from ....core.service_check import hidden_configuration, is_hidden
from ...config import DEFAULT_PATH, USER, MeterConfig, command
from ..volume import high_minimum

WHAT = "configuration"


def check_configuration(conf: MeterConfig, service: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the service can read the file, the warnings about it, and what a pin lacks."""
    user = service.get("User") or USER
    if conf.path == DEFAULT_PATH and is_hidden(conf.path, service):
        yield hidden_configuration(conf.path)
    elif system.may(user, "r", conf.path) is False:
        yield Finding(WHAT, Level.FAILURE, f"{conf.path}: {user} cannot read it", f"chmod a+r {shlex.quote(str(conf.path))}")
    else:
        pins = ", ".join(f"{pin.pin}" + ("" if pin.report_as == pin.pin else f" (number {pin.report_as})") for pin in conf.pins)
        yield Finding(WHAT, Level.OK, f"{conf.path}: pins {pins}; spool {conf.spool}")
    for warning in conf.warnings:
        yield Finding(WHAT, Level.WARNING, warning, f"edit {conf.path}")
    for pin in conf.pins:
        if pin.pulses_per_litre is None:
            text = f"pin {pin.pin}: pulsesPerLitre is not known, so neither leaks nor the gas of an empty keg are detected"
            yield Finding(WHAT, Level.WARNING, text, command(conf.path, f"--calibrate {pin.pin}"))
        if problem_and_fix := high_minimum(pin, conf.path):
            yield Finding(WHAT, Level.WARNING, *problem_and_fix)
