#!/usr/bin/env python3
"""kegnet-client: sends a kegerator's temperature and pours to the KegNet REST API.

The command line, the putting together of the parts, and the one main loop.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import logging
import math
import os
import select
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from kegnet import RELEASE_MONTH_S, __version__, config, deadline, logs
from kegnet.api import Api
from kegnet.backoff import Backoff
from kegnet.pinger import Pinger
from kegnet.pourfile import SpoolError, pours_wait
from kegnet.service_manager import ServiceManager
from kegnet.signer import KeyFileError, Signer
from kegnet.spool import Spool
from kegnet.thermometer import Thermometer, celsius
from kegnet.uploader import Uploader

STOP_WITHIN_S = 5.0
"""How long a request in hand may go on after SIGTERM."""
LOOK_UP_S = 0.1
"""How often it looks up from a backlog: at what else has come, and to tell how things are."""
CLOCK_LOOK_S = 5.0
"""How often the wall clock is looked at while it has not been set."""

_HERE = Path(__file__).resolve().parent
ROOT = _HERE.parent if _HERE.name == "lib" else Path("/usr/share/kegnet-client")
"""Where `conf/` and `spool/` lie: beside `lib/`; where pip has put this file elsewhere, the installed place."""

USUAL_CONFIG = ROOT / "conf" / "client.conf"

log = logging.getLogger("kegnet.client")


@dataclass(frozen=True)
class Parts:
    """The rooms of the house, furnished after one configuration."""

    config: config.Config
    spool: Spool
    api: Api
    uploader: Uploader
    pinger: Pinger


def assemble(path: Path, old: Parts | None = None) -> Parts:
    """The parts for the configuration at `path`. Raises ConfigError; then `old` is as good as before.

    The spool of `old` is kept where its place is the same: it knows which pours are accepted already.
    """
    conf = config.load(path)
    try:
        api = Api(conf, Signer.load(_key_file(conf), conf.private_key), Backoff())
    except KeyFileError as error:
        raise conf.error("privateKey", conf.private_key, str(error)) from error
    try:
        spool = old.spool if old and old.spool.path == conf.spool else Spool(conf.spool, time.monotonic())
    except SpoolError as error:
        raise conf.error("spool", conf.spool, str(error)) from error
    thermometer = Thermometer(conf.w1_devices, conf.sensor)
    return Parts(conf, spool, api, Uploader(spool, api), Pinger(thermometer, api, conf.ping_interval_s, conf.api_v1))


def _key_file(conf: config.Config) -> Path:
    """The key as systemd hands it to a service that may not read the file itself (systemd.exec(5), LoadCredential=)."""
    credential = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent"), "privkey.pem")
    return credential if os.path.exists(credential) else conf.private_key


class Signals:
    """SIGTERM and SIGINT set `stop`, SIGHUP sets `reload`; each makes `fileno()` readable."""

    def __init__(self) -> None:
        self.stop = False
        self.reload = False
        self._wakeup, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        deadline.install()
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload)

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._wakeup

    def drain(self) -> None:
        """Makes `fileno()` silent again."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._wakeup, 4096)

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop = True
        deadline.shorten(STOP_WITHIN_S)

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self.reload = True


