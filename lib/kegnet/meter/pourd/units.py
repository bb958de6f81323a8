"""The services of both programs."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

from ...core import system
from ...core.problem import ProblemError
from .. import gpio, state
from ..gpio import GpioError
from .instance import HOME

METER = "kegnet-meter.service"
RUNTIME_DIRECTORY = Path("/run/kegnet-meter")
_CHANGES_WITHIN_S = 20
_LOOK_S = 0.1
_TIMEOUT_S = 60


def systemctl(*words: str) -> None:
    """Runs a command of systemd. Raises ProblemError with what it prints."""
    try:
        done = subprocess.run(["systemctl", "--quiet", *words], capture_output=True, text=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProblemError(f"systemctl {' '.join(words)} fails: {error}", "run this where systemd runs") from error
    if done.returncode:
        reason = " ".join(done.stderr.split()) or f"it ends with {done.returncode}"
        raise ProblemError(f"systemctl {' '.join(words)} fails: {reason}", f"see: journalctl --unit {words[-1]}")


def is_enabled(unit: str) -> bool:
    """Whether it starts at boot."""
    return system.service(unit).get("UnitFileState") == "enabled"


def enable_meter() -> None:
    """Lets kegnet-meter start at boot. Raises ProblemError."""
    try:
        systemctl("enable", METER)
    except ProblemError:
        # An installation from a clone has no other link to the unit than the one that a `disable` has removed.
        systemctl("enable", f"{HOME}/service/{METER}")


def runs(unit: str) -> bool:
    """Whether it runs, or is about to be started again after a failure."""
    return system.service(unit).get("ActiveState") in ("active", "activating", "reloading")


def count_with_meter(pin: int) -> None:
    """Starts kegnet-meter, or has it read meter.conf again, and waits until it counts the pin. Raises ProblemError."""
    _read_again()
    deadline = time.monotonic() + _CHANGES_WITHIN_S
    while problem := _problem(pin):
        if time.monotonic() > deadline:
            raise ProblemError(f"{METER} does not count GPIO {pin}: {problem}", f"see: journalctl --unit {METER}")
        time.sleep(_LOOK_S)


def release_from_meter(pin: int, other_pins: bool) -> None:
    """Has kegnet-meter read meter.conf again, or stops it if it has no other pins, and waits until it releases the line.

    Raises ProblemError.
    """
    if not other_pins:
        systemctl("stop", METER)
        return
    _read_again()
    deadline = time.monotonic() + _CHANGES_WITHIN_S
    while _consumer(pin) == gpio.CONSUMER or state.path(RUNTIME_DIRECTORY, pin).exists():
        if time.monotonic() > deadline:
            raise ProblemError(f"{METER} does not release GPIO {pin}", f"see: journalctl --unit {METER}")
        time.sleep(_LOOK_S)


def meter_pours(pin: int) -> bool:
    """Whether kegnet-meter counts a flow of the pin at this moment."""
    try:
        found = state.read(RUNTIME_DIRECTORY, pin)
    except (OSError, state.StateError):
        return False
    return found is not None and found.flow is not None


def _read_again() -> None:
    systemctl("reload" if system.service(METER).get("ActiveState") == "active" else "restart", METER)


def _problem(pin: int) -> str:
    """Why kegnet-meter does not count the pin; empty if it does."""
    service = system.service(METER)
    status = service.get("StatusText", "")
    if service.get("ActiveState") != "active":
        return f"it is {service.get('ActiveState', 'unknown')}, {service.get('Result', 'unknown')}"
    if not re.search(rf"\bpin {pin}: ", status):
        return f"its status does not name pin {pin}: {status or 'none'}"
    try:
        consumer = gpio.find_line(pin).line.consumer
    except GpioError as error:
        # Without such a line it can have a stream of events instead. If it needs the line, it has the same problem.
        return error.problem if error.problem in status else ""
    return "" if consumer == gpio.CONSUMER else f"the line is used by {consumer or 'nobody'!r}"


def _consumer(pin: int) -> str:
    """Who uses the line of the pin; empty if nobody does, or if there is no such line."""
    try:
        return gpio.find_line(pin).line.consumer
    except GpioError:
        return ""
