"""The changes that the forms of `/settings` make."""

from __future__ import annotations

import dataclasses
import zoneinfo

from starlette.requests import Request
from starlette.responses import Response

from ..model.units import Units
from ..storage import Connection
from ..storage.settings import PUBLIC_URL_CHARACTERS, Household, household, is_still, set_household
from .access import Reader, RefusedError
from .auth import Checked
from .database import in_thread, read
from .forms import Form, typed
from .login import begin_login
from .password import LEAST_CHARACTERS, READERS_SETTING, SETTING, hashed, is_set_to, store_password, store_readers_password
from .sessions import report
from .submit import Done, Mistake, Show, Undo, guard_of, submit
from .wall_link import new_wall_token, remove_wall_token

HERE = "/settings"
GLASS_ML = (10, 5000)
SHOWN = ("title", "glass", "temperature", "volume", "time_zone", "day_begins_hour", "retention_days", "public_url")
"""The fields of the form; what it has shown is in `..._shown`."""
DAYS_AT_MOST = 36_500
"""The longest time in days for which single temperatures are kept; an empty field keeps them for ever."""


async def change_household(request: Request, show: Show) -> Response:
    """Changes the settings that the form contains, without those that are as it has shown them. The undo sends the previous values."""

    def change(connection: Connection, form: Form, units: Units) -> Done | None:
        before = household(connection)
        for field in SHOWN:
            form.omit_unchanged(field)
        wanted = _wanted(form, units)
        if form.errors:
            return None
        set_household(connection, **wanted)
        undo = _fields(before, wanted)
        return Done(HERE, "The settings are saved.", Undo(HERE, undo) if undo else None)

    return await submit(request, "the installation", change, show)


def _wanted(form: Form, units: Units) -> dict[str, object]:
    """The new values by name, without those that the form does not contain."""
    wanted: dict[str, object] = {"title": form.name("title"), "day_begins_hour": form.whole("day_begins_hour", 0, 23)}
    for name, known in (
        ("time_zone", zoneinfo.available_timezones()),
        ("temperature", {"C", "F"}),
        ("volume", {"l", "pt", "imp-pt", "oz"}),
    ):
        wanted[name] = form.typed.get(name)
        if form.has(name) and form.typed[name] not in known:
            form.errors[name] = "choose one of the list, for example Europe/Berlin" if name == "time_zone" else "choose one of the list"
    glass = form.number("glass", *(float(glass_number(ml, units)) for ml in GLASS_ML))
    # The undo sends millilitres, because the units can have changed by then.
    wanted["glass_ml"] = form.whole("glass_ml", *GLASS_ML) if glass is None else round(glass_ml(glass, units))
    if form.has("glass") and glass is None and "glass" not in form.errors:
        form.errors["glass"] = "enter the size of a glass"
    wanted = {name: value for name, value in wanted.items() if value is not None}
    if form.has("retention_days"):
        wanted["retention_days"] = form.whole("retention_days", 1, DAYS_AT_MOST)
    if form.has("public_url"):
        wanted["public_url"] = form.typed["public_url"].strip()
        if wanted["public_url"] and not str(wanted["public_url"]).startswith(("http://", "https://")):
            form.errors["public_url"] = "enter an address that begins with http:// or https://, or nothing"
        if len(str(wanted["public_url"])) > PUBLIC_URL_CHARACTERS:
            form.errors["public_url"] = f"enter at most {PUBLIC_URL_CHARACTERS} characters"
    return wanted


def _fields(before: Household, wanted: dict[str, object]) -> dict[str, str]:
    """The fields of a form that sets the previous values of what has changed."""
    values = {name: value for name, value in dataclasses.asdict(before).items() if name in wanted and wanted[name] != value}
    return {name: "" if value is None else str(value) for name, value in values.items()}


def glass_unit(units: Units) -> str:
    """The unit for the size of a glass."""
    return "ml" if units.volume == "l" else units.pour_unit


def glass_number(millilitres: float, units: Units) -> str:
    """The size of a glass in that unit."""
    return f"{millilitres:g}" if units.volume == "l" else units.pour_number(millilitres)


