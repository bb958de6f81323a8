"""Handles each form of a page: the guard, one transaction, and then a redirect or the form with its errors.

An absent field changes nothing, an empty one removes a value. With a wrong value nothing is changed, and the form is shown again with
the entered texts and the reason.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from kegnet.core.syslog_handler import escape_name

from ..model.units import Units
from ..storage import Connection, StorageError
from ..storage.settings import household
from .auth import Guard, address_of
from .database import write
from .forms import Form, typed
from .render import root_path, units_of
from .sessions import report

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mistake:
    """A refused form: the path that it was sent to, the entered texts, and the errors by field.

    An error of the whole form is in `errors["action"]`.
    """

    action: str = ""
    typed: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


NO_MISTAKE = Mistake()


@dataclass(frozen=True)
class Undo:
    """A form that undoes a change: its path below the root, and its fields."""

    action: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Done:
    """A change that was made: the path below the root for the redirect, the report on that page, and the undo."""

    where: str
    text: str = "Saved."
    undo: Undo | None = None


Change = Callable[[Connection, Form, Units], Done | None]
Show = Callable[[Request, Mistake], Awaitable[Response]]


async def submit(request: Request, subject: str, change: Change, show: Show) -> Response:
    """Answers the request of a form: checks the rights of the sender, and runs `change` in one transaction.

    `change` either makes the change, or adds an error to the form and changes nothing. After an error, `show` answers with the form, in
    the same units. `subject` is for the log.
    """
    await guard_of(request).check(request)
    form = Form(await typed(request))
    done = None

    def work(connection: Connection) -> Done | None:
        return change(connection, form, units_of(request, household(connection), form.typed))

    try:
        done = await write(request, work)
    except StorageError as error:
        form.errors["action"] = str(error)
    if form.errors or done is None:
        return await show(request, Mistake(request.url.path, form.typed, form.errors))
    log.info("%s changed by %s", subject, escape_name(address_of(request)))
    report(request, done.where, done.text, None if done.undo is None else (done.undo.action, done.undo.fields))
    return RedirectResponse(f"{root_path(request)}{done.where}", 303)


def guard_of(request: Request) -> Guard:
    """The guard of the application."""
    guard: Guard = request.app.state.guard
    return guard
