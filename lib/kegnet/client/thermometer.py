"""The 1-Wire thermometer, read through the kernel's `w1_therm` driver below `/sys/bus/w1/devices`.

Each probe is a directory, named `<family>-<serial>`. Reading its `w1_slave` starts a conversion and returns
the scratchpad in hex, the kernel's check of its CRC, and the temperature (the kernel's `w1_therm.rst`).
A wrong temperature is worse than none: any text that is not certainly a reading raises SensorError.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

from ..core.problem import ProblemError

FAMILIES = {"10": "DS18S20", "22": "DS1822", "28": "DS18B20", "3b": "DS1825", "42": "DS28EA00"}
"""1-Wire family codes of thermometers, from their data sheets."""

_PROBE = re.compile(f"(?:{'|'.join(FAMILIES)})-[0-9a-f]{{12}}")

LOWEST_MILLICELSIUS = -55_000
HIGHEST_MILLICELSIUS = 125_000
POWER_ON_MILLICELSIUS = 85_000
"""The scratchpad's content before any conversion (DS18B20 data sheet): the probe lost its power."""
STARVED_MILLICELSIUS = 127_937
"""The answer of a probe that has too little power for the conversion."""

TRIES = 3
_ANSWER_LIMIT_BYTES = 4096
_HEX_BYTES = r"((?:[0-9a-f]{2} ){9})"
_ANSWER = re.compile(_HEX_BYTES + r": crc=([0-9a-f]{2}) (YES|NO)\n" + _HEX_BYTES + r"t=(-?[0-9]{1,9})\n")
_ALL_ZERO = "00 " * 9
_ALL_ONES = "ff " * 9
_CABLE = "check its cable"
_RESISTOR = "the 4.7 kOhm pull-up resistor"
_POWER = f"check its power line and {_RESISTOR}"
_GONE = (errno.ENOENT, errno.ENODEV, errno.EIO, errno.ENXIO, errno.ENOTDIR)


class SensorError(ProblemError):
    """There is no reading. `problem` is the reason, `fix` is what to check."""


class NoProbeError(SensorError):
    """The probe is not on the bus, or there is none. The search does not use the bus."""


class _TransientError(SensorError):
    """A fault that may be gone at the next conversion."""


@dataclass(frozen=True)
class Reading:
    """A temperature in thousandths of a degree Celsius, and the probe that measured it."""

    probe: str
    millicelsius: int


class Thermometer:
    """The probe called `sensor`, or the first one found, below `devices`."""

    def __init__(self, devices: Path, sensor: str | None = None) -> None:
        self._devices = devices
        self._sensor = sensor

    def read(self) -> Reading:
        """Measures now. Takes up to a second per try; raises SensorError after `TRIES` transient faults."""
        probe = self._find()
        for _ in range(TRIES - 1):
            try:
                return Reading(probe, parse_reading(probe, self._answer(probe)))
            except _TransientError:
                continue
        return Reading(probe, parse_reading(probe, self._answer(probe)))

    def _find(self) -> str:
        names = self._names()
        probes = self._probes(names)
        if self._sensor is not None and self._sensor not in probes:
            others = f"; found: {', '.join(probes[:4])}" if probes else ""
            raise NoProbeError(
                f"probe {self._sensor} is not on the 1-Wire bus{others}", "check its cable, or name another probe in the parameter sensor"
            )
        if self._sensor is not None:
            return self._sensor
        if probes:
            return probes[0]
        if any(name.startswith("00-") for name in names):
            raise NoProbeError("only phantoms (00-...) on the 1-Wire bus", f"check the wiring and {_RESISTOR}")
        raise NoProbeError("no thermometer on the 1-Wire bus", f"check its cable and {_RESISTOR}")

    def probes(self) -> list[str]:
        """The names of all thermometers on the bus, sorted. Raises NoProbeError if there is no bus."""
        return self._probes(self._names())

    def _names(self) -> list[str]:
        try:
            return sorted(os.listdir(self._devices))
        except OSError as error:
            fix = "enable it with dtoverlay=w1-gpio in config.txt and reboot"
            raise NoProbeError(f"no 1-Wire bus at {self._devices} ({error.strerror})", fix) from error

    def _probes(self, names: list[str]) -> list[str]:
        return [name for name in names if _PROBE.fullmatch(name) and os.path.lexists(self._devices / name / "w1_slave")]

    def _answer(self, probe: str) -> str:
        try:
            # O_NONBLOCK: if it is a FIFO, opening it must not block.
            descriptor = os.open(self._devices / probe / "w1_slave", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb", buffering=0) as file:
                return (file.read(_ANSWER_LIMIT_BYTES) or b"").decode("ascii", "replace")
        except OSError as error:
            if error.errno in _GONE:
                raise NoProbeError(f"probe {probe} was unplugged ({error.strerror})", _CABLE) from error
            raise SensorError(f"probe {probe} cannot be read ({error.strerror})", "let the client's user read it") from error


def parse_reading(probe: str, answer: str) -> int:
    """The temperature, in thousandths of a degree Celsius, in the text of `w1_slave`.

    Raises SensorError for every text that is not certainly a reading. `t=0` is one; nine zero bytes are a short circuit.
    """
    if not answer:
        raise _TransientError(f"probe {probe} gave an empty answer", f"{_CABLE} and its connectors")
    match = _ANSWER.fullmatch(answer)
    if match is None:
        raise _TransientError(f"probe {probe} gave text that w1_therm does not write", "check the parameter w1Devices")
    scratchpad, crc, verdict, again, temperature = match.groups()
    if scratchpad == _ALL_ONES:
        raise _TransientError(f"probe {probe} does not answer", _CABLE)
    if verdict == "NO":
        raise _TransientError(f"probe {probe} sent a wrong checksum (CRC error)", f"{_CABLE}, its length and {_RESISTOR}")
    if again != scratchpad or not scratchpad.endswith(f"{crc} "):
        raise _TransientError(f"probe {probe} gave an answer that contradicts itself", _CABLE)
    if scratchpad == _ALL_ZERO:
        raise SensorError(f"the 1-Wire data line is shorted to ground (probe {probe} answers only zeros)", "check the wiring")
    millicelsius = int(temperature)
    if millicelsius == POWER_ON_MILLICELSIUS:
        raise _TransientError(f"probe {probe} lost power (85 degrees is its power-on value)", _POWER)
    if millicelsius == STARVED_MILLICELSIUS:
        raise _TransientError(f"probe {probe} has too little power to measure", _POWER)
    if not LOWEST_MILLICELSIUS <= millicelsius <= HIGHEST_MILLICELSIUS:
        raise SensorError(f"probe {probe} answers t={millicelsius}, which it cannot measure", "replace it")
    return millicelsius


def celsius(millicelsius: int) -> str:
    """A temperature as text: `4.187 °C`."""
    sign = "-" if millicelsius < 0 else ""
    return f"{sign}{abs(millicelsius) // 1000}.{abs(millicelsius) % 1000:03d} °C"