def glass_ml(number: float, units: Units) -> float:
    """The inverse of `glass_number`."""
    return number if units.volume == "l" else units.pour_ml(number)


async def change_password(request: Request, show: Show) -> Response:
    """Sets the administrator's password, ends all sessions, and begins a new one for the sender."""
    await guard_of(request).check(request)
    form = Form(await typed(request))
    new = _new_password(form)
    old = None if form.errors else await _administrators(request, form)
    if not form.errors and await read(request, lambda connection: is_set_to(connection, READERS_SETTING, new)):
        form.errors["password"] = "this is the readers' password, who could then change everything; choose another one"  # noqa: S105
    if form.errors:
        return await show(request, Mistake(request.url.path, form.typed, form.errors))
    stored = await in_thread(lambda: hashed(new))

    def change(connection: Connection, form: Form, _units: Units) -> Done | None:
        if old is None or not is_still(connection, SETTING, old):
            form.errors["old_password"] = "this is not the password any more"  # noqa: S105
            return None
        store_password(connection, stored)
        return Done(HERE)

    answer = await submit(request, "the administrator's password", change, show)
    if answer.status_code == 303:
        await begin_login(request, Checked(Reader.ADMINISTRATOR, stored))
        # The new session has nothing of the old one, nor its report.
        report(request, HERE, "The password is changed. All other browsers are logged out.")
    return answer


async def _administrators(request: Request, form: Form) -> str | None:
    """The hash of the present password, if it is entered as `old_password`. Else the form has an error."""
    wrong = "this is not the password"
    try:
        checked = await guard_of(request).checked(request, form.typed.get("old_password", ""))
    except RefusedError as error:
        form.errors["old_password"] = wrong if error.status == 401 else error.text
        return None
    if checked.reader is Reader.ADMINISTRATOR:
        return checked.stored
    form.errors["old_password"] = wrong
    return None


def _new_password(form: Form) -> str:
    """The new password that is typed twice."""
    new = form.typed.get("password", "")
    if len(new) < LEAST_CHARACTERS:
        form.errors["password"] = f"enter {LEAST_CHARACTERS} characters or more"
    elif new != form.typed.get("password_again", ""):
        form.errors["password_again"] = "enter the same password again"  # noqa: S105
    return new


async def change_reading(request: Request, show: Show) -> Response:
    """`action` is `password`, and then there is a new one, or `everybody`."""
    await guard_of(request).check(request)
    form = Form(await typed(request))
    action, new = form.typed.get("action"), form.typed.get("password", "")
    if action not in ("password", "everybody"):
        form.errors["action"] = "choose who may read"
    elif action == "password" and len(new) < LEAST_CHARACTERS:
        form.errors["password"] = f"enter {LEAST_CHARACTERS} characters or more"
    elif action == "password" and await read(request, lambda connection: is_set_to(connection, SETTING, new)):
        form.errors["password"] = "this is your own password, with which readers could change everything; choose another one"  # noqa: S105
    if form.errors:
        return await show(request, Mistake(request.url.path, form.typed, form.errors))
    stored = await in_thread(lambda: hashed(new)) if action == "password" else None

    def change(connection: Connection, _form: Form, _units: Units) -> Done:
        store_readers_password(connection, stored)
        return Done(HERE, "Reading needs the password now." if stored else "Everybody may read now.")

    return await submit(request, "who may read", change, show)


async def change_wall_link(request: Request, show: Show) -> Response:
    """`action` is `new` or `remove`."""

    def change(connection: Connection, form: Form, _units: Units) -> Done | None:
        match form.typed.get("action"):
            case "new":
                new_wall_token(connection)
                return Done(f"{HERE}#wall", "The wall has a new link. Earlier links do not work any more.")
            case "remove":
                remove_wall_token(connection)
                return Done(f"{HERE}#wall", "The link is removed. It does not work any more.")
        form.errors["action"] = "choose what to do: new or remove"
        return None

    return await submit(request, "the wall's link", change, show)
