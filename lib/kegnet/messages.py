"""The two messages of the KegNet REST API, as frozen values without I/O.

A message knows its endpoint and its form fields. The text that gets signed is the fields' values,
in their documented order, joined by commas: `id,temp,ts` for a ping, `id,pin,pulses,et,ts` for a pour.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Union

LINE_LIMIT_BYTES = 4 * 20 + 3 + 1
"""The longest line that can be a pour: four integers of 19 digits and a sign, commas, a newline."""

_INTEGER = rb"(-?[0-9]{1,19})"
_POUR_LINE = re.compile(_INTEGER + (b"," + _INTEGER) * 3 + rb"\n?")


class PourError(ValueError):
    """The content of a `.pour` file is not a pour; the text says why."""


@dataclass(frozen=True)
class Ping:
    """The client is alive, and this is its temperature.

    `millicelsius` is in thousandths of a degree Celsius; `ts` is the Unix time of the reading, in
    milliseconds for API v2 and in seconds for v1.
    """

    endpoint: ClassVar[str] = "ping"

    millicelsius: int
    ts: int

    def fields(self, client_id: str) -> dict[str, str]:
        """The form fields but `sig`, in the order in which they are signed."""
        return {"id": client_id, "temp": str(self.millicelsius), "ts": str(self.ts)}


@dataclass(frozen=True)
class Pour:
    """Somebody poured a drink.

    `pin` is the GPIO number of the flow meter, `pulses` what it counted, `et` how long the pour took
    and `ts` its Unix time: both in milliseconds (v1: seconds), passed on as the flow meter gave them.
    """

    endpoint: ClassVar[str] = "pour"

    pin: int
    pulses: int
    et: int
    ts: int

    @classmethod
    def parse(cls, content: bytes) -> Pour:
        """The pour in a `.pour` file: `pin,pulses,et,ts`, with or without a newline at its end.

        `content` may be cut off after `LINE_LIMIT_BYTES` + 1 bytes. Raises PourError.
        """
        if not content:
            raise PourError("it is empty")
        if len(content) > LINE_LIMIT_BYTES:
            raise PourError("it is longer than any pour")
        match = _POUR_LINE.fullmatch(content)
        if match is None:
            raise PourError("it is not one line of four integers: pin,pulses,et,ts")
        return cls(*map(int, match.groups()))

    def fields(self, client_id: str) -> dict[str, str]:
        """The form fields but `sig`, in the order in which they are signed."""
        return {"id": client_id, "pin": str(self.pin), "pulses": str(self.pulses), "et": str(self.et), "ts": str(self.ts)}


Message = Union[Ping, Pour]


def form(fields: Mapping[str, str]) -> str:
    """`fields`, `sig` among them, as application/x-www-form-urlencoded. Of all they hold, only base64 has anything to escape."""
    return "&".join(f"{name}={_escaped(value)}" for name, value in fields.items())


def _escaped(value: str) -> str:
    # A tenth of what urllib.parse takes, which looks at each character of a signature.
    return value.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")


def canonical_text(fields: Mapping[str, str]) -> bytes:
    """The ASCII bytes that `sig` signs: the values of `fields`, as ordered, joined by commas."""
    return ",".join(fields.values()).encode("ascii")
