"""Releases a GPIO line that wiringPi has exported (`Documentation/admin-guide/gpio/sysfs.rst`): pourd leaves it so when it ends."""

from __future__ import annotations

from pathlib import Path

from ..gpio import CHIP_LABELS

ROOT = Path("/sys/class/gpio")


def release(gpio: int, root: Path = ROOT) -> bool:
    """Unexports the line of the header. Returns whether it was exported. Raises OSError."""
    for chip in root.glob("gpiochip*"):
        if (chip / "label").read_text().strip() in CHIP_LABELS:
            number = int((chip / "base").read_text()) + gpio
            if (root / f"gpio{number}").exists():
                (root / "unexport").write_text(str(number))
                return True
    return False
