"""Where the modes read a pin's pulses: from its line, or from the state file of the service that counts it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

from ...core.systemd import received_descriptors
from .. import gpio, state
from ..config import PinConfig
from ..flow import Flow
from ..gpio_line import GpioError, Line
from ..lines import settings
from ..pour_session import PourSession
from ..state import PinState, StateError

CONSUMER = "kegnet-meter --watch"
"""Under this name the kernel lists a line that a mode has requested."""
REFRESH_S = 0.25
"""How often a source is read while its wheel turns, and how often a state file is looked at."""


@dataclass(frozen=True)
class Count:
    """What a source has counted since it was opened. `flow` is the one that runs; its own pulses include those before."""

    pulses: int
    noise: int
    flow: Flow | None


class LineSource:
    """A line that this process reads. `descriptor` is readable when there are edges."""

    by_service = False

    def __init__(self, line: Line, pin: PinConfig) -> None:
        """From now on the line belongs to this source."""
        self._line = line
        # Without limits: what turns the wheel is shown, whether it is beer or gas.
        self._session = PourSession(replace(pin, pulses_per_litre=None))
        self.descriptor: int | None = line.descriptor

    def read(self) -> Count:
        """Never blocks. Raises GpioError if there will be no more edges."""
        now_ns = time.monotonic_ns()
        # All that came before `now_ns`: else a flow that goes on would seem to have ended.
        while edges := self._line.read_edges():
            for edge in edges:
                self._session.edge(edge.timestamp_ns, edge.line_seqno)
            if edges[-1].timestamp_ns >= now_ns:
                break
        self._session.pass_time(now_ns)
        return Count(self._session.pulses, self._session.noise, self._session.snapshot.flow)

    def close(self) -> None:
        """Releases the line."""
        self._line.close()


class StateSource:
    """A line that the service reads; the service writes a file after it has read edges."""

    by_service = True
    descriptor = None

    def __init__(self, directory: Path, pin: int) -> None:
        """Raises GpioError if the file cannot be read."""
        self._directory = directory
        self._pin = pin
        self._last = self._read_state()
        self._pulses = self._noise = 0

    @property
    def before(self) -> PinState | None:
        """The state when it was read last; None if the service has not read an edge yet."""
        return self._last

    def read(self) -> Count:
        """Never blocks. Raises GpioError if the service has stopped."""
        now, last = self._read_state(), self._last
        if now is None:
            return Count(self._pulses, self._noise, None)
        # Without an earlier state, or after a new request of the line, everything is new.
        continues = last is not None and last.pulses <= now.pulses
        self._pulses += now.pulses - (last.pulses if last and continues else 0)
        self._noise += now.noise - (last.noise if last and continues else 0)
        self._last = now
        return Count(self._pulses, self._noise, now.flow)

    def close(self) -> None:
        """There is nothing to release."""

    def _read_state(self) -> PinState | None:
        file = state.path(self._directory, self._pin)
        try:
            found = state.read(self._directory, self._pin)
        except (StateError, OSError) as error:
            raise GpioError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or error})", "restart kegnet-meter") from error
        if found is None and not self._directory.is_dir():
            raise GpioError("the service kegnet-meter has stopped", "run this again")
        return found


Source = LineSource | StateSource


def open_source(pin: PinConfig) -> Source:
    """The source of a pin: a descriptor that was passed to this process, the service that counts the line, or the line.

    Raises GpioError, which names who uses a line that is in use.
    """
    passed = passed_stream(pin.pin)
    if passed is not None:
        return LineSource(Line(passed), pin)
    directory = runtime_directory()
    try:
        place = gpio.find_line(pin.pin)
    except GpioError:
        # Everybody can read the state, but not everybody the chip. And the service may read something that is not a GPIO line.
        if directory.is_dir():
            return StateSource(directory, pin.pin)
        raise
    if place.line.consumer == gpio.CONSUMER and directory.is_dir():
        return StateSource(directory, pin.pin)
    return LineSource(gpio.request_line(place, settings(pin), CONSUMER), pin)


def runtime_directory() -> Path:
    """The directory of the state files."""
    return Path(os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0] or "/run/kegnet-meter")


def passed_stream(pin: int) -> int | None:
    """The descriptor `edges-<pin>`, if it was passed to this process, see sd_listen_fds(3)."""
    return dict(received_descriptors()).get(f"edges-{pin}")
