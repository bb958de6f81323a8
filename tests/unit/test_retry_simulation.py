"""PROTOCOL's rules of retrying, over simulated hours of one client: properties for any server, then the cases that have a name."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kegnet.client.outcome import Outcome, Result
from kegnet.client.refusals import ASK_LATER_AFTER_S, ASK_LATER_S, ASK_S
from kegnet.client.retry import BASE_S, CAP_S, SPREAD, Retry
from support.virtual_client import Server, VirtualClient

DAY_S = 86_400.0
HOUR_S = 3600.0
OUTCOMES = list(Outcome)
BROKEN = [outcome for outcome in Outcome if outcome is not Outcome.ACCEPTED]
ANSWERED = [outcome for outcome in BROKEN if outcome is not Outcome.NO_CONNECTION]
"""Without a connection neither kind can be sent; answers may differ between them."""
PAIRS = [*product((Outcome.ACCEPTED, *ANSWERED), repeat=2), (Outcome.NO_CONNECTION, Outcome.NO_CONNECTION)]


def fixed(ping: Outcome, pour: Outcome, **named: Outcome) -> Server:
    """A server that always answers alike: pings, pours, and the pours with a name of their own."""
    return lambda _, name: Result(ping if name is None else named.get(name, pour), "")


def then_well(server: Server, at: float) -> Server:
    """A server that accepts everything from that time on."""
    return lambda now, name: Result(Outcome.ACCEPTED, "") if now >= at else server(now, name)


class LargestDraws(random.Random):
    """Draws the largest delay each time, so that the bounds of a backoff are known."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


# Properties, for any server.


@dataclass(frozen=True)
class Phase:
    """For `length_s` the server answers pings with `ping` and pours with `pour`."""

    length_s: float
    ping: Result
    pour: Result


@st.composite
def phases(draw: st.DrawFn, outcomes: Sequence[Outcome] = OUTCOMES) -> Phase:
    asked_s = draw(st.sampled_from([0.0, 1.0, 30.0, 3600.0]))
    ping, pour = draw(st.sampled_from(outcomes)), draw(st.sampled_from(outcomes))
    if Outcome.NO_CONNECTION in (ping, pour):
        ping = pour = Outcome.NO_CONNECTION
    return Phase(draw(st.floats(1, 20_000)), Result(ping, "", asked_s), Result(pour, "", asked_s))


@dataclass(frozen=True)
class History:
    """What a server does, phase after phase, before it accepts everything; and when pours arrive."""

    phases: list[Phase]
    arrivals: list[float]
    found: int
    interval_s: float
    has_sensor: bool
    seed: int

    @property
    def well_at(self) -> float:
        return sum(phase.length_s for phase in self.phases)

    def server(self, now: float, name: str | None) -> Result:
        end = 0.0
        for phase in self.phases:
            end += phase.length_s
            if now < end:
                return phase.ping if name is None else phase.pour
        return Result(Outcome.ACCEPTED, "")

    def client(self, server: Server | None = None) -> VirtualClient:
        made = VirtualClient(server or self.server, self.interval_s, has_sensor=self.has_sensor, seed=self.seed)
        made.find(*(f"found-{number}" for number in range(self.found)))
        for number, at in enumerate(self.arrivals):
            made.arrive(f"arrived-{number}", at)
        return made


def histories(outcomes: Sequence[Outcome] = OUTCOMES) -> st.SearchStrategy[History]:
    return st.builds(
        History,
        phases=st.lists(phases(outcomes), min_size=1, max_size=4),
        arrivals=st.lists(st.floats(0, 40_000), max_size=10),
        found=st.integers(0, 5),
        interval_s=st.sampled_from([60.0, 600.0, 3600.0]),
        has_sensor=st.booleans(),
        seed=st.integers(0, 2**32),
    )


WITHOUT_BUSY = [outcome for outcome in Outcome if outcome is not Outcome.BUSY]
RELEASED_S = CAP_S + ASK_S + 5
"""Rules 1 and 2 wait for 10 minutes at most; rule 4 asks in 10 minutes, and a minute later if the ping whose turn it is cannot be sent."""
BUSY_S = 1.1 * HOUR_S + 5
"""Rule 3 waits for an hour and a tenth at most."""