class Client:
    """The main loop: one unit of work a turn, and sleep where nothing is due."""

    def __init__(self, path: Path, signals: Signals, service: ServiceManager) -> None:
        """Raises ConfigError where the configuration or what it names cannot serve."""
        self._path = path
        self._signals = signals
        self._service = service
        self._said = logs.Hourly()
        self._outage_since: float | None = None
        self._clock_is_set = True
        self._pinged_last = False
        self._look_up_due = time.monotonic()
        self._parts = assemble(path)
        self._tell_config("started")

    def run(self) -> None:
        """Works until SIGTERM or SIGINT."""
        self._service.ready()
        while not self._signals.stop:
            if self._signals.reload:
                self._reload()
            worked = self._turn(time.monotonic())
            now = time.monotonic()
            if not worked or now >= self._look_up_due:
                self._look_up_due = now + LOOK_UP_S
                self._tell(now)
                self._sleep(time.monotonic())
        self._service.stopping()
        self._parts.api.close()
        log.info("stopped; %s", _waiting(self._parts.spool))
        logs.flush()

    def _turn(self, now: float) -> bool:
        """Does what is due first, if anything is; whether there was something."""
        self._clock_is_set = time.time() >= RELEASE_MONTH_S
        if not self._clock_is_set:
            return False
        jobs: list[Pinger | Uploader] = [self._parts.pinger, self._parts.uploader]
        if self._pinged_last:
            # In turns, or a ping that the server never takes would keep every pour waiting.
            jobs.reverse()
        for job in jobs:
            if job.due(now) <= now:
                self._pinged_last = job is self._parts.pinger
                job.turn(now)
                return True
        return False

    def _sleep(self, now: float) -> None:
        """Sleeps until something is due, a signal comes, or the spool has something to say."""
        logs.flush()
        spool = self._parts.spool
        poll = select.poll()
        poll.register(self._signals.fileno(), select.POLLIN)
        for descriptor, events in spool.descriptors().items():
            poll.register(descriptor, events)
        for descriptor, _ in poll.poll(_milliseconds(self._next_due(now) - now)):
            if descriptor == self._signals.fileno():
                self._signals.drain()
            else:
                spool.take_events(descriptor, time.monotonic())

    def _next_due(self, now: float) -> float:
        if not self._clock_is_set:
            return min(now + CLOCK_LOOK_S, self._service.watchdog_due)
        return min(self._parts.pinger.due(now), self._parts.uploader.due(now), self._service.watchdog_due)

    def _reload(self) -> None:
        self._signals.reload = False
        self._service.reloading()
        old = self._parts
        try:
            self._parts = assemble(self._path, old)
        except config.ConfigError as error:
            log.error("not reloaded, going on as before: %s", error)
        else:
            old.api.close()
            if old.spool is not self._parts.spool:
                old.spool.close()
            self._outage_since = None
            self._tell_config("reloaded")
        # A failed request leaves cycles behind that hold a store of certificates each, of whose size Python knows nothing.
        del old
        gc.collect()
        self._service.ready()

    # What people are told.

    def _tell_config(self, what: str) -> None:
        conf = self._parts.config
        for warning in conf.warnings:
            log.warning("%s", warning)
        if _key_file(conf) != conf.private_key != conf.path.parent / "privkey.pem":
            mend = "not used, for systemd hands this service its key; name it in LoadCredential=privkey.pem:PATH of the unit"
            log.warning("%s", conf.error("privateKey", conf.private_key, mend))
        log.info("%s: version %s, client %s, server %s; %s", what, __version__, conf.uuid, conf.base_url, _waiting(self._parts.spool))
        logs.flush()

    def _tell(self, now: float) -> None:
        self._tell_clock(now)
        self._tell_server(now)
        self._service.status("; ".join(self._status()))
        self._service.alive(now)

    def _tell_clock(self, now: float) -> None:
        if not self._clock_is_set and self._said.allows("clock", now):
            log.warning("the clock stands at %s: nothing is sent before it is set", time.strftime("%Y-%m-%d %H:%M", time.gmtime()))

    def _tell_server(self, now: float) -> None:
        api, spool = self._parts.api, self._parts.spool
        if api.outage_since is not None:
            self._outage_since = api.outage_since
            if self._said.allows("outage", now):
                log.warning("server unavailable: %s; trying again; %s", api.outage_reason, _waiting(spool))
        elif self._outage_since is not None:
            if self._said.forget():
                log.info("server available again after %.0f s; %s", now - self._outage_since, _waiting(spool))
            self._outage_since = None

    def _status(self) -> list[str]:
        """The story at a glance: what is wrong, if anything, then how things are."""
        api, pinger, spool = self._parts.api, self._parts.pinger, self._parts.spool
        story = []
        if not self._clock_is_set:
            story.append("the clock is not set")
        if api.outage_since is not None:
            story.append(f"server unavailable: {api.outage_reason}")
        if pinger.refusal:
            story.append(f"ping refused: {pinger.refusal}")
        if pinger.sensor_trouble:
            story.append(f"no temperature: {pinger.sensor_trouble}")
        if spool.trouble:
            story.append(f"spool {spool.trouble}")
        if pinger.reading is not None:
            story.append(celsius(pinger.reading.millicelsius))
        if pinger.accepted_at_s is not None:
            story.append("last ping accepted " + time.strftime("%Y-%m-%d %H:%M", time.localtime(pinger.accepted_at_s)))
        else:
            story.append("no ping accepted yet")
        return [*story, _waiting(spool)]


def _waiting(spool: Spool) -> str:
    """How many pours wait, and how many are set aside, in words."""
    return pours_wait(spool.waiting) + (f", {spool.set_aside} set aside" if spool.set_aside else "")


def _milliseconds(seconds: float) -> int:
    """A poll(2) time-out that does not end too early; a long one is cut to a day."""
    return math.ceil(max(0.0, min(seconds, 86_400.0)) * 1000)


def _refuse(line: str) -> int:
    """Says why the start is refused, once on each way out, and gives the exit status."""
    log.error("%s", line)
    if not sys.stderr.isatty() and "JOURNAL_STREAM" not in os.environ:
        _complain(line)
    return os.EX_CONFIG


