"""How fast a wheel turns: a rate from counts and their stamps. Pure values, without a clock."""

from __future__ import annotations

from collections import deque

from ..flow import Flow

WINDOW_NS = 10**9
"""A rate is the mean over this time, or over the whole flow if that is shorter."""
_PAUSE_NS = WINDOW_NS // 2
"""A pause this long after the last edge counts as part of the time."""


class Rate:
    """The pulses a second of one pin, of its running flow."""

    def __init__(self) -> None:
        self._flow_start_ns = 0
        self._samples: deque[tuple[int, int]] = deque()
        self.highest = 0.0

    def update(self, now_ns: int, pulses: int, flow: Flow | None) -> float:
        """The rate now. `pulses` is the total with those of `flow`, the flow that runs. Call it more often than every second."""
        if flow is None:
            self._samples.clear()
            return 0.0
        if not self._samples or flow.start_ns != self._flow_start_ns:
            self._flow_start_ns = flow.start_ns
            self._samples.clear()
            # From the first edge on, which begins the first interval.
            self._samples.append((flow.start_ns, pulses - flow.pulses + 1))
        if flow.end_ns > self._samples[-1][0]:
            self._samples.append((flow.end_ns, pulses))
        while len(self._samples) > 2 and self._samples[1][0] <= flow.end_ns - WINDOW_NS:
            self._samples.popleft()
        (first_ns, before), (last_ns, after) = self._samples[0], self._samples[-1]
        pause_ns = now_ns - last_ns
        duration_ns = last_ns - first_ns + (pause_ns if pause_ns > _PAUSE_NS else 0)
        rate = (after - before) * 1e9 / duration_ns if duration_ns else 0.0
        if pause_ns <= _PAUSE_NS:
            self.highest = max(self.highest, rate)
        return rate
