"""Whether the wall clock has been set; how long to sleep."""

from __future__ import annotations

import math

RELEASE_MONTH_S = 1793491200
"""Unix time of 2026-11-01T00:00:00Z, the month of this release."""


def is_set(unix_time_s: float) -> bool:
    """Whether a wall clock that shows `unix_time_s` has been set.

    A Raspberry Pi has no battery-backed clock: after boot it shows a time before this program was released,
    until NTP sets it. No message may contain such a time.
    """
    return unix_time_s >= RELEASE_MONTH_S


def poll_timeout_ms(seconds: float) -> int:
    """The time-out for poll(2), rounded up, at most one day."""
    return math.ceil(max(0.0, min(seconds, 86_400.0)) * 1000)
