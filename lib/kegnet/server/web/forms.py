"""Values that somebody typed into a form. Each wrong one becomes an error with the name of its field; nothing is thrown away."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

FIELDS_AT_MOST = 1100
"""The import of beers has a field per recipe. Other forms are limited by the size of a body."""
NAME_CHARACTERS = 80


class Form:
    """The fields of a request. A field that is absent is None: it changes nothing. `errors` has a text by field."""

    def __init__(self, typed: Mapping[str, str]) -> None:
        self.typed = dict(typed)
        self.errors: dict[str, str] = {}

    def has(self, field: str) -> bool:
        """Whether the request contains the field, even if it is empty."""
        return field in self.typed

    def omit_unchanged(self, *fields: str) -> None:
        """Removes the fields if they are as the form has shown them, in `..._shown`: somebody else can have changed the values since."""
        if all(self.typed.get(field) == self.typed.get(f"{field}_shown") for field in fields):
            for field in fields:
                self.typed.pop(field, None)

    def name(self, field: str, *, may_be_empty: bool = False) -> str | None:
        """A name of at most 80 characters, with its blanks tidied."""
        if field not in self.typed:
            return None
        text = " ".join(self.typed[field].split())
        if len(text) > NAME_CHARACTERS or (not text and not may_be_empty) or any(map(is_control, text)):
            self.errors[field] = f"enter 1 to {NAME_CHARACTERS} characters, without control characters"
            return None
        return text

    def number(self, field: str, least: float, most: float) -> float | None:
        """A number with a decimal point or comma. None also where the field is empty."""
        text = self.typed.get(field, "").strip()
        if not text:
            return None
        try:
            number = float(text.replace(",", ".", 1)) if text.isascii() and "_" not in text else float("nan")
        except ValueError:
            number = float("nan")
        if not least <= number <= most:
            self.errors[field] = f"enter a number from {least:g} to {most:g}"
            return None
        return number

    def whole(self, field: str, least: int, most: int) -> int | None:
        """A whole number, in digits only. None also where the field is empty."""
        text = self.typed.get(field, "").strip()
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 19 and least <= int(text) <= most):
            self.errors[field] = f"enter a whole number from {least} to {most}, in digits only"
            return None
        return int(text)


def is_control(character: str) -> bool:
    """Whether it is a control character, or half of a surrogate pair."""
    return unicodedata.category(character) in ("Cc", "Cs")


async def typed(request: Request) -> dict[str, str]:
    """The fields of a form; the last one of repeated fields. `uploads` limits the body. PostgreSQL stores no NUL: it is refused."""
    try:
        fields = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=FIELDS_AT_MOST))
    except ValueError as error:
        raise HTTPException(400, "this is not a form of this page") from error
    if any("\0" in field + text for field, text in fields.items()):
        raise HTTPException(400, "the form contains a NUL character; remove it, and send the form again")
    return fields
