"""`/beers`: the library, and the page of a beer."""

from __future__ import annotations

from dataclasses import replace

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..model.beers import NOTES_CHARACTERS
from ..model.colours import css_colour
from ..model.units import Units
from ..storage import Change as Announced
from ..storage import Connection, announce
from ..storage.beers import beers, find_any_beer, remove_beer, restore_beer, set_beer
from ..storage.library import LibraryBeer, kegs_of_beer, library, places_of
from ..storage.records import Beer
from ..storage.settings import get_setting, household
from .beer_form import fields_of, omit_unchanged, shown_of, undo_of, values_of
from .database import now_ms, read
from .forms import Form
from .pages import SAMPLE_DATA
from .path_keys import KEY
from .render import render
from .submit import NO_MISTAKE, Change, Done, Mistake, Show, Undo, guard_of, submit
from .tap_place import whole

KEGS_AT_MOST = 50
"""The page of a beer shows so many of its newest kegs."""
_SHADES = " ".join(css_colour(srm) for srm in range(61))
"""The colours by SRM for the script of the form."""
TOO_LONG = f"enter at most {NOTES_CHARACTERS} characters"
_NEW = Beer(0, "", "", "", None, None, None, "")


async def show_library(request: Request) -> Response:
    """All beers; with `q` those that contain it."""
    wanted = request.query_params.get("q", "").strip()[:80]

    def page(connection: Connection) -> Response:
        found = library(connection)
        shown = [each for each in found if all(word in _searched(each) for word in wanted.lower().split())]
        values = {"beers": shown, "number": len(found), "wanted": wanted, "searched": _searched, **common(connection)}
        return render(request, "beers.html", values)

    return await read(request, page)


async def show_beer(request: Request) -> Response:
    """A beer, with the forms to change it for the administrator."""
    return await _show(request, NO_MISTAKE)


async def show_new(request: Request) -> Response:
    """The form of a new beer."""
    await guard_of(request).check(request)
    return await _show_new(request, NO_MISTAKE)


async def add(request: Request) -> Response:
    """Adds a beer."""

    def change(connection: Connection, form: Form, _units: Units) -> Done | None:
        values = values_of(form)
        if "name" not in values:
            form.errors.setdefault("name", "enter a name")
        if form.errors:
            return None
        beer = _added_before(connection, form, values) or set_beer(connection, None, **values)
        assert beer is not None, "a new one"  # noqa: S101
        announce_change(connection)
        return Done(f"/beers/{beer.key}", f"{beer.name} is in the library.", Undo(f"/beers/{beer.key}/remove", {}))

    return await _submit(request, "a new beer", change, _show_new)


def _added_before(connection: Connection, form: Form, values: dict[str, object]) -> Beer | None:
    """The beer that an equal form has added, by a double click. `newest` is the key of the newest beer when the form was shown."""
    newest = whole(form.typed.get("newest", ""), 2**31)
    if newest is None:
        return None
    wanted = replace(_NEW, **values)  # type: ignore[arg-type]
    later = [beer for beer in beers(connection) if beer.key > newest]
    return next((beer for beer in later if replace(beer, key=_NEW.key, picture_ms=None) == wanted), None)


async def change_beer(request: Request) -> Response:
    """Changes the attributes of a beer that the form contains, without those that are as it has shown them."""

    def change(connection: Connection, form: Form, _units: Units) -> Done | None:
        before, _ = beer_of(request, connection)
        omit_unchanged(form)
        values = values_of(form)
        if form.errors:
            return None
        after = set_beer(connection, before.key, **values)
        announce_change(connection)
        undo = None if after is None else undo_of(before, after)
        return Done(f"/beers/{before.key}", undo=None if undo is None else Undo(f"/beers/{before.key}", undo))

    return await _submit(request, "a beer", change, _show)


async def _submit(request: Request, subject: str, change: Change, show: Show) -> Response:
    """Like `submit`. Of a form that is too large to be read, only the notes can be the reason."""
    try:
        return await submit(request, subject, change, show)
    except HTTPException as error:
        if error.status_code != 413:
            raise
        return await show(request, Mistake(request.url.path, {}, {"notes": TOO_LONG}))


