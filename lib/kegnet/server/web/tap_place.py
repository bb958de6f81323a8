"""The tap in a path, and helpers for its pages and forms."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request

from ..storage import Change, Connection, announce
from ..storage.clients import find_client
from ..storage.records import Client, Tap
from ..storage.schema import PIN_AT_MOST
from ..storage.taps import find_tap
from .forms import Form

PATH = "/taps/{client:uuid}/{pin}"


@dataclass(frozen=True)
class Place:
    """A tap and its client."""

    client: Client
    tap: Tap

    @property
    def path(self) -> str:
        """The path of its page below the root."""
        return f"/taps/{self.client.uuid}/{self.tap.pin}"

    @property
    def id(self) -> str:
        """The id of the tap in pages and events."""
        return f"{self.client.uuid}-{self.tap.pin}"


def place_of(connection: Connection, request: Request) -> Place:
    """The tap that the path names. Raises HTTPException: there is none."""
    pin = whole(str(request.path_params["pin"]), PIN_AT_MOST)
    client = find_client(connection, str(request.path_params["client"]))
    tap = None if client is None or pin is None else find_tap(connection, client.key, pin)
    if client is None or tap is None:
        raise HTTPException(404, "there is no such tap")
    return Place(client, tap)


def whole(text: str, most: int) -> int | None:
    """A number of digits in a path or a query; None for other text, or if it is too large."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
    return number if number is not None and number <= most else None


def announce_change(connection: Connection, place: Place) -> None:
    """Reports to all pages that the tap or its keg changed."""
    announce(connection, Change(frozenset({place.client.uuid}), frozenset({"tap"})))


def required_number(form: Form, field: str, least: float, most: float) -> float | None:
    """A required number; without one, the form has an error."""
    number = form.number(field, least, most)
    if number is None and field not in form.errors:
        form.errors[field] = "enter a number"
    return number
