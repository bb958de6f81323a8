"""--check: the clock."""

from __future__ import annotations

import time

from ....core import clock, system
from ....core.finding import Finding, Level


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
