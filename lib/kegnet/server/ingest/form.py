"""A message of the KegNet REST API as received: the form's fields, checked for their shape, and the text that was signed.

Nothing here is verified: the signature and the ranges of the numbers are checked afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from ..storage.schema import PIN_AT_MOST

FIELDS = {"ping": ("id", "temp", "ts"), "pour": ("id", "pin", "pulses", "et", "ts")}
"""The signed fields of each message, in the order in which they are signed."""
RANGES = {
    "temp": (-55_000, 125_000),
    "pin": (0, PIN_AT_MOST),
    "pulses": (0, 10**9),
    "et": (0, 10**10),
    "ts": (0, 253_402_300_799_999),
}
"""What a DS18B20 measures and a flow meter counts, GPIO numbers, and times up to the year 9999."""
_FIELDS_AT_MOST = 20
_INTEGER = re.compile("-?[0-9]{1,18}")
_UUID = re.compile("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class FormError(ValueError):
    """The body is no message. The text is the reason."""


@dataclass(frozen=True)
class SentMessage:
    """A message of the right shape. `client_id` is as it was sent, `numbers` are the signed integers by field, `signature` is base64."""

    client_id: str
    numbers: Mapping[str, int]
    text: bytes
    signature: str

    @property
    def uuid(self) -> str | None:
        """The client's UUID in lower case, None if `client_id` is no UUID."""
        return uuid_of(self.client_id)

    def out_of_range(self) -> list[str]:
        """The fields whose numbers are impossible."""
        return [name for name, number in self.numbers.items() if not RANGES[name][0] <= number <= RANGES[name][1]]


def uuid_of(client_id: str) -> str | None:
    """The UUID in lower case, None if `client_id` is no UUID."""
    return client_id.lower() if _UUID.fullmatch(client_id) else None


def parse(endpoint: str, body: bytes) -> SentMessage:
    """The message in `body`, for `endpoint` `ping` or `pour`. Each field is there once. Raises FormError."""
    fields = fields_of(body)
    names = FIELDS[endpoint]
    try:
        values = [fields[name] for name in names]
        signature = fields["sig"]
    except KeyError as error:
        raise FormError(f"the field {error.args[0]} is missing") from error
    if not values[0].isascii():
        raise FormError("the field id is not ASCII")
    for name, value in zip(names[1:], values[1:], strict=True):
        if not _INTEGER.fullmatch(value):
            raise FormError(f"the field {name} is no integer")
    return SentMessage(values[0], dict(zip(names[1:], map(int, values[1:]), strict=True)), ",".join(values).encode("ascii"), signature)


def fields_of(body: bytes) -> dict[str, str]:
    """The fields as `urllib.parse.parse_qsl` reads them, in a third of its time. It matters in a burst. Raises FormError."""
    try:
        pairs = [pair for pair in body.decode("ascii").split("&") if pair]
        if len(pairs) > _FIELDS_AT_MOST:
            raise FormError(f"the body has more than {_FIELDS_AT_MOST} fields")
        split = [pair.partition("=") for pair in pairs]
        fields = {_decoded(name): _decoded(value) for name, _, value in split}
    except UnicodeDecodeError as error:
        raise FormError("the body is no form") from error
    if len(fields) != len(pairs):
        raise FormError("a field is there twice")
    return fields


def _decoded(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    if "%" in text:
        # What base64 has, in the spelling of urllib.parse.urlencode. None of these makes a new escape.
        text = text.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")
        if "%" in text:
            return unquote(text, errors="strict")
    return text
