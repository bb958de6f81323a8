"""Recipes of brewing programs as beers: BeerXML 1.0 and BeerJSON 1.0. Parsing only: no database, no clock.

`read_recipes` is the door. Only the name of a recipe is needed. What is wrong in a field is reported, and the rest is read.
"""

from .beerjson import write as write_beerjson
from .reader import read_recipes
from .recipe import Found, Recipe, RecipesError

__all__ = ["Found", "Recipe", "RecipesError", "read_recipes", "write_beerjson"]
