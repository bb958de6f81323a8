"""The web application: pages, JSON API, CSV, event stream."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kegnet import __version__

from ..context import Context
from ..shared_work import SharedWork
from ..storage import UnavailableError
from . import (
    add_client,
    api,
    beer_import,
    beer_pictures,
    beers,
    choices,
    client_page,
    clients,
    description,
    exports,
    login,
    manifest,
    pages,
    pictures,
    settings,
    wall,
    welcome,
)
from .access import Access, RefusedError
from .auth import Guard
from .database import context_of
from .downloads import DownloadSlots
from .events import Broadcast, events
from .render import error_page
from .sessions import Sessions
from .static_files import FILES
from .tap_api import router as tap_router
from .tap_routes import ROUTES as TAP_ROUTES

RETRY_S = 10
"""When a request that met no database should be repeated."""
SECURITY_HEADERS = {
    "content-security-policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}
"""Nothing from elsewhere runs on the pages, nobody frames them, and their forms are sent nowhere else."""


def create_web(context: Context) -> FastAPI:
    """The application over `context`. It needs no lifespan events."""
    app = FastAPI(
        title="KegNet server", version=__version__, openapi_url="/api/openapi.json", docs_url=None, redoc_url=None,
        routes=[*PAGES, *FILES], description=description.TEXT,
    )  # fmt: skip
    app.state.context = context
    app.state.guard = Guard(context)
    app.state.shared_work = SharedWork()
    app.state.broadcast = Broadcast(context)
    app.state.downloads = DownloadSlots()
    app.include_router(api.router)
    app.include_router(tap_router)
    app.add_middleware(Access, judge=app.state.guard.judge, answer=_answer_error)
    app.add_middleware(Sessions, context=context)
    app.add_middleware(SecurityHeaders)
    app.add_exception_handler(UnavailableError, _unavailable)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _disconnected)
    app.add_exception_handler(RefusedError, _refused)
    description.install(app)
    return app


PAGES = (
    Route("/", pages.home),
    Route("/kegs", pages.kegs),
    *choices.ROUTES,
    *manifest.ROUTES,
    *TAP_ROUTES,
    Route("/events", events),
    *wall.ROUTES,
    Route("/courses/{client:uuid}/{span}.svg", pictures.course),
    *client_page.ROUTES,
    Route("/csv/{client:uuid}/temperatures.csv", exports.temperatures),
    Route("/csv/{client:uuid}/pours.csv", exports.pours),
    *login.ROUTES,
    *beer_import.ROUTES,
    *beer_pictures.ROUTES,
    *beers.ROUTES,
    *welcome.ROUTES,
    *clients.ROUTES,
    *add_client.ROUTES,
    *settings.ROUTES,
)


class SecurityHeaders:
    """Adds `SECURITY_HEADERS` to each response that does not have its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


async def _unavailable(request: Request, error: Exception) -> Response:
    context_of(request).outage.began(str(error))
    return await _error(request, 503, "the database does not answer; try again in a moment", {"Retry-After": str(RETRY_S)})


async def _answer_error(request: Request, error: Exception) -> Response:
    """Answers errors of the guard, which runs before the error handlers. Raises an error that has no handler."""
    if isinstance(error, RefusedError):
        return await _refused(request, error)
    if isinstance(error, UnavailableError):
        return await _unavailable(request, error)
    raise error


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    return await _error(request, error.status_code, error.detail, dict(error.headers or {}))


async def _disconnected(_request: Request, _error: Exception) -> Response:
    """Nobody reads this answer, because the sender of an upload has disconnected."""
    return Response(status_code=400)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)  # noqa: S101
    if error.status == 303:
        return Response(status_code=303, headers=error.headers)
    return await _error(request, error.status, error.text, error.headers, log_in=error.log_in)


async def _error(request: Request, status: int, text: str, headers: dict[str, str], *, log_in: bool = False) -> Response:
    """An error as JSON for the API, else as a page."""
    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": text}, status, headers)
    return error_page(request, status, text, headers, log_in=log_in)
