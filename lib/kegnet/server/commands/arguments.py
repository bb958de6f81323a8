"""Types and groups of arguments that several commands share."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any

PROGRAM = "kegnet-server"
PIN_AT_MOST = 1000
"""GPIO numbers are below that on any machine."""
NAME_AT_MOST = 80
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def number(least: float, most: float, kind: type[int] | type[float] = int) -> Callable[[str], Any]:
    """A type for argparse: a number from `least` to `most`."""

    def convert(text: str) -> int | float:
        try:
            value = kind(text)
        except ValueError:
            value = kind(most) + 1
        # A NaN is not in the range either.
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text}: is not {'a whole' if kind is int else 'a'} number from {least:g} to {most:g}")
        return value

    return convert


def uuid(text: str) -> str:
    """A type for argparse: a UUID, which is given in lower case."""
    if not _UUID.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text}: is not a UUID, e.g. 6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11")
    return text.lower()


def utf8(text: str) -> str:
    """A type for argparse: any text. What is not UTF-8 cannot be stored; in `sys.argv` its bytes are surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise argparse.ArgumentTypeError("is not a text in UTF-8") from error
    return text


def name(text: str) -> str:
    """A type for argparse: a name of 1 to 80 printable characters."""
    stripped = text.strip()
    if not stripped or len(stripped) > NAME_AT_MOST or not stripped.isprintable():
        raise argparse.ArgumentTypeError(f"a name has 1 to {NAME_AT_MOST} printable characters")
    return stripped


def millilitres(text: str) -> int:
    """A type for argparse: an amount in litres, as millilitres."""
    litres: float = number(0, 10_000, float)(text)
    return round(1000 * litres)


def add_tap(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments UUID and PIN, which name a tap."""
    parser.add_argument("uuid", metavar="UUID", type=uuid, help="the client's")
    parser.add_argument("pin", metavar="PIN", type=number(0, PIN_AT_MOST), help="the number of its flow meter")


def add_group(verbs: Any, word: str, text: str) -> Any:
    """Adds a command that has sub-commands, and gives what these are added to."""
    parser = verbs.add_parser(word, help=text, description=text, allow_abbrev=False)
    return parser.add_subparsers(required=True, metavar="COMMAND", title="commands")


def add_command(verbs: Any, word: str, run: Callable[..., Any], text: str) -> argparse.ArgumentParser:
    """Adds a command that `run` does, a function of the arguments and the database."""
    parser: argparse.ArgumentParser = verbs.add_parser(word, help=text, description=text, allow_abbrev=False)
    parser.set_defaults(run=run)
    return parser


def add_unopened(verbs: Any, word: str, run: Callable[..., Any], text: str) -> argparse.ArgumentParser:
    """Adds a command that `run` does, a function of the arguments and the configuration; it opens the database itself, if at all."""
    parser: argparse.ArgumentParser = verbs.add_parser(word, help=text, description=text, allow_abbrev=False)
    parser.set_defaults(run_unopened=run)
    return parser
