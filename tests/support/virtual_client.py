"""One client on simulated time: the choice that the main loop makes, without files, thermometer, network or clock."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from kegnet.client.outcome import Fate, Outcome, Result
from kegnet.client.retry import Retry
from kegnet.client.spool.queue import Entry, Queue

Server = Callable[[float, "str | None"], Result]
"""Answers the message that is sent at a time: the pour of that name, or a ping (None)."""

_NEVER = float("inf")
_SENSOR_AGAIN_S = 60.0
_MOST_PINGS_IN_A_MINUTE = 30
"""More is a loop that does not wait."""


@dataclass(frozen=True)
class Attempt:
    """A message that was sent: the pour of that name, or a ping (None)."""

    at: float
    pour: str | None
    outcome: Outcome

    @property
    def is_ping(self) -> bool:
        return self.pour is None


class VirtualClient:
    """Sends to `server` as lib/client.py does, with the product's own Retry and Queue. A request takes `request_s`.

    `has_reading` says whether the thermometer can be read at a time.
    """

    def __init__(
        self,
        server: Server,
        interval_s: float = 600,
        *,
        has_sensor: bool = True,
        has_reading: Callable[[float], bool] = lambda _: True,
        seed: int = 0,
        request_s: float = 0.05,
    ) -> None:
        self.now = 0.0
        self.attempts: list[Attempt] = []
        self.accepted: dict[str, float] = {}
        self.set_aside: dict[str, float] = {}
        self.server = server
        self.queue = Queue()
        self._arrivals: list[tuple[float, str]] = []
        self._arrived_at = -_NEVER
        self._interval_s = interval_s
        self._has_sensor = has_sensor
        self._has_reading = has_reading
        self._source = random.Random(seed)
        self._request_s = request_s
        self._pinged_last = False
        self._last_pings: deque[float] = deque(maxlen=_MOST_PINGS_IN_A_MINUTE)
        self.retry = Retry(interval_s, has_sensor, self._source)

    def arrive(self, name: str, at: float | None = None) -> None:
        """Inotify reports the pour `name` at that time, or now."""
        heapq.heappush(self._arrivals, (self.now if at is None else at, name))

    def find(self, *names: str) -> None:
        """These pours are found by reading the directory, as at a start."""
        for name in names:
            self.queue.put(Entry(name, self.now * 1e9))

    def reload(self) -> None:
        """SIGHUP, with the same configuration."""
        self.retry = Retry(self._interval_s, self._has_sensor, self._source)
        self.queue.forget_attempts()

    def run(self, until: float) -> None:
        """Works until that time."""
        while self.now < until:
            while self._arrivals and self._arrivals[0][0] <= self.now:
                at, name = heapq.heappop(self._arrivals)
                self.queue.put(Entry(name, at * 1e9))
                self._arrived_at = at
            if not self._turn():
                due = self.next_due()
                assert due > self.now, "something is due, and nothing is done"
                self.now = min(until, due)

    def next_due(self) -> float:
        """When there is something to do."""
        return min(*self._due(), self._arrivals[0][0] if self._arrivals else _NEVER)

    def pings(self, outcome: Outcome | None = None) -> list[float]:
        """When pings were sent; those with that outcome."""
        return [attempt.at for attempt in self.attempts if attempt.is_ping and outcome in (None, attempt.outcome)]

    def pours(self, name: str | None = None) -> list[float]:
        """When pours were sent, or the one of that name."""
        return [attempt.at for attempt in self.attempts if not attempt.is_ping and name in (None, attempt.pour)]

    def waiting(self) -> int:
        """How many pours are in the spool."""
        return len(self.queue)

    def _due(self) -> tuple[float, float]:
        entry = self.queue.next(self.now)
        if entry is None:
            return self.retry.ping_at(None), self.queue.next_due(self.now)
        return self.retry.ping_at(entry.attempts), self.retry.pour_at(entry.attempts, self._arrived_at, self.now)

    def _turn(self) -> bool:
        """As `Client._turn` in lib/client.py."""
        ping_due, pour_due = self._due()
        if ping_due <= self.now and not (pour_due <= self.now and self._pinged_last and self.retry.connected):
            self._pinged_last = True
            self._ping()
            return True
        if pour_due <= self.now:
            self._pinged_last = False
            self._pour()
            return True
        return False

    def _ping(self) -> None:
        if not self._has_reading(self.now):
            self.retry.record_no_reading(self.now + max(2.0, min(self._interval_s, _SENSOR_AGAIN_S)))
            return
        self.retry.record_ping(self._send(None), self.now)

    def _pour(self) -> None:
        entry = self.queue.next(self.now)
        assert entry is not None
        result = self._send(entry.name)
        fate, attempts = self.retry.record_pour(entry.name, entry.attempts, result, self.now)
        if fate is Fate.KEEP:
            self.queue.put(replace(entry, attempts=attempts))
            return
        self.queue.remove(entry.name)
        (self.accepted if fate is Fate.DELETE else self.set_aside)[entry.name] = self.now

    def _send(self, pour: str | None) -> Result:
        result = self.server(self.now, pour)
        self.attempts.append(Attempt(self.now, pour, result.outcome))
        if pour is None:
            self._last_pings.append(self.now)
            full = len(self._last_pings) == _MOST_PINGS_IN_A_MINUTE
            assert not full or self.now - self._last_pings[0] > 60, f"{_MOST_PINGS_IN_A_MINUTE} pings within a minute"
        self.now += self._request_s
        return result
