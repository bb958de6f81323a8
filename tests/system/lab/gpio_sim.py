"""GPIO chips in the guest: the kernel's simulator (`Documentation/admin-guide/gpio/gpio-sim.rst`), whose edges are real interrupts.

    modprobe gpio-sim && mount -t configfs none /sys/kernel/config

The kernel counts an edge in a thread; edges on one line that follow before it has run are merged into one. `pin_to_one_cpu` excludes
that: the thread has a real-time priority, and on the same processor as the pulses it runs before the next one.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

CONFIGURATION = Path("/sys/kernel/config/gpio-sim")


class SimulatedChip:
    """A chip with a label, a number of lines, and names for some of them by offset."""

    def __init__(self, name: str, label: str, lines: int, line_names: dict[int, str] | None = None) -> None:
        self._folder = CONFIGURATION / name
        bank = self._folder / "bank"
        bank.mkdir(parents=True)
        (bank / "num_lines").write_text(str(lines))
        (bank / "label").write_text(label)
        for offset, line_name in (line_names or {}).items():
            (bank / f"line{offset}").mkdir()
            (bank / f"line{offset}" / "name").write_text(line_name)
        (self._folder / "live").write_text("1")
        device = (self._folder / "dev_name").read_text().strip()
        self.number = (bank / "chip_name").read_text().strip()
        self._lines = Path("/sys/devices/platform") / device / self.number

    def line(self, offset: int) -> SimulatedLine:
        """One of its lines."""
        return SimulatedLine(self._lines / f"sim_gpio{offset}")

    def remove(self) -> None:
        """Removes the chip, also while lines are requested."""
        remove_chip(self._folder.name)


def remove_chip(name: str) -> None:
    """Removes a chip that perhaps an earlier process made."""
    folder = CONFIGURATION / name
    (folder / "live").write_text("0")
    for line in folder.glob("bank/line*"):
        line.rmdir()
    (folder / "bank").rmdir()
    folder.rmdir()


class SimulatedLine:
    """What is connected to a line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pull = os.open(folder / "pull", os.O_WRONLY)

    @property
    def level(self) -> int:
        """0 or 1."""
        return int((self._folder / "value").read_text())

    def set(self, level: int) -> None:
        """Pulls the line up or down."""
        os.pwrite(self._pull, b"pull-up" if level else b"pull-down", 0)

    def close(self) -> None:
        """After this it makes no more edges."""
        os.close(self._pull)


def make_pulses(lines: list[SimulatedLine], number: int, hertz: float = 0.0) -> None:
    """So many pulses on each line at once: low, then high. Without a rate, as fast as possible."""
    half_s = 0.5 / hertz if hertz else 0.0
    for _ in range(number):
        for level in (0, 1):
            for line in lines:
                line.set(level)
            if half_s:
                time.sleep(half_s)


def pin_to_one_cpu() -> None:
    """This thread, and the kernel's threads for requested lines."""
    for comm in Path("/proc").glob("[0-9]*/comm"):
        if comm.read_text().startswith("irq/") and "-kegnet" in comm.read_text():
            os.sched_setaffinity(int(comm.parent.name), {0})
    os.sched_setaffinity(0, {0})
