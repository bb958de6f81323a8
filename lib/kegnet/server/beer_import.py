"""Imports recipes into the library. A recipe updates the beer of the same name and brewery, or is added. So no beer is in it twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from .recipes import Recipe
from .storage import Change, Connection, announce
from .storage.beers import beers, set_beer
from .storage.records import Beer

_Identity = tuple[str, str]
"""The name and the brewery, in lower case."""
TEXTS = ("brewery", "style", "notes")
NUMBERS = ("abv_percent", "ibu", "srm")


class Choice(Enum):
    """What happens to a recipe."""

    ADD = "add"
    UPDATE = "update"
    SKIP = "skip"


@dataclass(frozen=True)
class Planned:
    """A recipe, the beer that it would update (None: it is new), and the fields that would change, with their new values.

    `repeated`: an earlier recipe of the file is the same beer.
    """

    recipe: Recipe
    beer: Beer | None
    changes: dict[str, object]
    repeated: bool = False

    @property
    def choice(self) -> Choice:
        """The proposed choice."""
        if self.repeated or (self.beer is not None and not self.changes):
            return Choice.SKIP
        return Choice.ADD if self.beer is None else Choice.UPDATE


@dataclass(frozen=True)
class Imported:
    """The result of an import. `added` contains the keys of the new beers."""

    added: tuple[int, ...]
    updated: int
    skipped: int

    def __str__(self) -> str:
        parts = ((len(self.added), "added"), (self.updated, "updated"), (self.skipped, "skipped"))
        return ", ".join(f"{number} {word}" for number, word in parts if number) or "nothing to import"


def plan(connection: Connection, recipes: Sequence[Recipe]) -> list[Planned]:
    """The proposal for each recipe."""
    found = _matches(beers(connection), [_identity(recipe.name, recipe.brewery) for recipe in recipes])
    planned: list[Planned] = []
    seen: set[_Identity] = set()
    for recipe in recipes:
        identity = _identity(recipe.name, recipe.brewery)
        beer = found.get(identity)
        planned.append(Planned(recipe, beer, {} if beer is None else _changes(beer, recipe), identity in seen))
        seen.add(identity)
    return planned


def carry_out(connection: Connection, chosen: Iterable[tuple[Planned, Choice]]) -> Imported:
    """Adds and updates beers in this transaction. An update without a beer adds one."""
    added: list[int] = []
    updated = skipped = 0
    for planned, choice in chosen:
        if choice is Choice.SKIP:
            skipped += 1
        elif choice is Choice.UPDATE and planned.beer is not None:
            set_beer(connection, planned.beer.key, **planned.changes)
            updated += 1
        else:
            beer = set_beer(connection, None, **vars(planned.recipe))
            assert beer is not None, "a new one"  # noqa: S101
            added.append(beer.key)
    if added or updated:
        announce(connection, Change(frozenset(), frozenset({"setting"})))
    return Imported(tuple(added), updated, skipped)


def _matches(known: Sequence[Beer], wanted: Sequence[_Identity]) -> dict[_Identity, Beer]:
    """The beers of the same name and brewery, else of the same name if the beer or the recipe has no brewery. No beer is found twice."""
    remaining = {beer.key: beer for beer in known}
    found: dict[_Identity, Beer] = {}
    for is_same in (_is_equal, _can_be):
        for identity in wanted:
            beer = None if identity in found else next((each for each in remaining.values() if is_same(each, identity)), None)
            if beer is not None:
                found[identity] = remaining.pop(beer.key)
    return found


def _is_equal(beer: Beer, identity: _Identity) -> bool:
    return _identity(beer.name, beer.brewery) == identity


def _can_be(beer: Beer, identity: _Identity) -> bool:
    return beer.name.casefold() == identity[0] and not (beer.brewery and identity[1])


def _identity(name: str, brewery: str) -> _Identity:
    return name.casefold(), brewery.casefold()


def _changes(beer: Beer, recipe: Recipe) -> dict[str, object]:
    """The fields of the recipe that differ from the beer. An empty field changes nothing, and a known brewery is kept."""
    wanted = {name: getattr(recipe, name) for name in (*TEXTS, *NUMBERS) if name != "brewery" or not beer.brewery}
    return {name: value for name, value in wanted.items() if value not in ("", None) and value != getattr(beer, name)}