def _complain(line: str) -> None:
    print(f"{logs.IDENT}: {logs.escaped(line)}", file=sys.stderr)


_HELP = """\
From a new machine to the first ping:
  sudo kegnet-client --setup            makes a key, a UUID and client.conf, and says what to do with them
  sudo kegnet-client --check            looks at all there is, and names the mend of what is wrong
  sudo systemctl start kegnet-client    starts it; systemctl status kegnet-client tells how things are

Pours that were set aside, as X.pour.fail, go out again after: sudo kegnet-client --requeue

Exit status: 0; 1 where --check finds a failure, or --requeue could not put all back; 2 for a wrong command line;
78 where the configuration or the key cannot serve. Without a mode, 0 after SIGTERM or SIGINT.
See kegnet-client(8) and client.conf(5).
"""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=logs.IDENT,
        description="Sends a kegerator's temperature and pours to the KegNet REST API, in the foreground until SIGTERM; or, by its mode:",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--setup", action="store_true", help="makes what is missing: a key, a UUID, client.conf; overwrites nothing")
    modes.add_argument("--check", action="store_true", help="a doctor's round: each finding with its mend")
    modes.add_argument("--requeue", nargs="*", metavar="FILE", help="has pours that were set aside wait again: these, or all")
    modes.add_argument("--version", action="version", version=f"{logs.IDENT} {__version__}")
    parser.add_argument("--config", metavar="FILE", type=Path, default=USUAL_CONFIG, help="the configuration (%(default)s)")
    parser.add_argument("--server", metavar="URL", help="with --setup: serviceBaseURL, which is asked for otherwise")
    parser.add_argument("--json", action="store_true", help="with --check: for programs")
    arguments = parser.parse_args()
    if arguments.server is not None and not arguments.setup:
        parser.error("--server goes with --setup")
    if arguments.json and not arguments.check:
        parser.error("--json goes with --check")
    with contextlib.suppress(OSError):
        # A relative path in it is relative to where it is used from, by whatever way somebody has come there.
        if os.path.samefile(arguments.config, USUAL_CONFIG):
            arguments.config = USUAL_CONFIG
    return arguments


# The modes import their rooms themselves: the daemon does without.


def _set_up(path: Path, server: str | None) -> int:
    from kegnet import enrol

    print(enrol.set_up(path, server), end="")
    return os.EX_OK


def _check(path: Path, as_json: bool) -> int:
    from kegnet import check

    return check.check(path, as_json, usual=path == USUAL_CONFIG)


def _requeue(path: Path, files: list[str]) -> int:
    from kegnet import set_aside

    return set_aside.requeue(config.load(path), files)


def _do(arguments: argparse.Namespace) -> int:
    """Does what a mode asks for; the exit status."""
    if arguments.setup:
        return _set_up(arguments.config, arguments.server)
    if arguments.check:
        return _check(arguments.config, arguments.json)
    return _requeue(arguments.config, arguments.requeue)


def _by_hand(arguments: argparse.Namespace) -> int:
    """Does what a mode asks for, and says what is wrong in a line; the exit status."""
    _open_streams()
    try:
        status = _do(arguments)
        sys.stdout.flush()
    except config.ConfigError as error:
        _complain(str(error))
        return os.EX_CONFIG
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 128 + signal.SIGINT
    except OSError as error:
        # Of what nobody reads, such as head(1) that has seen enough, or that has no room, the rest goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 128 + signal.SIGPIPE
        _complain(f"{error.filename or 'the output'}: {error.strerror}")
        return os.EX_IOERR
    return status


def _open_streams() -> None:
    """Whatever was closed leads nowhere; and whatever a path, the locale or what is typed is like, it does no harm."""
    sys.stdin = sys.stdin or os.fdopen(os.open(os.devnull, os.O_RDONLY), "r")
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def _run(path: Path) -> int:
    """Is the daemon; the exit status."""
    logs.start()
    try:
        client = Client(path, Signals(), ServiceManager())
    except config.ConfigError as error:
        return _refuse(str(error))
    try:
        client.run()
    except Exception:
        log.critical("stopped by an error that should not be", exc_info=True)
        raise
    return os.EX_OK


def main() -> int:
    """Runs the client; the exit status."""
    arguments = _arguments()
    # What the resolver does, no signal interrupts: it must not outlast SIGTERM's grace, whatever number of name servers
    # and domains there are to try; see resolv.conf(5). Another try is the backoff's.
    os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:1")
    if arguments.setup or arguments.check or arguments.requeue is not None:
        return _by_hand(arguments)
    return _run(arguments.config)


if __name__ == "__main__":
    sys.exit(main())
