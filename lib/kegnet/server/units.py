"""Temperatures and volumes for people: °C or °F, litres or pints, as each reader has chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

US_PINT_ML = 473.176473
IMPERIAL_PINT_ML = 568.26125
_VOLUMES = {"l": (1000.0, "l", 2), "pt": (US_PINT_ML, "pt", 1), "imp-pt": (IMPERIAL_PINT_ML, "imp. pt", 1)}
_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000


@dataclass(frozen=True)
class Units:
    """What a reader wants: `temperature` is `C` or `F`, `volume` is `l`, `pt` (US) or `imp-pt`."""

    temperature: str = "C"
    volume: str = "l"

    @classmethod
    def of(cls, chosen: Mapping[str, str]) -> Units:
        """What a request's parameters or cookies say; the usual where they say nothing that there is."""
        temperature, volume = chosen.get("temperature", ""), chosen.get("volume", "")
        return cls(temperature if temperature in ("C", "F") else "C", volume if volume in _VOLUMES else "l")

    def degrees(self, millicelsius: float) -> float:
        """A temperature in this reader's degrees."""
        celsius = millicelsius / 1000
        return celsius * 9 / 5 + 32 if self.temperature == "F" else celsius

    def millicelsius(self, degrees: float) -> int:
        """The reverse."""
        return round(1000 * ((degrees - 32) * 5 / 9 if self.temperature == "F" else degrees))

    def temp(self, millicelsius: float) -> str:
        """A temperature in words: `4.2 °C`."""
        return f"{self.degrees(millicelsius):.1f} °{self.temperature}"

    def amount(self, millilitres: float) -> str:
        """A volume in words: `0.33 l`."""
        size_ml, name, digits = _VOLUMES[self.volume]
        return f"{millilitres / size_ml:.{digits}f} {name}"


def ago(then_ms: int, now_ms: int) -> str:
    """How long ago, in words, coarse enough not to change all the time."""
    gone = now_ms - then_ms
    if gone < _MINUTE_MS:
        return "just now"
    return f"{span(gone)} ago"


def span(ms: int) -> str:
    """A stretch of time in words."""
    for size, name in ((_DAY_MS, "day"), (_HOUR_MS, "hour"), (_MINUTE_MS, "minute")):
        number = round(ms / size)
        if ms >= size and number:
            return f"{number} {name}" + ("" if number == 1 else "s")
    return "less than a minute"
