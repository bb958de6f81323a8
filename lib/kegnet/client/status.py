"""Reports the state of the client: the status summary of `systemctl status`, and log lines for states that last."""

from __future__ import annotations

import logging
import time

from ..core import clock
from ..core.syslog_handler import HourlyLimit
from .config import Config, command
from .outcome import Outcome, Result
from .pinger import Pinger
from .retry import Retry
from .spool import Spool
from .thermometer import celsius

PINGS = "pings"
POURS = "pours"

log = logging.getLogger(__name__)


class _LastingState:
    """A state that lasts. Logged with the text `log_begin` at its start and hourly, and with `log_end` at its end."""

    def __init__(self, log_begin: str, log_end: str, fix: str = "") -> None:
        self._log_begin = log_begin
        self._log_end = log_end
        self._fix = fix
        self._limit = HourlyLimit()
        self._since: float | None = None
        self.text = ""

    def begin(self, result: Result, waiting: str, now: float) -> None:
        """Begins or continues the state, because of `result`."""
        self.text = f"{self._log_begin}: {result.reason}"
        fix = self._fix or result.fix
        if self._since is None:
            self._since = now
        if self._limit.allows(self._log_begin, now):
            retrying = f"retrying after {result.retry_after_s:.0f} s" if result.retry_after_s else "retrying"
            log.warning("%s%s; %s; %s", self.text, f"; fix: {fix}" if fix else "", retrying, waiting)

    def end(self, waiting: str, now: float, quietly: bool = False) -> None:
        """Ends the state if there is one. `quietly` does not log that."""
        if self._since is not None and self._limit.end() and not quietly:
            log.info("%s after %.0f s; %s", self._log_end, now - self._since, waiting)
        self._since, self.text = None, ""


class Status:
    """Records the results of messages. One per configuration: a reload makes a new one."""

    def __init__(self, config: Config, retry: Retry) -> None:
        self._has_sensor = config.has_sensor
        self._retry = retry
        self._server = _LastingState("server unavailable", "server available again")
        self._lanes = {kind: _LastingState(f"{kind} are not accepted", f"{kind} are accepted again") for kind in (PINGS, POURS)}
        fix = f"give the server's administrator what this prints: {command(config.path, '--setup')}"
        self._refused = _LastingState("not authorised, the server refuses this client", "authorised again", fix)
        self._clock_limit = HourlyLimit()

    def record(self, kind: str, result: Result, spool: Spool, now: float) -> None:
        """Records the `result` of a message of this kind, `PINGS` or `POURS`."""
        waiting = describe_waiting(spool)
        if result.outcome is Outcome.NO_CONNECTION:
            self._server.begin(result, waiting, now)
            return
        self._server.end(waiting, now)
        if result.outcome in (Outcome.FAILED, Outcome.BUSY):
            self._lanes[kind].begin(result, waiting, now)
        else:
            self._lanes[kind].end(waiting, now, quietly=result.outcome is not Outcome.ACCEPTED)
        if result.outcome is Outcome.REFUSED and self._retry.not_authorised:
            self._refused.begin(result, waiting, now)
        elif result.outcome is Outcome.ACCEPTED:
            self._refused.end(waiting, now)

    def check_clock(self, now: float) -> bool:
        """Returns whether the wall clock has been set. Logs if it has not."""
        if clock.is_set(time.time()):
            self._clock_limit.end()
            return True
        if self._clock_limit.allows("clock", now):
            shown = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
            fix = "connect the network, then: timedatectl set-ntp true"
            log.warning("the clock shows %s, nothing is sent before it is set; fix: %s", shown, fix)
        return False

    def summary(self, pinger: Pinger, spool: Spool) -> str:
        """One line: first the problems, then the temperature, the last ping and how many pours wait."""
        parts = [] if clock.is_set(time.time()) else ["the clock is not set"]
        parts += [problem.text for problem in (self._refused, self._server, *self._lanes.values()) if problem.text]
        if pinger.rejection:
            parts.append(f"ping rejected as invalid: {pinger.rejection}")
        if pinger.sensor_problem:
            parts.append(f"no temperature: {pinger.sensor_problem}")
        if spool.problem:
            parts.append(f"spool {spool.problem}")
        if pinger.reading is not None:
            parts.append(celsius(pinger.reading.millicelsius))
        if pinger.accepted_at_s is not None:
            parts.append("last ping accepted " + time.strftime("%Y-%m-%d %H:%M", time.localtime(pinger.accepted_at_s)))
        else:
            parts.append("no ping accepted yet" if self._has_sensor else "no sensor, no pings")
        return "; ".join([*parts, describe_waiting(spool)])


def describe_waiting(spool: Spool) -> str:
    """How many pours wait, and how many are set aside, as text."""
    waiting = "1 pour waits" if spool.waiting == 1 else f"{spool.waiting or 'no'} pours wait"
    return f"{waiting}, {spool.set_aside} set aside" if spool.set_aside else waiting
