"""`/login` and `/logout`."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from kegnet.core.syslog_handler import escape_name

from ..storage import Connection
from ..storage.logins import add_login, remove_login
from ..storage.settings import get_setting, household, is_still
from .access import Reader, RefusedError, reader_of
from .auth import HASHES, Checked, address_of
from .database import now_ms, read, write
from .forms import typed
from .password import SETTING
from .render import render, root_path
from .sessions import ensure_session, new_session, session_id
from .submit import NO_MISTAKE, Mistake, guard_of

log = logging.getLogger(__name__)


async def login(request: Request) -> Response:
    """The form."""
    target = local_path(request.query_params.get("next", ""), request)
    if reader_of(request) is Reader.ADMINISTRATOR:
        return RedirectResponse(target, 303)
    ensure_session(request)
    return await _show(request, target, NO_MISTAKE)


async def _show(request: Request, target: str, mistake: Mistake, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    def query(connection: Connection) -> dict[str, object]:
        return {"household": household(connection), "has_password": get_setting(connection, SETTING) is not None}

    return render(request, "login.html", {**await read(request, query), "next": target, "mistake": mistake}, status, headers)


async def log_in(request: Request) -> Response:
    """Checks the password, and begins a new session, so that a session that somebody else has set gets no rights."""
    fields = await typed(request)
    target = local_path(fields.get("next", ""), request)
    guard = guard_of(request)
    if session_id(request) is None:
        ensure_session(request)
        return await _wrong(request, target, 400, "this browser did not send the cookie of this page: allow cookies, and try again")
    await guard.check_form(request)
    try:
        checked = await guard.checked(request, fields.get("password", ""))
        await begin_login(request, checked)
    except RefusedError as error:
        return await _wrong(request, target, error.status, error.text, {k: v for k, v in error.headers.items() if k == "Retry-After"})
    log.info("log-in as %s from %s", checked.reader.value, escape_name(address_of(request)))
    return RedirectResponse(target, 303)


async def _wrong(request: Request, target: str, status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return await _show(request, target, Mistake(request.url.path, {}, {"password": text}), status, headers)


async def begin_login(request: Request, checked: Checked) -> None:
    """Logs the sender in, in a new session. Raises RefusedError if the password was changed after the check."""
    old, new = session_id(request), new_session(request)

    def change(connection: Connection) -> None:
        if not is_still(connection, HASHES[checked.reader], checked.stored):
            raise RefusedError(401, "the password was changed at this moment; enter the new one")
        if old is not None:
            remove_login(connection, old)
        add_login(connection, new, checked.reader.value, now_ms())

    await write(request, change)
    request.state.reader = checked.reader


async def log_out(request: Request) -> Response:
    """Ends the session, also for copies of its cookie."""
    await guard_of(request).check_form(request)
    session = session_id(request)
    if session is not None:
        await write(request, lambda connection: remove_login(connection, session))
    request.session.clear()
    return RedirectResponse(f"{root_path(request)}/", 303)


def local_path(text: str, request: Request) -> str:
    """`text` if it is the path of a page of this server, else the first page."""
    home = f"{root_path(request)}/"
    # Browsers read a backslash as a slash, and skip line ends and tabs.
    plain = text.isascii() and text.isprintable() and "\\" not in text and " " not in text
    if not plain or not text.startswith(home) or text.startswith("//"):
        return home
    try:
        parts = urlsplit(text)
    except ValueError:
        return home
    return home if parts.scheme or parts.netloc or parts.path == f"{root_path(request)}/login" else text


ROUTES = (
    Route("/login", login),
    Route("/login", log_in, methods=["POST"]),
    Route("/logout", log_out, methods=["POST"]),
)
