"""A flow meter whose line cannot be had yet."""

from __future__ import annotations

from pathlib import Path

from kegnet.core.systemd import ServiceManager
from kegnet.meter.config import PinConfig
from kegnet.meter.lines import Lines
from kegnet.meter.tap import Tap


def test_a_line_that_cannot_be_had_is_requested_again_soon_and_then_less_often(tmp_path: Path) -> None:
    lines, tap = Lines(ServiceManager({}), [], tmp_path), Tap(PinConfig(17, 17), "boot")
    pauses, now_s = [], 100.0
    for _ in range(9):
        assert not tap.connect(lines, now_s)
        pauses.append(tap.retry_s - now_s)
        now_s = tap.retry_s
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    tap.configure(PinConfig(17, 17), lines, now_s)
    assert tap.retry_s == 0, "a reload tries at once"
    tap.connect(lines, now_s)
    assert tap.retry_s - now_s == 1
