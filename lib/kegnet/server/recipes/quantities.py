"""Units of the quantities in recipes: colours, gravities, alcohol."""

from __future__ import annotations

from ..model.beers import abv_of, gravity_of_plato
from ..model.colours import srm_of
from .recipe import Draft, Quantity

_GRAVITIES = (0.95, 1.3)
"""Specific gravities that worts and beers have."""
_MOST_PLATO = 65


def plain(quantity: Quantity) -> float:
    """A number whose unit is always the same."""
    return quantity.number


def srm(quantity: Quantity) -> float | None:
    """A colour in SRM, from SRM (also where there is no unit), EBC or Lovibond. None for 0, which programs write for an unknown colour."""
    if quantity.number == 0:
        return None
    unit = quantity.unit.casefold()
    if quantity.number < 0:
        return quantity.number
    return srm_of(quantity.number, "EBC" if unit.startswith("ebc") else "Lovibond" if unit.startswith(("lovi", "l", "°l")) else "SRM")


def abv_from_gravities(draft: Draft, *pairs: tuple[object, object]) -> float | None:
    """Alcohol by volume from the first pair of gravities (original, final) that is complete."""
    for original, final in pairs:
        gravities = [_gravity(draft, what, value) for what, value in (("original gravity", original), ("final gravity", final))]
        if gravities[0] is not None and gravities[1] is not None:
            return abv_of(gravities[0], gravities[1])
    return None


def _gravity(draft: Draft, what: str, value: object) -> float | None:
    """A specific gravity, from SG, degrees Plato or Brix."""
    quantity = value if isinstance(value, Quantity) else draft.quantity(what, value)
    if quantity is None or quantity.number == 0:
        return None
    is_plato = quantity.unit.casefold().lstrip("°").startswith(("p", "b"))
    gravity = gravity_of_plato(quantity.number) if is_plato and 0 <= quantity.number <= _MOST_PLATO else quantity.number
    if _GRAVITIES[0] <= gravity <= _GRAVITIES[1]:
        return gravity
    draft.problems.append(f"{draft.label}: {what} {quantity.number:g} is impossible")
    return None
