"""From edges to pours: each rule by itself, then all of them against a slow model."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from kegnet.meter.config import PinConfig
from kegnet.meter.flow import Cause, Detected, Ended, Event, Flow, Kind, Snapshot
from kegnet.meter.pour_session import PourSession

MS = 10**6
S = 10**9
T0 = 100 * S
PIN = PinConfig(17, 17, minimum_pulses=10)
CALIBRATED = replace(PIN, pulses_per_litre=1000)
"""One pulse is one millilitre: more than 120 pulses a second are gas, fewer than 60 a minute are a leak."""

Edges = list[tuple[int, int]]
"""The stamp of each event, and the number of edges that it stands for: 1, and those lost before it."""


def train(start_ns: int, count: int, interval_ns: int) -> Edges:
    return [(start_ns + number * interval_ns, 1) for number in range(count)]


def fed(session: PourSession, edges: Edges) -> list[Event]:
    events: list[Event] = []
    for ns, pulses in edges:
        events += session.edge(ns, ((session.snapshot.seqno or 0) + pulses) % 2**32)
    return events


def played(pin: PinConfig, *parts: Edges) -> list[Event]:
    """All events of a new session that is given the edges of `parts` and then a long silence."""
    session = PourSession(pin)
    edges = [edge for part in parts for edge in part]
    return fed(session, edges) + session.pass_time(edges[-1][0] + 100 * S)


def summary(events: list[Event]) -> list[tuple[Kind, Cause, int]]:
    return [(event.kind, event.cause, event.flow.pulses) for event in events if isinstance(event, Ended)]


def test_a_pour_lasts_from_its_first_pulse_to_its_last_without_the_idle_time() -> None:
    assert played(PIN, train(T0, 20, 3 * MS)) == [Ended(Kind.POUR, Cause.IDLE, Flow(T0, T0 + 57 * MS, 20, 0))]


def test_a_pour_ends_after_idle_and_not_a_nanosecond_earlier() -> None:
    session = PourSession(PIN)
    fed(session, train(T0, 20, 3 * MS))
    end = T0 + 57 * MS
    assert session.pass_time(end + 1200 * MS - 1) == []
    assert summary(session.pass_time(end + 1200 * MS)) == [(Kind.POUR, Cause.IDLE, 20)]
    assert session.pass_time(end + 9999 * MS) == []


def test_a_late_reader_sees_two_pours_where_the_stamps_have_a_pause() -> None:
    events = played(PIN, train(T0, 20, 3 * MS), train(T0 + 57 * MS + 1200 * MS, 30, 3 * MS))
    assert summary(events) == [(Kind.POUR, Cause.IDLE, 20), (Kind.POUR, Cause.IDLE, 30)]


def test_a_pause_shorter_than_idle_does_not_split_a_pour() -> None:
    assert summary(played(PIN, train(T0, 20, 3 * MS), train(T0 + 57 * MS + 1200 * MS - 1, 30, 3 * MS))) == [(Kind.POUR, Cause.IDLE, 50)]


def test_the_running_pour_can_be_seen() -> None:
    session = PourSession(PIN)
    assert session.snapshot == Snapshot()
    fed(session, train(T0, 20, 3 * MS))
    assert session.snapshot == Snapshot(20, Kind.POUR, Flow(T0, T0 + 57 * MS, 20, 0))


def test_an_edge_closer_than_debounce_to_the_last_accepted_one_is_noise() -> None:
    session = PourSession(PIN)
    fed(session, [(T0, 1), (T0 + 499_999, 1), (T0 + 500_000, 1), (T0 + 999_999, 1), (T0 + 1_000_000, 1)])
    assert (session.snapshot.flow, session.noise) == (Flow(T0, T0 + 1_000_000, 3, 0), 2)


def test_noise_does_not_keep_a_pour_open() -> None:
    session = PourSession(replace(PIN, debounce_us=100_000, idle_ms=200))
    fed(session, [(T0, 1), (T0 + 99 * MS, 1)])
    assert session.pass_time(T0 + 200 * MS) != []


def test_without_debounce_two_edges_at_the_same_time_are_two_pulses() -> None:
    session = PourSession(replace(PIN, debounce_us=0))
    fed(session, [(T0, 1), (T0, 1)])
    assert session.snapshot.flow == Flow(T0, T0, 2, 0)


def test_edges_lost_from_the_queue_are_counted_and_reported() -> None:
    assert played(PIN, [*train(T0, 20, 3 * MS), (T0 + 100 * MS, 31)]) == [
        Ended(Kind.POUR, Cause.IDLE, Flow(T0, T0 + 100 * MS, 51, 30)),
    ]


def test_edges_lost_before_the_first_event_of_a_line_are_counted() -> None:
    session = PourSession(PIN)
    session.edge(T0, 5)
    assert session.snapshot.flow == Flow(T0, T0, 5, 4)


def test_edges_lost_in_a_pause_are_counted_in_the_pour_of_the_first_event_after_the_gap() -> None:
    events = played(PIN, train(T0, 20, 3 * MS), [(T0 + 5 * S, 41)])
    assert [event.flow for event in events] == [Flow(T0, T0 + 57 * MS, 20, 0), Flow(T0 + 5 * S, T0 + 5 * S, 41, 40)]


def test_an_event_after_a_gap_is_never_noise() -> None:
    session = PourSession(PIN)
    fed(session, [(T0, 1), (T0 + 1, 3)])
    assert session.snapshot.flow == Flow(T0, T0 + 1, 4, 2)


def test_the_counter_of_the_kernel_wraps() -> None:
    session = PourSession(PIN, Snapshot(seqno=2**32 - 2))
    session.edge(T0, 2**32 - 1)
    session.edge(T0 + 3 * MS, 2)
    assert session.snapshot == Snapshot(2, Kind.POUR, Flow(T0, T0 + 3 * MS, 4, 2))


def test_an_event_that_is_given_twice_counts_once() -> None:
    session = PourSession(PIN)
    session.edge(T0, 1)
    assert session.edge(T0 + 5 * MS, 1) == []
    assert session.snapshot.flow == Flow(T0, T0, 1, 0)


def test_a_counter_that_went_back_is_another_request_and_loses_nothing() -> None:
    session = PourSession(PIN, Snapshot(seqno=1000))
    session.edge(T0, 1)
    assert session.snapshot == Snapshot(1, Kind.POUR, Flow(T0, T0, 1, 0))


def test_fewer_than_the_minimum_pulses_are_a_drip() -> None:
    assert summary(played(PIN, train(T0, 9, 3 * MS))) == [(Kind.DRIP, Cause.IDLE, 9)]
    assert summary(played(PIN, train(T0, 10, 3 * MS))) == [(Kind.POUR, Cause.IDLE, 10)]


def test_a_drip_does_not_leak_into_the_next_pour() -> None:
    events = played(PIN, train(T0, 9, 3 * MS), train(T0 + 5 * S, 10, 3 * MS))
    assert summary(events) == [(Kind.DRIP, Cause.IDLE, 9), (Kind.POUR, Cause.IDLE, 10)]


def test_topping_up_within_ten_seconds_is_a_pour_however_small() -> None:
    end = T0 + 57 * MS
    assert summary(played(PIN, train(T0, 20, 3 * MS), [(end + 10 * S - 1, 1)]))[1] == (Kind.POUR, Cause.IDLE, 1)
    assert summary(played(PIN, train(T0, 20, 3 * MS), [(end + 10 * S, 1)]))[1] == (Kind.DRIP, Cause.IDLE, 1)


def test_drips_after_a_pour_are_not_topping_up_for_ever() -> None:
    events = played(PIN, train(T0, 20, 3 * MS), train(T0 + 4 * S, 10, 4 * S))
    assert [kind for kind, _, _ in summary(events)] == [Kind.POUR] * 3 + [Kind.DRIP] * 8


def test_a_pour_of_another_pin_allows_no_topping_up() -> None:
    one, other = PourSession(PIN), PourSession(PIN)
    fed(one, train(T0, 20, 3 * MS))
    one.pass_time(T0 + 5 * S)
    fed(other, [(T0 + 5 * S, 1)])
    assert summary(other.pass_time(T0 + 9 * S)) == [(Kind.DRIP, Cause.IDLE, 1)]


def test_a_pour_that_is_too_long_is_closed_and_the_next_begins() -> None:
    events = played(replace(PIN, longest_s=60), train(T0, 150, S))
    assert events == [
        Ended(Kind.POUR, Cause.LONGEST, Flow(T0, T0 + 59 * S, 60, 0)),
        Ended(Kind.POUR, Cause.LONGEST, Flow(T0 + 60 * S, T0 + 119 * S, 60, 0)),
        Ended(Kind.POUR, Cause.IDLE, Flow(T0 + 120 * S, T0 + 149 * S, 30, 0)),
    ]


def test_the_gas_of_an_empty_keg_ends_the_pour_at_the_last_pulse_before_it() -> None:
    beer, gas = train(T0, 50, 20 * MS), train(T0 + 982 * MS, 400, 2 * MS)
    end, detected = T0 + 980 * MS, T0 + 1480 * MS
    assert played(CALIBRATED, beer, gas) == [
        Ended(Kind.POUR, Cause.GAS, Flow(T0, end, 50, 0)),
        Detected(Kind.FOAM, Flow(end, detected, 250, 0)),
        Ended(Kind.FOAM, Cause.IDLE, Flow(end, gas[-1][0], 400, 0)),
    ]


def test_a_spurt_that_is_not_too_fast_on_average_over_half_a_second_is_beer() -> None:
    events = played(CALIBRATED, train(T0, 50, 20 * MS), train(T0 + 983 * MS, 30, 3 * MS), train(T0 + 1090 * MS, 50, 20 * MS))
    assert summary(events) == [(Kind.POUR, Cause.IDLE, 130)]


def test_what_follows_gas_is_foam_until_it_is_quiet_for_idle() -> None:
    gas, slow = train(T0, 300, 2 * MS), train(T0 + 700 * MS, 50, 20 * MS)
    after = slow[-1][0] + 1200 * MS
    assert summary(played(CALIBRATED, gas, slow, train(after, 50, 20 * MS))) == [
        (Kind.DRIP, Cause.GAS, 1),
        (Kind.FOAM, Cause.IDLE, 349),
        (Kind.POUR, Cause.IDLE, 50),
    ]


def test_a_highest_rate_of_zero_counts_everything() -> None:
    assert summary(played(replace(CALIBRATED, highest_rate_ml_per_s=0), train(T0, 400, 2 * MS))) == [(Kind.POUR, Cause.IDLE, 400)]


def test_without_a_calibration_there_is_neither_foam_nor_a_leak() -> None:
    assert summary(played(PIN, train(T0, 400, 2 * MS), train(T0 + S, 70, 1100 * MS))) == [(Kind.POUR, Cause.IDLE, 470)]


def test_a_flow_under_a_millilitre_a_second_is_reported_as_a_leak_after_a_minute() -> None:
    session = PourSession(CALIBRATED)
    assert fed(session, train(T0, 55, 1100 * MS)) == []
    assert session.edge(T0 + 60_500 * MS, 56) == [Detected(Kind.LEAK, Flow(T0, T0 + 59_400 * MS, 55, 0))]
    assert session.pass_time(T0 + 70 * S) == [Ended(Kind.LEAK, Cause.IDLE, Flow(T0, T0 + 60_500 * MS, 56, 0))]


def test_a_flow_of_a_millilitre_a_second_is_a_pour() -> None:
    assert summary(played(CALIBRATED, train(T0, 100, S))) == [(Kind.POUR, Cause.IDLE, 100)]


def test_a_tap_that_is_not_closed_well_after_a_pour_does_not_take_the_pour_with_it() -> None:
    events = played(CALIBRATED, train(T0, 500, 20 * MS), train(T0 + 11 * S, 120, 1100 * MS))
    assert summary(events) == [(Kind.POUR, Cause.LEAK, 545), (Kind.LEAK, Cause.IDLE, 75)]


def test_a_pour_from_a_tap_that_leaks_is_sent() -> None:
    leak, beer = train(T0, 100, 1100 * MS), train(T0 + 110 * S, 500, 20 * MS)
    events = played(CALIBRATED, leak, beer)
    assert summary(events) == [(Kind.LEAK, Cause.TAP_OPENED, 55), (Kind.POUR, Cause.IDLE, 545)]


def test_a_session_goes_on_after_a_restart_where_it_was() -> None:
    session = PourSession(PIN)
    fed(session, train(T0, 20, 3 * MS))
    after = PourSession(PIN, session.snapshot)
    after.edge(T0 + 100 * MS, 25)
    assert after.pass_time(T0 + 5 * S) == [Ended(Kind.POUR, Cause.IDLE, Flow(T0, T0 + 100 * MS, 25, 4))]


def test_the_debounce_goes_on_over_a_restart() -> None:
    session = PourSession(PIN, Snapshot(7, Kind.POUR, Flow(T0, T0 + S, 7, 0)))
    session.edge(T0 + S + 499_999, 8)
    assert (session.snapshot.flow, session.noise) == (Flow(T0, T0 + S, 7, 0), 1)


def test_a_pour_that_goes_on_after_a_restart_is_no_gas_because_of_what_it_had_before() -> None:
    session = PourSession(CALIBRATED, Snapshot(500, Kind.POUR, Flow(T0, T0 + 9 * S, 500, 0)))
    assert fed(session, train(T0 + 9 * S + 20 * MS, 50, 20 * MS)) == []


def test_a_leak_after_a_restart_begins_after_what_was_counted_before() -> None:
    session = PourSession(CALIBRATED, Snapshot(500, Kind.POUR, Flow(T0, T0 + 9 * S, 500, 0)))
    events = fed(session, train(T0 + 10 * S, 56, 1100 * MS))
    assert events == [
        Ended(Kind.POUR, Cause.LEAK, Flow(T0, T0 + 9 * S, 500, 0)),
        Detected(Kind.LEAK, Flow(T0 + 9 * S, T0 + 68_300 * MS, 54, 0)),
    ]


def test_a_leak_goes_on_over_a_restart() -> None:
    session = PourSession(CALIBRATED, Snapshot(90, Kind.LEAK, Flow(T0, T0 + 90 * S, 90, 0)))
    assert fed(session, train(T0 + 91 * S, 20, 1100 * MS)) == []
    assert summary(session.pass_time(T0 + 200 * S)) == [(Kind.LEAK, Cause.IDLE, 110)]


def test_the_slowest_minute_that_is_no_leak_has_sixty_millilitres() -> None:
    pin = replace(CALIBRATED, idle_ms=30_000)
    assert played(pin, train(T0, 59, S), [(T0 + 60 * S, 1)])[0] == Detected(Kind.LEAK, Flow(T0, T0 + 58 * S, 59, 0))
    assert summary(played(pin, train(T0, 60, S), [(T0 + 60 * S, 1)])) == [(Kind.POUR, Cause.IDLE, 61)]


def test_a_leak_becomes_a_pour_in_the_minute_that_reaches_sixty_millilitres() -> None:
    session = PourSession(CALIBRATED)
    fed(session, train(T0, 56, 1100 * MS))  # The last edge begins the second minute.
    assert fed(session, train(T0 + 61 * S, 58, 20 * MS)) == []
    assert summary(session.edge(T0 + 63 * S, 115)) == [(Kind.LEAK, Cause.TAP_OPENED, 55)]
    assert session.snapshot.flow == Flow(T0 + 60_500 * MS, T0 + 63 * S, 60, 0)


# The slow model: it looks at whole lists of edges.


def model(pin: PinConfig, edges: Edges) -> list[Event]:
    accepted: Edges = []
    for ns, pulses in edges:
        if pulses > 1 or not accepted or ns - accepted[-1][0] >= pin.debounce_us * 1000:
            accepted.append((ns, pulses))
    flows: list[Edges] = []
    for edge in accepted:
        if flows and edge[0] - flows[-1][-1][0] < pin.idle_ms * MS:
            flows[-1].append(edge)
        else:
            flows.append([edge])
    return judged(pin, [event for flow in flows for event in pour_of(pin, flow, 0)])


def total(edges: Edges) -> int:
    return sum(pulses for _, pulses in edges)


def flow_of(edges: Edges, start_ns: int | None = None) -> Flow:
    return Flow(edges[0][0] if start_ns is None else start_ns, edges[-1][0], total(edges), total(edges) - len(edges))


def pour_of(pin: PinConfig, edges: Edges, slow: int) -> list[Event]:
    """The events of a flow that begins as a pour; before the edge number `slow` it was not too fast."""
    longest = next((i for i in range(len(edges)) if edges[i][0] - edges[0][0] >= pin.longest_s * S), len(edges))
    minute, leak = first_slow_minute(pin, edges)
    last_slow, gas = first_fast_half_second(pin, edges, slow)
    first = min(longest, leak, gas)
    if first == len(edges):
        return [Ended(Kind.POUR, Cause.IDLE, flow_of(edges))]
    if first == longest:
        return [Ended(Kind.POUR, Cause.LONGEST, flow_of(edges[:first])), *pour_of(pin, edges[first:], 0)]
    if first == leak:
        pour: list[Event] = [Ended(Kind.POUR, Cause.LEAK, flow_of(edges[:minute]))] if minute else []
        return [*pour, Detected(Kind.LEAK, flow_of(edges[minute:leak])), *leak_of(pin, edges[minute:], leak - minute)]
    foam = edges[last_slow + 1 :]
    start = edges[last_slow][0]
    return [
        Ended(Kind.POUR, Cause.GAS, flow_of(edges[: last_slow + 1])),
        Detected(Kind.FOAM, flow_of(foam[: gas - last_slow], start)),
        Ended(Kind.FOAM, Cause.IDLE, flow_of(foam, start)),
    ]


def leak_of(pin: PinConfig, edges: Edges, minute: int) -> list[Event]:
    """The events of a leak, whose next minute begins at the edge number `minute`."""
    for i in range(minute, len(edges)):
        if edges[i][0] - edges[minute][0] >= 60 * S:
            minute = i
        if total(edges[minute : i + 1]) * 1000 >= 60 * (pin.pulses_per_litre or 0):
            return [Ended(Kind.LEAK, Cause.TAP_OPENED, flow_of(edges[:minute])), *pour_of(pin, edges[minute:], i - minute)]
    return [Ended(Kind.LEAK, Cause.IDLE, flow_of(edges))]


def first_slow_minute(pin: PinConfig, edges: Edges) -> tuple[int, int]:
    """The edges with which the minute begins, and with which it is over."""
    minute = 0
    for i in range(len(edges)):
        if edges[i][0] - edges[minute][0] >= 60 * S:
            if rate(pin, total(edges[minute:i]), edges[i][0] - edges[minute][0]) < 1:
                return minute, i
            minute = i
    return 0, len(edges)


def first_fast_half_second(pin: PinConfig, edges: Edges, slow: int) -> tuple[int, int]:
    """The last edge before the flow was too fast, and the one half a second later."""
    for i in range(slow + 1, len(edges)):
        duration = edges[i][0] - edges[slow][0]
        if not 0 < pin.highest_rate_ml_per_s < rate(pin, total(edges[slow + 1 : i + 1]), duration):
            slow = i
        elif duration >= S / 2:
            return slow, i
    return 0, len(edges)


def rate(pin: PinConfig, pulses: int, duration_ns: int) -> float:
    """Millilitres a second; 1 if unknown, which is neither a leak nor gas."""
    if pin.pulses_per_litre is None:
        return 1
    return float("inf") if duration_ns == 0 else pulses * 1000 / pin.pulses_per_litre / (duration_ns / S)


def judged(pin: PinConfig, events: list[Event]) -> list[Event]:
    """The same events, where pours that are too small are drips."""
    ends: list[int] = []
    result = []
    for event in events:
        if isinstance(event, Ended) and event.kind is Kind.POUR:
            if event.flow.pulses >= pin.minimum_pulses:
                ends.append(event.flow.end_ns)
            elif not any(event.flow.start_ns - end < 10 * S for end in ends):
                event = replace(event, kind=Kind.DRIP)
        result.append(event)
    return result


PINS = st.builds(
    PinConfig,
    st.just(17),
    st.just(17),
    debounce_us=st.sampled_from([0, 500, 100_000]),
    pulses_per_litre=st.sampled_from([1000, 5600, 100, None]),
    highest_rate_ml_per_s=st.sampled_from([0, 30, 120]),
    idle_ms=st.sampled_from([1200, 30_000, 200]),
    minimum_pulses=st.sampled_from([1, 20, 160]),
    longest_s=st.sampled_from([60, 90, 600]),
)
PAUSES_NS = [0, 7 * MS, 900 * MS, 1250 * MS, 9 * S, 31 * S]
INTERVALS_NS = [0, 100_000, 500_000, 2 * MS, 7 * MS, 30 * MS, 190 * MS, 900 * MS, 1100 * MS, 1250 * MS, 9 * S, 29 * S, 31 * S]


@st.composite
def edge_lists(draw: st.DrawFn) -> Edges:
    edges: Edges = []
    now = T0
    for _ in range(draw(st.integers(1, 8))):
        interval = draw(st.sampled_from(INTERVALS_NS)) + draw(st.integers(0, 1000))
        now += draw(st.sampled_from(PAUSES_NS))
        lost = draw(st.sampled_from([0, 0, 0, 1, 50]))
        for number in range(draw(st.sampled_from([1, 9, 70, 300]))):
            edges.append((now, 1 + lost if number == 0 else 1))
            now += interval
    return edges


@settings(deadline=None, max_examples=300)
@given(PINS, edge_lists())
def test_any_edges_give_what_the_slow_model_says(pin: PinConfig, edges: Edges) -> None:
    assert played(pin, edges) == model(pin, edges)


@settings(deadline=None)
@given(PINS, edge_lists())
def test_every_edge_is_in_exactly_one_flow_or_noise(pin: PinConfig, edges: Edges) -> None:
    session = PourSession(pin)
    events = fed(session, edges) + session.pass_time(edges[-1][0] + 100 * S)
    assert sum(pulses for _, _, pulses in summary(events)) + session.noise == total(edges)


@settings(deadline=None)
@given(PINS, edge_lists(), st.integers(0, 2**32 - 1), st.data())
def test_when_and_how_often_time_passes_changes_nothing(pin: PinConfig, edges: Edges, seqno: int, data: st.DataObject) -> None:
    session = PourSession(pin, Snapshot(seqno))
    looks = data.draw(st.sets(st.integers(0, len(edges) - 1), max_size=5))
    events: list[Event] = []
    for number, edge in enumerate(edges):
        if number in looks:
            events += session.pass_time(edge[0])
        events += fed(session, [edge])
    assert events + session.pass_time(edges[-1][0] + 100 * S) == model(pin, edges)


@settings(deadline=None)
@given(PINS, edge_lists(), st.data())
def test_a_restart_at_any_moment_loses_no_edge(pin: PinConfig, edges: Edges, data: st.DataObject) -> None:
    before, after = PourSession(pin), data.draw(st.integers(0, len(edges)))
    events = fed(before, edges[:after])
    session = PourSession(pin, before.snapshot)
    events += fed(session, edges[after:]) + session.pass_time(edges[-1][0] + 100 * S)
    assert sum(pulses for _, _, pulses in summary(events)) + before.noise + session.noise == total(edges)


# What a restart and a reload need.


def test_topping_up_counts_across_a_restart() -> None:
    session = PourSession(PIN)
    fed(session, train(T0, 20, 3 * MS))
    session.pass_time(T0 + 2 * S)
    after = PourSession(PIN, session.snapshot)
    fed(after, train(T0 + 9 * S, 3, 3 * MS))
    assert summary(after.finish()) == [(Kind.POUR, Cause.IDLE, 3)]


def test_a_first_edge_whose_number_means_nothing_is_one_pulse() -> None:
    session = PourSession(PIN, Snapshot(None))
    session.edge(T0, 5000)
    session.edge(T0 + MS, 5003)
    assert (session.pulses, session.snapshot.flow) == (4, Flow(T0, T0 + MS, 4, 2))


def test_a_line_that_is_requested_again_counts_from_1() -> None:
    session = PourSession(PIN)
    fed(session, train(T0, 20, 3 * MS))
    session.renumber()
    session.edge(T0 + 100 * MS, 2)
    assert (session.pulses, session.noise, session.snapshot.seqno) == (2, 0, 2)
    assert summary(session.finish()) == [(Kind.POUR, Cause.IDLE, 22)]


def test_accepted_pulses_and_noise_are_all_edges() -> None:
    session = PourSession(PIN)
    fed(session, [(T0, 1), (T0 + 1000, 1), (T0 + MS, 5), (T0 + 20 * S, 1)])
    assert (session.pulses, session.noise) == (7, 1)


def test_other_rules_apply_at_once() -> None:
    session = PourSession(PIN)
    fed(session, train(T0, 20, 3 * MS))
    session.configure(replace(PIN, idle_ms=300, minimum_pulses=21))
    assert summary(session.pass_time(T0 + 57 * MS + 300 * MS)) == [(Kind.DRIP, Cause.IDLE, 20)]
    assert session.finish() == []
