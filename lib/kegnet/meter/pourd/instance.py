"""An instance of pourd: its number, its files, and the flow meter that kegnet-meter makes of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ...core.ini import IniFile, Section
from .wiring import gpio_number, power_on_bias

HOME = Path("/usr/share/kegnet-client")
"""The directory of both programs. pourd knows no other."""
CONF = HOME / "conf"
_SECTION = "pourd"
_DEFAULT_DELAY_MS = 1000
_DEFAULT_MINIMUM_PULSES = 200
"""What pourd uses where its file has no value, or 0."""
_KEPT = ".taken-over"
_FILE = re.compile(rf"pourd([0-9]{{1,2}})\.conf({re.escape(_KEPT)})?")


@dataclass(frozen=True)
class Instance:
    """pourd for one flow meter.

    `number` is wiringPi's number of its pin, which the server knows, `gpio` is the GPIO number, and `directory` has its file.
    """

    number: int
    gpio: int
    directory: Path

    @classmethod
    def of(cls, number: int, directory: Path = CONF) -> Instance:
        """The instance for a wiringPi number. Raises ProblemError."""
        return cls(number, gpio_number(number), directory)

    @property
    def unit(self) -> str:
        """Its service."""
        return f"pourd@{self.number}.service"

    @property
    def conf(self) -> Path:
        """Its configuration. Its service starts only where this file exists."""
        return self.directory / f"pourd{self.number}.conf"

    @property
    def kept(self) -> Path:
        """The name of its configuration after kegnet-meter has taken over."""
        return self.conf.with_name(self.conf.name + _KEPT)

    @property
    def delay_ms(self) -> int:
        """A pour ends after so many milliseconds without a pulse. Raises ConfigError."""
        return _number(_section(self), "pour_delay_ms", _DEFAULT_DELAY_MS, 200, 30_000, "a whole number of milliseconds")

    def parameters(self) -> dict[str, str]:
        """The parameters of its section in meter.conf. Raises ConfigError."""
        minimum = _number(_section(self), "min_pour_pulses", _DEFAULT_MINIMUM_PULSES, 1, 1_000_000, "a whole number")
        return {
            "reportAs": str(self.number),
            "bias": power_on_bias(self.gpio).value,
            "edge": "rising",
            "idle": str(self.delay_ms),
            "minimumPulses": str(minimum),
        }


def numbers(directory: Path = CONF) -> list[int]:
    """The numbers for which there is a configuration of pourd, taken over or not."""
    found = {int(match[1]) for match in (_FILE.fullmatch(path.name) for path in directory.glob("pourd*")) if match}
    return sorted(found)


def _section(instance: Instance) -> Section:
    return IniFile(instance.conf, _SECTION, "pourd").section(_SECTION)


def _number(section: Section, name: str, default: int, low: int, high: int, what: str) -> int:
    """A number that kegnet-meter accepts, too."""

    def convert(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or not (int(text) == 0 or low <= int(text) <= high):
            raise ValueError
        return int(text)

    return section.get(name, convert, f"{what} from {low} to {high}, which are the limits of kegnet-meter") or default
