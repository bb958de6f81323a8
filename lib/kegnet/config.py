"""client.conf: an INI file with one section, read into a frozen value or refused in one helpful line."""

from __future__ import annotations

import configparser
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, TypeVar
from urllib.parse import urlsplit

SECTION = "KegNet"
DEFAULT_PING_INTERVAL_S = 600
W1_DEVICES = Path("/sys/bus/w1/devices")
LONGEST_PING_INTERVAL_S = 86_400

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PROBE = re.compile(r"[0-9a-f]{2}-[0-9a-f]{12}")
_LABEL = "[A-Za-z0-9_-]{1,63}"
_ZONE = "%(25)?(?![2-7][0-9A-Fa-f])[A-Za-z0-9_.-]+"
"""An interface's name, as it is or after RFC 6874. Not what begins like an escaped letter, for requests would read it as one."""
_NETLOC = re.compile(rf"({_LABEL}(\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+({_ZONE})?\])(:[0-9]{{0,5}})?")
_QUOTED_CHARACTERS = 200

BASE_URL_RIGHT = "the REST API's address, e.g. https://www.kegnetwork.com/rest/v2"
"""What a `serviceBaseURL` takes, for who is asked for one."""

_FILL = "sudo kegnet-client --setup fills it in"

Value = TypeVar("Value")


class ConfigError(Exception):
    """The configuration cannot serve; the text names the file, the parameter, the value and the mend.

    It quotes the file as it is, but for what is long: escape it before it is shown.
    """


class _HintError(ValueError):
    """What is wrong with a value, where "it takes ..." alone would puzzle."""


@dataclass(frozen=True)
class Config:
    """What client.conf says, with defaults filled in and paths made absolute.

    `base_url` has no slash at its end; `ca_bundle` None is the system's store, `sensor` None the first probe
    found. `warnings` are lines for the owner about what is odd, but not wrong.
    """

    path: Path
    uuid: str
    base_url: str
    private_key: Path
    ca_bundle: Path | None
    spool: Path
    ping_interval_s: int
    sensor: str | None
    w1_devices: Path
    warnings: tuple[str, ...] = ()

    @property
    def api_v1(self) -> bool:
        """Whether the server speaks v1 of the API, whose times are in seconds, not milliseconds."""
        return self.base_url.endswith("/v1")

    def error(self, parameter: str, value: object, mend: str) -> ConfigError:
        """A ConfigError about one parameter of this file."""
        return _error(self.path, parameter, str(value), mend)


def load(path: Path) -> Config:
    """The configuration in the file `path`. Raises ConfigError."""
    path = path.absolute()
    values = _Values(path, _section(path))
    config = Config(
        path=path,
        uuid=values.required("uuid", _uuid, "the client's UUID, e.g. 6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"),
        base_url=values.required("serviceBaseURL", base_url, BASE_URL_RIGHT),
        private_key=values.path("privateKey", "the path of an RSA private key") or path.parent / "privkey.pem",
        ca_bundle=values.path("caBundle", "the path of a file with CA certificates"),
        spool=values.path("spool", "the path of the spool directory") or path.parent.parent / "spool",
        ping_interval_s=values.get("pingInterval", _interval, f"whole seconds, from 1 to {LONGEST_PING_INTERVAL_S}")
        or DEFAULT_PING_INTERVAL_S,
        sensor=values.get("sensor", _sensor, "a probe's name below w1Devices, e.g. 28-0000054c9f11"),
        w1_devices=values.path("w1Devices", "the path below which the kernel shows the probes") or W1_DEVICES,
    )
    return replace(config, warnings=tuple(_warnings(config, values.unknown())))


def values(path: Path) -> dict[str, str]:
    """The parameters in the file `path` as they stand there, by their names in small letters. Raises ConfigError."""
    return {name: value for name, (_, value) in _section(path.absolute()).items()}


def _section(path: Path) -> dict[str, tuple[str, str]]:
    """The section's parameters: their names in small letters, then as the owner spells them, and their values."""
    spelled: dict[str, str] = {}

    def small_letters(name: str) -> str:
        spelled[name.lower()] = name
        return name.lower()

    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = small_letters  # type: ignore[assignment,method-assign]
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path}: is not a file; name the configuration file with --config")
        parser.read_string(path.read_text(encoding="utf-8-sig"), source=str(path))
    except FileNotFoundError as error:
        if path.is_symlink():
            raise ConfigError(f"{path}: is a link that leads nowhere; mount or make {os.readlink(path)}, or remove the link") from error
        raise ConfigError(f"{path}: is not there; make it with sudo kegnet-client --setup, or name another file with --config") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); make it readable, or name another file with --config") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not text in UTF-8 (at byte {error.start}); save it as UTF-8") from error
    except configparser.Error as error:
        raise ConfigError(f"{path}: {_syntax(error)}") from error
    if not parser.has_section(SECTION):
        there = ", ".join(f"[{name}]" for name in parser.sections()) or "none"
        raise ConfigError(f"{path}: has no section [{SECTION}] (there: {_clipped(there)}); put the line [{SECTION}] above the parameters")
    return {name: (spelled[name], value) for name, value in parser.items(SECTION)}


