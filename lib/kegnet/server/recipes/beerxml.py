"""BeerXML 1.0 (beerxml.com/beerxml.htm): one `<RECIPE>` per recipe, values as text.

Its Appendix A, for display, has alcohol, colour and bitterness, each a number with a unit: `5.2 %`, `14.2 EBC`, `79.8 IBUs`.
EST_ABV has priority over ABV: BeerSmith computes ABV from default gravities until they are measured.
"""

from __future__ import annotations

import codecs
import re

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, XMLParser

from .quantities import abv_from_gravities, plain, srm
from .recipe import RECIPES_AT_MOST, Draft, Recipe, RecipesError, named_drafts

DEPTH_AT_MOST = 100
"""A recipe has about 6 levels."""
_FIX = "export the recipes again as BeerXML"
_DECLARED = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_MISDECLARED = {None, "utf-8", "utf8", "iso-8859-1", "latin1", "windows-1252", "us-ascii"}
"""Programs declare one of these and write another. Valid UTF-8 is read as UTF-8, else Windows-1252, which contains ISO-8859-1."""
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_WANTED = frozenset(
    {"NAME", "BREWER", "STYLE/NAME", "EST_ABV", "ABV", "IBU", "EST_COLOR", "COLOR", "TASTE_NOTES", "NOTES", "EST_OG", "EST_FG", "OG", "FG"}
)
"""Paths of elements below `RECIPE`."""
_CONTROLS = bytes(byte for byte in range(1, 32) if byte not in b"\t\n\r")


def read(data: bytes, problems: list[str]) -> list[Recipe]:
    """The recipes of a file. Raises RecipesError."""
    return [_recipe(draft, name, fields) for draft, name, fields in named_drafts(_parsed(data), "NAME", problems)]


def _recipe(draft: Draft, name: str, fields: dict[str, str]) -> Recipe:
    alcohol = next((fields[tag] for tag in ("EST_ABV", "ABV") if fields.get(tag)), None)
    colour = next((fields[tag] for tag in ("EST_COLOR", "COLOR") if fields.get(tag)), None)
    abv_percent = draft.bounded("abv_percent", "ABV", draft.quantity("ABV", alcohol), plain)
    if abv_percent is None:
        gravities = ((fields.get("EST_OG"), fields.get("EST_FG")), (fields.get("OG"), fields.get("FG")))
        abv_percent = abv_from_gravities(draft, *gravities)
    return Recipe(
        name=name,
        brewery=draft.text("brewer", fields.get("BREWER")),
        style=draft.text("style", fields.get("STYLE/NAME")),
        abv_percent=abv_percent,
        ibu=draft.bounded("ibu", "IBU", draft.quantity("IBU", fields.get("IBU")), plain),
        srm=draft.bounded("srm", "colour", draft.quantity("colour", colour), srm),
        notes=draft.notes(fields.get("TASTE_NOTES"), fields.get("NOTES")),
    )


def _parsed(data: bytes) -> list[dict[str, str]]:
    target = _Target()
    parser = XMLParser(target=target, encoding=_encoding(data))
    try:
        parser.feed(data if data.startswith(_WIDE) else data.translate(None, _CONTROLS))
        parser.close()
    except DefusedXmlException as error:
        raise RecipesError("the file declares entities, which no recipe needs", _FIX) from error
    except ParseError as error:
        raise RecipesError(f"the file is not XML: {error}", _FIX) from error
    except (LookupError, ValueError) as error:
        raise RecipesError("the file has an encoding that this program cannot read", "save it as UTF-8") from error
    return target.recipes


def _encoding(data: bytes) -> str | None:
    """The encoding to use instead of the declared one; None: the declared one."""
    if data.startswith(_WIDE):
        return None
    declared = _DECLARED.match(data.removeprefix(codecs.BOM_UTF8).lstrip()[:200])
    if (declared[1].decode().casefold() if declared else None) not in _MISDECLARED:
        return None
    try:
        data.decode()
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8"


class _Target:
    """Collects the texts of the `_WANTED` elements of each `RECIPE` from the parser's events."""

    def __init__(self) -> None:
        self.recipes: list[dict[str, str]] = []
        self._path: list[str] = []
        self._begin: int | None = None
        self._text: list[str] = []

    def start(self, tag: str, _attributes: object) -> None:
        """An element begins."""
        if len(self._path) >= DEPTH_AT_MOST:
            raise RecipesError("the elements of the file are nested too deeply", _FIX)
        self._path.append(tag)
        self._text = []
        if tag == "RECIPE" and self._begin is None:
            if len(self.recipes) >= RECIPES_AT_MOST:
                raise RecipesError(f"the file has more than {RECIPES_AT_MOST} recipes", "export fewer at a time")
            self._begin = len(self._path)
            self.recipes.append({})

    def data(self, text: str) -> None:
        """A part of a text."""
        if self._begin is not None:
            self._text.append(text)

    def end(self, _tag: str) -> None:
        """An element ends."""
        if self._begin is not None:
            if len(self._path) == self._begin:
                self._begin = None
            elif (path := "/".join(self._path[self._begin :])) in _WANTED:
                self.recipes[-1].setdefault(path, "".join(self._text).strip())
        self._path.pop()
        self._text = []

    def close(self) -> None:
        """The file ends."""