def _all_is_sent_in_time(history: History, bound_s: float) -> None:
    client = history.client()
    client.run(history.well_at)
    waited = client.waiting()
    client.run(history.well_at + bound_s)
    late = [at for at in history.arrivals if history.well_at < at < client.now]
    assert client.waiting() == 0, f"{waited} waited as the server came back"
    assert len(client.accepted) + len(client.set_aside) == history.found + len([at for at in history.arrivals if at < client.now])
    assert len(client.accepted) >= len(late)
    if history.has_sensor:
        client.run(history.well_at + max(bound_s, (1 + SPREAD) * history.interval_s + 5))
        assert any(at >= history.well_at for at in client.pings(Outcome.ACCEPTED))


@given(histories(WITHOUT_BUSY))
@settings(max_examples=150)
def test_what_can_be_accepted_is_accepted_within_eleven_minutes_of_the_servers_return(history: History) -> None:
    _all_is_sent_in_time(history, RELEASED_S)


@given(histories())
@settings(max_examples=100)
def test_a_busy_server_is_obeyed_for_an_hour_and_a_tenth_at_most(history: History) -> None:
    _all_is_sent_in_time(history, BUSY_S)


@given(histories())
@settings(max_examples=150)
def test_nothing_goes_to_a_busy_endpoint_before_retry_after(history: History) -> None:
    client = history.client()
    not_before = {True: 0.0, False: 0.0}

    def watch(now: float, name: str | None) -> Result:
        result = history.server(now, name)
        assert now >= not_before[name is None]
        if result.outcome is Outcome.BUSY:
            not_before[name is None] = now + result.retry_after_s
        return result

    client.server = watch
    client.run(history.well_at + BUSY_S)


@given(st.lists(st.floats(0, 8 * HOUR_S), max_size=20), st.booleans())
@settings(max_examples=100)
def test_without_a_connection_attempts_are_a_backoff_apart_unless_a_pour_arrives_after_a_minute(
    arrivals: list[float], has_sensor: bool
) -> None:
    client = VirtualClient(fixed(Outcome.NO_CONNECTION, Outcome.NO_CONNECTION), has_sensor=has_sensor)
    client.retry = Retry(600, has_sensor, LargestDraws())
    client.find("found")
    for number, at in enumerate(arrivals):
        client.arrive(f"{number}", at)
    client.run(8 * HOUR_S)
    times = [attempt.at for attempt in client.attempts]
    for number, (before, after) in enumerate(pairwise(times)):
        backoff_s = min(CAP_S, BASE_S * 2.0**number)
        hurried = any(before + 60 < at <= after for at in arrivals)
        assert after - before >= backoff_s or (hurried and after - before > 60)


@given(st.lists(st.floats(0, 8 * HOUR_S), max_size=20), st.integers(0, 2**32), st.booleans())
@settings(max_examples=100)
def test_a_client_that_is_not_authorised_asks_once_a_minute_and_after_an_hour_once_in_ten(
    arrivals: list[float], seed: int, has_sensor: bool
) -> None:
    client = VirtualClient(fixed(Outcome.REFUSED, Outcome.REFUSED), has_sensor=has_sensor, seed=seed)
    client.find("a", "b")
    for number, at in enumerate(arrivals):
        client.arrive(f"{number}", at)
    client.run(8 * HOUR_S)
    assert client.retry.not_authorised
    assert not client.set_aside
    interval_pings = 2 + 1 / (1 - SPREAD)
    first_hour = [attempt.at for attempt in client.attempts if attempt.at < HOUR_S]
    assert len(first_hour) <= 2 + HOUR_S / ASK_S + HOUR_S / 600 * interval_pings
    later = [attempt.at for attempt in client.attempts if attempt.at >= ASK_LATER_AFTER_S + ASK_S]
    pings = int(has_sensor) * (7 * HOUR_S / 600 / (1 - SPREAD) + 1)
    assert len(later) <= 7 * HOUR_S / ASK_LATER_S + 1 + pings


@pytest.mark.parametrize(("ping", "pour"), PAIRS)
def test_no_pair_of_answers_gets_more_than_a_message_a_minute_beside_the_backoffs(ping: Outcome, pour: Outcome) -> None:
    client = VirtualClient(fixed(ping, pour))
    client.find("a", "b", "c")
    client.run(22 * HOUR_S)
    for hour in range(22):
        sent = sum(hour * HOUR_S <= attempt.at < (hour + 1) * HOUR_S for attempt in client.attempts)
        # Three pours and the pings, each at the steepest part of its backoff, come on top in the first hour.
        assert sent <= (120 if hour == 0 else 80)


