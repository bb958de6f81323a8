"""Temperatures, volumes and durations as text, in the units that each reader chooses. Pure: no I/O, no clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

US_PINT_ML = 473.176473
IMPERIAL_PINT_ML = 568.26125
US_OUNCE_ML = 29.5735295625
US_GALLON_ML = 3785.411784
_MOST_DECIMALS = 9
_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000


@dataclass(frozen=True)
class Volume:
    """A unit of volume: its size in millilitres, its name behind a number, and how many decimals are shown."""

    size_ml: float
    name: str
    decimals: int

    def text(self, millilitres: float) -> str:
        """An amount as text, for example `0.33 l`."""
        return f"{millilitres / self.size_ml:.{self.decimals}f} {self.name}"

    def number(self, millilitres: float, places: int = 0) -> str:
        """The shortest number of this unit that is the same amount in millilitres, rounded to `places` decimals."""
        stored = round(millilitres, places)
        return _shortest(stored / self.size_ml, lambda number: round(number * self.size_ml, places) == stored)


LITRE = Volume(1000.0, "l", 2)
PINT = Volume(US_PINT_ML, "pt", 1)
IMPERIAL_PINT = Volume(IMPERIAL_PINT_ML, "imp. pt", 1)
OUNCE = Volume(US_OUNCE_ML, "fl oz", 0)
GALLON = Volume(US_GALLON_ML, "gal", 2)
POURS = {"l": LITRE, "pt": PINT, "imp-pt": IMPERIAL_PINT, "oz": OUNCE}
"""The units in which a reader can see pours, by the value of the cookie `volume`."""
VOLUMES = {"l": "litres", "pt": "US pints", "imp-pt": "imperial pints", "oz": "US fluid ounces and gallons"}
"""The names of the units of volume in forms, by the same values."""
KEGS = {**POURS, "l": Volume(1000.0, "l", 1), "oz": GALLON}
"""The units of kegs: US gallons go with fluid ounces, and litres of a keg have one decimal."""


@dataclass(frozen=True)
class Units:
    """The choice of a reader: `temperature` is `C` or `F`, `volume` is a key of `POURS`."""

    temperature: str = "C"
    volume: str = "l"

    @classmethod
    def of(cls, chosen: Mapping[str, str], usual: Units | None = None) -> Units:
        """The units in a request's parameters or cookies. An unknown or absent one is that of `usual`."""
        temperature, volume, usual = chosen.get("temperature", ""), chosen.get("volume", ""), usual or cls()
        return cls(temperature if temperature in ("C", "F") else usual.temperature, volume if volume in POURS else usual.volume)

    def degrees(self, millicelsius: float) -> float:
        """A temperature in the reader's degrees."""
        celsius = millicelsius / 1000
        return celsius * 9 / 5 + 32 if self.temperature == "F" else celsius

    def millicelsius(self, degrees: float) -> int:
        """The reverse of `degrees`."""
        return round(1000 * ((degrees - 32) * 5 / 9 if self.temperature == "F" else degrees))

    def temp(self, millicelsius: float) -> str:
        """A temperature as text, for example `4.2 °C`. Never `-0.0`."""
        return f"{self.degrees(millicelsius):z.1f} °{self.temperature}"

    def temp_number(self, millicelsius: int) -> str:
        """A temperature without its unit, for a form: with the fewest decimals from which `millicelsius` computes the same value."""
        return _shortest(self.degrees(millicelsius), lambda degrees: self.millicelsius(degrees) == millicelsius)

    def pour(self, millilitres: float) -> str:
        """The volume of one or more pours as text."""
        return POURS[self.volume].text(millilitres)

    def keg(self, millilitres: float) -> str:
        """The volume of a keg, or what is left in it, as text."""
        return KEGS[self.volume].text(millilitres)

    @property
    def keg_unit(self) -> str:
        """The name of the unit of kegs."""
        return KEGS[self.volume].name

    def keg_number(self, millilitres: float) -> str:
        """The volume of a keg without its unit, for a form: with the fewest decimals from which `keg_ml` computes the same value."""
        return KEGS[self.volume].number(millilitres)

    def keg_size(self, millilitres: float) -> str:
        """The size of a keg as people name it, for example `19 l` and `5.2 gal`."""
        return f"{_trimmed(millilitres / KEGS[self.volume].size_ml, 1)} {self.keg_unit}"

    @property
    def pour_unit(self) -> str:
        """The name of the unit of pours."""
        return POURS[self.volume].name

    def pour_number(self, millilitres: float, places: int = 0) -> str:
        """The volume of a pour without its unit, for a form: with the fewest decimals from which `pour_ml` computes the same value.

        `places` is the number of decimals of the stored millilitres.
        """
        return POURS[self.volume].number(millilitres, places)

    def pour_ml(self, number: float) -> float:
        """The inverse of `pour_number`, in millilitres."""
        return number * POURS[self.volume].size_ml

    def keg_ml(self, number: float) -> int:
        """The reverse of `keg_number`, in millilitres."""
        return round(number * KEGS[self.volume].size_ml)


def _shortest(number: float, is_enough: Callable[[float], bool]) -> str:
    """The number with as few decimals as are enough."""
    texts = (_trimmed(number, decimals) for decimals in range(_MOST_DECIMALS))
    return next((text for text in texts if is_enough(float(text))), _trimmed(number, _MOST_DECIMALS))


def _trimmed(number: float, decimals: int) -> str:
    text = f"{number:z.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def ago(then_ms: int, now_ms: int) -> str:
    """How long ago, as text. A time in the future counts as now. static/format.js computes the same."""
    gone = now_ms - then_ms
    return "just now" if gone < _MINUTE_MS else f"{span(gone)} ago"


def span(ms: int) -> str:
    """A duration as text, rounded to days, hours or minutes."""
    if ms < _MINUTE_MS:
        return "less than a minute"
    # Rounded first: 59.6 minutes are an hour, not "60 minutes".
    minutes, hours, days = (_rounded(ms / size) for size in (_MINUTE_MS, _HOUR_MS, _DAY_MS))
    if minutes < 60:
        return counted(minutes, "minute")
    return counted(hours, "hour") if hours < 24 else counted(days, "day")


def counted(number: int, name: str) -> str:
    """A number of things, for example `1 glass` and `2 glasses`."""
    plural = "es" if name.endswith("s") else "s"
    return f"{number} {name}" + ("" if number == 1 else plural)


def _rounded(number: float) -> int:
    """Halves up, as JavaScript's Math.round."""
    return math.floor(number + 0.5)
