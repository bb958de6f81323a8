"""Facts about the system's 1-Wire bus: the boot configuration that enables it, and the kernel modules."""

from __future__ import annotations

import os
import re
from pathlib import Path

BOOT_CONFIGS = (Path("/boot/firmware/config.txt"), Path("/boot/config.txt"))
"""The file that the firmware of a Raspberry Pi reads, since Debian 12 and before."""
_OVERLAY = re.compile(r"^\s*dtoverlay\s*=\s*w1-gpio", re.MULTILINE)


def boot_config() -> Path | None:
    """The file in which overlays are enabled; None if this is not a Raspberry Pi."""
    return next((path for path in BOOT_CONFIGS if path.is_file()), None)


def enables_one_wire(path: Path) -> bool:
    """Whether the boot configuration at `path` has an overlay for a 1-Wire bus. Raises OSError."""
    return _OVERLAY.search(path.read_text("utf-8", "replace")) is not None


def has_module(name: str) -> bool:
    """Whether the kernel module `name` is loaded, or built in with parameters."""
    return os.path.isdir(f"/sys/module/{name}")
