"""Reads the sections of an INI file into typed values. An error names the fix."""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from .problem import ProblemError

_QUOTED_CHARACTERS = 200
_COMMENT = re.compile(r"\s[;#]")

Value = TypeVar("Value")


class ConfigError(ProblemError):
    """A configuration that cannot be used. `problem` names the file, the parameter and the value. Long values are cut."""


class HintError(ValueError):
    """A wrong value whose reason is not obvious from the description of valid values. The text is the reason."""


def value_error(path: Path, parameter: str, value: object, problem: str, fix: str) -> ConfigError:
    """A ConfigError about one parameter of the file `path`."""
    if looks_commented(str(value)):
        fix = f"{fix}; a comment needs a line of its own, it cannot follow a value"
    return ConfigError(f"{path}: {parameter} = {_cut(str(value)) or '(empty)'}: {problem}", fix)


def looks_commented(value: str) -> bool:
    """Whether `value` seems to contain a comment. `configparser` keeps ` ;` and ` #` as part of the value."""
    return _COMMENT.search(value) is not None


class IniFile:
    """The sections of one INI file, which is read once. Names of sections are case-sensitive."""

    def __init__(self, path: Path, section: str, setup: str, text: str | None = None) -> None:
        """Reads the file `path`. `section` is its first section and `setup` the shell command that makes it, for messages.

        `text` is what the file is going to contain, if that is examined before it is written. Raises ConfigError.
        """
        self._path = path
        self._setup = setup
        self._spelled: dict[str, str] = {}
        self._parser = configparser.ConfigParser(interpolation=None)
        self._parser.optionxform = self._lower  # type: ignore[assignment,method-assign]
        try:
            self._parser.read_string(_text(path, setup) if text is None else text, source=str(path))
        except configparser.Error as error:
            raise ConfigError(f"{path}: {_syntax_problem(error)}", _syntax_fix(error, section)) from error

    def names(self) -> list[str]:
        """The names of the sections, in the file's order."""
        return self._parser.sections()

    def section(self, name: str, prefix: str = "") -> Section:
        """The section `name`. `prefix` is put before its parameters in messages. Raises ConfigError if there is none."""
        if not self._parser.has_section(name):
            found = ", ".join(f"[{other}]" for other in self.names()) or "none"
            raise ConfigError(
                f"{self._path}: has no section [{name}] (found: {_cut(found)})", f"put the line [{name}] above the parameters"
            )
        return Section(self._path, self._setup, dict(self._parser.items(name)), self._spelled, prefix)

    def _lower(self, name: str) -> str:
        self._spelled[name.lower()] = name
        return name.lower()


class Section:
    """The parameters of one section. Names are case-insensitive."""

    def __init__(self, path: Path, setup: str, values: dict[str, str], spelled: dict[str, str], prefix: str) -> None:
        """`values` are by the name in lower case, `spelled` has the names as the file writes them."""
        self._path = path
        self._setup = setup
        self._values = values
        self._spelled = spelled
        self._prefix = prefix
        self._asked: set[str] = set()

    def required(self, name: str, convert: Callable[[str], Value], expected: str) -> Value:
        """The parameter `name`, converted by `convert`, which raises ValueError. Raises ConfigError if it is missing or wrong.

        `expected` describes a valid value, for messages.
        """
        value = self.get(name, convert, expected, fill_in=True)
        if value is None:
            raise ConfigError(
                f"{self._path}: the parameter {self._prefix}{name} is missing; it takes {expected}", f"{self._setup} fills it in"
            )
        return value

    def get(self, name: str, convert: Callable[[str], Value], expected: str, fill_in: bool = False) -> Value | None:
        """Like `required()`, but returns None if the parameter is absent. `fill_in`: --setup can fill in an empty value."""
        self._asked.add(name.lower())
        text = self._values.get(name.lower())
        if text is None:
            return None
        try:
            return convert(text)
        except ValueError as error:
            problem = f"{error}" if isinstance(error, HintError) else "this value is not valid"
            fix = f"use {expected}" + (f"; {self._setup} fills it in" if fill_in and not text else "")
            raise value_error(self._path, self._prefix + name, text, problem, fix) from error

    def path(self, name: str, expected: str) -> Path | None:
        """A path; a relative one is relative to the file's directory. None if the parameter is absent."""
        return self.get(name, self._beside_file, expected)

    def raw(self, name: str) -> str:
        """The parameter as written; empty if it is absent."""
        return self._values.get(name.lower(), "")

    def warnings(self) -> list[str]:
        """Problems that do not prevent the use: unknown parameters, and values that seem to contain a comment."""
        unknown = [name for key, name in self._spelled.items() if key in self._values and key not in self._asked]
        commented = [self._spelled[key] for key, value in self._values.items() if key in self._asked and looks_commented(value)]
        return [
            *(f"{self._path}: the parameter {self._prefix}{_cut(name)} is unknown and ignored; is it misspelt?" for name in unknown),
            *(
                f"{self._path}: the value of {self._prefix}{name} seems to contain a comment; a comment needs a line of its own"
                for name in commented
            ),
        ]

    def _beside_file(self, text: str) -> Path:
        if not text or "\n" in text or "\0" in text:
            raise ValueError
        return Path(os.path.normpath(self._path.parent / text))


def _text(path: Path, setup: str) -> str:
    other = "name another file with --config"
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path}: is not a file", "name the configuration file with --config")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        if path.is_symlink():
            target = os.readlink(path)
            raise ConfigError(
                f"{path}: is a symbolic link to {target}, which does not exist", f"mount or make {target}, or remove the link"
            ) from error
        raise ConfigError(f"{path}: does not exist", f"make it with {setup}, or {other}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})", f"make it readable, or {other}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not text in UTF-8 (at byte {error.start})", "save it as UTF-8") from error


def _syntax_problem(error: configparser.Error) -> str:
    """A configparser error in the user's terms."""
    if isinstance(error, configparser.MissingSectionHeaderError):
        return f"line {error.lineno}: a parameter before any section"
    if isinstance(error, configparser.DuplicateOptionError):
        return f"line {error.lineno}: the parameter {_cut(error.option)} occurs twice"
    if isinstance(error, configparser.DuplicateSectionError):
        return f"line {error.lineno}: the section [{_cut(error.section)}] occurs twice"
    if isinstance(error, configparser.ParsingError) and error.errors:
        number, line = error.errors[0]
        return f'line {number}: is not "parameter = value": {_cut(line)}'
    return f"cannot be read as an INI file: {error}"


def _syntax_fix(error: configparser.Error, section: str) -> str:
    if isinstance(error, configparser.MissingSectionHeaderError):
        return f"put the line [{section}] first"
    if isinstance(error, (configparser.DuplicateOptionError, configparser.DuplicateSectionError)):
        return "keep one of them"
    return "write each line as: parameter = value"


def _cut(text: str) -> str:
    """`text`, cut so that the fix still fits into the log line."""
    return text if len(text) <= _QUOTED_CHARACTERS else text[:_QUOTED_CHARACTERS] + "..."
