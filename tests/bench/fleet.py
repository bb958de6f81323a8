"""A fleet of clients on a simulated clock, by the project's own `Backoff` and `Schedule`: what arrives at the server, and when."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from kegnet.backoff import CAP_S, Backoff
from kegnet.schedule import Schedule

PING_INTERVAL_S = 600.0
POUR_INTERVAL_S = 8640.0
"""Ten pours a day; evenly, for a peak of the drinkers' own is none of the schedule's."""
REQUEST_S = 0.05
"""From one pour of a backlog to the next."""
BIN_S = 30.0
CALM_S = 1800.0
"""How long before the outage, and how long after it, is looked at: three ping intervals."""


@dataclass
class Tap:
    """A client, as far as its times go. `pour_s`: when somebody pours next; `waiting`: pours not yet sent."""

    source: random.Random
    pour_s: float
    backoff: Backoff = field(init=False)
    schedule: Schedule = field(init=False)
    waiting: int = 0

    def __post_init__(self) -> None:
        self.boot()

    def boot(self) -> None:
        """All that memory held is gone."""
        self.backoff, self.schedule = Backoff(source=self.source), Schedule(PING_INTERVAL_S, self.source)

    def pour(self, now: float) -> None:
        """Lays into the spool what has been poured until `now`."""
        while self.pour_s <= now:
            self.waiting += 1
            self.pour_s += self.source.expovariate(1 / POUR_INTERVAL_S)

    def turn(self, now: float, answers: bool) -> float:
        """One request at `now`; when the next one is due."""
        self.pour(now)
        if not answers:
            self.backoff.failed(now)
            self.schedule.leave_until(self.backoff.due)
            return max(self.backoff.due, now if self.waiting else min(self.schedule.due, self.pour_s))
        self.backoff.succeeded()
        if self.schedule.due <= now:
            self.schedule.done(now)
        else:
            self.waiting -= 1
        return now + REQUEST_S if self.waiting else min(self.schedule.due, self.pour_s)


@dataclass(frozen=True)
class Course:
    """Arrivals a second at the server in each bin of `BIN_S`, from `CALM_S` before its return to as long after it."""

    name: str
    clients: int
    rates: list[float]
    backlog: int | None
    """Messages that waited as the server came back; None if it had not been away."""

    @property
    def steady(self) -> float:
        """What arrives in calm."""
        return self.clients * (1 / PING_INTERVAL_S + 1 / POUR_INTERVAL_S)

    @property
    def after(self) -> list[float]:
        """The rates from the return on."""
        return self.rates[len(self.rates) // 2 :]

    @property
    def limit(self) -> float | None:
        """What the peak may be after an outage: half as much again as is steady, and the backlog spread over the backoff's cap.

        None where people start their clients all at once: each pings as it starts.
        """
        if self.backlog is None:
            return None
        return 1.5 * self.steady + self.backlog / CAP_S

    @property
    def peak(self) -> float:
        """The most that arrives in a second of any bin from the return on."""
        return max(self.after)

    @property
    def peak_over_mean(self) -> float:
        """Of the time from the return on."""
        return self.peak / (sum(self.after) / len(self.after))


def _spread(clients: int, seed: int) -> Iterator[Tap]:
    for number in range(clients):
        source = random.Random(seed + number)
        tap = Tap(source, source.expovariate(1 / POUR_INTERVAL_S))
        # A fleet that has long been up: each began some time in the last interval.
        tap.schedule.done(-PING_INTERVAL_S * source.random())
        tap.schedule.done(0.0)
        yield tap


def _course(name: str, taps: list[Tap], first_s: list[float], down: float, back: float) -> Course:
    """Runs all `taps`, whose first requests come at `first_s`, while the server is away from `down` to `back`."""
    counts = [0] * round(2 * CALM_S / BIN_S)
    queue = [(when, number) for number, when in enumerate(first_s)]
    heapq.heapify(queue)
    backlog, end_s, seen = 0, back + CALM_S, False
    while queue[0][0] < end_s:
        now, number = queue[0]
        if now >= back and not seen:
            seen = True
            for tap in taps:
                tap.pour(back)
            backlog = sum(tap.waiting + (tap.schedule.due <= back) for tap in taps)
        place = int((now - (back - CALM_S)) // BIN_S)
        if place >= 0:
            counts[place] += 1
        heapq.heapreplace(queue, (taps[number].turn(now, not down <= now < back), number))
    return Course(name, len(taps), [count / BIN_S for count in counts], backlog)


def outage(name: str, clients: int, outage_s: float, seed: int = 1) -> Course:
    """The server is gone for `outage_s`."""
    taps = list(_spread(clients, seed))
    down = CALM_S
    return _course(name, taps, [min(tap.schedule.due, tap.pour_s) for tap in taps], down, down + outage_s)


def power_cut(name: str, clients: int, boot_s: float = 60.0, seed: int = 1) -> Course:
    """The current comes back to all clients, and each is up within `boot_s`; the server has been there all the time."""
    source = random.Random(seed)
    taps = list(_spread(clients, seed))
    first_s = []
    for tap in taps:
        tap.boot()
        tap.pour_s += CALM_S
        first_s.append(CALM_S + boot_s * source.random())
    return replace(_course(name, taps, first_s, CALM_S, CALM_S), backlog=None)


def courses(clients: int) -> list[Course]:
    """The three that a server must expect."""
    return [
        outage("a server gone for 10 minutes", clients, 600),
        outage("a server gone for 10 hours", clients, 36_000),
        power_cut("current back to all at once, each up within a minute", clients),
    ]
