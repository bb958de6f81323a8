"""The form of a beer: its fields as texts, and the entered texts as values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ..model.beers import NOTES_CHARACTERS, NUMBERS_AT_MOST
from ..model.colours import EBC_PER_SRM, srm_of
from ..storage.records import Beer
from .forms import Form, is_control

_TEXTS = ("name", "brewery", "style", "notes")
_NUMBERS = {"abv": "abv_percent", "ibu": "ibu", "colour": "srm"}
"""The fields with numbers, and the attributes of a beer that they set."""


def fields_of(beer: Beer) -> dict[str, str]:
    """The fields of the form, as texts."""
    numbers = {field: getattr(beer, name) for field, name in _NUMBERS.items()}
    texts = {field: str(getattr(beer, field)) for field in _TEXTS}
    return texts | {field: "" if number is None else f"{number:.2f}".rstrip("0").rstrip(".") for field, number in numbers.items()}


def shown_of(beer: Beer) -> dict[str, str]:
    """The values that the form shows, for `omit_unchanged()`. The long notes are a digest."""
    fields = fields_of(beer)
    return fields | {"colour_unit": "SRM", "notes": _digest(fields["notes"])}


def omit_unchanged(form: Form) -> None:
    """Removes the fields that are as the form has shown them: somebody else can have changed the beer since."""
    for field in ("name", "brewery", "style", "abv", "ibu"):
        form.omit_unchanged(field)
    form.omit_unchanged("colour", "colour_unit")
    if _digest(form.typed.get("notes", "")) == form.typed.get("notes_shown"):
        form.typed.pop("notes", None)


def values_of(form: Form) -> dict[str, object]:
    """The attributes that the request sets. An absent field sets nothing, an empty one removes. Errors are in the form."""
    values: dict[str, object] = {
        "name": form.name("name"),
        "brewery": form.name("brewery", may_be_empty=True),
        "style": form.name("style", may_be_empty=True),
        "notes": _notes(form),
    }
    values = {name: value for name, value in values.items() if value is not None}
    for field, name in _NUMBERS.items():
        if form.has(field):
            values[name] = _colour(form) if field == "colour" else form.number(field, 0, NUMBERS_AT_MOST[name])
    return values


def undo_of(before: Beer, after: Beer) -> Mapping[str, str] | None:
    """The fields that undo a change. None: nothing changed."""
    old, new = fields_of(before), fields_of(after)
    changed = {field: text for field, text in old.items() if text != new[field]}
    return changed or None


def _colour(form: Form) -> float | None:
    """A colour in SRM. Its unit is after the number, else in the field `colour_unit`."""
    text, unit = form.typed["colour"].strip(), form.typed.get("colour_unit", "SRM")
    for known in ("EBC", "SRM"):
        if text.upper().endswith(known):
            text, unit = text[: -len(known)], known
    per_srm = EBC_PER_SRM if unit == "EBC" else 1.0
    bounded = Form({"colour": text})
    number = bounded.number("colour", 0, round(NUMBERS_AT_MOST["srm"] * per_srm))
    form.errors.update(bounded.errors)
    return None if number is None else min(srm_of(number, unit), NUMBERS_AT_MOST["srm"])


def _digest(notes: str) -> str:
    """A digest of notes. Browsers send other line breaks than they get."""
    return hashlib.sha256("\n".join(notes.splitlines()).encode()).hexdigest()


def _notes(form: Form) -> str | None:
    """Notes on several lines, without control characters. A tab becomes a blank."""
    if not form.has("notes"):
        return None
    text = "\n".join(line.rstrip() for line in form.typed["notes"].replace("\t", " ").splitlines()).strip()
    if len(text) > NOTES_CHARACTERS:
        form.errors["notes"] = f"enter at most {NOTES_CHARACTERS} characters; these are {len(text)}"
    return "".join(character for character in text if character == "\n" or not is_control(character))
