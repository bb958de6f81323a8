"""The steps in which kegnet-meter takes over one pin from pourd, and gives it back.

Each step can be repeated: after an interruption, the same command goes on where it was. At any moment pourd or kegnet-meter is
enabled for the pin. If both are, both start at boot, and the kernel gives the line to one of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ...core.problem import ProblemError
from . import meter_conf, pulses, sysfs, units
from .instance import HOME, Instance

COMMAND = f"sudo {HOME}/service/take-over-pourd"

_START_S = 2
_LAST_LOOK_S = 1.5
"""A pour that has just begun shows after this time: kegnet-meter changes its status four times a second at most."""
_SOMEBODY = "somebody pours: it goes on afterwards"
_NOBODY = "nobody pours; do not begin before the change is done"

Say = Callable[[str], None]
"""Prints a step."""


def is_taken_over(instance: Instance) -> bool:
    """Whether nothing is left to do for the instance."""
    is_left = instance.conf.exists() or units.is_enabled(instance.unit)
    return instance.kept.exists() and not is_left and units.is_enabled(units.METER)


def has_begun(instance: Instance) -> bool:
    """Whether a take-over was begun or is complete. Raises ConfigError, ProblemError."""
    return instance.kept.exists() or meter_conf.has(instance)


def can_be_undone(instance: Instance) -> bool:
    """Whether pourd does not count, and once did. Raises ConfigError, ProblemError."""
    return has_begun(instance) or (units.is_enabled(instance.unit) and not units.runs(instance.unit))


def is_in_use(instance: Instance) -> bool:
    """Whether its owner uses pourd for it, or taking it over has begun. Raises ConfigError, ProblemError."""
    return units.is_enabled(instance.unit) or units.runs(instance.unit) or has_begun(instance)


def take_over(instance: Instance, say: Say, quiet: bool = False) -> None:
    """Has kegnet-meter count in the place of pourd. `quiet`: nobody pours, so do not wait. Raises ProblemError, OSError."""
    if not units.is_enabled(units.METER):
        units.enable_meter()
        say(f"enabled {units.METER}")
    if instance.conf.exists():
        _count_with_meter(instance, say, quiet)
    units.systemctl("disable", instance.unit)
    say(f"disabled {instance.unit}")
    if instance.conf.exists():
        os.rename(instance.conf, instance.kept)
        say(f"renamed {instance.conf} to {instance.kept.name}; the program of pourd stays")
    say(f"done; to undo it: {COMMAND} --undo {instance.number}")


def give_back(instance: Instance, say: Say, quiet: bool = False) -> None:
    """Has pourd count again. Raises ProblemError, OSError."""
    if instance.kept.exists():
        os.rename(instance.kept, instance.conf)
        say(f"renamed {instance.kept} to {instance.conf.name}")
    units.systemctl("enable", instance.unit)
    say(f"enabled {instance.unit}")
    if meter_conf.has(instance):
        _count_with_pourd(instance, say, quiet)
    elif not units.runs(instance.unit):
        _start_pourd(instance)
    say(f"done: {instance.unit} counts")


def _count_with_meter(instance: Instance, say: Say, quiet: bool) -> None:
    """The change from pourd to kegnet-meter. If kegnet-meter does not count, everything is as before."""
    is_new = not meter_conf.has(instance)
    if is_new:
        meter_conf.planned(instance)
    if not quiet:
        say("waits until pourd has no pour in progress")
        pulses.wait_until_quiet(instance.unit, instance.delay_ms, lambda: say(_SOMEBODY))
        say(_NOBODY)
        before = pulses.wakeups(instance.unit)
        time.sleep(_LAST_LOOK_S)
        if pulses.wakeups(instance.unit) != before:
            pulses.wait_until_quiet(instance.unit, instance.delay_ms, lambda: say(_SOMEBODY))
    text = meter_conf.add(instance) if is_new else None
    ran = units.runs(instance.unit)
    stopped = time.monotonic()
    try:
        if is_new:
            say(f"added [Pin {instance.gpio}] to {meter_conf.PATH}, with the settings of {instance.conf.name}")
        if ran:
            units.systemctl("stop", instance.unit)
            say(f"stopped {instance.unit}")
        sysfs.release(instance.gpio)
        units.count_with_meter(instance.gpio)
    except BaseException:
        with _as_before(say):
            if text is not None:
                meter_conf.write(text)
                units.release_from_meter(instance.gpio, bool(meter_conf.pins()))
            if ran:
                units.systemctl("start", instance.unit)
        raise
    say(f"kegnet-meter counts GPIO {instance.gpio}; nothing was counted for {time.monotonic() - stopped:.1f} s")


def _count_with_pourd(instance: Instance, say: Say, quiet: bool) -> None:
    """The change from kegnet-meter to pourd. If pourd does not start, kegnet-meter counts as before."""
    if not quiet:
        _wait_for_meter(instance, say)
        say(_NOBODY)
        time.sleep(_LAST_LOOK_S)
        _wait_for_meter(instance, say)
    text = meter_conf.remove(instance)
    try:
        say(f"made comments of [Pin {instance.gpio}] in {meter_conf.PATH}")
        units.release_from_meter(instance.gpio, bool(meter_conf.pins()))
        say(f"kegnet-meter has released GPIO {instance.gpio}")
        _start_pourd(instance)
    except BaseException:
        with _as_before(say):
            meter_conf.write(text)
            units.systemctl("stop", instance.unit)
            units.count_with_meter(instance.gpio)
        raise


def _wait_for_meter(instance: Instance, say: Say) -> None:
    """Waits until kegnet-meter has no pour in progress."""
    if units.meter_pours(instance.gpio):
        say(_SOMEBODY)
        while units.meter_pours(instance.gpio):
            time.sleep(pulses.LOOK_S)


def _start_pourd(instance: Instance) -> None:
    """Raises ProblemError if it ends at once: it does so if it cannot read its file, or is refused the line."""
    units.systemctl("start", instance.unit)
    time.sleep(_START_S)
    if not pulses.processes(instance.unit):
        raise ProblemError(f"{instance.unit} does not run", f"see: journalctl --unit {instance.unit}")


@contextmanager
def _as_before(say: Say) -> Iterator[None]:
    """A block that undoes the last steps after a failure. A second failure is printed, too."""
    try:
        yield
        say("the last steps are undone")
    except (ProblemError, OSError) as error:
        say(f"the last steps could not be undone: {error}")