def _syntax(error: configparser.Error) -> str:
    """A configparser error in an owner's words."""
    if isinstance(error, configparser.MissingSectionHeaderError):
        return f"line {error.lineno}: a parameter before any section; put the line [{SECTION}] first"
    if isinstance(error, configparser.DuplicateOptionError):
        return f"line {error.lineno}: the parameter {_clipped(error.option)} is there twice; keep one of them"
    if isinstance(error, configparser.DuplicateSectionError):
        return f"line {error.lineno}: the section [{_clipped(error.section)}] is there twice; make one of them"
    if isinstance(error, configparser.ParsingError) and error.errors:
        line_number, line = error.errors[0]
        return f"line {line_number}: cannot read {_clipped(line)}; a line is: parameter = value"
    return f"cannot be read as an INI file: {error}"


class _Values:
    """Takes parameters out of the section, whatever their capitals, and knows which nobody asked for."""

    def __init__(self, path: Path, section: dict[str, tuple[str, str]]) -> None:
        self._path = path
        self._section = section
        self._asked: set[str] = set()

    def required(self, name: str, convert: Callable[[str], Value], right: str) -> Value:
        value = self.get(name, convert, right, needed=True)
        if value is None:
            raise ConfigError(f"{self._path}: the parameter {name} is missing; it takes {right}; {_FILL}")
        return value

    def path(self, name: str, right: str) -> Path | None:
        return self.get(name, self._beside_file, right)

    def get(self, name: str, convert: Callable[[str], Value], right: str, needed: bool = False) -> Value | None:
        self._asked.add(name.lower())
        if name.lower() not in self._section:
            return None
        text = self._section[name.lower()][1]
        try:
            return convert(text)
        except ValueError as error:
            hint = f"{error}; " if isinstance(error, _HintError) else ""
            fill = f"; {_FILL}" if not text and needed else ""
            raise _error(self._path, name, text, f"{hint}it takes {right}{fill}") from error

    def unknown(self) -> list[str]:
        return [name for key, (name, _) in self._section.items() if key not in self._asked]

    def _beside_file(self, text: str) -> Path:
        if not text or "\n" in text or "\0" in text:
            raise ValueError
        return Path(os.path.normpath(self._path.parent / text))


def _warnings(config: Config, unknown: list[str]) -> list[str]:
    warnings = [f"{config.path}: the parameter {_clipped(name)} is not known and so not used; is it misspelt?" for name in unknown]
    if not re.search("/v[0-9]+$", config.base_url):
        mend = "does not end in the API's version, such as /rest/v2; taken as version 2"
        warnings.append(str(config.error("serviceBaseURL", config.base_url, mend)))
    return warnings


def _uuid(text: str) -> str:
    if not _UUID.fullmatch(text):
        raise ValueError
    return text


def base_url(text: str) -> str:
    """`text` as a `serviceBaseURL`, without slashes at its end. Raises ValueError, which may say why."""
    parts = urlsplit(text)
    if not re.fullmatch(r"[\x21-\x7e]+", text) or parts.scheme not in ("https", "http") or parts.port == 0:
        raise ValueError
    if "@" in parts.netloc:
        raise _HintError("a user name or password does not belong there")
    if "?" in text or "#" in text:
        raise _HintError("a query or fragment does not belong there")
    if not _NETLOC.fullmatch(parts.netloc):
        # Else it would be refused, or taken for another host's, only when it is asked.
        raise ValueError
    return text.rstrip("/")


def _interval(text: str) -> int:
    match = re.fullmatch("0*([0-9]{1,5})", text)
    if match is None or not 1 <= int(match[1]) <= LONGEST_PING_INTERVAL_S:
        raise ValueError
    return int(match[1])


def _sensor(text: str) -> str:
    if not _PROBE.fullmatch(text.lower()):
        raise ValueError
    return text.lower()


def _error(path: Path, parameter: str, value: str, mend: str) -> ConfigError:
    return ConfigError(f"{path}: {parameter} = {_clipped(value) or '(empty)'}: {mend}")


def _clipped(text: str) -> str:
    """`text`, or its beginning where the rest would push the mend out of the line."""
    return text if len(text) <= _QUOTED_CHARACTERS else text[:_QUOTED_CHARACTERS] + "..."
