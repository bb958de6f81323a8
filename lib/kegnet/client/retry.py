"""Decides when each message may be sent. No I/O: times are arguments, in monotonic seconds.

Pings and pours are two lanes, so that a problem of one never holds the other. Only a missing connection holds both.
The rules: 1 no connection, 2 failed, 3 busy, 4 refused.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from .outcome import Fate, Outcome, Result
from .refusals import Refusals

BASE_S = 5.0
CAP_S = 600.0
SPREAD = 0.03
"""Maximum relative deviation of each interval between two pings."""
ARRIVAL_GAP_S = 60.0
"""A pour that arrives more than this after the last attempt is sent at once despite a backoff."""

_NEVER = float("inf")
_LONG_AGO = float("-inf")


@dataclass(frozen=True)
class Attempts:
    """The history of the attempts to send one pour.

    `failures` orders the pours, fewest first. `due`: the earliest time of the next attempt. `refused_at`: when the server last refused it.
    """

    failures: int = 0
    due: float = _LONG_AGO
    refused_at: float | None = None

    @property
    def sort_key(self) -> tuple[bool, int]:
        """Sorts the pours: refused ones last, then fewest failures first."""
        return self.refused_at is not None, self.failures


@dataclass
class _Backoff:
    """Exponential with full jitter: a random delay of up to 5 s, then 10 s, 20 s ... up to 600 s."""

    failures: int = 0
    until: float = _LONG_AGO

    def fail(self, now: float, source: random.Random) -> None:
        self.until = now + backoff_s(self.failures, source)
        self.failures += 1

    def reset(self) -> None:
        self.failures, self.until = 0, _LONG_AGO


@dataclass
class _Lane:
    """What holds one kind of message: `pause` by rule 2, `busy` by rule 3."""

    pause: _Backoff = field(default_factory=_Backoff)
    busy: _Backoff = field(default_factory=_Backoff)
    last_attempt_at: float = _LONG_AGO

    def record_busy(self, retry_after_s: float, now: float, source: random.Random) -> None:
        self.busy.fail(now, source)
        if retry_after_s > 0:
            self.busy.until = now + retry_after_s + source.uniform(0, max(BASE_S, retry_after_s / 10))

    def processed(self) -> None:
        self.pause.reset()
        self.busy.reset()


def backoff_s(failures: int, source: random.Random) -> float:
    """The delay after one more failure than `failures` in a row, in seconds."""
    # The exponent is limited, because 2.0 ** 1024 overflows in a long outage.
    return source.uniform(0, min(CAP_S, BASE_S * 2.0 ** min(failures, 32)))


class PingSchedule:
    """When pings are due: the first at once, the second after a random part of the interval, then one interval apart.

    A late ping does not move later pings, so many clients stay evenly spread after an outage.
    """

    def __init__(self, interval_s: float, source: random.Random) -> None:
        self._interval_s = interval_s
        self._source = source
        self.due = _LONG_AGO

    def sent(self, now: float) -> None:
        """Records a ping sent at `now`, which replaces all that were due."""
        if self.due == _LONG_AGO:
            self.due = now + self._interval_s * self._source.random()
            return
        # After a long outage, skip whole intervals at once.
        self.due += self._interval_s * max(0.0, (now - self.due) // self._interval_s)
        while self.due <= now:
            self.due += self._interval_s * self._source.uniform(1 - SPREAD, 1 + SPREAD)


class Retry:
    """Decides when the next ping and the next pour may be sent, from the results of earlier messages."""

    def __init__(self, interval_s: float, has_sensor: bool = True, source: random.Random | None = None) -> None:
        self._interval_s = interval_s
        self._source = source or random.Random()
        self._schedule = PingSchedule(interval_s, self._source)
        self._connection = _Backoff()
        self._pings, self._pours = _Lane(), _Lane()
        self._reading_at = _LONG_AGO if has_sensor else _NEVER
        self._last_failed_pour: str | None = None
        self._accepted_at = _LONG_AGO
        self._refusals = Refusals()

    @property
    def connected(self) -> bool:
        """Whether the last attempt made a connection."""
        return self._connection.failures == 0

    @property
    def not_authorised(self) -> bool:
        """Whether the server has refused two messages in a row, and accepted none since."""
        return self._refusals.count >= 2

    def ping_at(self, pour: Attempts | None) -> float:
        """When the next ping may be sent. `pour`, the next one or None, matters only for rule 4: a pour may ask instead of the ping."""
        asks_at = self._refusals.ping_at(pour is not None, pour is not None and not self._was_refused(pour))
        held_until = max(self._connection.until, self._pings.pause.until, self._pings.busy.until, self._reading_at)
        return max(held_until, min(self._schedule.due, asks_at))

    def pour_at(self, pour: Attempts, arrived_at: float, now: float) -> float:
        """When `pour`, the one that is next, may be sent. `arrived_at`: when the latest of all pours arrived, not this one."""
        held_until = max(self._pours.busy.until, pour.due, self._refusals.pour_at(self._was_refused(pour), self._reading_at <= now))
        if arrived_at - max(self._pings.last_attempt_at, self._pours.last_attempt_at) <= ARRIVAL_GAP_S:
            held_until = max(held_until, self._connection.until)
        if arrived_at - self._pours.last_attempt_at <= ARRIVAL_GAP_S:
            held_until = max(held_until, self._pours.pause.until)
        return held_until

    def record_no_reading(self, again_at: float) -> None:
        """Records a failed reading; the sensor is read again at `again_at`."""
        self._reading_at = again_at

    def record_ping(self, result: Result, now: float, sent_at: float | None = None) -> None:
        """Records the result of a ping sent at `sent_at`. Unless it was accepted, invalid or refused, it stays due."""
        self._record(self._pings, result, now, now if sent_at is None else sent_at)
        if result.outcome is Outcome.FAILED:
            self._pings.pause.fail(now, self._source)
            self._pings.pause.until = min(self._pings.pause.until, now + self._interval_s)
        elif result.outcome in (Outcome.ACCEPTED, Outcome.INVALID, Outcome.REFUSED):
            self._schedule.sent(now)

    def record_pour(self, name: str, pour: Attempts, result: Result, now: float, sent_at: float | None = None) -> tuple[Fate, Attempts]:
        """Records a pour's result. Returns the action on its file, and its new history."""
        fate = self._fate(pour, result.outcome)
        self._record(self._pours, result, now, now if sent_at is None else sent_at)
        if result.outcome is Outcome.NO_CONNECTION or fate is not Fate.KEEP:
            return fate, pour
        if result.outcome is Outcome.FAILED:
            # If only one pour fails repeatedly, others may still be accepted: no pause.
            if self._last_failed_pour not in (None, name):
                self._pours.pause.fail(now, self._source)
            self._last_failed_pour = name
            due = now + backoff_s(pour.failures, self._source)
        else:
            due = _LONG_AGO
        refused_at = now if result.outcome is Outcome.REFUSED else pour.refused_at
        return fate, replace(pour, failures=pour.failures + 1, due=due, refused_at=refused_at)

    def _record(self, lane: _Lane, result: Result, now: float, sent_at: float) -> None:
        lane.last_attempt_at = now
        if result.outcome is Outcome.NO_CONNECTION:
            self._connection.fail(now, self._source)
            return
        self._connection.reset()
        if result.outcome is Outcome.BUSY:
            lane.record_busy(result.retry_after_s, now, self._source)
        elif result.outcome is not Outcome.FAILED:
            lane.processed()
            if lane is self._pours:
                self._last_failed_pour = None
        if result.outcome is Outcome.ACCEPTED:
            self._accepted_at = now
            self._refusals = Refusals()
        elif result.outcome is Outcome.REFUSED:
            self._refusals.record(lane is self._pings, sent_at, now)
        elif self._refusals.count:
            self._refusals.asked(lane is self._pings, sent_at, now)

    def _fate(self, pour: Attempts, outcome: Outcome) -> Fate:
        if outcome is Outcome.ACCEPTED:
            return Fate.DELETE
        # Refused before, others accepted since, and refused again: it refuses this pour, not the client.
        known_client = pour.refused_at is not None and self._accepted_at > pour.refused_at
        if outcome is Outcome.INVALID or (outcome is Outcome.REFUSED and known_client):
            return Fate.SET_ASIDE
        return Fate.KEEP

    def _was_refused(self, pour: Attempts) -> bool:
        """Whether `pour` was refused and nothing has been accepted since."""
        return pour.refused_at is not None and pour.refused_at >= self._accepted_at
