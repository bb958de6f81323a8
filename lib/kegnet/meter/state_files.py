"""The state files of all pins, kept in step with the writer's queue: see `writer` for the order of the steps."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

from ..core.syslog_handler import HourlyLimit
from . import state
from .state import PinState, StateError
from .writer import PourWriter

log = logging.getLogger(__name__)


class StateFiles:
    """The state files in `directory`; without a directory there are none. `spool` is where the writer's files are."""

    def __init__(self, directory: Path | None, writer: PourWriter, spool: Path) -> None:
        self._directory = directory
        self._writer = writer
        self.spool = spool
        self._states: dict[int, PinState] = {}
        self._forgotten: set[int] = set()
        self._limit = HourlyLimit()

    def load(self, boot_id: str) -> dict[int, PinState]:
        """The states that an earlier process of this boot has left, by pin. The writer goes on with their pours."""
        for file in [] if self._directory is None else sorted(self._directory.glob("pin-*")):
            number = file.name.removeprefix("pin-")
            if not number.isdecimal():
                continue
            try:
                found = state.read(file.parent, int(number))
            except (OSError, StateError) as error:
                log.warning("%s cannot be read (%s): a pour that ran is sent as it was last written", file, error)
                continue
            if found is not None and found.boot_id == boot_id:
                self._states[found.pin] = found
                self._writer.restore(found.pin, found.file, found.unwritten)
        return dict(self._states)

    def save(self, new: PinState) -> None:
        """Writes the state of a pin."""
        self._forgotten.discard(new.pin)
        self._states[new.pin] = new
        self.update(new.pin)

    def forget(self, pin: int) -> None:
        """The pin is not in the configuration any more. Its file is removed when its last pour is in the spool."""
        self._writer.release(pin)
        self._forgotten.add(pin)
        if pin in self._states:
            self._states[pin] = replace(self._states[pin], flow=None)
            self.update(pin)

    def update_all(self) -> None:
        """Writes the states of all pins."""
        for pin in list(self._states):
            self.update(pin)

    def update(self, pin: int) -> None:
        """Writes the state of a pin with what the writer holds of it now."""
        if self._directory is None or pin not in self._states:
            return
        file, unwritten = self._writer.held(pin)
        if pin in self._forgotten and not unwritten:
            self._states.pop(pin)
            state.remove(self._directory, pin)
            return
        try:
            state.write(self._directory, replace(self._states[pin], file=file, unwritten=unwritten, spool=str(self.spool)))
            self._limit.end()
        except OSError as error:
            # An old state would count edges twice.
            state.remove(self._directory, pin)
            if self._limit.allows(f"{error.strerror}", time.monotonic()):
                log.error("%s cannot be written (%s): a kill now would lose up to 2 s of a pour", self._directory, error.strerror)
