"""What a pour counts with: the k-factor of its time, and the corrections that people made."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class CorrectionKind(enum.StrEnum):
    """How a pour can be corrected.

    SPILL: it left the keg, but is nobody's drink. DELETE: it counts for nothing. MOVE: it counts for another tap.
    VOLUME: it had another volume.
    """

    SPILL = "spill"
    DELETE = "delete"
    MOVE = "move"
    VOLUME = "volume"


@dataclass(frozen=True)
class Correction:
    """A correction of the pour with the key `pour`. `value` is the key of a tap (MOVE) or millilitres (VOLUME), else None.

    `undone_ms` is None while it counts.
    """

    key: int
    pour: int
    kind: CorrectionKind
    value: int | None
    made_ms: int
    undone_ms: int | None


@dataclass(frozen=True)
class Effect:
    """What all corrections of a pour come to. `tap` and `volume_ml` are None where they are not corrected."""

    tap: int | None = None
    volume_ml: int | None = None
    spilled: bool = False
    deleted: bool = False
    corrected: bool = False


def effect_of(corrections: Iterable[Correction]) -> Effect:
    """The effect of a pour's corrections: of each kind the one with the greatest key counts; those that were undone do not."""
    last = {each.kind: each for each in sorted(corrections, key=lambda each: each.key) if each.undone_ms is None}
    move, volume = last.get(CorrectionKind.MOVE), last.get(CorrectionKind.VOLUME)
    return Effect(
        tap=None if move is None else move.value,
        volume_ml=None if volume is None else volume.value,
        spilled=CorrectionKind.SPILL in last,
        deleted=CorrectionKind.DELETE in last,
        corrected=bool(last),
    )


def factor_at(meters: Sequence[tuple[int, int]], at_ms: int, usual: int) -> int:
    """The pulses per litre at a time. `meters` are pairs of when a k-factor began to count and its pulses per litre, oldest first."""
    valid = [pulses_per_litre for from_ms, pulses_per_litre in meters if from_ms <= at_ms]
    return valid[-1] if valid else usual


def millilitres(pulses: float, pulses_per_litre: int) -> float:
    """The volume of so many pulses."""
    return 1000 * pulses / pulses_per_litre
