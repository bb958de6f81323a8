"""The whole server as one ASGI application: /rest, /healthz and /metrics by themselves, the rest by the web application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

from kegnet.core.syslog_handler import escape_name

from . import wire
from .background import Background
from .body import LIMIT_BYTES, AmbiguousBodyError, BodyTooLargeError, DisconnectedError, Receive, read_body, replay
from .context import Context
from .health import HealthCheck
from .ingest import kegboard, register
from .ingest.rest import PREFIX, Rest, Scope, Send, send_text
from .integrations.prometheus import create_metrics
from .log_limit import LimitedLog
from .options import ServeOptions
from .proxies import Proxies
from .storage import StorageError, UnavailableError
from .web import uploads
from .web.app import create_web
from .web.hosts import host_of, is_host
from .web.programs import Programs

METRICS = "/metrics"
RETRY_AFTER_S = 10
"""For clients, while the database is away. They have a backoff of their own."""
HEADER_LINES_AT_MOST = 100
"""A line of 4 bytes takes 300 in memory until the next request of its connection."""
STREAMS_END_AFTER_S = 1.0
"""Requests that still run this long after the stop are cancelled."""

log = logging.getLogger(__name__)
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Application:
    """The ASGI application of one process. Until the database is open, everything is answered by 503."""

    def __init__(self, options: ServeOptions, background: Background) -> None:
        self._background = background
        self._proxies = Proxies(options.proxies)
        self._programs = Programs(options, frozenset({kegboard.PATH, *register.PATHS}), frozenset({METRICS}))
        self._outage = background.outage
        self._errors = LimitedLog(log, "%d more requests failed")
        self._running: set[asyncio.Task[Any]] = set()
        self._stopping = False
        self._rest: Rest | None = None
        self._web: App | None = None
        self._apps: dict[str, App] = {}
        self._health: HealthCheck | None = None
        background.on_open = self._open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def end_requests(self) -> None:
        """Ends what still runs, such as event streams, after a moment for those that end by themselves."""
        self._stopping = True
        if self._background.context is not None:
            self._background.context.stopping.set()
        if self._running:
            await asyncio.wait(self._running, timeout=STREAMS_END_AFTER_S)
        for task in self._running:
            task.cancel()

    def _open(self, context: Context) -> None:
        self._rest, self._health = Rest(context), HealthCheck(context.database, context.outage)
        self._web, self._apps = create_web(context), {METRICS: create_metrics(context), kegboard.PATH: kegboard.create_kegboard(context)}
        self._background.signers = self._rest.signers

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._background.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self._background.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = wire.current()
        try:
            if len(scope["headers"]) > HEADER_LINES_AT_MOST:
                await send_text(send, 431, "the request has too many header lines", ((b"connection", b"close"),))
                return
            if (limit_bytes := uploads.limit_of(scope["method"], scope["path"])) is not None:
                self._proxies.apply(scope)
                await self._other(scope, uploads.limited(receive, limit_bytes, connection.received), send)
                return
            limit_bytes = kegboard.LIMIT_BYTES if scope["path"] == kegboard.PATH else LIMIT_BYTES
            body = await read_body(scope["headers"], receive, limit_bytes)
            connection.received()
            self._proxies.apply(scope)
            if (refusal := self._programs.refusal(scope)) is not None:
                await send_text(send, *refusal)
            elif self._rest is not None and scope["path"].startswith(PREFIX):
                connection.hold()
                await self._rest.answer(scope, body, send)
            else:
                await self._other(scope, replay(body, receive), send)
        except BodyTooLargeError:
            await send_text(send, 413, "the request's body is too large")
        except AmbiguousBodyError:
            await send_text(send, 400, "the request has both a length and chunks", ((b"connection", b"close"),))
        except DisconnectedError:
            return
        except (UnavailableError, StorageError) as error:
            self._outage.began(str(error))
            await send_unavailable(send)
        except Exception as error:
            # uvicorn answers it by 500.
            self._log_failure(scope, error)
            raise
        finally:
            connection.answered()

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if not is_host(host_of(scope["headers"]) or ""):
            await send_text(send, 400, "the Host of the request is no name")
        elif self._web is None or self._health is None:
            await send_unavailable(send)
        elif path == "/healthz":
            health = await self._health.health()
            await (send_text(send, 200, health.text) if health.good else send_unavailable(send, health.text))
        else:
            await self._run(self._apps.get(path, self._web), scope, receive, send)

    async def _run(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs an application of a framework, so that neither an error nor the stop leaves an answer without an end."""
        answer = _Answer(send)
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._running.add(task)
        try:
            await app(scope, receive, answer.send)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            await answer.end(503, "the server is stopping")
        except Exception as error:
            if isinstance(error, UnavailableError | StorageError) and not answer.started:
                raise
            self._log_failure(scope, error)
            await answer.end(500, "the server failed; its log has the reason")
        finally:
            self._running.discard(task)

    def _log_failure(self, scope: Scope, error: Exception) -> None:
        text = "%s %s failed: %s: %s"
        self._errors.line(logging.ERROR, text, scope["method"], escape_name(scope["path"]), type(error).__name__, error, error=error)


class _Answer:
    """What has been sent of an answer."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False
        self._ended = False

    async def send(self, message: Any) -> None:
        self.started = True
        self._ended = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)

    async def end(self, status: int, text: str) -> None:
        """Ends the answer; `status` and `text` are for one that has not begun."""
        if not self.started:
            await send_text(self._send, status, text)
        elif not self._ended:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


async def send_unavailable(send: Send, text: str = "the database does not answer; try again") -> None:
    """Sends 503 with Retry-After."""
    await send_text(send, 503, text, ((b"retry-after", str(RETRY_AFTER_S).encode()),))
