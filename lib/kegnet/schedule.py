"""When to ping: once at the start, then every so often, at times of which a fleet's are spread evenly."""

from __future__ import annotations

import random

SPREAD = 0.03
"""Each interval is longer or shorter by up to this fraction."""


class Schedule:
    """Times about `interval_s` apart, in seconds on the caller's monotonic clock; the first is at once.

    When the second comes is drawn evenly from a whole interval, so that those who start together soon do not
    ping together any more. A ping that comes late does not put off those after it, so that an outage, which makes a fleet
    late together, leaves it as evenly spread as it was.
    """

    def __init__(self, interval_s: float, source: random.Random | None = None) -> None:
        self._interval_s = interval_s
        self._source = source or random.Random()
        self.due = float("-inf")

    def done(self, now: float) -> None:
        """What was due has been done at `now`."""
        if self.due == float("-inf"):
            self.due = now + self._interval_s * self._source.random()
            return
        # An outage may have been long.
        self.due += self._interval_s * max(0.0, (now - self.due) // self._interval_s)
        while self.due <= now:
            self.due += self._interval_s * self._source.uniform(1 - SPREAD, 1 + SPREAD)

    def leave_until(self, until: float) -> None:
        """What comes due before `until`, when it cannot be done, is left for the next time; but a first one stays due.

        A fleet that did otherwise would come back from an outage all at once, each with a value of a while ago.
        """
        if float("-inf") < self.due < until:
            self.done(until)

    def put_off(self, until: float) -> None:
        """What was due is due again, but not before `until`."""
        self.due = until
