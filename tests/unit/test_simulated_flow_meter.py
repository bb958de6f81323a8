"""The simulated flow meters of the demo: their event records are what the kernel would write."""

from __future__ import annotations

import itertools
import os

from kegnet.meter.gpio_line import Line
from kegnet.server.demo import FlowMeter

S = 10**9


def test_every_pulse_is_one_event_at_its_time_with_its_number() -> None:
    flow_meter = FlowMeter(17)
    line, edges = Line(flow_meter.read_end), []
    for start_s in (100, 200):
        flow_meter.pour(2001, 6.0, start_s * S)
        for now_ns in range(start_s * S, (start_s + 6) * S, S // 10):
            flow_meter.turn(now_ns)
            new = line.read_edges()
            assert new
            assert now_ns - S // 10 < new[0].timestamp_ns <= new[-1].timestamp_ns <= now_ns
            edges += new
        flow_meter.turn((start_s + 6) * S)
        edges += line.read_edges()
        assert not flow_meter.is_turning
    assert [edge.line_seqno for edge in edges] == list(range(1, 4003))
    steps = {after.timestamp_ns - before.timestamp_ns for before, after in itertools.pairwise(edges[:2001])}
    assert max(steps) - min(steps) <= 1
    line.close()


def test_no_late_pulse_is_left_out() -> None:
    flow_meter = FlowMeter(17)
    flow_meter.pour(1000, 6.0, 100 * S)
    flow_meter.turn(200 * S)
    assert len(os.read(flow_meter.read_end, 100_000)) == 1000 * 48
    os.close(flow_meter.read_end)
