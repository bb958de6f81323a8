"""The choices of a reader for their own browser: units, clock, dates, theme. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .units import Units

_METRIC = Units()

CLOCKS = {"auto": "as the browser", "24": "24 hours (21:47)", "12": "12 hours (9:47 PM)"}
DATES = {"auto": "as the browser", "iso": "ISO (2026-11-30)"}
THEMES = {"auto": "as the device", "light": "light", "dark": "dark"}


@dataclass(frozen=True)
class Choices:
    """The choices of a reader. `clock`, `dates` and `theme` are keys of `CLOCKS`, `DATES` and `THEMES`."""

    units: Units = _METRIC
    clock: str = "auto"
    dates: str = "auto"
    theme: str = "auto"

    @classmethod
    def of(cls, chosen: Mapping[str, str], usual: Units) -> Choices:
        """The choices in a request's parameters or cookies. An unknown or absent one is `auto`, or the one of the `usual` units."""

        def one_of(name: str, known: Mapping[str, str]) -> str:
            value = chosen.get(name, "auto")
            return value if value in known else "auto"

        return cls(Units.of(chosen, usual), one_of("clock", CLOCKS), one_of("dates", DATES), one_of("theme", THEMES))

    def cookies(self) -> dict[str, str]:
        """The values of the cookies by name: the inverse of `of`."""
        units = {"temperature": self.units.temperature, "volume": self.units.volume}
        return {**units, "clock": self.clock, "dates": self.dates, "theme": self.theme}
