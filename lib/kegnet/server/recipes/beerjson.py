"""BeerJSON 1.0 (github.com/beerjson/beerjson): `beerjson.recipes`, quantities as objects with `value` and `unit`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from .quantities import abv_from_gravities, plain, srm
from .recipe import RECIPES_AT_MOST, Draft, Quantity, Recipe, RecipesError, named_drafts

_FIX = "export the recipes again as BeerJSON or BeerXML"


def read(data: bytes, problems: list[str]) -> list[Recipe]:
    """The recipes of a file. Raises RecipesError."""
    return [_recipe(draft, name, fields) for draft, name, fields in named_drafts(_parsed(data), "name", problems)]


def write(recipes: Iterable[Recipe]) -> str:
    """A BeerJSON document for `read`. It has no ingredients, although the format requires them: a tap list does not know them."""
    return json.dumps({"beerjson": {"version": 1.0, "recipes": [_fields(recipe) for recipe in recipes]}}, ensure_ascii=False)


def _fields(recipe: Recipe) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": recipe.name, "author": recipe.brewery, "notes": recipe.notes}
    if recipe.style:
        fields["style"] = {"name": recipe.style}
    if recipe.abv_percent is not None:
        fields["alcohol_by_volume"] = {"unit": "%", "value": recipe.abv_percent}
    if recipe.ibu is not None:
        fields["ibu_estimate"] = {"method": "Other", "value": {"unit": "IBUs", "value": recipe.ibu}}
    if recipe.srm is not None:
        fields["color_estimate"] = {"unit": "SRM", "value": recipe.srm}
    return fields


def _recipe(draft: Draft, name: str, fields: dict[str, Any]) -> Recipe:
    abv_percent = draft.bounded("abv_percent", "ABV", _quantity(draft, "ABV", fields.get("alcohol_by_volume")), plain)
    if abv_percent is None:
        original, final = (_quantity(draft, field.replace("_", " "), fields.get(field)) for field in ("original_gravity", "final_gravity"))
        abv_percent = abv_from_gravities(draft, (original, final))
    return Recipe(
        name=name,
        brewery=draft.text("author", fields.get("author")),
        style=draft.text("style", _member(fields.get("style"), "name")),
        abv_percent=abv_percent,
        ibu=draft.bounded("ibu", "IBU", _quantity(draft, "IBU", _ibu(fields.get("ibu_estimate"))), plain),
        srm=draft.bounded("srm", "colour", _quantity(draft, "colour", fields.get("color_estimate")), srm),
        notes=draft.notes(_member(fields.get("taste"), "notes"), fields.get("notes")),
    )


def _parsed(data: bytes) -> list[Any]:
    try:
        root = json.loads(data, parse_constant=_refuse)
    except RecursionError as error:
        raise RecipesError("the values of the file are nested too deeply", _FIX) from error
    except ValueError as error:
        raise RecipesError("the file is not JSON" + (f": {error}" if isinstance(error, json.JSONDecodeError) else ""), _FIX) from error
    recipes = _member(_member(root, "beerjson") or root, "recipes")
    if not isinstance(recipes, list):
        raise RecipesError("this JSON file has no recipes in the form of BeerJSON", _FIX)
    if len(recipes) > RECIPES_AT_MOST:
        raise RecipesError(f"the file has more than {RECIPES_AT_MOST} recipes", "export fewer at a time")
    return recipes


def _refuse(constant: str) -> None:
    """JSON has no NaN and no Infinity (RFC 8259 §6)."""
    raise ValueError(constant)


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _ibu(value: Any) -> Any:
    """`ibu_estimate` has the method and optionally the value."""
    return value.get("value") if isinstance(value, dict) and ("method" in value or isinstance(value.get("value"), dict)) else value


def _quantity(draft: Draft, what: str, value: Any) -> Quantity | None:
    """A quantity: `{"value": 5.2, "unit": "%"}`, or a number alone."""
    if not isinstance(value, dict):
        return draft.quantity(what, value)
    quantity = draft.quantity(what, value.get("value"))
    unit = value.get("unit")
    return Quantity(quantity.number, unit) if quantity is not None and isinstance(unit, str) else quantity
