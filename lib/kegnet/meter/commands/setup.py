"""--setup: writes the pins of the flow meters into meter.conf. Overwrites nothing."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from ...core import new_files
from ...core.ini import ConfigError, IniFile, Section
from ...core.ini_edit import with_parameter, with_section
from .. import config
from ..config import DEFAULT_PATH, HIGHEST_PIN, SECTION, MeterConfig, PinConfig, command
from .arguments import Wanted
from .volume import high_minimum

_TEMPLATE = f"""\
# The configuration of kegnet-meter; see meter.conf(5). After a change: systemctl reload kegnet-meter

[{SECTION}]
"""
_ONE_WIRE_PIN = 4
_RESULT = """\
The flow meters:

{meters}{minima}
Connect the signal wire of each to its pin, black to ground and red to the voltage in its data sheet, mostly 5 V. A signal
of more than 3.3 V needs a level shifter. Then turn the wheel, and see the pulses:

    {watch}

Measure how many pulses a litre has, and examine everything:

    {calibrate}
    {check}

{start}
"""


def set_up(path: Path, wanted: Wanted) -> str:
    """Writes the pins and values that are `wanted` into the configuration at `path`. Returns the text to print.

    Without options it asks for the pins on the terminal. Raises ConfigError, and then changes nothing.
    """
    path = path.absolute()
    old = None
    with new_files.explained(path, command(path, "--setup")), contextlib.suppress(FileNotFoundError):
        old = path.read_bytes()
    file = None if old is None and not path.is_symlink() else IniFile(path, SECTION, command(path, "--setup"))
    sections = {} if file is None else config.pin_sections(path)
    if not wanted and sys.stdin.isatty():
        wanted = _ask(path, sections)
    if not wanted.pins and not sections:
        raise ConfigError(f"{path}: names no pin", f"name it: {command(path, '--setup')} --pin 17")
    values = {name: _absent(path, file, name, parameters) for name, parameters in _values(path, sections, wanted).items()}
    new = _TEMPLATE if old is None else old.decode("utf-8")
    for name, parameters in values.items():
        new = _with_parameters(new, name, parameters)
    conf = config.load(path, new.removeprefix("\ufeff"))
    with new_files.explained(path, command(path, "--setup")):
        if old is None:
            new_files.make(path, new.encode("utf-8"), 0o644)
        elif new.encode("utf-8") != old:
            new_files.replace(path, new.encode("utf-8"))
    return _result(conf)


def _values(path: Path, sections: Mapping[int, str], wanted: Wanted) -> dict[str, dict[str, str]]:
    """The wanted parameters by the name of their section, of those that are there and of new ones. Raises ConfigError."""
    # Relative to the current directory, where the shell completes it. In the file it would be relative to the file.
    spool = {} if wanted.spool is None else {"spool": wanted.spool and str(Path(wanted.spool).absolute())}
    values: dict[str, dict[str, str]] = {SECTION: spool}
    names = {**{pin: f"Pin {pin}" for pin in wanted.pins}, **sections}
    values.update((name, {}) for pin, name in names.items() if pin in wanted.pins)
    for option, parameter, numbers in (
        ("--report-as", "reportAs", wanted.report_as),
        ("--pulses-per-litre", "pulsesPerLitre", wanted.pulses_per_litre),
    ):
        for pin, number in numbers.items():
            if pin not in names:
                raise ConfigError(f"{option} {pin}={number}: {path} has no section [Pin {pin}]", f"add --pin {pin}")
            values.setdefault(names[pin], {})[parameter] = str(number)
    return values


def _absent(path: Path, file: IniFile | None, name: str, parameters: Mapping[str, str]) -> Mapping[str, str]:
    """Those of the parameters that the section does not have. Raises ConfigError if it has one with another value."""
    if file is None or name not in file.names():
        return parameters
    section = file.section(name)
    for parameter, value in parameters.items():
        old = section.raw(parameter)
        if old and not (old == value or (parameter == "spool" and _is_spool(section, value))):
            raise ConfigError(
                f"{path}: [{name}] {parameter} = {old}: has a value already, and --setup overwrites nothing", "edit the file to change it"
            )
    return {parameter: value for parameter, value in parameters.items() if not section.raw(parameter)}


def _is_spool(section: Section, value: str) -> bool:
    """Whether the path `value` is the spool of the section, which can name it relative to the file. Raises ConfigError."""
    old = section.path("spool", "the path of the spool directory")
    return old is not None and os.path.realpath(old) == os.path.realpath(value)


def _with_parameters(text: str, section: str, parameters: Mapping[str, str]) -> str:
    if not re.search(rf"^\ufeff?[ \t]*\[{re.escape(section)}\]", text, re.MULTILINE):
        return with_section(text, section, parameters)
    for name, value in parameters.items():
        text = with_parameter(text, section, name, value)
    return text


def _result(conf: MeterConfig) -> str:
    is_default = conf.path == DEFAULT_PATH
    start = "Start it, now and at each boot; if it runs already, let it read the new configuration:\n\n" if is_default else "Start it:\n\n"
    if is_default:
        # The service reads the default configuration.
        start += "    sudo systemctl enable --now kegnet-meter\n    sudo systemctl reload kegnet-meter"
    else:
        start += f"    {command(conf.path, '').rstrip()}"
    return _RESULT.format(
        meters="".join(f"    {_describe(pin)}\n" for pin in conf.pins),
        minima="".join(f"\n{'; fix: '.join(found)}\n" for pin in conf.pins if (found := high_minimum(pin, conf.path))),
        watch=command(conf.path, "--watch"),
        calibrate=command(conf.path, f"--calibrate {conf.pins[0].pin}"),
        check=command(conf.path, "--check"),
        start=start,
    )


def _describe(pin: PinConfig) -> str:
    litre = "pulsesPerLitre is not known yet" if pin.pulses_per_litre is None else f"{pin.pulses_per_litre} pulses per litre"
    note = "; dtoverlay=w1-gpio uses this pin for thermometers unless it names another" if pin.pin == _ONE_WIRE_PIN else ""
    return f"GPIO {pin.pin}: number {pin.report_as} on the server, {litre}{note}"


# The questions.


def _ask(path: Path, sections: Mapping[int, str]) -> Wanted:
    """Asks for the pins. Raises ConfigError at the end of the input."""
    there = ", ".join(str(pin) for pin in sections)
    if there:
        print(f"{path} has the pins {there}. Which others have a flow meter? Enter without a pin: none", file=sys.stderr)
    else:
        print("To which GPIO pins are the signal wires of the flow meters connected? For example: 17 18", file=sys.stderr)
    while True:
        text = _answer("pins = ", path)
        numbers = re.findall(r"[^\s,]+", text)
        if all(re.fullmatch("[0-9]{1,2}", number) and int(number) <= HIGHEST_PIN for number in numbers) and (numbers or sections):
            break
        print(f"use the numbers behind GPIO on the diagram of the header, from 0 to {HIGHEST_PIN}", file=sys.stderr)
    pins = tuple(dict.fromkeys(int(number) for number in numbers))
    return Wanted(pins, None, {}, {})


def _answer(question: str, path: Path) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    text = sys.stdin.readline()
    if not text:
        raise ConfigError(f"{path}: names no pin, and nothing was changed", "run --setup again and enter one")
    return text.strip()
