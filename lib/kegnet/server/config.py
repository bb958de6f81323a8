"""Reads /etc/kegnet-server.conf and the options of the command line into ServeOptions. An error names file, parameter, value and fix.

The file is an INI file with the section [Server]. The older form, an environment file of systemd, is read as well.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.ini import ConfigError, IniFile
from . import environment_file, parameters
from .options import ServeOptions
from .parameters import EXPECTED, Given

SECTION = "Server"
DEFAULT_PATH = Path("/etc/kegnet-server.conf")
DEFAULTS = {"database": "sqlite:////var/lib/kegnet-server/kegnet.sqlite", "listen": "127.0.0.1:8080"}
_TEMPLATE = "a copy of /usr/share/kegnet-client/service/kegnet-server.conf"


@dataclass(frozen=True)
class Config:
    """The options of the server. `path` is the file that was read, None if there is none. `warnings` are lines for the log."""

    path: Path | None
    options: ServeOptions
    warnings: tuple[str, ...] = ()


def load(path: Path | None, overrides: Mapping[str, str], default: Path = DEFAULT_PATH) -> Config:
    """The configuration in `path`, with `overrides` of the command line by parameter. Raises ConfigError.

    None for `path`: the `default` file, if it exists. With an override of the database it is not read: that is another server's.
    """
    read: Path | None = path or default
    if path is None and ("database" in overrides or not default.exists()):
        read = None
    given, warnings = _read(read) if read is not None else ({}, [])
    given |= {name: Given(value, f"--{name}") for name, value in overrides.items()}
    for name, value in DEFAULTS.items():
        given.setdefault(name, Given(value, name))
    return Config(read, parameters.options(given), tuple(warnings))


def _read(path: Path) -> tuple[dict[str, Given], list[str]]:
    """The parameters in the file, and warnings."""
    if path.is_file() and not os.access(path, os.R_OK):
        raise ConfigError(f"{path}: cannot be read (Permission denied)", "run this as root, with sudo")
    ini = None if environment_file.is_one(path) else IniFile(path, SECTION, _TEMPLATE)
    if ini is None:
        return environment_file.read(path)
    section = ini.section(SECTION)
    texts = {name: section.get(name, str, expected) for name, expected in EXPECTED.items()}
    others = [f"{path}: the section [{name}] is unknown and ignored" for name in ini.names() if name != SECTION]
    given = {name: Given(text.strip(), f"{path}: {name}", path) for name, text in texts.items() if text is not None}
    return given, [*section.warnings(), *others]
