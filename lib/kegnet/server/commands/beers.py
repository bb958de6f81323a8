"""kegnet-server beers: the library of beers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..beer_import import Choice, Planned, carry_out, plan
from ..model.beers import NOTES_CHARACTERS, NUMBERS_AT_MOST
from ..recipes import RecipesError, read_recipes
from ..storage import Database
from ..storage import beers as storage
from ..storage.records import Beer
from . import arguments
from .account import as_root
from .errors import CommandError
from .lookup import changed, now_ms

_TEXTS = {"brewery": "its brewery", "style": "its style, such as Stout"}
_LARGEST_FILE_BYTES = 50_000_000
_STANDARD = "-"
_NUMBERS = {"abv_percent": "alcohol by volume in percent", "ibu": "its bitterness", "srm": "its colour"}


def add_to(verbs: Any) -> None:
    """Adds the command and its sub-commands."""
    group = arguments.add_group(verbs, "beers", "adds, lists, imports and removes beers of the library")
    add = arguments.add_command(group, "add", add_beer, "adds a beer, and prints its number")
    add.add_argument("name", metavar="NAME", type=arguments.name)
    for option, text in _TEXTS.items():
        add.add_argument(f"--{option}", type=arguments.name, help=text)
    for option, text in _NUMBERS.items():
        number = arguments.number(0, NUMBERS_AT_MOST[option], float)
        add.add_argument(f"--{option.partition('_')[0]}", dest=option, metavar="N", type=number, help=text)
    add.add_argument("--notes", type=arguments.utf8, help="a description")
    arguments.add_command(group, "list", list_beers, "prints the beers")
    take = arguments.add_command(group, "import", import_beers, "adds the recipes of a BeerXML or BeerJSON file")
    take.add_argument("file", metavar="FILE", help="the file; -: standard input")
    take.add_argument("--skip-known", action="store_true", help="do not change beers that are already in the library")
    remove = arguments.add_command(group, "remove", remove_beer, "removes a beer; kegs of the past keep its name")
    remove.add_argument("key", metavar="NUMBER", type=arguments.number(1, 2**31 - 1))


def add_beer(parsed: argparse.Namespace, database: Database) -> None:
    """Adds a beer. Raises CommandError: its notes are too long."""
    notes = (parsed.notes or "").replace("\0", "")
    if len(notes) > NOTES_CHARACTERS:
        raise CommandError(f"--notes: these are {len(notes)} characters", f"give at most {NOTES_CHARACTERS}")
    fields = {name: getattr(parsed, name) for name in _NUMBERS} | {name: getattr(parsed, name) or "" for name in _TEXTS}
    with database.writing() as connection:
        beer = storage.set_beer(connection, None, name=parsed.name, notes=notes, **fields)
        assert beer is not None, "a new one"  # noqa: S101
        changed(connection, "setting")
    print(_line(beer))


def list_beers(_parsed: argparse.Namespace, database: Database) -> None:
    """Prints one beer per line: its number, its name, and what else is known."""
    with database.reading() as connection:
        for beer in storage.beers(connection):
            print(_line(beer))


def import_beers(parsed: argparse.Namespace, database: Database) -> None:
    """Adds the recipes of a file, or updates the beers of the same name and brewery. Raises CommandError."""
    try:
        found = read_recipes(_content(parsed.file))
    except RecipesError as error:
        raise CommandError(f"{parsed.file}: {error.problem}", error.fix) from error
    with database.writing() as connection:
        planned = plan(connection, found.recipes)
        done = carry_out(connection, ((each, _choice(each, skip_known=parsed.skip_known)) for each in planned))
    for problem in found.problems:
        print(problem, file=sys.stderr)
    print(done)


def _choice(planned: Planned, *, skip_known: bool) -> Choice:
    return Choice.SKIP if skip_known and planned.beer is not None else planned.choice


def _content(name: str) -> bytes:
    """The file, read as the user who started this. Raises CommandError."""
    try:
        if name == _STANDARD:
            content = sys.stdin.buffer.read(_LARGEST_FILE_BYTES + 1)
        else:
            with as_root():
                file = Path(name).open("rb")  # noqa: SIM115
            with file:
                content = file.read(_LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}", "name a file that you can read") from error
    if len(content) > _LARGEST_FILE_BYTES:
        raise CommandError(f"{name}: is larger than {_LARGEST_FILE_BYTES // 10**6} MB", "export fewer recipes at a time")
    return content


def remove_beer(parsed: argparse.Namespace, database: Database) -> None:
    """Removes a beer. Raises CommandError."""
    with database.writing() as connection:
        beer = storage.find_beer(connection, parsed.key)
        if beer is None:
            raise CommandError(f"{parsed.key}: no beer has this number", "kegnet-server beers list prints them")
        storage.remove_beer(connection, beer.key, now_ms())
        changed(connection, "setting")
    print(f"{beer.name}: removed")


def _line(beer: Beer) -> str:
    numbers = ((beer.abv_percent, "%"), (beer.ibu, " IBU"), (beer.srm, " SRM"))
    texts = [beer.brewery, beer.style, *(f"{value:g}{unit}" for value, unit in numbers if value is not None)]
    return "  ".join([str(beer.key), beer.name, *filter(None, texts)])
