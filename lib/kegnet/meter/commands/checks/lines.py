"""--check: the GPIO chip, its permissions, and who uses the line of each pin."""

from __future__ import annotations

import grp
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from ....core import system
from ....core.finding import Finding, Level
from ... import gpio
from ...config import USER, MeterConfig, PinConfig
from ...gpio import Place
from ...gpio_line import GpioError
from ...gpio_uapi import LineFlag
from ..source import passed_stream
from .kernel import loses_close_edges, running_version

GROUP = "gpio"


def check_lines(conf: MeterConfig, service: Mapping[str, str]) -> tuple[list[PinConfig], list[Finding]]:
    """The pins whose edges can be watched, and the findings about chips and lines."""
    usable, places, findings = [], [], []
    for pin in conf.pins:
        if passed_stream(pin.pin) is not None:
            findings.append(Finding(f"pin {pin.pin}", Level.OK, "a descriptor was passed for it: no GPIO line is used"))
            usable.append(pin)
            continue
        try:
            place = gpio.find_line(pin.pin)
        except GpioError as error:
            findings.append(Finding(f"pin {pin.pin}", Level.FAILURE, error.problem, error.fix))
            continue
        places.append(place)
        finding = _judge_line(pin, place)
        findings.append(finding)
        if finding.level is Level.OK:
            usable.append(pin)
    chips = [finding for path in sorted({place.path for place in places}) for finding in _check_chip(path, places, service)]
    return usable, [*chips, *findings]


def _judge_line(pin: PinConfig, place: Place) -> Finding:
    what, line = f"pin {pin.pin}", place.line
    name = f"line {line.offset}" + (f" ({line.name})" if line.name else "") + f" of {place.chip.label}"
    if LineFlag.USED not in line.flags:
        return Finding(what, Level.OK, f"{name}; nobody uses it now")
    if line.consumer == gpio.CONSUMER:
        return Finding(what, Level.OK, f"{name}; kegnet-meter counts it")
    user = line.consumer or "the kernel"
    fix = "stop that (a program, or an overlay in config.txt), or connect the flow meter to another pin"
    return Finding(what, Level.FAILURE, f"{name} is in use by {user!r}", fix)


def _check_chip(path: Path, places: list[Place], service: Mapping[str, str]) -> Iterator[Finding]:
    here = [place for place in places if place.path == path]
    label = here[0].chip.label
    status = path.stat()
    user = service.get("User") or USER
    allowed = system.may(user, "r", path, service.get("SupplementaryGroups", GROUP).split())
    text = f"{path}: {label}, belongs to {system.owners(status)}, mode {stat.S_IMODE(status.st_mode):04o}"
    if allowed is None:
        yield Finding("chip", Level.WARNING, f"{text}; only root can test whether the service can open it", "run this as root")
    elif not allowed:
        yield Finding("chip", Level.FAILURE, f"{text}; {user} cannot open it", _permit(path, user, status.st_gid))
    else:
        yield Finding("chip", Level.OK, text)
    if finding := loses_close_edges(label, len(here), running_version()):
        yield finding


def _permit(path: Path, user: str, group_id: int) -> str:
    """The command that lets `user` open the chip: by its group, if that is not root's."""
    if group_id:
        return f"usermod -aG {grp.getgrgid(group_id).gr_name} {user}, then restart the service"
    rule = f'SUBSYSTEM=="gpio", KERNEL=="gpiochip*", GROUP="{GROUP}", MODE="0660"'
    return f"put the line {rule} into /etc/udev/rules.d/60-gpio.rules; then: groupadd -rf {GROUP}; udevadm trigger {path}"
