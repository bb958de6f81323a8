"""Reads meter.conf, an INI file with the sections [Meter] and [Pin N], into a frozen MeterConfig."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from ..core.ini import ConfigError, IniFile, Section, value_error
from .gpio_uapi import Bias, EdgeDirection

SECTION = "Meter"
UNIT = "kegnet-meter.service"
USER = "kegnet-meter"
"""The user of the service."""
SPOOL_GROUP = "kegnet"
"""The group that shares the spool."""
HIGHEST_PIN = 27
"""The GPIO lines of the header are GPIO 0 to GPIO 27."""
DEFAULT_IDLE_MS = 1200
DEFAULT_MINIMUM_PULSES = 160
DEFAULT_LONGEST_S = 600
DEFAULT_DEBOUNCE_US = 500
DEFAULT_HIGHEST_RATE_ML_PER_S = 120

_LIB = Path(__file__).resolve().parents[2]
ROOT = _LIB.parent if _LIB.name == "lib" else Path("/usr/share/kegnet-client")
"""The directory of `conf/` and `spool/`: the parent of `lib/`, or the default if pip has installed this file elsewhere."""
DEFAULT_PATH = ROOT / "conf" / "meter.conf"

_PIN_SECTION = re.compile(r"Pin +0*([0-9]{1,2})", re.IGNORECASE)
_LOOKS_LIKE_A_PIN = re.compile(r"pin\b|pin[0-9]", re.IGNORECASE)

Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True)
class PinConfig:
    """One flow meter: the content of its section, with the values of [Meter] and the defaults filled in.

    `pin` is the GPIO number as on the header, `report_as` is the number of the flow meter on the server.
    `pulses_per_litre` is None if unknown: then there is no limit of the rate, and leaks are not detected.
    `highest_rate_ml_per_s` is 0 for no limit.
    """

    pin: int
    report_as: int
    bias: Bias = Bias.PULL_UP
    edge: EdgeDirection = EdgeDirection.FALLING
    debounce_us: int = DEFAULT_DEBOUNCE_US
    pulses_per_litre: int | None = None
    highest_rate_ml_per_s: int = DEFAULT_HIGHEST_RATE_ML_PER_S
    idle_ms: int = DEFAULT_IDLE_MS
    minimum_pulses: int = DEFAULT_MINIMUM_PULSES
    longest_s: int = DEFAULT_LONGEST_S


@dataclass(frozen=True)
class MeterConfig:
    """The content of meter.conf, with defaults and absolute paths. `pins` is in the file's order. `warnings` are log lines."""

    path: Path
    spool: Path
    pins: tuple[PinConfig, ...]
    warnings: tuple[str, ...] = ()


def command(path: Path, mode: str) -> str:
    """The shell command for a mode of this program, with `--config` if needed; for messages."""
    option = "" if path.absolute() == DEFAULT_PATH else f" --config {shlex.quote(str(path.absolute()))}"
    return f"sudo kegnet-meter{option} {mode}"


def load(path: Path, text: str | None = None) -> MeterConfig:
    """The configuration in the file `path`, or in `text`, which the file is going to contain. Raises ConfigError."""
    path = path.absolute()
    file = IniFile(path, SECTION, command(path, "--setup"), text)
    meter = file.section(SECTION)
    spool = meter.path("spool", "the path of the spool directory") or path.parent.parent / "spool"
    defaults = _common(meter, PinConfig(pin=0, report_as=0))
    pins: dict[str, PinConfig] = {}
    warnings = meter.warnings()
    for name in file.names():
        if _LOOKS_LIKE_A_PIN.match(name):
            section = file.section(name, prefix=f"[{name}] ")
            pins[name] = _pin(path, name, section, defaults)
            warnings += section.warnings()
        elif name != SECTION:
            warnings.append(f"{path}: the section [{name}] is unknown and ignored; is it misspelt?")
    _check_pins(path, pins)
    return MeterConfig(path, spool, tuple(pins.values()), tuple(warnings))


