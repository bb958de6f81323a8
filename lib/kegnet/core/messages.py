"""The two messages of the KegNet REST API, as frozen values without I/O.

Each message has its endpoint and its form fields. The text that is signed consists of the fields' values,
in their documented order, joined by commas: `id,temp,ts` for a ping, `id,pin,pulses,et,ts` for a pour.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

LINE_LIMIT_BYTES = 4 * 19 + 3 + 2
"""The longest line that can be a pour: four integers of 19 digits, three commas, CRLF."""

_INTEGER = rb"([0-9]{1,19})"
_POUR_LINE = re.compile(_INTEGER + (b"," + _INTEGER) * 3 + rb"(?:\r?\n)?")


class PourError(ValueError):
    """The content of a `.pour` file is not a pour. The text is the reason."""


@dataclass(frozen=True)
class Ping:
    """Reports that the client runs, and the temperature.

    `millicelsius` is in thousandths of a degree Celsius. `ts` is the Unix time of the reading, in
    milliseconds for API v2 and in seconds for v1.
    """

    endpoint: ClassVar[str] = "ping"

    millicelsius: int
    ts: int

    def fields(self, client_id: str) -> dict[str, str]:
        """The form fields except `sig`, in the order in which they are signed."""
        return {"id": client_id, "temp": str(self.millicelsius), "ts": str(self.ts)}


@dataclass(frozen=True)
class Pour:
    """One pour, as a flow meter counted it.

    `pin` is the number of the flow meter, `pulses` is what it counted, `et` is how long the pour took and `ts` is
    its start as Unix time. Both times are in milliseconds (v1: seconds), as the flow-meter daemon wrote them.
    """

    endpoint: ClassVar[str] = "pour"

    pin: int
    pulses: int
    et: int
    ts: int

    @classmethod
    def parse(cls, content: bytes) -> Pour:
        """The pour in a `.pour` file: `pin,pulses,et,ts`, with or without LF or CRLF at its end.

        The first `LINE_LIMIT_BYTES` + 1 bytes of the file are enough. Leading zeros are dropped. Raises PourError.
        """
        if not content:
            raise PourError("the file is empty")
        if len(content) > LINE_LIMIT_BYTES:
            raise PourError("the file is longer than any pour")
        match = _POUR_LINE.fullmatch(content)
        if match is None:
            raise PourError("the content is not one line of four integers without a sign: pin,pulses,et,ts")
        return cls(*map(int, match.groups()))

    def line(self) -> bytes:
        """The content of a `.pour` file, which `parse()` reads. The newline shows that nothing is missing."""
        return f"{self.pin},{self.pulses},{self.et},{self.ts}\n".encode("ascii")

    def fields(self, client_id: str) -> dict[str, str]:
        """The form fields except `sig`, in the order in which they are signed."""
        return {"id": client_id, "pin": str(self.pin), "pulses": str(self.pulses), "et": str(self.et), "ts": str(self.ts)}


Message = Ping | Pour


def canonical_text(fields: Mapping[str, str]) -> bytes:
    """The ASCII bytes that `sig` signs: the values of `fields`, in their order, joined by commas."""
    return ",".join(fields.values()).encode("ascii")