# One pour that the server cannot take.


def test_pings_keep_their_interval_for_22_hours_beside_a_pour_that_always_gets_500() -> None:
    client = VirtualClient(fixed(Outcome.ACCEPTED, Outcome.ACCEPTED, poison=Outcome.FAILED))
    client.arrive("poison", 7200)
    client.run(7200 + 22 * HOUR_S)
    assert len(client.pours("poison")) > 100
    assert all(600 * (1 - SPREAD) - 1 <= gap <= 600 * (1 + SPREAD) + 1 for gap in _gaps(client.pings(), after=1200))
    assert len([at for at in client.pings() if at > 7200]) >= 22 * 6 * 0.97 - 1


def test_other_pours_are_sent_at_once_beside_a_pour_that_always_gets_500() -> None:
    client = VirtualClient(fixed(Outcome.ACCEPTED, Outcome.ACCEPTED, poison=Outcome.FAILED))
    client.arrive("poison", 0)
    times = [number * 1777.7 for number in range(45)]
    for at in times:
        client.arrive(f"{at}", at)
    client.run(22 * HOUR_S)
    assert all(client.accepted[f"{at}"] - at < 1 for at in times)


def test_a_thousand_good_pours_behind_one_that_gets_502_are_sent_at_once() -> None:
    client = VirtualClient(fixed(Outcome.ACCEPTED, Outcome.ACCEPTED, bad=Outcome.FAILED))
    client.find("bad", *(f"good-{number:04}" for number in range(1000)))
    client.run(60)
    assert len(client.accepted) == 1000
    assert max(client.accepted.values()) < 1000 * 0.05 + 5


def test_a_rejected_pour_is_set_aside_and_those_behind_it_are_sent_at_once() -> None:
    client = VirtualClient(fixed(Outcome.ACCEPTED, Outcome.ACCEPTED, bad=Outcome.INVALID))
    client.find("bad", "good")
    client.run(1)
    assert set(client.set_aside) == {"bad"}
    assert set(client.accepted) == {"good"}


# One lost packet.


@pytest.mark.parametrize("interval_s", [600.0, DAY_S])
@pytest.mark.parametrize("seed", range(10))
def test_one_lost_packet_delays_a_ping_by_one_step_of_the_backoff(interval_s: float, seed: int) -> None:
    lost: list[float] = []

    def server(now: float, _: str | None) -> Result:
        if now > interval_s and not lost:
            lost.append(now)
            return Result(Outcome.NO_CONNECTION, "")
        return Result(Outcome.ACCEPTED, "")

    client = VirtualClient(server, interval_s, seed=seed)
    client.run(4 * interval_s)
    after = next(at for at in client.pings() if at > lost[0])
    assert after - lost[0] <= BASE_S + 0.1


# Refused: 401 and 403.


def test_a_client_started_before_the_server_knows_it_loses_nothing() -> None:
    client = VirtualClient(then_well(fixed(Outcome.REFUSED, Outcome.REFUSED), at=5 * HOUR_S))
    client.find("a", "b", "c")
    client.arrive("d", 100)
    client.arrive("e", 4 * HOUR_S)
    client.run(5 * HOUR_S)
    assert client.waiting() == 5
    client.run(5 * HOUR_S + ASK_LATER_S + ASK_S + 1)
    assert set(client.accepted) == {"a", "b", "c", "d", "e"}


def test_a_client_without_a_thermometer_that_the_server_does_not_know_yet_loses_nothing() -> None:
    client = VirtualClient(then_well(fixed(Outcome.REFUSED, Outcome.REFUSED), at=5 * HOUR_S), has_sensor=False)
    client.find("a", "b", "c")
    client.run(5 * HOUR_S + ASK_LATER_S + 1)
    assert set(client.accepted) == {"a", "b", "c"}


def test_any_accepted_message_releases_all_refused_pours() -> None:
    accepting: list[float] = []

    def server(now: float, name: str | None) -> Result:
        if now > 2 * HOUR_S and name is None:
            accepting.append(now)
        return Result(Outcome.ACCEPTED if accepting else Outcome.REFUSED, "")

    client = VirtualClient(server)
    client.find("a", "b", "c")
    client.run(4 * HOUR_S)
    assert set(client.accepted) == {"a", "b", "c"}
    assert max(client.accepted.values()) < accepting[0] + 1


