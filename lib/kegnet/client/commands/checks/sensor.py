"""--check: the 1-Wire bus and its thermometers."""

from __future__ import annotations

from ....core.finding import Finding, Level
from ... import config
from ...config import Config
from ...deadline import DeadlineExceeded, time_limit
from ...thermometer import Reading, SensorError, Thermometer, celsius
from .. import one_wire

READ_LIMIT_S = 20.0
"""Limit for all tries of one reading, as in the daemon, because a driver can hang."""

WHAT = "1-Wire"


def check_sensor(conf: Config) -> tuple[Reading | None, list[Finding]]:
    """The reading for the next ping, if there is one, and a finding for each probe or for the missing bus."""
    if not conf.has_sensor:
        return None, [Finding(WHAT, Level.OK, "sensor = none: this keg has no probe, and no pings are sent")]
    try:
        with time_limit(READ_LIMIT_S):
            probes = Thermometer(conf.w1_devices).probes()
    except SensorError as error:
        return None, [_no_bus(error, conf)]
    except DeadlineExceeded:
        return None, [Finding(WHAT, Level.FAILURE, f"{conf.w1_devices} does not answer in time", "check the parameter w1Devices")]
    chosen = conf.sensor or next(iter(probes), "")
    reading, finding = _read(conf, chosen, is_sent=True, driver_fix=_driver_fix(probes))
    others = [_read(conf, probe, is_sent=False)[1] for probe in probes if probe != chosen]
    return reading, [finding, *others]


def _read(conf: Config, probe: str, is_sent: bool, driver_fix: str = "") -> tuple[Reading | None, Finding]:
    """Reads `probe`; an empty name means the first one found."""
    level = Level.FAILURE if is_sent else Level.WARNING
    try:
        with time_limit(READ_LIMIT_S):
            reading = Thermometer(conf.w1_devices, probe or None).read()
    except SensorError as error:
        return None, Finding(WHAT, level, error.problem, error.fix + driver_fix)
    except DeadlineExceeded:
        return None, Finding(WHAT, level, f"probe {probe} does not answer in time", "check its cable")
    use = "; pings have this temperature" if is_sent else ""
    return reading, Finding(WHAT, Level.OK, f"probe {probe} reads {celsius(reading.millicelsius)}{use}")


def _driver_fix(probes: list[str]) -> str:
    return "" if probes or one_wire.has_module("w1_therm") else ", and load the driver: modprobe w1-therm"


def _no_bus(error: SensorError, conf: Config) -> Finding:
    if conf.w1_devices != config.W1_DEVICES:
        return Finding(WHAT, Level.FAILURE, error.problem, "check the parameter w1Devices")
    boot = one_wire.boot_config()
    if boot is None:
        return Finding(WHAT, Level.FAILURE, error.problem, error.fix)
    try:
        enabled = one_wire.enables_one_wire(boot)
    except OSError as boot_error:
        return Finding(WHAT, Level.FAILURE, f"{error.problem}, and {boot} cannot be read ({boot_error.strerror})", error.fix)
    if not enabled:
        fix = f"put the line dtoverlay=w1-gpio into {boot}, then reboot"
        return Finding(WHAT, Level.FAILURE, f"{error.problem}, and {boot} has no overlay for one", fix)
    return Finding(
        WHAT, Level.FAILURE, f"{error.problem}, although {boot} has the overlay w1-gpio", "reboot; or: modprobe -a w1-gpio w1-therm"
    )
