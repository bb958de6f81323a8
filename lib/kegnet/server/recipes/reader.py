"""Reads a file of either format."""

from __future__ import annotations

import codecs

from . import beerjson, beerxml
from .recipe import Found, RecipesError

PROBLEMS_AT_MOST = 50
_WIDE = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def read_recipes(data: bytes) -> Found:
    """The recipes of a BeerXML or BeerJSON file. Raises RecipesError if it is neither, or cannot be read."""
    problems: list[str] = []
    match _beginning(data):
        case "<":
            recipes = beerxml.read(data, problems)
        case "{" | "[":
            recipes = beerjson.read(data, problems)
        case "":
            raise RecipesError("the file is empty", "choose a BeerXML or BeerJSON file")
        case _:
            raise RecipesError("this is neither BeerXML nor BeerJSON", "export the recipes as BeerXML (.xml) or BeerJSON (.json)")
    if not recipes and not problems:
        raise RecipesError("the file has no recipes", "export recipes, not ingredients or styles")
    if len(problems) > PROBLEMS_AT_MOST:
        problems[PROBLEMS_AT_MOST:] = [f"and {len(problems) - PROBLEMS_AT_MOST} more"]
    return Found(tuple(recipes), tuple(problems))


def _beginning(data: bytes) -> str:
    """The first character that is not blank."""
    for bom, encoding in _WIDE.items():
        if data.startswith(bom):
            return data[2:2002].decode(encoding, "replace").strip()[:1]
    return data.removeprefix(codecs.BOM_UTF8).lstrip()[:1].decode("latin-1")
