"""Makes durable what the taps have counted: first in the state files, then in the spool.

A read(2) takes the edges out of the kernel's queue. The order after it is:

1. The state files get the new sequence number, the flow that runs, and the pours that have ended. A kill before this loses
   no pulse: the state has the old number, so the next edge stands for those that were read, too. They are in the flow of that edge.
2. The pours go into the spool, see `writer`: at every moment a pour is in the state file or in the spool, and never in both.
3. The checkpoint of the pour that runs. The state has the name of its file before the file is there.

A reboot leaves no state file, but a power cut leaves the `.running` files: the next start makes pours of them. Without a directory for
the state files (RUNTIME_DIRECTORY) the latter is all there is: a kill then counts like a power cut.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..core.syslog_handler import HourlyLimit
from . import leftovers
from .checkpoint import Checkpoint
from .flow import Ended, Event, Flow, Kind
from .leftovers import Completed
from .state import PinState
from .state_files import StateFiles
from .tap import Tap
from .wall_clock import WallClock
from .writer import PourWriter, Written

CHECKPOINT_S = 1.5
"""Interval at which a pour that runs is written. With the pause between two readings it is below 2 s: a power cut costs no more."""
FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 60.0
CLOCK_RETRY_S = 5.0
"""Interval at which a clock that is not set is read again while a pour waits for it."""
ROUND_S = 1.0
"""After this time the taps and the signals are read again, even if more pours are to be written."""
LAST_ROUND_S = 8.0
"""Limit for what is written after SIGTERM."""

_FIXES = {
    errno.ENOENT: "create it, or correct spool in meter.conf",
    errno.ENOTDIR: "correct spool in meter.conf: it must be a directory",
    errno.EACCES: "let the group kegnet write to it: chgrp kegnet, chmod 2775",
    errno.EROFS: "see why the file system is read-only: journalctl --dmesg",
    errno.ENOSPC: "remove what fills the disk",
    errno.EDQUOT: "remove what fills the disk",
}

log = logging.getLogger(__name__)


class Recorder:
    """The state files, and the pours on their way into the spool.

    `problem` is why the spool cannot be written, or empty. `timeless` is how many pours wait until the clock is believed.
    """

    def __init__(self, spool: Path, runtime: Path | None, clock: WallClock) -> None:
        self.problem = ""
        self.spool = spool
        self.writer = PourWriter()
        self.states = StateFiles(runtime, self.writer, spool)
        self._clock = clock
        self._to_complete = True
        self._unreadable: set[str] = set()
        self.timeless = 0
        self._limit = HourlyLimit()
        self._retry_s = FIRST_RETRY_S
        self._try_s = 0.0
        self._checkpoint_s = self._clock_s = 0.0
        self._checkpointed: dict[int, Flow] = {}

    def load(self) -> dict[int, PinState]:
        """The states that an earlier process of this boot has left, by pin. If its spool was another one, nothing of it stays there."""
        states = self.states.load(self._clock.boot_id)
        for old in {Path(state.spool) for state in states.values() if state.spool} - {self.spool}:
            spool, self.spool = self.spool, old
            self.move(spool)
        return states

    def save(self, tap: Tap) -> None:
        """Writes the state of a tap."""
        if tap.knows_its_numbers:
            tap.stamp(self._clock.read())
            self.states.save(tap.state())

    def record(self, tap: Tap, events: list[Event]) -> None:
        """Takes over what a tap has found."""
        pin = tap.config.pin
        for event in events:
            if not (isinstance(event, Ended) and event.kind is Kind.POUR):
                self.writer.discard(pin)
                continue
            checkpoint = tap.checkpoint(event.flow, self._clock.read())
            if not self.writer.end(pin, checkpoint):
                log.error("pin %d: a pour is lost, because the spool cannot be written and memory is full: %s", pin, checkpoint.text)

    def due_s(self, taps: Iterable[Tap]) -> float:
        """When to call `write()`, in monotonic seconds."""
        due = [float("inf")]
        if self.writer.pending or self._to_complete or self.problem:
            due.append(0.0)
        if self.timeless:
            due.append(self._clock_s)
        if self._changed(taps):
            due.append(self._checkpoint_s)
        return max(min(due), self._try_s)

    def write(self, taps: list[Tap], now_s: float, is_last: bool = False) -> tuple[list[Written], Completed]:
        """Writes what is due. Returns the pours that are in the spool now. What fails is tried again later, or in the next process."""
        if is_last:
            self._checkpoint_s = 0.0
            now_s += LAST_ROUND_S - ROUND_S
        written: list[Written] = []
        completed = Completed()
        try:
            with self._open() as directory:
                self._write(directory, taps, now_s, written, completed)
        except OSError as error:
            self._failed(error, now_s)
        else:
            self._succeeded()
        return written, completed

    def resume(self, pins: dict[int, int]) -> dict[int, Checkpoint]:
        """The pours of this boot that go on although there is no state of their pins, by pin.

        `pins` has the GPIO numbers of those, by the flow meter's number on the server.
        """
        resumed: dict[int, Checkpoint] = {}
        with contextlib.suppress(OSError), self._open() as directory:
            for name, found in leftovers.running(directory, self._clock.boot_id).items() if pins else ():
                pin = pins.get(found.pin)
                if pin is not None and pin not in resumed:
                    resumed[pin] = found
                    self.writer.restore(pin, name, ())
        return resumed

    def move(self, spool: Path) -> None:
        """The spool of a configuration that was read again. What is not a pour yet goes there, and nothing waits any longer."""
        self._try_s, self._retry_s = 0.0, FIRST_RETRY_S
        if spool == self.spool:
            return
        try:
            with self._open() as directory:
                self.writer.leave(directory)
        except OSError as error:
            log.warning(
                "%s: the unfinished pours in it cannot be removed (%s); they are sent twice if it is used again", self.spool, error.strerror
            )
        self.states.spool = spool
        self.states.update_all()
        self.spool, self.problem, self._to_complete = spool, "", True
        self._unreadable.clear()
        self._checkpoint_s = 0.0
        self._checkpointed.clear()

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        """The spool as it is now: it may be another directory than before. Raises OSError."""
        directory = os.open(self.spool, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield directory
        finally:
            os.close(directory)

    def _write(self, directory: int, taps: list[Tap], now_s: float, written: list[Written], completed: Completed) -> None:
        clock = self._clock.read()
        while self.writer.pending and time.monotonic() < now_s + ROUND_S:
            if published := self.writer.publish_next(directory):
                written.append(published)
                continue
            pin = self.writer.next_pin
            if self.writer.name_next(directory):
                self.states.update(pin)
            waiting = self.writer.write_next(directory, clock)
            self.states.update(pin)
            if waiting:
                self.timeless += 1
                written.append(waiting)
        for tap in self._changed(taps) if now_s >= self._checkpoint_s else []:
            self._checkpoint(directory, tap)
            self._checkpoint_s = now_s + CHECKPOINT_S
        if self._to_complete or (self.timeless and clock):
            leftovers.complete(directory, clock, self.writer.names, completed, now_s + ROUND_S)
            self._to_complete, self.timeless = not completed.is_all, completed.timeless
            completed.unreadable = [name for name in completed.unreadable if name not in self._unreadable]
            self._unreadable.update(completed.unreadable)
        self._clock_s = now_s + CLOCK_RETRY_S

    def _changed(self, taps: Iterable[Tap]) -> list[Tap]:
        """The taps whose running pour is to be written."""
        return [tap for tap in taps if tap.pours and tap.flow != self._checkpointed.get(tap.config.pin)]

    def _checkpoint(self, directory: int, tap: Tap) -> None:
        pin, flow = tap.config.pin, tap.flow
        if flow is not None:
            checkpoint = tap.checkpoint(flow, self._clock.read())
            if self.writer.reserve(directory, pin, checkpoint):
                self.save(tap)
            self.writer.checkpoint(directory, pin, checkpoint)
            self._checkpointed[pin] = flow

    def _failed(self, error: OSError, now_s: float) -> None:
        self.problem = f"spool {self.spool}: {error.strerror}"
        self._try_s = now_s + self._retry_s
        self._retry_s = min(2 * self._retry_s, LONGEST_RETRY_S)
        if self._limit.allows(self.problem, now_s):
            fix = _FIXES.get(error.errno or 0, "see the kernel's messages: journalctl --dmesg")
            log.error("the spool %s cannot be written (%s); pours wait in memory; fix: %s", self.spool, error.strerror, fix)

    def _succeeded(self) -> None:
        if self.problem and self._limit.end():
            log.info("the spool %s can be written again", self.spool)
        self.problem, self._retry_s, self._try_s = "", FIRST_RETRY_S, 0.0
