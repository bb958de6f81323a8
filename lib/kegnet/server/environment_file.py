"""The older form of the configuration: an environment file of systemd with KEGNET_DATABASE and KEGNET_SERVER_OPTIONS."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from ..core.ini import ConfigError
from .parameters import EXPECTED, Given

DATABASE, OPTIONS = "KEGNET_DATABASE", "KEGNET_SERVER_OPTIONS"
_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")


def is_one(path: Path) -> bool:
    """Whether the first line of the file that is no comment is an assignment to a variable of this form. Raises no error."""
    try:
        lines = path.read_text("utf-8-sig", "replace").splitlines()
    except OSError:
        return False
    first = next((line.strip() for line in lines if line.strip() and line.strip()[0] not in "#;"), "")
    match = _ASSIGNMENT.fullmatch(first)
    return match is not None and (match[1] in (DATABASE, OPTIONS) or match[1].isupper())


def read(path: Path) -> tuple[dict[str, Given], list[str]]:
    """The parameters in the file by their new names, and warnings. Raises ConfigError."""
    given: dict[str, Given] = {}
    warnings = []
    for name, value in _assignments(path):
        if name == DATABASE:
            given["database"] = Given(value, f"{path}: {DATABASE}", path)
        elif name == OPTIONS:
            given |= _options(path, value)
        else:
            warnings.append(f"{path}: the variable {name} is unknown and ignored; is it misspelt?")
    return given, warnings


def _assignments(path: Path) -> list[tuple[str, str]]:
    """The variables in the file's order, see EnvironmentFile= of systemd.exec(5)."""
    found = []
    for line in path.read_text("utf-8-sig", "replace").replace("\\\n", "").splitlines():
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        match = _ASSIGNMENT.fullmatch(text)
        if match is None:
            raise ConfigError(f"{path}: is not NAME=VALUE: {text[:80]}", "write each line as NAME=VALUE")
        try:
            found.append((match[1], " ".join(shlex.split(match[2]))))
        except ValueError as error:
            raise ConfigError(f"{path}: {match[1]}: a quotation mark is missing", "close the quotation marks") from error
    return found


def _options(path: Path, text: str) -> dict[str, Given]:
    """The parameters in the words of KEGNET_SERVER_OPTIONS: `--name value` or `--name=value`; a name can be shortened."""
    given = {}
    words = iter(text.split())
    for word in words:
        option, equals, value = word.partition("=")
        names = [name for name in EXPECTED if f"--{name}".startswith(option)] if option.startswith("--") and len(option) > 2 else []
        if len(names) != 1:
            raise ConfigError(f"{path}: {OPTIONS}: {word} is no option", f"use --{', --'.join(EXPECTED)}")
        if not equals:
            value = next(words, "")
        given[names[0]] = Given(value, f"{path}: {OPTIONS}: --{names[0]}", path)
    return given
