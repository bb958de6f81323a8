"""The 1-Wire thermometer, as the kernel's `w1_therm` driver shows it below `/sys/bus/w1/devices`.

One directory a probe, named `<family>-<serial>`; reading its `w1_slave` starts a conversion and answers with
the scratchpad in hex, the kernel's verdict on its CRC, and the temperature (the kernel's `w1_therm.rst`).
A made-up temperature is worse than none: whatever is not surely a reading is a SensorError.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

FAMILIES = {"10": "DS18S20", "22": "DS1822", "28": "DS18B20", "3b": "DS1825", "42": "DS28EA00"}
"""1-Wire family codes of thermometers, from their data sheets."""

_PROBE = re.compile(f"(?:{'|'.join(FAMILIES)})-[0-9a-f]{{12}}")

LOWEST_MILLICELSIUS = -55_000
HIGHEST_MILLICELSIUS = 125_000
POWER_ON_MILLICELSIUS = 85_000
"""The scratchpad's content before any conversion (DS18B20 data sheet): the probe lost its power."""
STARVED_MILLICELSIUS = 127_937
"""What a probe answers that has too little power for the conversion."""

TRIES = 3
_ANSWER_LIMIT_BYTES = 4096
_HEX_BYTES = r"((?:[0-9a-f]{2} ){9})"
_ANSWER = re.compile(_HEX_BYTES + r": crc=([0-9a-f]{2}) (YES|NO)\n" + _HEX_BYTES + r"t=(-?[0-9]{1,9})\n")
_ALL_ZERO = "00 " * 9
_ALL_ONES = "ff " * 9
_POWER_MEND = "check its power line and the 4.7 kOhm pull-up resistor"
_GONE = (errno.ENOENT, errno.ENODEV, errno.EIO, errno.ENXIO, errno.ENOTDIR)


class SensorError(Exception):
    """There is no reading; the text says why, and what to look at."""


class _TransientError(SensorError):
    """A fault that another conversion may well not have."""


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
        """Measures now. Takes up to a second a try; raises SensorError after `TRIES` transient faults."""
        probe = self._find()
        for _ in range(TRIES - 1):
            try:
                return Reading(probe, judge(probe, self._answer(probe)))
            except _TransientError:
                continue
        return Reading(probe, judge(probe, self._answer(probe)))

    def _find(self) -> str:
        names = self._names()
        probes = self._probes(names)
        if self._sensor in probes:
            return self._sensor
        if self._sensor is not None:
            others = f"; there: {', '.join(probes[:4])}" if probes else ""
            raise SensorError(f"probe {self._sensor} is not on the 1-Wire bus{others}; check its cable, or the parameter sensor")
        if probes:
            return probes[0]
        if any(name.startswith("00-") for name in names):
            raise SensorError("only phantoms (00-...) on the 1-Wire bus; check the wiring and the 4.7 kOhm pull-up resistor")
        raise SensorError("no thermometer on the 1-Wire bus; check its cable and the 4.7 kOhm pull-up resistor")

    def probes(self) -> list[str]:
        """The names of all thermometers on the bus, the first one first. Raises SensorError where there is no bus."""
        return self._probes(self._names())

    def _names(self) -> list[str]:
        try:
            return sorted(os.listdir(self._devices))
        except OSError as error:
            raise SensorError(
                f"no 1-Wire bus at {self._devices} ({error.strerror}); enable it with dtoverlay=w1-gpio in config.txt and reboot"
            ) from error

    def _probes(self, names: list[str]) -> list[str]:
        return [name for name in names if _PROBE.fullmatch(name) and os.path.lexists(self._devices / name / "w1_slave")]

    def _answer(self, probe: str) -> str:
        try:
            # O_NONBLOCK: whatever lies there instead of the driver's file, opening it must not hang.
            descriptor = os.open(self._devices / probe / "w1_slave", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb", buffering=0) as file:
                return (file.read(_ANSWER_LIMIT_BYTES) or b"").decode("ascii", "replace")
        except OSError as error:
            if error.errno in _GONE:
                raise SensorError(f"probe {probe} was unplugged ({error.strerror}); check its cable") from error
            raise SensorError(f"probe {probe} cannot be read ({error.strerror})") from error


def judge(probe: str, answer: str) -> int:
    """The temperature, in thousandths of a degree Celsius, that the text of `w1_slave` surely holds.

    Raises SensorError for every other answer. `t=0` is a reading; nine zero bytes are a short circuit.
    """
    if not answer:
        raise _TransientError(f"probe {probe} gave an empty answer; check its cable and its connectors")
    match = _ANSWER.fullmatch(answer)
    if match is None:
        raise _TransientError(f"probe {probe} gave an answer that is none of the driver's; check the parameter w1Devices")
    scratchpad, crc, verdict, again, temperature = match.groups()
    if scratchpad == _ALL_ONES:
        raise _TransientError(f"probe {probe} does not answer; check its cable")
    if verdict == "NO":
        raise _TransientError(f"probe {probe} was misheard (CRC error); check its cable, its length and the pull-up resistor")
    if again != scratchpad or not scratchpad.endswith(f"{crc} "):
        raise _TransientError(f"probe {probe} gave an answer that contradicts itself; check its cable")
    if scratchpad == _ALL_ZERO:
        raise SensorError(f"the 1-Wire data line is shorted to ground (probe {probe} answers only zeros); check the wiring")
    millicelsius = int(temperature)
    if millicelsius == POWER_ON_MILLICELSIUS:
        raise _TransientError(f"probe {probe} lost power (85 degrees is its power-on value); {_POWER_MEND}")
    if millicelsius == STARVED_MILLICELSIUS:
        raise _TransientError(f"probe {probe} has too little power to measure; {_POWER_MEND}")
    if not LOWEST_MILLICELSIUS <= millicelsius <= HIGHEST_MILLICELSIUS:
        raise SensorError(f"probe {probe} answers t={millicelsius}, which it cannot measure; replace it")
    return millicelsius


def celsius(millicelsius: int) -> str:
    """A temperature for people: `4.187 °C`."""
    sign = "-" if millicelsius < 0 else ""
    return f"{sign}{abs(millicelsius) // 1000}.{abs(millicelsius) % 1000:03d} °C"
