"""The usual sizes of kegs, in millilitres."""

from __future__ import annotations

from .units import IMPERIAL_PINT_ML, US_GALLON_ML

METRIC_ML = (9_500, 19_000, 20_000, 30_000, 50_000)
"""Cornelius kegs of 9.5 and 19 litres, and the kegs of breweries."""
_US_ML = tuple(round(gallons * US_GALLON_ML) for gallons in (2.5, 5, 5.16, 7.75, 15.5))
"""Cornelius kegs, and a sixth, a quarter and half a US barrel."""
_BRITISH_ML = (19_000, round(36 * IMPERIAL_PINT_ML), 30_000, round(72 * IMPERIAL_PINT_ML), 50_000)
"""With a pin and a firkin of cask ale."""
_BY_UNIT = {"oz": _US_ML, "pt": _US_ML, "imp-pt": _BRITISH_ML}


def usual_sizes_ml(unit: str) -> tuple[int, ...]:
    """The usual sizes where that unit of volume is used, see `model.units.POURS`."""
    return _BY_UNIT.get(unit, METRIC_ML)
