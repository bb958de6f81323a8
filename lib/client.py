#!/usr/bin/python3
"""kegnet-client: sends a kegerator's temperature and pours to the KegNet REST API: the components and the main loop."""

from __future__ import annotations

import gc
import logging
import os
import select
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from kegnet import __version__
from kegnet.client import config, deadline, rest_api
from kegnet.client.commands import arguments
from kegnet.client.outcome import Result
from kegnet.client.pinger import Pinger
from kegnet.client.rest_api import RestApi
from kegnet.client.retry import Retry
from kegnet.client.spool import Spool
from kegnet.client.status import PINGS, POURS, Status, describe_waiting
from kegnet.client.thermometer import Thermometer
from kegnet.client.uploader import Uploader
from kegnet.core import syslog_handler
from kegnet.core.clock import poll_timeout_ms
from kegnet.core.command_line import repair_streams, run_daemon
from kegnet.core.ini import ConfigError
from kegnet.core.signals import Signals
from kegnet.core.signing import KeyFileError, SigningKey
from kegnet.core.systemd import ServiceManager

POLL_WHILE_BUSY_S = 0.1  # Interval at which events are read and the status is updated while a backlog is sent.
CLOCK_NOT_SET_S = 5.0  # Interval at which an unset wall clock is read again.

log = logging.getLogger("kegnet.client")


@dataclass(frozen=True)
class Components:
    """The components that the loop uses, made from one configuration."""

    config: config.Config
    spool: Spool
    api: RestApi
    retry: Retry
    uploader: Uploader
    pinger: Pinger
    status: Status


def assemble(path: Path, old: Components | None = None) -> Components:
    """Makes the components for the configuration at `path`. If this raises ConfigError, `old` can still be used.

    Reuses the spool of `old` if its path is the same, because it contains the accepted pours that could not be removed.
    """
    conf = config.load(path)
    try:
        key = SigningKey.load(conf.key_file, conf.private_key)
    except KeyFileError as error:
        raise conf.error("privateKey", conf.private_key, error.problem, error.fix) from error
    api = RestApi(conf, key)
    if old and old.spool.path == conf.spool:
        spool = old.spool
        spool.forget_attempts()
    else:
        if old:
            old.spool.close()  # It may be the same directory by another path, and is locked.
        spool = Spool(conf.spool, time.monotonic())
    retry = Retry(conf.ping_interval_s, conf.has_sensor)
    pinger = Pinger(Thermometer(conf.w1_devices, conf.sensor), api, retry, conf.ping_interval_s, conf.ts_per_s)
    return Components(conf, spool, api, retry, Uploader(spool, api, retry), pinger, Status(conf, retry))


class Client:
    """The main loop: one unit of work per iteration; sleeps while nothing is due."""

    def __init__(self, path: Path, signals: Signals, service: ServiceManager) -> None:
        """Raises ConfigError if the configuration or a file that it names cannot be used."""
        self._path = path
        self._signals = signals
        self._service = service
        self._pinged_last = False
        self._poll_due = time.monotonic()  # When to poll for events although more work is due.
        self._components = assemble(path)
        self._log_configuration("started")

    def run(self) -> int:
        """Works until SIGTERM or SIGINT. Returns the exit status."""
        self._service.ready()
        while not self._stop_requested():
            if rest_api.must_restart():
                log.error("%d requests were interrupted; ending so that systemd starts a new process", rest_api.INTERRUPTED_LIMIT)
                return os.EX_TEMPFAIL
            worked = self._turn(time.monotonic())
            now = time.monotonic()
            if not worked or now >= self._poll_due:
                self._poll_due = now + POLL_WHILE_BUSY_S
                self._service.status(self._components.status.summary(self._components.pinger, self._components.spool))
                self._service.alive(now)
                self._sleep(time.monotonic())
        self._service.stopping()
        log.info("stopped; %s", describe_waiting(self._components.spool))
        return os.EX_OK

    def _stop_requested(self) -> bool:
        received = self._signals.read()
        if signal.SIGTERM in received or signal.SIGINT in received:
            return True
        if signal.SIGHUP in received:
            self._reload()
        return False

    def _turn(self, now: float) -> bool:
        """Does one unit of work if any is due. Returns whether there was one."""
        components = self._components
        if not components.status.check_clock(now):
            return False
        ping_due, pour_due = self._due(now)
        # Alternate, because slow pings at a short interval would otherwise delay pours. Without a connection, try the ping first.
        if ping_due <= now and not (pour_due <= now and self._pinged_last and components.retry.connected):
            self._pinged_last = True
            self._record(PINGS, components.pinger.turn())
            return True
        if pour_due <= now:
            self._pinged_last = False
            self._record(POURS, components.uploader.turn(now))
            return True
        return False

    def _due(self, now: float) -> tuple[float, float]:
        """When the pinger and the uploader are due, in monotonic seconds."""
        entry = self._components.spool.next(now)
        return self._components.pinger.due(entry.attempts if entry else None), self._components.uploader.due(now)

    def _record(self, kind: str, result: Result | None) -> None:
        if result is not None:
            self._components.status.record(kind, result, self._components.spool, time.monotonic())

    def _sleep(self, now: float) -> None:
        """Sleeps until something is due, a signal arrives, or the spool changes."""
        syslog_handler.flush()
        spool = self._components.spool
        poll = select.poll()
        poll.register(self._signals.fileno(), select.POLLIN)
        for descriptor, events in spool.descriptors().items():
            poll.register(descriptor, events)
        due = min(self._service.watchdog_due, *(self._due(now) if self._components.status.check_clock(now) else [now + CLOCK_NOT_SET_S]))
        for descriptor, _ in poll.poll(poll_timeout_ms(due - now)):
            if descriptor != self._signals.fileno():
                spool.read_events(descriptor, time.monotonic())

    def _reload(self) -> None:
        self._service.reloading()
        old = self._components
        try:
            self._components = assemble(self._path, old)
        except ConfigError as error:
            log.error("not reloaded, the old configuration stays in use: %s", error)
        else:
            old.api.close()
            self._log_configuration("reloaded")
        # The old components contain reference cycles with TLS contexts, whose memory the garbage collector does not count.
        del old
        gc.collect()
        self._service.ready()

    def _log_configuration(self, event: str) -> None:
        conf = self._components.config
        for warning in conf.warnings:
            log.warning("%s", warning)
        waiting = describe_waiting(self._components.spool)
        log.info("%s: version %s, client %s, server %s; %s", event, __version__, conf.uuid, conf.base_url, waiting)
        syslog_handler.flush()


def run_client(path: Path) -> int:
    """Runs the client with the configuration at `path`. Returns the exit status. Raises ConfigError."""
    deadline.install()
    return Client(path, Signals(deadline.end_soon), ServiceManager()).run()


def main() -> None:
    """Runs the client, or a mode of its command line, and ends the process."""
    repair_streams()
    parsed = arguments.parse()
    if arguments.is_mode(parsed):
        # The daemon does not import what only the modes need.
        from kegnet.client.commands import modes

        status = modes.run(parsed)
    else:
        status = run_daemon(arguments.PROGRAM, lambda: run_client(parsed.config))
    # Not sys.exit(): a finalizer might wait for a lock that an interrupted request held.
    os._exit(status)


if __name__ == "__main__":
    main()
