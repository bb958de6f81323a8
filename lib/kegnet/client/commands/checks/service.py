"""--check: the clock, and the systemd service."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from ....core import clock
from .. import system
from .finding import Finding, Level


def check_clock() -> Finding:
    """Whether the clock has been set, and is synchronised."""
    now = time.time()
    shows = time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(now))
    fix = "connect the network, then: timedatectl set-ntp true"
    if not clock.is_set(now):
        return Finding("clock", Level.FAILURE, f"it shows {shows}; nothing is sent before it is set", fix)
    try:
        synchronised = system.clock_is_synchronised()
    except OSError as error:
        return Finding("clock", Level.WARNING, f"{shows}; its synchronisation is unknown ({error.strerror})", fix)
    if not synchronised:
        return Finding("clock", Level.WARNING, f"{shows}; it is not synchronised yet", fix)
    return Finding("clock", Level.OK, f"{shows}, synchronised")


def check_service(service: Mapping[str, str]) -> Iterator[Finding]:
    """Whether systemd starts the client, and its state. `service`: the properties of its unit."""
    if not service:
        yield Finding("service", Level.WARNING, "systemd does not run here", "make sure that something else starts this program")
        return
    state = service["UnitFileState"] or service["LoadState"]
    if not state.startswith("enabled"):
        yield Finding("service", Level.WARNING, f"it does not start at boot ({state})", system.enable_command(state))
    if service["LoadState"] == "loaded":
        yield _judge(service)


def _judge(service: Mapping[str, str]) -> Finding:
    active = service["ActiveState"]
    if active in ("active", "reloading"):
        return Finding("service", Level.OK, f"running since {service['ActiveEnterTimestamp']}: {service['StatusText']}")
    if active in ("activating", "deactivating") and service["SubState"] != "auto-restart":
        return Finding("service", Level.WARNING, f"it is {active}", "run this again in a moment")
    if active == "inactive":
        return Finding("service", Level.WARNING, "it is not running", f"systemctl start {system.UNIT}")
    text = f"{active} ({service['Result']}, exit status {service['ExecMainStatus']})"
    fix = f"fix the failures above, or read the end of /var/log/user.log; then: systemctl restart {system.UNIT}"
    return Finding("service", Level.FAILURE, text, fix)
