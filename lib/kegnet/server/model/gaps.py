"""Finds gaps in the temperatures of a client: pauses longer than a few of its intervals. Pure; times in milliseconds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

INTERVALS = 3
"""A pause of more than this many of the client's usual intervals is a gap."""


class Stretch(Protocol):
    """A stretch of time with `number` messages, at least one."""

    @property
    def at_ms(self) -> int:
        """When it begins."""

    @property
    def length_ms(self) -> int:
        """How long it is."""

    @property
    def number(self) -> int:
        """How many messages it contains."""


def gaps_before(stretches: Sequence[Stretch]) -> list[bool]:
    """Whether there is a gap before each of `stretches`, oldest first. The first one has none.

    The usual interval is the median of all stretches, so it does not depend on their length.
    """
    if len(stretches) < 2:
        return [False for _ in stretches]
    usual_ms = statistics.median((after.at_ms - before.at_ms) / before.number for before, after in pairwise(stretches))
    return [False, *(after.at_ms - before.at_ms - before.length_ms > INTERVALS * usual_ms for before, after in pairwise(stretches))]