def pin_sections(path: Path) -> dict[int, str]:
    """The sections of pins in the file `path`, as they are spelled, by pin. Raises ConfigError if it is not an INI file."""
    path = path.absolute()
    names = IniFile(path, SECTION, command(path, "--setup")).names()
    return {int(match[1]): name for name in names if (match := _PIN_SECTION.fullmatch(name))}


def _pin(path: Path, name: str, section: Section, defaults: PinConfig) -> PinConfig:
    match = _PIN_SECTION.fullmatch(name)
    if match is None or int(match[1]) > HIGHEST_PIN:
        raise ConfigError(
            f"{path}: [{name}]: is not a line of the GPIO header",
            f"name the section [Pin N], with N from 0 to {HIGHEST_PIN}, e.g. [Pin 17]",
        )
    pin = int(match[1])
    return replace(
        _common(section, defaults),
        pin=pin,
        report_as=_number(section, "reportAs", pin, 0, 999_999),
        bias=_word(section, "bias", Bias.PULL_UP),
        edge=_word(section, "edge", EdgeDirection.FALLING),
        debounce_us=_number(section, "debounce", DEFAULT_DEBOUNCE_US, 0, 100_000, "microseconds"),
        pulses_per_litre=_number(section, "pulsesPerLitre", 0, 1, 1_000_000) or None,
        highest_rate_ml_per_s=_number(section, "highestRate", DEFAULT_HIGHEST_RATE_ML_PER_S, 0, 10_000, "millilitres a second"),
    )


def _common(section: Section, defaults: PinConfig) -> PinConfig:
    """`defaults` with the parameters that can be in [Meter], for all pins, and in [Pin N], for one.

    The shortest `idle` is longer than the longest `debounce`: an edge is never both noise and the start of another pour.
    """
    return replace(
        defaults,
        idle_ms=_number(section, "idle", defaults.idle_ms, 200, 30_000, "milliseconds"),
        minimum_pulses=_number(section, "minimumPulses", defaults.minimum_pulses, 1, 1_000_000),
        longest_s=_number(section, "longest", defaults.longest_s, 60, 86_400, "seconds"),
    )


def _check_pins(path: Path, pins: dict[str, PinConfig]) -> None:
    """Raises ConfigError if there is no pin, or if two sections name the same pin or report the same number."""
    if not pins:
        raise ConfigError(f"{path}: has no section [Pin N]: there is no flow meter to read", f"{command(path, '--setup')} adds one")
    seen: dict[int, str] = {}
    reported: dict[int, str] = {}
    for name, pin in pins.items():
        if pin.pin in seen:
            raise ConfigError(f"{path}: [{name}]: is the same pin as [{seen[pin.pin]}]", "keep one of the two sections")
        if pin.report_as in reported:
            problem = f"[{reported[pin.report_as]}] reports this number, too"
            raise value_error(path, f"[{name}] reportAs", pin.report_as, problem, "give each pin another reportAs")
        seen[pin.pin] = reported[pin.report_as] = name


def _number(section: Section, name: str, default: int, low: int, high: int, unit: str = "") -> int:
    """A whole number from `low` to `high`, in `unit`; `default` if the parameter is absent."""

    def convert(text: str) -> int:
        match = re.fullmatch("0*([0-9]{1,9})", text)
        if match is None or not low <= int(match[1]) <= high:
            raise ValueError
        return int(match[1])

    expected = " ".join(filter(None, ["a whole number", unit and f"of {unit}", f"from {low} to {high}"]))
    value = section.get(name, convert, expected)
    return default if value is None else value


def _word(section: Section, name: str, default: Word) -> Word:
    """One of the words of the enum of `default`, in any case; `default` if the parameter is absent."""
    words = type(default)
    return section.get(name, lambda text: words(text.lower()), " or ".join(words)) or default
