"""Turns the edges of one flow meter into pours: pure values, without I/O and without a clock.

An edge is a pulse with the kernel's monotonic stamp and the line's sequence number (`line_seqno` of
`struct gpio_v2_line_event`), which also counts the edges that overflowed the kernel's queue.

Foam and leaks are detected only if `pulsesPerLitre` is known. All times are in nanoseconds of CLOCK_MONOTONIC.
"""

from __future__ import annotations

from .config import PinConfig
from .flow import Cause, Detected, Ended, Event, Flow, Kind, Snapshot

TOPPING_UP_NS = 10 * 10**9
GAS_NS = 10**9 // 2
"""How long a flow must be faster than `highestRate` to be gas."""
LEAK_NS = 60 * 10**9
LEAK_ML_PER_S = 1
SEQNO_RANGE = 2**32
"""`line_seqno` is an unsigned integer of 32 bits that wraps."""


class PourSession:
    """The edges of one pin, in their order.

    `pulses` counts those that were accepted, and `noise` those that were too close to the one before.
    """

    def __init__(self, pin: PinConfig, snapshot: Snapshot | None = None) -> None:
        """`snapshot` continues the session that it was taken from."""
        snapshot = snapshot or Snapshot()
        self._pin = pin
        self._idle_ns = pin.idle_ms * 10**6
        self._seqno = snapshot.seqno
        self._kind = snapshot.kind
        self._flow = snapshot.flow
        self._accepted_ns: int | None = None
        self._last_pour_end_ns = snapshot.pour_end_ns
        self.pulses = 0
        self.noise = 0
        # Where the flow began to be faster than `highestRate`, and what was counted before the minute that is being judged.
        self._slow = self._before_minute = Flow(0, 0, 0, 0)
        self._minute_ns = 0
        if snapshot.flow is not None:
            self._accepted_ns = self._minute_ns = snapshot.flow.end_ns
            self._slow = self._before_minute = snapshot.flow

    @property
    def snapshot(self) -> Snapshot:
        """The state now: what a running pour has counted so far, and what a checkpoint needs."""
        return Snapshot(self._seqno, self._kind, self._flow, self._last_pour_end_ns)

    def configure(self, pin: PinConfig) -> None:
        """Other rules from now on, also for the flow that runs."""
        self._pin = pin
        self._idle_ns = pin.idle_ms * 10**6

    def renumber(self) -> None:
        """The line was requested again: its numbers start at 1. What was counted for the request before is forgotten."""
        self._seqno = self.pulses = self.noise = 0

    def edge(self, edge_ns: int, seqno: int) -> list[Event]:
        """Counts the edge with the stamp `edge_ns`, and those that were lost before it. Returns what this ended or showed."""
        pulses = self._counted(seqno)
        # After a gap the stamp of the edge before is unknown.
        if pulses == 0 or (pulses == 1 and self._is_noise(edge_ns)):
            self.noise += pulses
            return []
        self.pulses += pulses
        self._accepted_ns = edge_ns
        events = self.pass_time(edge_ns)
        if self._flow is None:
            self._begin(edge_ns, pulses)
            return events
        if self._kind is Kind.POUR:
            return events + self._continue_pour(self._flow, edge_ns, pulses)
        if self._kind is Kind.LEAK:
            return events + self._continue_leak(self._flow, edge_ns, pulses)
        self._flow = self._flow.plus(edge_ns, pulses)
        return events

    def pass_time(self, now_ns: int) -> list[Event]:
        """Ends the flow if the last edge was `idle` before `now_ns`. The edges before `now_ns` must have been given."""
        if self._flow is None or now_ns - self._flow.end_ns < self._idle_ns:
            return []
        return self.finish()

    def finish(self) -> list[Event]:
        """Ends the flow, if there is one, as if it had been idle long enough: no more edges will come."""
        if self._flow is None:
            return []
        flow, self._flow = self._flow, None
        return [self._ended(self._kind, Cause.IDLE, flow)]

    def _counted(self, seqno: int) -> int:
        """How many edges the event with `seqno` stands for; 0 if it is the last one again."""
        edges = 1 if self._seqno is None else (seqno - self._seqno) % SEQNO_RANGE
        self._seqno = seqno
        # A number that went back is the counter of another request.
        return edges if edges < SEQNO_RANGE // 2 else 1

    def _is_noise(self, edge_ns: int) -> bool:
        return self._accepted_ns is not None and edge_ns - self._accepted_ns < self._pin.debounce_us * 1000

    def _begin(self, edge_ns: int, pulses: int) -> None:
        self._kind = Kind.POUR
        self._flow = self._slow = Flow(edge_ns, edge_ns, pulses, pulses - 1)
        self._minute_ns = edge_ns
        self._before_minute = Flow(edge_ns, edge_ns, 0, 0)

    def _continue_pour(self, flow: Flow, edge_ns: int, pulses: int) -> list[Event]:
        if edge_ns - flow.start_ns >= self._pin.longest_s * 10**9:
            self._begin(edge_ns, pulses)
            return [self._ended(Kind.POUR, Cause.LONGEST, flow)]
        if edge_ns - self._minute_ns >= LEAK_NS:
            minute = flow.since(self._before_minute, self._minute_ns)
            if self._excess(minute.pulses, edge_ns - self._minute_ns, LEAK_ML_PER_S) < 0:
                return self._begin_leak(minute, edge_ns, pulses)
            self._minute_ns, self._before_minute = edge_ns, flow
        self._flow = flow = flow.plus(edge_ns, pulses)
        return self._judge_rate(flow)

    def _judge_rate(self, flow: Flow) -> list[Event]:
        """Ends the pour where it began to be too fast, if that was half a second ago."""
        rate = self._pin.highest_rate_ml_per_s
        fast = flow.since(self._slow, self._slow.end_ns)
        duration_ns = fast.end_ns - fast.start_ns
        if rate == 0 or self._excess(fast.pulses, duration_ns, rate) <= 0:
            self._slow = flow
        elif duration_ns >= GAS_NS:
            self._kind, self._flow = Kind.FOAM, fast
            return [self._ended(Kind.POUR, Cause.GAS, self._slow), Detected(Kind.FOAM, fast)]
        return []

    def _begin_leak(self, minute: Flow, edge_ns: int, pulses: int) -> list[Event]:
        """The pour ends before the minute that was a leak. The edge begins the next minute."""
        before, self._before_minute = self._before_minute, minute
        self._minute_ns = edge_ns
        self._kind, self._flow = Kind.LEAK, minute
        ended: list[Event] = [self._ended(Kind.POUR, Cause.LEAK, before)] if before.pulses else []
        return [*ended, Detected(Kind.LEAK, minute), *self._continue_leak(minute, edge_ns, pulses)]

    def _continue_leak(self, flow: Flow, edge_ns: int, pulses: int) -> list[Event]:
        """Ends the leak before the minute that has as much as a flow: somebody has opened the tap, and this minute is a pour."""
        if edge_ns - self._minute_ns >= LEAK_NS:
            self._minute_ns, self._before_minute = edge_ns, flow
        self._flow = flow = flow.plus(edge_ns, pulses)
        minute = flow.since(self._before_minute, self._minute_ns)
        if self._excess(minute.pulses, LEAK_NS, LEAK_ML_PER_S) < 0:
            return []
        leak, self._before_minute = self._before_minute, Flow(minute.start_ns, minute.start_ns, 0, 0)
        self._kind, self._flow, self._slow = Kind.POUR, minute, minute
        return [self._ended(Kind.LEAK, Cause.TAP_OPENED, leak)]

    def _excess(self, pulses: int, duration_ns: int, ml_per_s: int) -> int:
        """Positive if `pulses` in `duration_ns` are more than `ml_per_s`, negative if they are less; 0 if the meter is not calibrated."""
        per_litre = self._pin.pulses_per_litre
        return 0 if per_litre is None else pulses * 10**12 - ml_per_s * per_litre * duration_ns

    def _ended(self, kind: Kind, cause: Cause, flow: Flow) -> Ended:
        if kind is not Kind.POUR:
            return Ended(kind, cause, flow)
        tops_up = self._last_pour_end_ns is not None and flow.start_ns - self._last_pour_end_ns < TOPPING_UP_NS
        if flow.pulses >= self._pin.minimum_pulses:
            # A pour that only tops up gives no such time to the next: otherwise drips after a pour would be sent for ever.
            self._last_pour_end_ns = flow.end_ns
        elif not tops_up:
            kind = Kind.DRIP
        return Ended(kind, cause, flow)
