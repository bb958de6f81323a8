"""Where the lines come from: the descriptors that the service manager kept, a stream of records, or the kernel."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..core.systemd import ServiceManager
from . import gpio
from .config import PinConfig
from .gpio import GpioError, Line, LineSettings

_NAME = re.compile(r"(gpio|edges)-([0-9]{1,2})")


def settings(config: PinConfig) -> LineSettings:
    """What the kernel is to do with the line of a pin."""
    return LineSettings(config.edge, config.bias)


class Lines:
    """The lines of this process.

    A stored descriptor is named `gpio-<pin>`; `edges-<pin>` is a stream of event records instead. A process that is killed goes on with
    the number in its state file; without one, a stream begins with number 1. The writer must write whole records at a time, so that a kill
    leaves no half of one.
    """

    def __init__(self, service: ServiceManager, received: list[tuple[str, int]], devices: Path = Path("/dev")) -> None:
        """`received` are the descriptors with their names. Those with other names are closed."""
        self._service = service
        self._devices = devices
        self._stored: dict[int, int] = {}
        self._streams: dict[int, int | None] = {}
        for name, descriptor in received:
            match = _NAME.fullmatch(name)
            kept: dict[int, int] | dict[int, int | None] = self._stored if match and match[1] == "gpio" else self._streams
            if match is None or int(match[2]) in kept:
                os.close(descriptor)
            else:
                kept[int(match[2])] = descriptor

    def obtain(self, config: PinConfig) -> tuple[Line, bool]:
        """The line of a pin, and whether it goes on from an earlier process. Raises GpioError: try again later."""
        pin = config.pin
        if pin in self._streams:
            stream, self._streams[pin] = self._streams[pin], None
            if stream is None:
                raise GpioError(f"the stream edges-{pin} has ended", "start the meter again, with a new stream")
            return Line(stream), True
        place = gpio.find_line(pin, self._devices)
        if pin in self._stored:
            descriptor = self._stored.pop(pin)
            try:
                return gpio.adopt_line(descriptor, place, settings(config)), True
            except GpioError:
                # It is the line of another chip, for instance: a new request tells what is wrong, if anything is.
                self._service.remove(f"gpio-{pin}")
                os.close(descriptor)
        return gpio.request_line(place, settings(config)), False

    def is_stream(self, pin: int) -> bool:
        """Whether the pin has a stream of records instead of a line."""
        return pin in self._streams

    def configure(self, config: PinConfig, line: Line) -> None:
        """Other settings for a line that stays; nothing waits, nothing is lost. Raises GpioError."""
        if not self.is_stream(config.pin):
            line.configure(settings(config))

    def store(self, pin: int, line: Line) -> None:
        """Has the service manager keep a line that was requested."""
        self._service.store(f"gpio-{pin}", line.descriptor)

    def release(self, pin: int, line: Line) -> None:
        """Gives the line back to the kernel."""
        if not self.is_stream(pin):
            self._service.remove(f"gpio-{pin}")
        line.close()

    def release_others(self, pins: set[int]) -> None:
        """Gives the stored lines back that are not among `pins`."""
        for pin in set(self._stored) - pins:
            self._service.remove(f"gpio-{pin}")
            os.close(self._stored.pop(pin))