async def remove(request: Request) -> Response:
    """Removes a beer from the library; kegs keep it."""

    def change(connection: Connection, _form: Form, _units: Units) -> Done:
        beer, _ = beer_of(request, connection)
        remove_beer(connection, beer.key, now_ms())
        announce_change(connection)
        return Done("/beers", f"{beer.name} was removed.", Undo(f"/beers/{beer.key}/restore", {}))

    return await submit(request, "a beer", change, _show)


async def restore(request: Request) -> Response:
    """Puts a beer that was removed back into the library."""

    def change(connection: Connection, _form: Form, _units: Units) -> Done:
        beer, _ = beer_of(request, connection)
        restore_beer(connection, beer.key)
        announce_change(connection)
        return Done(f"/beers/{beer.key}", f"{beer.name} is in the library again.")

    return await submit(request, "a beer", change, _show)


async def _show(request: Request, mistake: Mistake) -> Response:
    def page(connection: Connection) -> Response:
        beer, removed = beer_of(request, connection)
        values = common(connection) | {
            "beer": beer,
            "removed": removed,
            "places": places_of(connection, beer.key),
            "kegs": kegs_of_beer(connection, beer.key, KEGS_AT_MOST),
            "shown": shown_of(beer),
            **_form_values(connection, beer, mistake),
        }
        return render(request, "beer.html", values, 400 if mistake.errors else 200)

    return await read(request, page)


async def _show_new(request: Request, mistake: Mistake) -> Response:
    def page(connection: Connection) -> Response:
        name = " ".join(request.query_params.get("name", "").split())[:80]
        values = common(connection) | _form_values(connection, replace(_NEW, name=name), mistake)
        values["newest"] = max((beer.key for beer in beers(connection)), default=0)
        return render(request, "beer_new.html", values, 400 if mistake.errors else 200)

    return await read(request, page)


def _form_values(connection: Connection, beer: Beer, mistake: Mistake) -> dict[str, object]:
    """The values of `beer_fields.html`, with the breweries and styles of the library as suggestions."""
    known = [each.beer for each in library(connection)]
    return {
        "fields": fields_of(beer),
        "mistake": mistake,
        "breweries": sorted({each.brewery for each in known if each.brewery}, key=str.casefold),
        "styles": sorted({each.style for each in known if each.style}, key=str.casefold),
        "shades": _SHADES,
        "notes_at_most": NOTES_CHARACTERS,
    }


def common(connection: Connection) -> dict[str, object]:
    """The values from the database for each page of the library."""
    home = household(connection)
    return {
        "household": home,
        "sample_data": get_setting(connection, SAMPLE_DATA) is not None,
    }


def beer_of(request: Request, connection: Connection) -> tuple[Beer, bool]:
    """The beer of the path, and whether it was removed. Raises HTTPException."""
    key = request.path_params["key"]
    found = find_any_beer(connection, key) if key < 2**31 else None
    if found is None:
        raise HTTPException(404, "there is no such beer")
    return found


def _searched(each: LibraryBeer) -> str:
    """The text that is searched. In lower case as static/beers.js does it: `casefold` would make "ss" of "ß"."""
    return f"{each.beer.name} {each.beer.brewery} {each.beer.style}".lower()


def announce_change(connection: Connection) -> None:
    """Publishes a change of beers, so that open pages reload them."""
    announce(connection, Announced(frozenset(), frozenset({"setting"})))


ROUTES = (
    Route("/beers", show_library),
    Route("/beers/new", show_new),
    Route("/beers/new", add, methods=["POST"]),
    Route(f"/beers/{KEY}", show_beer),
    Route(f"/beers/{KEY}", change_beer, methods=["POST"]),
    Route(f"/beers/{KEY}/remove", remove, methods=["POST"]),
    Route(f"/beers/{KEY}/restore", restore, methods=["POST"]),
)
