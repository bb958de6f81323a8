"""Reports what the taps do: the status of `systemctl status`, and the log."""

from __future__ import annotations

import logging
import time

from ..core.syslog_handler import HourlyLimit
from .config import PinConfig
from .files import RUNNING
from .flow import Cause, Detected, Ended, Event, Flow, Kind
from .leftovers import Completed
from .recorder import Recorder
from .tap import Tap, Today
from .writer import Written

DAY_S = 86_400
_NOISE_EDGES = 20
"""Fewer edges than this are not worth a line in the log."""

log = logging.getLogger(__name__)


def amount(pulses: int, config: PinConfig) -> str:
    """Pulses as text; in litres if the meter is calibrated."""
    return f"{pulses / config.pulses_per_litre:.3f} l" if config.pulses_per_litre else number(pulses, "pulse")


def number(count: int, what: str) -> str:
    """A count with its noun, e.g. `1 pour`, `3 drips`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


class Report:
    """What was logged of each pin, and the day that is being counted."""

    def __init__(self) -> None:
        self._date = _date()
        self._noise_limits: dict[int, HourlyLimit] = {}
        self._noise: dict[int, int] = {}
        self._event_limits: dict[tuple[int, type[Event], Kind], HourlyLimit] = {}
        self._problems: dict[int, str] = {}

    # The log.

    def log_resumed(self, taps: dict[int, Tap]) -> None:
        """Logs the flows of an earlier process that go on."""
        for pin, tap in taps.items():
            if tap.flow:
                log.info("pin %d: goes on with %s of the %s that ran", pin, amount(tap.flow.pulses, tap.config), tap.kind.value)

    def log_events(self, tap: Tap, events: list[Event]) -> None:
        """Logs what is no pour: leaks, foam and the like, each at most 10 times an hour. Drips are logged once a day."""
        pin, config = tap.config.pin, tap.config
        for event in events:
            what = (pin, type(event), event.kind)
            if isinstance(event, Ended) and event.kind in (Kind.POUR, Kind.DRIP) and event.cause is not Cause.LONGEST:
                continue
            if not self._event_limits.setdefault(what, HourlyLimit()).allows(f"{event.flow}", time.monotonic()):
                continue
            size = amount(event.flow.pulses, config)
            if isinstance(event, Detected) and event.kind is Kind.FOAM:
                log.warning(
                    "pin %d: faster than %d ml/s: the keg is probably empty; what follows is not sent", pin, config.highest_rate_ml_per_s
                )
            elif isinstance(event, Detected):
                log.warning("pin %d: a leak: %s in the last minute; it is not sent; fix: close the tap, look for drops", pin, size)
            elif event.kind in (Kind.FOAM, Kind.LEAK):
                log.info("pin %d: the %s of %s, %.1f s has ended; it is not sent", pin, event.kind.value, size, _seconds(event.flow))
            else:
                log.warning("pin %d: a pour ran for %d s: it is closed, and the next begins; is the tap open?", pin, config.longest_s)

    def log_written(self, taps: dict[int, Tap], written: list[Written], completed: Completed) -> None:
        """Logs the pours that are in the spool now."""
        for pour in written:
            flow = pour.checkpoint.flow
            tap = taps.get(pour.pin)
            litres = f" ({amount(flow.pulses, tap.config)})" if tap and tap.config.pulses_per_litre else ""
            gap = f", {flow.lost} of them lost from the kernel's queue but counted" if flow.lost else ""
            waits = ", waits until the clock is set" if pour.name.endswith(RUNNING) else ""
            log.info(
                "pin %d: %s%s in %.1f s%s: %s%s", pour.pin, number(flow.pulses, "pulse"), litres, _seconds(flow), gap, pour.name, waits
            )
        for name, done in completed.pours:
            log.info("completed a pour of an earlier start or boot: %s in %.1f s: %s", number(done.pulses, "pulse"), done.et / 1000, name)
        for name in completed.unreadable:
            fix = "remove it, or write the line pin,pulses,et,ts into it and rename it to .pour"
            log.error("%s in the spool is damaged and is not sent; fix: %s", name, fix)

    def log_lines(self, taps: dict[int, Tap], now_s: float) -> None:
        """Logs lines that cannot be had, once, and noise, hourly."""
        for pin, tap in taps.items():
            problem = "" if tap.problem is None else str(tap.problem)
            if problem != self._problems.get(pin, ""):
                if problem:
                    log.error("pin %d: %s; it is tried again, at least once a minute", pin, problem)
                else:
                    log.info("pin %d: counts again", pin)
                self._problems[pin] = problem
            new = tap.noise - self._noise.setdefault(pin, tap.noise)
            if new < 0:
                self._noise[pin] = tap.noise
            elif new >= _NOISE_EDGES and self._noise_limits.setdefault(pin, HourlyLimit()).allows("noise", now_s):
                self._noise[pin] = tap.noise
                fix = "use a shielded cable, away from the compressor's; a pull-up resistor of 1 to 10 kilohms helps"
                log.warning(
                    "pin %d: %d edges closer than %d µs are noise, too fast for a wheel; fix: %s", pin, new, tap.config.debounce_us, fix
                )

    # The day.

    def day_due_s(self, taps: dict[int, Tap], now_s: float) -> float:
        """When the day ends, in monotonic seconds, if it has anything to report."""
        if all(tap.today == Today() for tap in taps.values()):
            return float("inf")
        local = time.localtime()
        return now_s + DAY_S - (local.tm_hour * 60 + local.tm_min) * 60 - local.tm_sec

    def end_day(self, taps: dict[int, Tap], is_last: bool = False) -> None:
        """Once the date has changed, or at the end of the process: logs the drips since midnight, and begins to count the next day."""
        if _date() == self._date and not is_last:
            return
        self._date = _date()
        for pin, tap in taps.items():
            if tap.today.drips:
                drips = number(tap.today.drips, "drip")
                log.info("pin %d: %s of %s in all since midnight, not sent", pin, drips, amount(tap.today.drip_pulses, tap.config))
            tap.today = Today()

    # The status.

    def summary(self, taps: dict[int, Tap], recorder: Recorder) -> str:
        """One line: problems first, then each pin, then the day."""
        parts = [recorder.problem] if recorder.problem else []
        if recorder.writer.unwritten:
            parts.append(f"{number(recorder.writer.unwritten, 'pour')} not written yet")
        if recorder.timeless:
            parts.append(f"the clock is not set, {number(recorder.timeless, 'pour')} waiting for it")
        parts += [f"pin {pin}: {_describe(tap)}" for pin, tap in taps.items()]
        days = [tap.today for tap in taps.values()]
        parts.append(f"today {number(sum(day.pours for day in days), 'pour')}, {number(sum(day.drips for day in days), 'drip')}")
        if lost := sum(day.lost for day in days):
            parts.append(f"{number(lost, 'pulse')} lost from the kernel's queue but counted")
        return "; ".join(parts)


def _describe(tap: Tap) -> str:
    flow = tap.flow
    if tap.problem is not None:
        return str(tap.problem)
    if flow is None:
        last = tap.last
        if isinstance(last, Ended) and last.kind is Kind.FOAM:
            return "idle, keg probably empty"
        if isinstance(last, Ended) and last.kind is Kind.LEAK:
            return f"idle, it leaked {amount(last.flow.pulses, tap.config)}"
        return "idle"
    size = f"{amount(flow.pulses, tap.config)} so far"
    return {Kind.FOAM: f"gas, keg probably empty, {size}", Kind.LEAK: f"leaking, {size}"}.get(tap.kind, f"pouring, {size}")


def _seconds(flow: Flow) -> float:
    return (flow.end_ns - flow.start_ns) / 1e9


def _date() -> tuple[int, int]:
    local = time.localtime()
    return local.tm_year, local.tm_yday
