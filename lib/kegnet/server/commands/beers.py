"""kegnet-server beers: the library of beers."""

from __future__ import annotations

import argparse
from typing import Any

from ..storage import Database
from ..storage import beers as storage
from ..storage.records import Beer
from . import arguments
from .errors import CommandError
from .lookup import changed, now_ms

_TEXTS = {"brewery": "its brewery", "style": "its style, such as Stout"}
_NUMBERS = {"abv_percent": (100, "alcohol by volume in percent"), "ibu": (1000, "its bitterness"), "srm": (200, "its colour")}
_NOTES_AT_MOST = 2000


def add_to(verbs: Any) -> None:
    """Adds the command and its sub-commands."""
    group = arguments.add_group(verbs, "beers", "adds, lists and removes beers of the library")
    add = arguments.add_command(group, "add", add_beer, "adds a beer, and prints its number")
    add.add_argument("name", metavar="NAME", type=arguments.name)
    for option, text in _TEXTS.items():
        add.add_argument(f"--{option}", type=arguments.name, help=text)
    for option, (most, text) in _NUMBERS.items():
        add.add_argument(f"--{option.partition('_')[0]}", dest=option, metavar="N", type=arguments.number(0, most, float), help=text)
    add.add_argument("--notes", help="a description")
    arguments.add_command(group, "list", list_beers, "prints the beers")
    remove = arguments.add_command(group, "remove", remove_beer, "removes a beer; kegs of the past keep its name")
    remove.add_argument("key", metavar="NUMBER", type=arguments.number(1, 2**31 - 1))


def add_beer(parsed: argparse.Namespace, database: Database) -> None:
    """Adds a beer."""
    notes = (parsed.notes or "")[:_NOTES_AT_MOST].replace("\0", "")
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
