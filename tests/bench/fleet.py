"""A fleet of clients on simulated time, by the client's own Retry and Queue: what arrives at the server, and when.

Clients do not know of each other, so each one is simulated by itself, and only the counts are added up.
"""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from kegnet.client.outcome import Outcome, Result
from support.virtual_client import VirtualClient

LIMIT = 4.0
"""Pings in any minute after an outage, as a multiple of the steady rate."""
DEFAULT_INTERVAL_S = 600.0
POUR_INTERVAL_S = 8640.0
"""Ten pours a day and client, spread over the day: a peak in what people drink has nothing to do with retrying."""
BIN_S = 10.0
BINS_IN_A_MINUTE = round(60 / BIN_S)
BEFORE_S = 1800.0
AFTER_S = 3600.0
"""The time around the server's return that is counted."""

_ACCEPTED = Result(Outcome.ACCEPTED, "")


@dataclass(frozen=True)
class Scenario:
    """What happens to `clients`: for `outage_s` every message comes to `outcome`; or the power fails for all at once.

    In `full_spools` of them, a fraction, `POURS_IN_FULL_SPOOL` pours wait. Without a `limit` it is only reported.
    """

    name: str
    clients: int
    outage_s: float
    interval_s: float = DEFAULT_INTERVAL_S
    outcome: Outcome = Outcome.NO_CONNECTION
    retry_after_s: float = 0.0
    full_spools: float = 0.0
    power_cut_s: float | None = None
    """All clients start within so many seconds."""
    limit: float | None = None

    POURS_IN_FULL_SPOOL = 100

    @property
    def steady_pings(self) -> float:
        """Pings a minute without an outage."""
        return 60 * self.clients / self.interval_s

    @property
    def steady_messages(self) -> float:
        """Messages a minute without an outage."""
        return self.steady_pings + 60 * self.clients / POUR_INTERVAL_S


@dataclass(frozen=True)
class Course:
    """Messages that arrived in each bin of `BIN_S`, from `BEFORE_S` before the return to `AFTER_S` after it.

    A message that could not be sent for want of a connection counts as well: that is what comes back at the return.
    """

    scenario: Scenario
    pings: list[int] = field(default_factory=lambda: [0] * round((BEFORE_S + AFTER_S) / BIN_S))
    messages: list[int] = field(default_factory=lambda: [0] * round((BEFORE_S + AFTER_S) / BIN_S))

    def add(self, other: Course) -> None:
        """Adds the counts of other clients in the same scenario."""
        self.pings[:] = map(sum, zip(self.pings, other.pings, strict=True))
        self.messages[:] = map(sum, zip(self.messages, other.messages, strict=True))

    @property
    def peak_pings(self) -> float:
        """The most pings in any minute from the return on, of the steady rate."""
        return max(_minutes_after(self.pings)) / self.scenario.steady_pings

    @property
    def peak_messages(self) -> float:
        """The most messages in any minute from the return on, of the steady rate."""
        return max(_minutes_after(self.messages)) / self.scenario.steady_messages

    def peak_pings_after(self, minutes: int) -> float:
        """As `peak_pings`, without the first `minutes` after the return."""
        return max(list(_minutes_after(self.pings))[minutes * BINS_IN_A_MINUTE :]) / self.scenario.steady_pings


