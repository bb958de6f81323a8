"""GPIO lines that count: the kernel's GPIO character device (`Documentation/userspace-api/gpio/chardev.rst`), one request per line.

The kernel stamps an edge in its interrupt handler, numbers it in a real-time thread a little later (`drivers/gpio/gpiolib-cdev.c`),
and keeps the last 1024 until they are read. However late they are read, the numbers tell how many there were. Only edges on one
line that follow each other before that thread has run are merged into one.
`gpio_uapi` has the structures of the interface; this module is the only one that opens a chip.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kegnet.meter import gpio_uapi
from kegnet.meter.gpio_line import GpioError, Line, failed
from kegnet.meter.gpio_uapi import Bias, ChipInfo, Edge, EdgeDirection, LineFlag, LineInfo, LineSettings

__all__ = [
    "Bias", "ChipInfo", "Edge", "EdgeDirection", "GpioError", "Line", "LineInfo", "LineSettings", "Place",
    "adopt_line", "find_line", "line_info", "request_line",
]  # fmt: skip

CHIP_LABELS = ("pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1")
"""The drivers of the header's chip: Raspberry Pi up to 3, 4, and 5. Its offsets are the GPIO numbers."""
CONSUMER = "kegnet-meter"
"""Under this name the kernel lists the line's user."""

_TOO_OLD = (errno.EINVAL, errno.ENOTTY)


@dataclass(frozen=True)
class Place:
    """Where a line is since this boot, and its state when it was found."""

    path: Path
    chip: ChipInfo
    line: LineInfo


def find_line(pin: int, devices: Path = Path("/dev")) -> Place:
    """The line of GPIO `pin`: on the chip with one of `CHIP_LABELS`, else the line with the name `GPIO<pin>` on any chip.

    Raises GpioError: there is no chip, no such line, no permission, or the kernel is older than Linux 5.10.
    """
    paths = sorted(path for path in devices.glob("gpiochip*") if not path.is_symlink())
    if not paths:
        raise GpioError(f"no GPIO chip in {devices}", "run it on a Raspberry Pi, with Linux 5.10 or later")
    chips, problem = _describe(paths)
    for path, chip in chips:
        if chip.label in CHIP_LABELS and pin < chip.lines:
            return Place(path, chip, line_info(path, pin))
    for path, chip in chips:
        for line in (line_info(path, offset) for offset in range(chip.lines)):
            if line.name == f"GPIO{pin}":
                return Place(path, chip, line)
    if problem:
        raise problem
    found = ", ".join(f"{chip.label} with {chip.lines} lines" for _, chip in chips)
    raise GpioError(f"no GPIO chip has a line GPIO{pin} (chips: {found})", "use the number behind GPIO in the diagram of the header")


def line_info(path: Path, offset: int) -> LineInfo:
    """The state of a line now. Raises GpioError."""
    answer = gpio_uapi.pack_line_info(offset)
    with _open_chip(path) as chip:
        try:
            fcntl.ioctl(chip, gpio_uapi.GET_LINEINFO, answer)
        except OSError as error:
            if error.errno in _TOO_OLD:
                raise GpioError("the kernel has no GPIO interface version 2", "update to Linux 5.10 or later") from error
            raise failed(f"{path} does not describe line {offset}", error) from error
    return gpio_uapi.unpack_line_info(answer)


def request_line(place: Place, settings: LineSettings, consumer: str = CONSUMER) -> Line:
    """Requests the line for counting; its numbers start at 1. The kernel lists `consumer` as its user.

    Raises GpioError, which names who uses a line that is in use.
    """
    answer = gpio_uapi.pack_line_request(place.line.offset, settings, consumer)
    with _open_chip(place.path) as chip:
        try:
            fcntl.ioctl(chip, gpio_uapi.GET_LINE, answer)
        except OSError as error:
            raise _refused(place, error) from error
    return Line(gpio_uapi.unpack_line_descriptor(answer))


def adopt_line(descriptor: int, place: Place, settings: LineSettings) -> Line:
    """Goes on with a descriptor of an earlier process: queued edges and the numbering stay, other settings are applied.

    Raises GpioError if it is not the meter's request for this line; then the descriptor still belongs to the caller.
    """
    fix = "close it and request the line again"
    try:
        fcntl.ioctl(descriptor, gpio_uapi.LINE_GET_VALUES, bytearray(gpio_uapi.LINE_VALUES.pack(0, 1)))
    except OSError as error:
        raise GpioError(f"descriptor {descriptor} is not a request for a GPIO line ({error.strerror})", fix) from error
    now = line_info(place.path, place.line.offset)
    offsets = _requested_offsets(descriptor)
    if now.consumer != CONSUMER or LineFlag.USED not in now.flags or offsets not in ([], [now.offset]):
        raise GpioError(f"descriptor {descriptor} is a request for another GPIO line than {now.offset}", fix)
    line = Line(descriptor)
    if now.flags != settings.flags | LineFlag.USED:
        line.configure(settings)
    return line


def _requested_offsets(descriptor: int) -> list[int]:
    """The lines of a request, from proc_pid_fdinfo(5); empty if the kernel does not list them."""
    text = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
    return [int(offset) for offset in re.findall(r"^gpio-line:\t(\d+)$", text, re.MULTILINE)]


@contextlib.contextmanager
def _open_chip(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError as error:
        fix = "run it as root, or add its user to the group of that device (usually gpio)"
        raise GpioError(f"no permission to open {path}", fix) from error
    except OSError as error:
        raise failed(f"{path} cannot be opened", error) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _describe(paths: list[Path]) -> tuple[list[tuple[Path, ChipInfo]], GpioError | None]:
    """The chips, and what is wrong with the last of those that cannot be used."""
    chips, problem = [], None
    for path in paths:
        try:
            chips.append((path, _chip_info(path)))
        except GpioError as error:
            problem = error
    return chips, problem


def _chip_info(path: Path) -> ChipInfo:
    answer = bytearray(gpio_uapi.CHIP_INFO.size)
    with _open_chip(path) as chip:
        try:
            fcntl.ioctl(chip, gpio_uapi.GET_CHIPINFO, answer)
        except OSError as error:
            raise failed(f"{path} is not a GPIO chip", error) from error
    return gpio_uapi.unpack_chip_info(answer)


def _refused(place: Place, error: OSError) -> GpioError:
    name = f"GPIO line {place.line.offset} of {place.chip.label}"
    if error.errno == errno.EBUSY:
        user = line_info(place.path, place.line.offset).consumer or "the kernel"
        fix = "stop it (a program, or an overlay in config.txt), or connect the flow meter to another pin"
        return GpioError(f"{name} is in use by {user!r}", fix)
    if error.errno == errno.ENXIO:
        return GpioError(f"{name} cannot report edges", "connect the flow meter to a pin of the header")
    return failed(f"{name} is refused", error)
