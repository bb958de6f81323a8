"""--check: the flow-meter daemon of 2013."""

from __future__ import annotations

from collections.abc import Iterator

from ....core import system
from ....core.finding import Finding, Level


def check_pourd() -> Iterator[Finding]:
    """Whether `pourd` still runs."""
    for unit in system.active_units("pourd@*"):
        text = f"{unit} still runs: it counts the same flow meter a second time"
        yield Finding("pourd", Level.WARNING, text, f"systemctl disable --now {unit}")
