"""--check: the flow-meter daemon of 2013."""

from __future__ import annotations

from collections.abc import Iterator

from ....core import system
from ....core.finding import Finding, Level

_COMMAND = "/usr/share/kegnet-client/service/take-over-pourd"


def check_pourd() -> Iterator[Finding]:
    """Whether `pourd` still runs."""
    for unit in system.active_units("pourd@*"):
        number = unit.removeprefix("pourd@").removesuffix(".service")
        text = f"{unit} still runs, and kegnet-meter can count in its place"
        yield Finding("pourd", Level.WARNING, text, f"sudo {_COMMAND} {number}")