def scenarios(clients: int) -> list[Scenario]:
    """What a server must expect; the first four are drawn."""
    return [
        Scenario("no connection for 10 minutes", clients, 600, limit=LIMIT),
        Scenario("no connection for 1 hour", clients, 3600, limit=LIMIT),
        Scenario("no connection for 10 hours", clients, 36_000, limit=LIMIT),
        Scenario("all switched on within one minute", clients, 0, power_cut_s=60),
        Scenario("no connection for 1 hour, a tenth of the spools full", clients, 3600, full_spools=0.1, limit=LIMIT),
        Scenario("502 to everything for 1 hour", clients, 3600, outcome=Outcome.FAILED, limit=LIMIT),
        Scenario("503 to everything for 1 hour", clients, 3600, outcome=Outcome.BUSY, limit=LIMIT),
        Scenario("503 with Retry-After: 600 for 1 hour", clients, 3600, outcome=Outcome.BUSY, retry_after_s=600),
        Scenario("no connection for 1 hour, a ping a minute", clients // 5, 3600, interval_s=60),
        Scenario("no connection for 1 hour, a ping an hour", clients, 3600, interval_s=3600),
        Scenario("no connection for 1 hour, a ping a day", clients, 3600, interval_s=86_400),
    ]


def simulate(scenario: Scenario, processes: int | None = None) -> Course:
    """Runs all clients of the scenario, in as many processes as there are processors unless `processes` says otherwise."""
    course = Course(scenario)
    parts = [range(first, min(first + 500, scenario.clients)) for first in range(0, scenario.clients, 500)]
    if processes == 1:
        for part in parts:
            course.add(_some(scenario, part))
        return course
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for some in pool.imap_unordered(partial(_some, scenario), parts):
            course.add(some)
    return course


def _some(scenario: Scenario, numbers: range) -> Course:
    course = Course(scenario)
    for number in numbers:
        for at, is_ping in _power_cut(scenario, number) if scenario.power_cut_s else _outage(scenario, number):
            place = int((at + BEFORE_S) // BIN_S)
            if 0 <= place < len(course.messages):
                course.messages[place] += 1
                course.pings[place] += is_ping
    return course


def _outage(scenario: Scenario, number: int) -> Iterator[tuple[float, bool]]:
    """When one client sends what, in seconds after the server's return."""
    source = random.Random(number)
    # The fleet has been up for long: each client began at another time.
    back_at = scenario.interval_s * (1 + source.random()) + max(BEFORE_S, scenario.outage_s)
    down_at = back_at - scenario.outage_s
    answer = Result(scenario.outcome, "", scenario.retry_after_s)
    client = VirtualClient(
        lambda now, _: answer if down_at <= now < back_at else _ACCEPTED, scenario.interval_s, seed=source.getrandbits(64)
    )
    _let_pour(client, source, down_at, back_at + AFTER_S)
    if source.random() < scenario.full_spools:
        for pour in range(scenario.POURS_IN_FULL_SPOOL):
            client.arrive(f"full-{pour}", down_at)
    client.run(back_at + AFTER_S)
    return ((attempt.at - back_at, attempt.is_ping) for attempt in client.attempts)


def _power_cut(scenario: Scenario, number: int) -> Iterator[tuple[float, bool]]:
    """When one client sends what, before and after it is switched off and on again."""
    source = random.Random(number)
    cut_at = scenario.interval_s * (1 + source.random()) + BEFORE_S
    before = VirtualClient(lambda *_: _ACCEPTED, scenario.interval_s, seed=source.getrandbits(64))
    _let_pour(before, source, cut_at - BEFORE_S, cut_at)
    before.run(cut_at)
    start_at = (scenario.power_cut_s or 0.0) * source.random()
    after = VirtualClient(lambda *_: _ACCEPTED, scenario.interval_s, seed=source.getrandbits(64))
    _let_pour(after, source, 0, AFTER_S)
    after.run(AFTER_S - start_at)
    yield from ((attempt.at - cut_at, attempt.is_ping) for attempt in before.attempts)
    yield from ((attempt.at + start_at, attempt.is_ping) for attempt in after.attempts)


def _let_pour(client: VirtualClient, source: random.Random, begin: float, end: float) -> None:
    """Lets people pour from `begin`, or half an hour earlier if there is time, to `end`."""
    at = max(0.0, begin - BEFORE_S)
    while (at := at + source.expovariate(1 / POUR_INTERVAL_S)) < end:
        client.arrive(f"{at}", at)


def _minutes_after(counts: list[int]) -> Iterator[int]:
    """The counts of every minute from the return on, a new one each bin."""
    first = round(BEFORE_S / BIN_S)
    for number in range(first, len(counts) - BINS_IN_A_MINUTE + 1):
        yield sum(counts[number : number + BINS_IN_A_MINUTE])
