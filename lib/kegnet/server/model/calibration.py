"""The k-factor of a flow meter, from amounts that somebody measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kegnet.core.problem import ProblemError

LEAST_FACTOR, MOST_FACTOR = 50, 100_000
"""Pulses per litre that a flow meter for drinks can have."""
WIDEST_SPREAD = 0.5


class CalibrationError(ProblemError):
    """The amounts give no k-factor."""


@dataclass(frozen=True)
class Calibration:
    """A k-factor. `spread` is how far apart the measurements are: the greatest less the least k-factor, as a part of the k-factor."""

    pulses_per_litre: int
    spread: float


def calibrate(measured: Sequence[tuple[int, float]]) -> Calibration:
    """The k-factor of pairs of pulses and millilitres. Raises CalibrationError.

    It is all pulses over all litres, so that a large amount weighs more.
    """
    if not measured:
        raise CalibrationError("no amount was measured", "pour a known amount, such as a litre, and enter it")
    if any(pulses <= 0 for pulses, _ in measured):
        raise CalibrationError("a pour without pulses says nothing of its flow meter", "check the meter's cable, and pour again")
    # Not below or at 0, and no NaN or infinity.
    if not all(0 < ml < float("inf") for _, ml in measured):
        raise CalibrationError("an amount must be more than 0 millilitres", "enter what was poured")
    factor = 1000 * sum(pulses for pulses, _ in measured) / sum(ml for _, ml in measured)
    if not LEAST_FACTOR <= factor <= MOST_FACTOR:
        raise CalibrationError(
            f"{factor:.4g} pulses per litre are no flow meter's (from {LEAST_FACTOR} to {MOST_FACTOR})",
            "check the amount and its unit, and that it was poured by this tap",
        )
    each = [1000 * pulses / ml for pulses, ml in measured]
    spread = (max(each) - min(each)) / factor
    if spread > WIDEST_SPREAD:
        raise CalibrationError(
            f"the amounts differ from each other by {spread:.0%}", "delete the one that is wrong, or measure again without foam"
        )
    return Calibration(round(factor), spread)
