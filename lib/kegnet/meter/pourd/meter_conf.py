"""Adds a flow meter of pourd to the text of meter.conf, and takes it out again."""

from __future__ import annotations

import re
from pathlib import Path

from ...core import new_files
from ...core.ini import ConfigError
from ...core.ini_edit import with_section
from ...core.problem import ProblemError
from ..config import PinConfig, load, pin_sections
from .instance import CONF, Instance

PATH = CONF / "meter.conf"


def pins(path: Path = PATH) -> tuple[PinConfig, ...]:
    """The flow meters in the file; none if it has no section [Pin N]. Raises ConfigError."""
    return load(path).pins if path.exists() and pin_sections(path) else ()


def has(instance: Instance, path: Path = PATH) -> bool:
    """Whether the file has the flow meter of the instance. Raises ConfigError, and ProblemError if its pin has another number."""
    for pin in pins(path):
        if pin.pin == instance.gpio and pin.report_as != instance.number:
            fix = f"set reportAs = {instance.number} in that section, or remove the section"
            raise ProblemError(f"{path}: [Pin {pin.pin}] reports as {pin.report_as}, and pourd as {instance.number}", fix)
        if pin.pin == instance.gpio:
            return True
    return False


def add(instance: Instance, path: Path = PATH) -> str:
    """Adds a section for the instance. Returns the text as it was. Raises ConfigError if the result could not be used."""
    before = _read(path)
    write(planned(instance, path), path)
    return before


def planned(instance: Instance, path: Path = PATH) -> str:
    """The text of the file with a section for the instance. Raises ConfigError if that could not be used."""
    text = with_section(_read(path), f"Pin {instance.gpio}", instance.parameters())
    load(path, text)
    return text


def remove(instance: Instance, path: Path = PATH) -> str:
    """Makes comments of the section of the instance, so that no parameter is lost. Returns the text as it was."""
    before = _read(path)
    inside = False
    lines = []
    for line in before.splitlines(keepends=True):
        if re.match(r"\s*\[", line):
            inside = re.match(rf"\s*\[pin +0*{instance.gpio}\]", line, re.IGNORECASE) is not None
        lines.append(f"#{line}" if inside and line.strip() and not line.lstrip().startswith("#") else line)
    write("".join(lines), path)
    return before


def write(text: str, path: Path = PATH) -> None:
    """Replaces the content of the file, durably. Raises OSError."""
    if path.exists():
        new_files.replace(path, text.encode("utf-8"))
    else:
        new_files.make(path, text.encode("utf-8"), 0o644)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return "[Meter]\n"
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not text in UTF-8 (at byte {error.start})", "save it as UTF-8") from error
