"""The contents of a keg from its weight on a scale."""

from __future__ import annotations

from kegnet.core.problem import ProblemError

BEER_DENSITY = 1.010
"""Kilograms per litre of a usual beer: its final gravity. Carbonation changes it by less than 1 %."""
LEAST_DENSITY, MOST_DENSITY = 0.98, 1.20
"""Cider and mead can be lighter than water; strong and sweet beers are much heavier."""
POUND_G = 453.59237
GRAMS = {"kg": 1000.0, "lb": POUND_G}
"""The units for entered weights."""


class WeightError(ProblemError):
    """The weights are impossible."""


def contents_ml(gross_g: float, tare_g: float, density: float = BEER_DENSITY) -> int:
    """The beer in a keg that weighs `gross_g` with it and `tare_g` empty. Raises WeightError.

    `density` is in kilograms per litre, which is grams per millilitre.
    """
    if not LEAST_DENSITY <= density <= MOST_DENSITY:
        raise WeightError(
            f"{density:g} kg a litre is not the density of a beer (from {LEAST_DENSITY:g} to {MOST_DENSITY:g})", "enter its final gravity"
        )
    # Also refuses NaN.
    if not 0 < tare_g <= gross_g < float("inf"):
        raise WeightError("the keg weighs less than when it is empty", "check both weights, and their unit")
    return round((gross_g - tare_g) / density)
