"""`/beers/import`: recipes from a file or from pasted text; first a preview with a choice for each recipe, then the import.

The server stores nothing between the two steps: the preview contains the recipes as BeerJSON, and sends them with the choices.
"""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..beer_import import Choice, Imported, carry_out, plan
from ..model.units import Units
from ..recipes import Found, RecipesError, read_recipes, write_beerjson
from ..storage import Connection
from ..storage.beers import find_beer, remove_beer
from .beers import announce_change, common
from .database import in_thread, now_ms, read
from .forms import Form, typed
from .render import render
from .submit import NO_MISTAKE, Done, Mistake, Undo, guard_of, submit
from .uploads import RECIPES_AT_MOST_BYTES

UNDO_AT_MOST = 200
"""Upper bound on new beers for an undo: their keys are in a cookie."""
_TOKEN_BYTES = 1000
"""Upper bound on the form's token with its name."""
_FORM = "application/x-www-form-urlencoded"
_LABELS = {"brewery": "brewery", "style": "style", "notes": "notes", "abv_percent": "ABV", "ibu": "IBU", "srm": "SRM"}


async def show(request: Request) -> Response:
    """The form."""
    await guard_of(request).check(request)
    return await _show(request, NO_MISTAKE)


async def preview(request: Request) -> Response:
    """Shows the recipes of a file (the body), or of pasted text (the field `text`)."""
    await guard_of(request).check(request)
    pasted = request.headers.get("content-type", "").startswith(_FORM)
    text = (await typed(request)).get("text", "") if pasted else ""
    data = text.encode() if pasted else await request.body()
    try:
        found = await in_thread(lambda: _sendable(read_recipes(data)))
    except RecipesError as error:
        return await _show(request, Mistake(request.url.path, {"text": text}, {"text": f"{error.problem}. {error.fix.capitalize()}."}))
    return await _show_preview(request, found)


async def add(request: Request) -> Response:
    """Adds and updates the beers by the choices in the preview."""

    def change(connection: Connection, form: Form, _units: Units) -> Done | None:
        try:
            found = read_recipes(form.typed.get("recipes", "").encode("utf-8", "replace"))
        except RecipesError as error:
            form.errors["text"] = f"{error.problem}. {error.fix.capitalize()}."
            return None
        planned = plan(connection, found.recipes)
        done = carry_out(connection, [(each, _choice(form, number)) for number, each in enumerate(planned)])
        return Done("/beers", f"Imported: {done}.", _undo(done))

    return await submit(request, "the library of beers", change, _show)


async def undo(request: Request) -> Response:
    """Removes the beers that an import has added."""

    def change(connection: Connection, form: Form, _units: Units) -> Done:
        keys = [int(key) for key in form.typed.get("keys", "").split() if key.isascii() and key.isdigit() and len(key) < 10]
        removed = [key for key in keys[:UNDO_AT_MOST] if find_beer(connection, key) and remove_beer(connection, key, now_ms())]
        announce_change(connection)
        return Done("/beers", f"The import was undone: {len(removed)} removed.")

    return await submit(request, "the library of beers", change, _show)


def _sendable(found: Found) -> Found:
    """`found`, if a browser can send the form of its preview. Raises RecipesError."""
    fields = {"recipes": write_beerjson(found.recipes), **{f"choice-{number}": Choice.UPDATE.value for number in range(len(found.recipes))}}
    # A browser also encodes `~`, as three bytes.
    size_bytes = len(urlencode(fields)) + 2 * fields["recipes"].count("~") + _TOKEN_BYTES
    if size_bytes > RECIPES_AT_MOST_BYTES:
        fewer = max(1, int(0.9 * len(found.recipes) * RECIPES_AT_MOST_BYTES / size_bytes))
        problem = f"the {len(found.recipes)} recipes are too large to be imported at once"
        raise RecipesError(problem, f"split the file into parts of about {fewer} recipes, or use kegnet-server beers import on the server")
    return found


def _choice(form: Form, number: int) -> Choice:
    """The choice for a recipe; without one it is skipped."""
    chosen = form.typed.get(f"choice-{number}", "")
    return Choice(chosen) if chosen in [choice.value for choice in Choice] else Choice.SKIP


def _undo(done: Imported) -> Undo | None:
    """Undoes only additions: a form with all previous values would be too long."""
    if not done.added or done.updated or len(done.added) > UNDO_AT_MOST:
        return None
    return Undo("/beers/import/undo", {"keys": " ".join(map(str, done.added))})


async def _show(request: Request, mistake: Mistake) -> Response:
    values = {"mistake": mistake, "limit_bytes": RECIPES_AT_MOST_BYTES}
    status = 400 if mistake.errors else 200
    return await read(request, lambda connection: render(request, "beer_import.html", common(connection) | values, status))


async def _show_preview(request: Request, found: Found) -> Response:
    def page(connection: Connection) -> Response:
        values = {
            "planned": plan(connection, found.recipes),
            "problems": found.problems,
            "recipes": write_beerjson(found.recipes),
            "labels": _LABELS,
        }
        return render(request, "beer_import_preview.html", common(connection) | values)

    return await read(request, page)


ROUTES = (
    Route("/beers/import", show),
    Route("/beers/import", preview, methods=["POST"]),
    Route("/beers/import/add", add, methods=["POST"]),
    Route("/beers/import/undo", undo, methods=["POST"]),
)
