"""What a flow meter has counted, as values.

A flow is a run of edges without a pause of `idle`. It begins as a pour and can become something that is not sent:

| kind | what it is |
| --- | --- |
| pour | enough pulses, or topping up: it begins less than 10 s after the end of a pour that had enough by itself |
| drip | a pour with fewer pulses than `minimumPulses` |
| foam | from where the flow was faster than `highestRate` for half a second, to the end of the flow: the gas of an empty keg |
| leak | from the first minute with less than 1 ml/s, to the minute that reaches 60 ml, which begins a pour, or to the end |

All times are in nanoseconds of CLOCK_MONOTONIC.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a flow is. Only a POUR is sent."""

    POUR = "pour"
    DRIP = "drip"
    FOAM = "foam"
    LEAK = "leak"


class Cause(Enum):
    """What ended a flow."""

    IDLE = "idle"
    LONGEST = "longest"
    GAS = "gas"
    LEAK = "leak"
    TAP_OPENED = "tap opened"


@dataclass(frozen=True)
class Flow:
    """The pulses from `start_ns` to the last one at `end_ns`. `lost` of the `pulses` overflowed the kernel's queue."""

    start_ns: int
    end_ns: int
    pulses: int
    lost: int

    def plus(self, edge_ns: int, pulses: int) -> Flow:
        """The flow with one more edge, which stands for `pulses`: itself and those that were lost before it."""
        return Flow(self.start_ns, edge_ns, self.pulses + pulses, self.lost + pulses - 1)

    def since(self, earlier: Flow, start_ns: int) -> Flow:
        """The part of the flow that is not in `earlier`."""
        return Flow(start_ns, self.end_ns, self.pulses - earlier.pulses, self.lost - earlier.lost)


@dataclass(frozen=True)
class Detected:
    """A running flow has just become FOAM or a LEAK. `Ended` follows at its end."""

    kind: Kind
    flow: Flow


@dataclass(frozen=True)
class Ended:
    """A flow is complete."""

    kind: Kind
    cause: Cause
    flow: Flow


@dataclass(frozen=True)
class Snapshot:
    """What a session must remember over a restart: the last sequence number, and the flow that runs, if any.

    A request that has not reported an edge yet has `seqno` 0: the kernel counts from 1. `seqno` is None if what was counted
    before is unknown: then the first edge is one pulse. `pour_end_ns` is the end of the last pour that had enough by itself.
    """

    seqno: int | None = 0
    kind: Kind = Kind.POUR
    flow: Flow | None = None
    pour_end_ns: int | None = None


Event = Detected | Ended
