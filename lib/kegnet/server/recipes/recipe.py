"""The fields of a recipe that a tap list needs, and how they are read from a file."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kegnet.core.problem import ProblemError

from ..model.beers import NAME_CHARACTERS, NOTES_CHARACTERS, NUMBERS_AT_MOST

RECIPES_AT_MOST = 1000
_SHOWN_CHARACTERS = 40
_NUMBER = re.compile(r"\s*([+-]?(?:\d{1,15}(?:[.,]\d{0,15})?|[.,]\d{1,15})(?:[eE][+-]?\d{1,3})?)\s*([^\d\s][^\d]{0,20})?")


class RecipesError(ProblemError):
    """The file cannot be read at all."""


@dataclass(frozen=True)
class Recipe:
    """A beer from a file. Texts are empty and numbers None where the file does not have them."""

    name: str
    brewery: str = ""
    style: str = ""
    abv_percent: float | None = None
    ibu: float | None = None
    srm: float | None = None
    notes: str = ""


@dataclass(frozen=True)
class Found:
    """The recipes of a file. `problems` has a line for each value that was left out or cut."""

    recipes: tuple[Recipe, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Quantity:
    """A number with its unit as the file has it; the unit may be empty."""

    number: float
    unit: str


@dataclass
class Draft:
    """Takes the values of one recipe. `label` names the recipe in `problems`."""

    label: str
    problems: list[str] = field(default_factory=list)

    def text(self, what: str, value: object, characters: int = NAME_CHARACTERS) -> str:
        """A text on one line, of at most so many characters."""
        return self._cut(what, " ".join(self._characters(what, value).split()), characters)

    def notes(self, *values: object) -> str:
        """Paragraphs, with their line breaks."""
        texts = [self._characters("notes", value).replace("\r\n", "\n").replace("\r", "\n").strip() for value in values]
        return self._cut("notes", "\n\n".join(dict.fromkeys(filter(None, texts))), NOTES_CHARACTERS)

    def quantity(self, what: str, value: object) -> Quantity | None:
        """A number with an optional unit, from a text such as `14.2 EBC` or a JSON number. None if there is none."""
        if value is None or value == "":
            return None
        number, unit = _number_of(value)
        if math.isfinite(number):
            return Quantity(number, unit)
        self.problems.append(f"{self.label}: {what} {shown(value)} is not a number")
        return None

    def bounded(self, name: str, what: str, quantity: Quantity | None, convert: Callable[[Quantity], float | None]) -> float | None:
        """The converted number, if it is from 0 to the upper bound of the field `name`."""
        number = None if quantity is None else convert(quantity)
        if quantity is None or number is None:
            return None
        most = NUMBERS_AT_MOST[name]
        if 0 <= number <= most:
            return round(number, 2)
        self.problems.append(f"{self.label}: {what} {quantity.number:g} is not from 0 to {most:g}")
        return None

    def _characters(self, what: str, value: object) -> str:
        if value is None:
            return ""
        if isinstance(value, bool | int | float | list | dict):
            self.problems.append(f"{self.label}: {what} is not a text")
            return ""
        return "".join(character for character in str(value) if character in "\n\r\t" or not _is_control(character))

    def _cut(self, what: str, text: str, characters: int) -> str:
        if len(text) > characters:
            self.problems.append(f"{self.label}: {what} was cut to {characters} characters")
        return text[:characters].rstrip()


def shown(value: object) -> str:
    """A value of the file for a message: short, on one line."""
    text = " ".join(str(value).split())
    text = "".join(character if character.isprintable() else "?" for character in text)
    return f"“{text}”" if len(text) <= _SHOWN_CHARACTERS else f"“{text[:_SHOWN_CHARACTERS]}…”"


def _number_of(value: object) -> tuple[float, str]:
    """The number and its unit; NaN if it is not a number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value), ""
        except OverflowError:
            return math.nan, ""
    match = _NUMBER.fullmatch(value.rstrip()) if isinstance(value, str) else None
    return (float(match[1].replace(",", ".")), (match[2] or "").strip()) if match else (math.nan, "")


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs")


def named_drafts(parsed: Iterable[Any], name_field: str, problems: list[str]) -> Iterator[tuple[Draft, str, dict[str, Any]]]:
    """A draft, the name and the fields of each recipe with a name. A recipe without one is added to `problems`."""
    for number, fields in enumerate(parsed, 1):
        draft = Draft(f"recipe {number}", problems)
        name = draft.text("name", fields.get(name_field)) if isinstance(fields, dict) else ""
        if name:
            draft.label = name
            yield draft, name, fields
        else:
            problems.append(f"recipe {number} has no name and was left out")