def test_one_pour_refused_twice_while_others_are_accepted_is_set_aside() -> None:
    client = VirtualClient(fixed(Outcome.ACCEPTED, Outcome.ACCEPTED, bad=Outcome.REFUSED))
    client.find("bad", "good")
    client.run(60)
    assert len(client.pours("bad")) == 2
    assert set(client.set_aside) == {"bad"}
    assert set(client.accepted) == {"good"}


def test_while_nothing_is_accepted_no_refused_pour_is_set_aside() -> None:
    client = VirtualClient(fixed(Outcome.REFUSED, Outcome.REFUSED))
    client.find("a", "b")
    client.run(7 * DAY_S)
    assert not client.set_aside


def test_after_one_refusal_another_message_is_sent_at_once() -> None:
    client = VirtualClient(fixed(Outcome.REFUSED, Outcome.REFUSED), has_sensor=False)
    client.find("a", "b", "c")
    client.run(30)
    assert [attempt.pour for attempt in client.attempts] == ["a", "b"]


# One endpoint is broken, the other one works.


@pytest.mark.parametrize("ping", ANSWERED)
def test_pours_are_sent_at_once_however_pings_are_answered(ping: Outcome) -> None:
    client = VirtualClient(fixed(ping, Outcome.ACCEPTED))
    times = [number * 1777.7 for number in range(20)]
    for at in times:
        client.arrive(f"{at}", at)
    client.run(10 * HOUR_S)
    assert all(client.accepted[f"{at}"] - at < 1 for at in times)


@pytest.mark.parametrize("pour", ANSWERED)
def test_pings_are_never_late_however_pours_are_answered(pour: Outcome) -> None:
    client = VirtualClient(fixed(Outcome.ACCEPTED, pour))
    client.find(*(f"found-{number}" for number in range(20)))
    for number in range(20):
        client.arrive(f"{number}", number * 1777.7)
    client.run(22 * HOUR_S)
    assert max(_gaps(client.pings())) <= 600 * (1 + SPREAD) + 5


def test_a_sick_thermometer_delays_no_pour() -> None:
    client = VirtualClient(fixed(Outcome.ACCEPTED, Outcome.ACCEPTED), has_reading=lambda _: False)
    client.find("a")
    client.arrive("b", 1000)
    client.run(1001)
    assert client.accepted["a"] < 1
    assert client.accepted["b"] < 1000.2


# Somebody pours while the client waits.


def _a_pour_arrives(at: float, others: list[str], server: Server) -> VirtualClient:
    client = VirtualClient(server, seed=5)
    client.retry = Retry(600, True, LargestDraws())
    client.find(*others)
    client.arrive("new", at)
    client.run(at + 1)
    return client


def _quiet_time(server: Server, others: list[str]) -> float:
    """A time more than two minutes after an attempt, in the third hour, with none due within another two."""
    client = VirtualClient(server, seed=5)
    client.retry = Retry(600, True, LargestDraws())
    client.find(*others)
    client.run(3 * HOUR_S)
    times = [attempt.at for attempt in client.attempts if attempt.at > 2 * HOUR_S]
    return next(before + 130 for before, after in pairwise(times) if after - before > 260)


def test_in_an_outage_a_pour_that_arrives_is_tried_at_once() -> None:
    server = fixed(Outcome.NO_CONNECTION, Outcome.NO_CONNECTION)
    at = _quiet_time(server, [])
    assert at <= _a_pour_arrives(at, [], server).attempts[-1].at < at + 1


def test_in_an_outage_an_arrival_tries_the_server_though_older_pours_wait() -> None:
    server = fixed(Outcome.NO_CONNECTION, Outcome.NO_CONNECTION)
    at = _quiet_time(server, ["old"])
    assert at <= _a_pour_arrives(at, ["old"], server).attempts[-1].at < at + 1


# A reload.


@pytest.mark.parametrize("outcome", BROKEN)
def test_a_reload_forgets_all_waiting(outcome: Outcome) -> None:
    def server(now: float, _: str | None) -> Result:
        return Result(outcome if now < 3 * HOUR_S else Outcome.ACCEPTED, "", HOUR_S)

    client = VirtualClient(server)
    client.find("a", "b")
    client.run(3 * HOUR_S)
    client.reload()
    client.run(3 * HOUR_S + 1)
    assert client.waiting() == 0
    assert client.pings(Outcome.ACCEPTED)


def _gaps(times: list[float], after: float = 0.0) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times) if earlier > after]
