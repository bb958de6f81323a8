"""The bounds of a beer's numbers and texts, and the alcohol from gravities. Pure."""

from __future__ import annotations

from .colours import MOST_SRM

NAME_CHARACTERS = 80
"""The upper bound for the name, the brewery and the style."""
NOTES_CHARACTERS = 2000
NUMBERS_AT_MOST = {"abv_percent": 100.0, "ibu": 1000.0, "srm": MOST_SRM}
"""The largest value of each number; the least is 0."""
_PERCENT_PER_GRAVITY = 131.25


def abv_of(original_gravity: float, final_gravity: float) -> float:
    """Alcohol by volume in percent, from specific gravities such as 1.050 and 1.010.

    ABV = (OG − FG) × 131.25, the formula that brewing programs call the standard or simple one. Its error is below 0.2 up to about 8 %.
    """
    return round(max(0.0, (original_gravity - final_gravity) * _PERCENT_PER_GRAVITY), 2)


def gravity_of_plato(degrees: float) -> float:
    """Specific gravity of a wort from degrees Plato (or Brix): SG = 1 + P / (258.6 − 227.1 P / 258.2). `degrees` is below 200."""
    return 1 + degrees / (258.6 - 227.1 * degrees / 258.2)
