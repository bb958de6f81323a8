"""Volumes that people type, the pulses of a litre from several pours, and the smallest pour that is sent. Pure values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..config import PinConfig

ML_PER_UNIT = {"ml": 1.0, "cl": 10.0, "dl": 100.0, "l": 1000.0, "oz": 29.5735}
"""Millilitres of each unit. An ounce is a US fluid ounce."""
LEAST_ML = 10.0
MOST_ML = 100_000.0
EXPECTED = "millilitres, e.g. 500, or 0.5 l, or 12 oz"
SPREAD_LIMIT_PERCENT = 3.0
ADVISED_POURS = 3
SMALLEST_GLASS_ML = 100
"""A pour of this volume is a glass, and has to be sent."""
ADVISED_MINIMUM_ML = 50
"""The volume of the advised minimumPulses: more than a drip, less than the smallest glass."""

_VOLUME = re.compile(r"([0-9]{1,7}(?:[.,][0-9]{1,4})?)\s*([a-z]*)\.?", re.IGNORECASE)


class VolumeError(ValueError):
    """A text is not a volume that can be meant. The text is the reason."""


def parse_ml(text: str) -> float:
    """The volume in millilitres. Without a unit it is millilitres; a comma is a decimal point. Raises VolumeError."""
    match = _VOLUME.fullmatch(text.strip())
    unit = match[2].lower() if match else ""
    if match is None or (unit or "ml") not in ML_PER_UNIT:
        raise VolumeError(f"this is not a volume; use {EXPECTED}")
    volume_ml = float(match[1].replace(",", ".")) * ML_PER_UNIT[unit or "ml"]
    if not LEAST_ML <= volume_ml <= MOST_ML:
        raise VolumeError(f"{volume_ml:g} ml is not from {LEAST_ML:g} ml to {MOST_ML / 1000:g} l; use {EXPECTED}")
    return volume_ml


@dataclass(frozen=True)
class MeasuredPour:
    """What the meter counted, and what was in the measuring cup."""

    pulses: int
    volume_ml: float

    @property
    def pulses_per_litre(self) -> float:
        """The pulses of a litre, by this pour alone."""
        return self.pulses * 1000 / self.volume_ml


@dataclass(frozen=True)
class Calibration:
    """The result of at least one pour: the pulses of a litre, and the largest deviation of a pour from it."""

    pours: int
    pulses_per_litre: int
    spread_percent: float

    @classmethod
    def of(cls, pours: Sequence[MeasuredPour]) -> Calibration:
        """All pulses by the whole volume, so that a large pour, which is measured better, counts more."""
        mean = sum(pour.pulses for pour in pours) * 1000 / sum(pour.volume_ml for pour in pours)
        spread = max(abs(pour.pulses_per_litre / mean - 1) for pour in pours) * 100
        return cls(len(pours), max(1, round(mean)), spread)

    def __str__(self) -> str:
        if self.pours == 1:
            return f"{self.pulses_per_litre} pulses per litre, by one pour"
        return f"{self.pulses_per_litre} pulses per litre, by {self.pours} pours; spread {self.spread_percent:.1f} %"

    def advice(self) -> str:
        """What to do for a better result; empty if it is good."""
        if self.spread_percent > SPREAD_LIMIT_PERCENT:
            return (
                f"The spread is over {SPREAD_LIMIT_PERCENT:g} %. Pour larger amounts with the tap fully open, let the foam settle "
                "before you read the cup, and compare --watch for noise."
            )
        if self.pours < ADVISED_POURS:
            return f"{ADVISED_POURS} pours show the spread."
        return ""


def high_minimum(pin: PinConfig, path: Path) -> tuple[str, str] | None:
    """The problem and the fix if `minimumPulses` discards pours of the size of a glass. `path`: the configuration."""
    if pin.pulses_per_litre is None or pin.minimum_pulses * 1000 <= SMALLEST_GLASS_ML * pin.pulses_per_litre:
        return None
    advised = max(1, pin.pulses_per_litre * ADVISED_MINIMUM_ML // 1000)
    if advised >= pin.minimum_pulses:
        return None
    litres = pin.minimum_pulses / pin.pulses_per_litre
    problem = f"pin {pin.pin}: pours below {litres:.2f} l are not sent (minimumPulses = {pin.minimum_pulses})"
    return problem, f"minimumPulses = {advised} in [Pin {pin.pin}] of {path}"
