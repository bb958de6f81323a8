#!/usr/bin/python3
"""kegnet-meter: counts the pulses of flow meters, and writes a file for each pour: the components and the main loop."""

from __future__ import annotations

import logging
import os
import select
import signal
import time
from dataclasses import replace
from pathlib import Path

from kegnet import __version__
from kegnet.core import syslog_handler
from kegnet.core.clock import poll_timeout_ms
from kegnet.core.command_line import repair_streams, run_daemon
from kegnet.core.ini import ConfigError
from kegnet.core.signals import Signals
from kegnet.core.systemd import ServiceManager, received_descriptors
from kegnet.meter import config, single, wall_clock
from kegnet.meter.commands import arguments
from kegnet.meter.config import PinConfig
from kegnet.meter.lines import Lines
from kegnet.meter.recorder import Recorder
from kegnet.meter.report import Report
from kegnet.meter.tap import Tap
from kegnet.meter.wall_clock import WallClock

REST_S = 0.25
"""How long the lines are not read after edges were read: the kernel goes on counting."""

log = logging.getLogger("kegnet.meter")


class Meter:
    """The main loop: sleeps until there are edges, or until something is due; then reads all lines, and records what they show."""

    def __init__(self, path: Path, signals: Signals, service: ServiceManager, received: list[tuple[str, int]], clock: WallClock) -> None:
        """`received` are the descriptors from the service manager. Raises ConfigError if the configuration cannot be used."""
        self._config = conf = config.load(path)
        self._signals = signals
        self._service = service
        self._lines = Lines(service, received)
        self._report = Report()
        self._taps: dict[int, Tap] = {}
        self._rest_until = 0.0
        self._runtime = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
        self._boot_id = clock.boot_id
        self._recorder = Recorder(conf.spool, Path(self._runtime) if self._runtime else None, clock)
        self._start()

    def _start(self) -> None:
        """Goes on with what an earlier process has left, and requests the lines."""
        states = self._recorder.load()
        pins = {pin.pin for pin in self._config.pins}
        self._lines.release_others(pins)
        for pin in set(states) - pins:
            gone = replace(self._config.pins[0], pin=pin, report_as=states[pin].report_as)
            self._drop(Tap(gone, self._boot_id, states[pin]))
        for pin_config in self._config.pins:
            self._taps[pin_config.pin] = Tap(pin_config, self._boot_id, states.get(pin_config.pin))
        self._connect(time.monotonic())
        unknown = {tap.config.report_as: pin for pin, tap in self._taps.items() if tap.line and not tap.knows_its_numbers}
        for pin, checkpoint in self._recorder.resume(unknown).items():
            self._taps[pin].resume(checkpoint)
        for pin, tap in self._taps.items():
            if self._runtime and self._lines.is_stream(pin) and not tap.knows_its_numbers:
                tap.begin()
                self._recorder.save(tap)
        self._log_configuration("started")
        self._report.log_resumed(self._taps)

    def run(self) -> int:
        """Works until SIGTERM or SIGINT. Returns the exit status."""
        self._service.ready()
        while not self._stop_requested():
            self._turn()
            self._service.status(self._report.summary(self._taps, self._recorder))
            self._service.alive(time.monotonic())
            self._sleep()
        self._service.stopping()
        self._turn(is_last=True)
        self._report.end_day(self._taps, is_last=True)
        for pin, pour in self._recorder.writer.unwritten_pours:
            log.error("pin %d: a pour is not in the spool; only a restart before the next boot can write it: %s", pin, pour.text)
        log.info("stopped")
        return os.EX_OK

    def _stop_requested(self) -> bool:
        received = self._signals.read()
        if signal.SIGTERM in received or signal.SIGINT in received:
            return True
        if signal.SIGHUP in received:
            self._reload()
        return False

    def _turn(self, is_last: bool = False) -> None:
        """Reads all lines, saves the states of those that have changed, and writes what is due; at the end of the process everything."""
        self._connect(time.monotonic())
        for tap in self._taps.values():
            # The time comes first: the edges before it are in the queue, so that no flow is ended too early.
            events = tap.read(self._lines, time.monotonic_ns())
            if events is not None:
                self._rest_until = time.monotonic() + REST_S
                self._recorder.record(tap, events)
                self._recorder.save(tap)
                self._report.log_events(tap, events)
        now = time.monotonic()
        self._report.log_lines(self._taps, now)
        self._report.end_day(self._taps)
        if is_last or self._recorder.due_s(self._taps.values()) <= now:
            self._report.log_written(self._taps, *self._recorder.write(list(self._taps.values()), now, is_last))

    def _connect(self, now: float) -> None:
        """Requests the lines that are missing. The state is saved before the descriptor is stored: it has the new request's numbers."""
        for pin, tap in self._taps.items():
            if tap.line is None and tap.retry_s <= now and tap.connect(self._lines, now) and tap.line is not None:
                self._recorder.save(tap)
                self._lines.store(pin, tap.line)

    def _sleep(self) -> None:
        """Sleeps until there are edges, a signal arrives, or something is due. While edges come, it wakes four times a second."""
        syslog_handler.flush()
        now = time.monotonic()
        poll = select.poll()
        poll.register(self._signals.fileno(), select.POLLIN)
        due = max(self._due(now), self._rest_until)
        if now >= self._rest_until:
            for tap in self._taps.values():
                if tap.line is not None:
                    poll.register(tap.line.descriptor, select.POLLIN)
        elif any(tap.line is not None for tap in self._taps.values()):
            due = self._rest_until
        poll.poll(poll_timeout_ms(due - now))

    def _due(self, now: float) -> float:
        """When the next thing is to be done without an edge, in monotonic seconds."""
        idle_ends = [end_ns / 1e9 for tap in self._taps.values() if (end_ns := tap.idle_end_ns()) is not None]
        retries = [tap.retry_s for tap in self._taps.values() if tap.line is None]
        day = self._report.day_due_s(self._taps, now)
        return min(self._service.watchdog_due, self._recorder.due_s(self._taps.values()), day, *idle_ends, *retries)

    def _reload(self) -> None:
        self._service.reloading()
        try:
            conf = config.load(self._config.path)
        except ConfigError as error:
            log.error("not reloaded, the old configuration stays in use: %s", error)
        else:
            self._configure(conf)
            self._log_configuration("reloaded")
        self._service.ready()

    def _configure(self, conf: config.MeterConfig) -> None:
        """Applies another configuration. The taps that stay keep their lines, and what they have counted."""
        wanted: dict[int, PinConfig] = {pin.pin: pin for pin in conf.pins}
        for pin in set(self._taps) - set(wanted):
            self._drop(self._taps.pop(pin))
        self._config = conf
        self._recorder.move(conf.spool)
        old = self._taps
        self._taps = {pin: old.get(pin) or Tap(wanted[pin], self._boot_id) for pin in wanted}
        for pin, tap in old.items():
            tap.configure(wanted[pin], self._lines, time.monotonic())

    def _drop(self, tap: Tap) -> None:
        """The pin is not in the configuration any more: ends the flow that runs, and gives the line back."""
        events = tap.finish(self._lines, time.monotonic_ns())
        self._recorder.record(tap, events)
        self._recorder.save(tap)
        self._report.log_events(tap, events)
        tap.release(self._lines)
        self._recorder.states.forget(tap.config.pin)

    def _log_configuration(self, event: str) -> None:
        for warning in self._config.warnings:
            log.warning("%s", warning)
        pins = ", ".join(f"{pin.pin}" for pin in self._config.pins)
        log.info("%s: version %s, pins %s, spool %s", event, __version__, pins, self._config.spool)


def run_meter(path: Path) -> int:
    """Runs the flow-meter daemon with the configuration at `path`. Returns the exit status. Raises ConfigError."""
    signals, service = Signals(), ServiceManager()
    if not single.wait(path, signals, service):
        return os.EX_OK
    return Meter(path, signals, service, received_descriptors(), WallClock(wall_clock.boot_id())).run()


def main() -> None:
    """Runs the daemon, or a mode of its command line, and ends the process."""
    repair_streams()
    parsed = arguments.parse()
    if arguments.is_mode(parsed):
        # The daemon does not import what only the modes need.
        from kegnet.meter.commands import modes

        status = modes.run(parsed)
    else:
        status = run_daemon(arguments.PROGRAM, lambda: run_meter(parsed.config))
    # Not sys.exit(): it would write again what could not be written before, and fail with a traceback.
    os._exit(status)


if __name__ == "__main__":
    main()
