"""One flow meter: its line, its session, and what it has counted today."""

from __future__ import annotations

from dataclasses import dataclass

from .checkpoint import Checkpoint, Clock
from .config import PinConfig
from .flow import Ended, Event, Flow, Kind, Snapshot
from .gpio_line import GpioError, Line
from .lines import Lines
from .pour_session import PourSession
from .state import PinState

FIRST_RETRY_S, RETRY_S = 1.0, 60.0
"""Pauses between requests of a line that is not available: the first one, doubled up to the second one. A chip can appear late at boot.

A line that breaks while it counts waits for the second one.
"""
READS = 64
"""The most reads of a line at a time. The kernel's queue has room for one; the writer of a stream can be faster than this process."""


@dataclass
class Today:
    """What a flow meter has counted since midnight. `lost` are pulses that overflowed the kernel's queue; they are in the pours."""

    pours: int = 0
    drips: int = 0
    drip_pulses: int = 0
    lost: int = 0


class Tap:
    """A flow meter that is in the configuration. It has no line as long as `problem` is not None."""

    def __init__(self, config: PinConfig, boot_id: str, state: PinState | None = None) -> None:
        """`state` continues what an earlier process of this boot has counted."""
        self.config = config
        self.problem: GpioError | None = None
        self.retry_s = 0.0
        self._pause_s = FIRST_RETRY_S
        self.last = state.last if state else None
        self.today = Today()
        self._boot_id = boot_id
        self._line: Line | None = None
        # With a state, the numbers go on; without one, they are unknown until `connect()` finds that the line is a new request.
        self._session = PourSession(config, Snapshot(None))
        # The start of a flow, and its Unix time: a step of the clock does not change it.
        self._start: tuple[int, int | None] = (0, None)
        if state is not None:
            self._session = PourSession(config, Snapshot(state.seqno, state.kind, state.flow, state.pour_end_ns))
            self._session.pulses, self._session.noise = state.pulses, state.noise
            self._start = (state.flow.start_ns if state.flow else 0, state.ts)

    @property
    def line(self) -> Line | None:
        """The line, if there is one."""
        return self._line

    @property
    def kind(self) -> Kind:
        """What the flow is that runs."""
        return self._session.snapshot.kind

    @property
    def flow(self) -> Flow | None:
        """The flow that runs."""
        return self._session.snapshot.flow

    @property
    def pours(self) -> bool:
        """Whether a flow runs that would be sent if it ended now."""
        flow = self.flow
        return flow is not None and self.kind is Kind.POUR and flow.pulses >= self.config.minimum_pulses

    @property
    def noise(self) -> int:
        """The number of edges that were too close to the one before, since the line was requested."""
        return self._session.noise

    @property
    def knows_its_numbers(self) -> bool:
        """Whether the line's sequence number is known; if not, the first edge will set it."""
        return self._session.snapshot.seqno is not None

    def connect(self, lines: Lines, now_s: float) -> bool:
        """Requests the line. Returns whether it is a new request, which the service manager must store. If it fails, `problem` is why."""
        try:
            self._line, is_adopted = lines.obtain(self.config)
        except GpioError as error:
            self.problem, self.retry_s = error, now_s + self._pause_s
            self._pause_s = min(2 * self._pause_s, RETRY_S)
            return False
        self.problem, self._pause_s = None, FIRST_RETRY_S
        if not is_adopted:
            self.begin()
        return not is_adopted

    def begin(self) -> None:
        """The line's numbers begin at 1."""
        self._session.renumber()

    def resume(self, checkpoint: Checkpoint) -> None:
        """Goes on with a checkpoint of this boot, for a line that was adopted and has no state."""
        self._session = PourSession(self.config, Snapshot(checkpoint.seqno, Kind.POUR, checkpoint.flow))
        self._session.pulses = checkpoint.flow.pulses
        self._start = (checkpoint.flow.start_ns, checkpoint.ts)

    def configure(self, config: PinConfig, lines: Lines, now_s: float) -> None:
        """Applies other parameters at once, also to the flow that runs. No edge is lost."""
        old, self.config = self.config, config
        self._session.configure(config)
        if self._line is not None and (old.bias, old.edge) != (config.bias, config.edge):
            try:
                lines.configure(config, self._line)
            except GpioError as error:
                self._break(lines, error, now_s)
        self.retry_s = 0.0
        self._pause_s = FIRST_RETRY_S

    def read(self, lines: Lines, now_ns: int) -> list[Event] | None:
        """Counts the edges until `now_ns`, at most `READS` reads, and ends a flow that is over. None if nothing has happened."""
        events: list[Event] = []
        has_changed = False
        try:
            for _ in range(READS):
                edges = [] if self._line is None else self._line.read_edges()
                if not edges:
                    break
                has_changed = True
                for edge in edges:
                    events += self._session.edge(edge.timestamp_ns, edge.line_seqno)
                if edges[-1].timestamp_ns >= now_ns:
                    break
            else:
                # The edges that wait may continue the flow.
                now_ns = edges[-1].timestamp_ns
        except GpioError as error:
            has_changed = True
            self._break(lines, error, now_ns / 1e9)
        events += self._session.pass_time(now_ns)
        return self._count(events) if events or has_changed else None

    def finish(self, lines: Lines, now_ns: int) -> list[Event]:
        """Counts the edges until now, and ends the flow that runs. `release()` follows."""
        return (self.read(lines, now_ns) or []) + self._count(self._session.finish())

    def release(self, lines: Lines) -> None:
        """Gives the line back, if there is one."""
        if self._line is not None:
            lines.release(self.config.pin, self._line)
            self._line = None

    def stamp(self, clock: Clock | None) -> None:
        """Gives the flow that runs its Unix time, if it has none yet and the clock is believed."""
        if self.flow is not None:
            self.checkpoint(self.flow, clock)

    def checkpoint(self, flow: Flow, clock: Clock | None) -> Checkpoint:
        """What a file is to contain of a flow of this tap."""
        start_ns, ts = self._start
        if start_ns != flow.start_ns or ts is None:
            ts = None if clock is None else max(0, clock.unix_ms(flow.start_ns))
            self._start = (flow.start_ns, ts)
        return Checkpoint(self.config.report_as, flow, self._session.snapshot.seqno or 0, self._boot_id, ts)

    def idle_end_ns(self) -> int | None:
        """When the flow that runs is over, unless there are more edges."""
        flow = self.flow
        return None if flow is None else flow.end_ns + self.config.idle_ms * 10**6

    def state(self) -> PinState:
        """What a restart, and other programs, must know; without the names of files."""
        snapshot = self._session.snapshot
        start_ns, ts = self._start
        return PinState(
            self.config.pin, self._boot_id, snapshot.seqno or 0, self._session.pulses, self._session.noise,
            snapshot.kind, snapshot.flow, self.last, snapshot.pour_end_ns,
            ts if snapshot.flow is not None and snapshot.flow.start_ns == start_ns else None,
            report_as=self.config.report_as,
        )  # fmt: skip

    def _count(self, events: list[Event]) -> list[Event]:
        for event in events:
            if isinstance(event, Ended):
                self.last = event
                self.today.lost += event.flow.lost
                if event.kind is Kind.POUR:
                    self.today.pours += 1
                elif event.kind is Kind.DRIP:
                    self.today.drips += 1
                    self.today.drip_pulses += event.flow.pulses
        return events

    def _break(self, lines: Lines, error: GpioError, now_s: float) -> None:
        """The line no longer counts: gives it back, and requests it again later."""
        self.release(lines)
        self.problem, self.retry_s = error, now_s + RETRY_S
