"""GPIO chips in the guest: the kernel's simulator (`Documentation/admin-guide/gpio/gpio-sim.rst`), whose edges are real interrupts.

    python3 -B -m system.lab.gpio_sim FILE      as root: makes the chips of a JSON file, [[NAME, LABEL, LINES], ...]

The kernel counts an edge in a thread; edges on one line that follow before it has run are merged into one. So each pulse here waits
until the kernel's thread of the line has gone to sleep again: the number of pulses is known exactly, at any rate and load.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

CONFIGURATION = Path("/sys/kernel/config/gpio-sim")
INTERRUPTS = Path("/sys/kernel/irq")
_SWITCHES = b"\nvoluntary_ctxt_switches:\t"
LIMIT_S = 20.0
"""Upper bound on the time that the kernel needs to count an edge."""


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
        self.number = (bank / "chip_name").read_text().strip()

    def line(self, offset: int) -> SimulatedLine:
        """One of its lines."""
        return line_of(self._folder.name, offset)

    def remove(self) -> None:
        """Removes the chip, also while lines are requested."""
        remove_chip(self._folder.name)


def line_of(name: str, offset: int) -> SimulatedLine:
    """A line of the chip that perhaps an earlier process made under this name."""
    folder = CONFIGURATION / name
    device, number = ((folder / file).read_text().strip() for file in ("dev_name", "bank/chip_name"))
    return SimulatedLine(Path("/sys/devices/platform") / device / number / f"sim_gpio{offset}", offset)


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

    def __init__(self, folder: Path, offset: int) -> None:
        self._folder = folder
        self._offset = offset
        self._pull = os.open(folder / "pull", os.O_WRONLY)
        self._thread: int | None = None
        self._switches = 0

    @property
    def level(self) -> int:
        """0 or 1."""
        return int((self._folder / "value").read_text())

    def set(self, level: int) -> None:
        """Pulls the line up or down."""
        os.pwrite(self._pull, b"pull-up" if level else b"pull-down", 0)

    def prepare(self) -> None:
        """Before the first pulse: finds the kernel's thread of the line. Somebody must have requested the line."""
        self._thread = self._open_thread()

    def pulse(self) -> None:
        """Pulls the line down and up, and waits until the kernel has counted the edge that was requested, falling or rising."""
        assert self._thread is not None
        self.set(0)
        self.set(1)
        end = time.monotonic() + LIMIT_S
        while (switches := _voluntary_switches(self._thread)) == self._switches:
            if time.monotonic() > end:
                raise TimeoutError(f"line {self._offset}: the kernel has not counted the edge")
        self._switches = switches

    def close(self) -> None:
        """After this it makes no more edges."""
        os.close(self._pull)
        if self._thread is not None:
            os.close(self._thread)

    def _open_thread(self) -> int:
        """The status of the kernel's thread of this line, once it sleeps."""
        number = next(
            each.name for each in INTERRUPTS.iterdir()
            if (each / "hwirq").read_text().strip() == str(self._offset) and "kegnet" in (each / "actions").read_text()
        )  # fmt: skip
        # A chip that was removed while its line was requested has left its thread behind: the newest is the one.
        threads = [int(comm.parent.name) for comm in Path("/proc").glob("[0-9]*/comm") if _name(comm).startswith(f"irq/{number}-")]
        thread = os.open(f"/proc/{max(threads)}/status", os.O_RDONLY)
        while (switches := _voluntary_switches(thread)) != self._switches:
            self._switches = switches
            time.sleep(0.05)
        return thread


def _name(comm: Path) -> str:
    """The name of a thread; empty if it has ended meanwhile."""
    try:
        return comm.read_text()
    except OSError:
        return ""


def _voluntary_switches(status: int) -> int:
    """How often a thread has gone to sleep."""
    text = os.pread(status, 4096, 0)
    return int(text[text.index(_SWITCHES) + len(_SWITCHES) :].split(b"\n", 1)[0])


def main() -> None:
    """Makes chips in the order of a file."""
    subprocess.run(["modprobe", "gpio-sim"], check=True)
    if not os.path.ismount(CONFIGURATION.parent):
        subprocess.run(["mount", "-t", "configfs", "none", CONFIGURATION.parent], check=True)
    for name, label, lines in json.loads(Path(sys.argv[1]).read_text()):
        SimulatedChip(name, label, lines)


if __name__ == "__main__":
    main()
