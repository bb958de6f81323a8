"""Exponential backoff with full jitter, then an even pace: what keeps a fleet from coming back in one wave."""

from __future__ import annotations

import random

BASE_S = 5.0
CAP_S = 600.0
EVEN = 0.9
"""Of the cap: the least of the delays that follow the first one at the cap."""


class Backoff:
    """When to try again after so many failures in a row.

    Times are seconds on the caller's monotonic clock. The delay is drawn evenly between 0 and a ceiling
    that starts at `base_s`, doubles with each failure and stops at `cap_s`. The first delay at the cap has spread a
    fleet over all of it; those that follow differ little, and keep it spread so. Full jitter there would bring twice as many
    in the first minute of the server's return as in its average.
    """

    def __init__(self, base_s: float = BASE_S, cap_s: float = CAP_S, source: random.Random | None = None) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._source = source or random.Random()
        self.failures = 0
        self.due = float("-inf")

    def ceiling_s(self) -> float:
        """The longest delay that the next failure can bring, in seconds."""
        return self._ceiling_s(self.failures)

    def failed(self, now: float, not_before_s: float = 0.0) -> None:
        """One more failure at `now`; nothing is due before `not_before_s` seconds from it have passed."""
        floor_s = EVEN * self._cap_s if self._has_been_at_the_cap() else 0.0
        self.due = now + not_before_s + self._source.uniform(floor_s, self.ceiling_s())
        self.failures += 1

    def succeeded(self) -> None:
        """The way is free again."""
        self.failures = 0
        self.due = float("-inf")

    def _ceiling_s(self, failures: int) -> float:
        # The exponent is bounded because 2.0 ** 1024 is no float any more, and an outage may last.
        return min(self._cap_s, self._base_s * 2.0 ** min(failures, 32))

    def _has_been_at_the_cap(self) -> bool:
        return self.failures > 0 and self._ceiling_s(self.failures - 1) == self._cap_s
