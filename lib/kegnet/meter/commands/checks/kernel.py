"""--check: the kernel's version."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ....core.finding import Finding, Level

Version = tuple[int, int, int]

OLDEST: Version = (5, 10, 0)
"""The first with version 2 of the GPIO interface."""
CLOSE_EDGES: Version = (6, 1, 29)
"""From here on every kernel of Raspberry Pi has raspberrypi/linux #5457 of May 2023. Without it the BCM283x and BCM2711 lose edges
of two pins that are close to each other."""
AFFECTED_CHIPS = ("pinctrl-bcm2835", "pinctrl-bcm2711")
_UPDATE = "sudo apt update && sudo apt full-upgrade, then reboot"


def check_kernel() -> Iterator[Finding]:
    """Whether the kernel has the interface that the meter uses."""
    text = f"Linux {os.uname().release}"
    if running_version() < OLDEST:
        yield Finding("kernel", Level.FAILURE, f"{text}: counting needs Linux 5.10 or later", _UPDATE)
    else:
        yield Finding("kernel", Level.OK, text)


def loses_close_edges(label: str, pins: int, version: Version) -> Finding | None:
    """A warning if the chip with this label and a kernel of this version lose edges of several pins."""
    if label not in AFFECTED_CHIPS or pins < 2 or version >= CLOSE_EDGES:
        return None
    name = ".".join(map(str, version))
    text = f"Linux {name} loses edges of this chip if two pins have one at nearly the same time (raspberrypi/linux #5457)"
    return Finding("kernel", Level.WARNING, text, _UPDATE)


def running_version() -> Version:
    """The version of the kernel that runs."""
    uname = os.uname()
    return kernel_version(uname.release, uname.version)


def kernel_version(release: str, version: str) -> Version:
    """The version of a kernel, from the fields of uname(2).

    Debian's `release` is `6.1.0-21-arm64` for each update of 6.1; then `version` has the real one: `#1 SMP Debian 6.1.90-1 (…)`,
    Raspberry Pi OS has `Debian 1:6.1.73-1+rpt1 (…)`.
    """
    match = re.search(r"\bDebian (?:[0-9]+:)?([0-9]+)\.([0-9]+)(?:\.([0-9]+))?", version)
    match = match or re.match(r"([0-9]+)\.([0-9]+)(?:\.([0-9]+))?", release)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else OLDEST
