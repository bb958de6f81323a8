"""Recipes of brewing programs as beers: BeerXML 1.0 and BeerJSON 1.0. Parsing only: no database, no clock.

Use `read_recipes`. A recipe needs only a name. A wrong field is reported, and the rest is read.
"""

from .beerjson import write as write_beerjson
from .reader import read_recipes
from .recipe import Found, Recipe, RecipesError

__all__ = ["Found", "Recipe", "RecipesError", "read_recipes", "write_beerjson"]
