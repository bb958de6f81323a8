"""Runs the server until a signal ends it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from kegnet.core.problem import ProblemError
from kegnet.core.signals import Signals
from kegnet.core.systemd import ServiceManager

from .app import Application
from .background import Background, ReplacedError
from .certificate import check_certificate, load_certificate
from .listening import BACKLOG, BindError, base_url, bind, descriptors_at_most
from .log_limit import LimitedLog
from .memory import connections_at_most, memory_limit
from .options import ServeOptions
from .storage import Database, UnavailableError, open_database
from .tls import Tls, server_context
from .wire import Connections
from .workers import Workers, fork

KEEP_ALIVE_S = 75
STARTED_EVERY_S = 0.02
"""uvicorn has no event for its start."""
ACCEPTED_AT_ONCE = 16
"""asyncio accepts so many in each of the four turns of its loop until one is counted: together less than the reserved descriptors."""
CONNECTIONS_END_AFTER_S = 2.5
"""Requests that are incomplete this long after the stop are dropped."""
WORKERS_END_AFTER_S = 0.3
"""How much longer the other processes may take than process 0."""
ENDS_WITHIN_S = 4.5
"""The process ends this long after the stop, whatever still waits. What was answered by then is durable."""

log = logging.getLogger(__name__)


def run(options: ServeOptions) -> int:
    """Serves until SIGTERM or SIGINT; the exit status, with one line for an error.

    What only a person can fix is EX_CONFIG. An address that cannot be listened at now, and a database that was replaced, are EX_TEMPFAIL:
    systemd tries again.
    """
    try:
        check_certificate(options.certificate, options.key)
        socks = bind(options.listen, options.workers)
        if options.workers > 1:
            _migrate(options)
        workers = fork(options.workers)
        for number, sock in enumerate(socks):
            if number != workers.number:
                sock.close()
        with socks[workers.number] as sock:
            return _Server(options, sock, workers).run()
    except ProblemError as error:
        print(f"kegnet-server: {error}", file=sys.stderr)
        return os.EX_TEMPFAIL if isinstance(error, BindError | ReplacedError) else os.EX_CONFIG


class _Server:
    """uvicorn in a thread of its own. The main thread waits for signals, so uvicorn installs no handlers of its own."""

    def __init__(self, options: ServeOptions, sock: socket.socket, workers: Workers) -> None:
        self._options = options
        self._sock = sock
        self._workers = workers
        self._service = ServiceManager()
        self._background = Background(options, _open_if_there(options), self._service)
        self._app = Application(options, self._background)
        self._connections = Connections(H11Protocol, min(descriptors_at_most(), connections_at_most(options.workers, memory_limit())))
        self._tls = server_context(options.certificate, options.key) if options.certificate and options.key else None
        self._uvicorn = uvicorn.Server(_config(self._app, Tls(self._connections, self._tls) if self._tls else self._connections))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_errors = LimitedLog(log, "asyncio: %d more errors")
        self._stop = asyncio.Event()
        self._error: BaseException | None = None

    def run(self) -> int:
        signals = Signals()
        thread_ended, at_end = os.pipe()
        thread = threading.Thread(target=self._run_loop, args=(at_end,), name="server", daemon=True)
        thread.start()
        complete = self._wait(signals, thread_ended)
        self._service.stopping()
        self._workers.signal(signal.SIGTERM)
        thread.join(ENDS_WITHIN_S)
        self._workers.wait(WORKERS_END_AFTER_S)
        if thread.is_alive():
            log.warning("stopped with requests that were not finished")
            logging.shutdown()
            os._exit(os.EX_OK)
        if self._error is not None:
            raise self._error
        if self._workers.number == 0:
            log.info("stopped")
        return os.EX_OK if complete else os.EX_TEMPFAIL

    # The main thread.

    def _wait(self, signals: Signals, thread_ended: int) -> bool:
        """Until a signal ends the server, or it ends by itself. Whether all its processes ran until then."""
        poll = select.poll()
        for descriptor in (signals.fileno(), thread_ended, *self._workers.descriptors()):
            poll.register(descriptor, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if thread_ended in ready:
                return True
            numbers = signals.read()
            if signal.SIGHUP in numbers:
                self._workers.signal(signal.SIGHUP)
                self._reload()
            stopped = signal.SIGTERM in numbers or signal.SIGINT in numbers
            lost = not ready.isdisjoint(self._workers.descriptors())
            if stopped or lost:
                if not stopped and self._workers.number == 0:
                    log.error("one of the %d processes has ended, so the server ends; systemd starts it again", self._options.workers)
                if self._loop is not None:
                    self._loop.call_soon_threadsafe(self._stop.set)
                return stopped

    def _reload(self) -> None:
        """Reads the certificate again. A bad one is reported, and the old one stays in use."""
        certificate, key, context = self._options.certificate, self._options.key, self._tls
        self._service.reloading()
        if certificate is not None and key is not None and context is not None:
            try:
                check_certificate(certificate, key)
                load_certificate(context, certificate, key)
                log.info("the certificate was read again")
            except ProblemError as error:
                log.error("the old certificate stays in use: %s", error)
        self._service.ready()

    # The event loop's thread.

    def _run_loop(self, at_end: int) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._error = error
        finally:
            os.close(at_end)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda _loop, context: self._log_loop_error(context))
        serving = asyncio.create_task(self._uvicorn.serve(sockets=[self._sock]))
        announced = asyncio.create_task(self._announce())
        stopped = asyncio.create_task(self._stop.wait())
        failed = asyncio.wrap_future(self._background.failed)
        ends: list[asyncio.Future[Any]] = [serving, stopped, failed]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        self._uvicorn.should_exit = True
        await self._app.end_requests()
        self._loop.call_later(CONNECTIONS_END_AFTER_S, self._connections.abort_all)
        await serving
        stopped.cancel()
        announced.cancel()
        if failed.done():
            raise failed.result()

    def _log_loop_error(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self._loop_errors.line(logging.ERROR, "asyncio: %s: %s", context["message"], error)

    async def _announce(self) -> None:
        """Reports that it listens, and lets more connections wait than asyncio accepts at once."""
        while not self._uvicorn.started:
            await asyncio.sleep(STARTED_EVERY_S)
        self._sock.listen(BACKLOG)
        # What is there now stays until the end: the collector need not look at it again.
        gc.freeze()
        if self._workers.number == 0:
            log.info("listening at %s/rest/v2", base_url(self._sock, encrypted=self._options.certificate is not None))
        self._service.ready()


def _migrate(options: ServeOptions) -> None:
    """Makes the tables once for all processes. Raises StorageError; a database that is away is opened later."""
    with suppress(UnavailableError):
        open_database(options.database).close()


def _open_if_there(options: ServeOptions) -> Database | None:
    """The database; None if it is away. Raises StorageError."""
    try:
        return open_database(options.database)
    except UnavailableError as error:
        log.error("%s; clients are asked to try again until it answers", error)
        return None


def _config(app: Application, make_protocol: Callable[..., asyncio.Protocol]) -> uvicorn.Config:
    config = uvicorn.Config(
        cast(Any, app),
        http=cast(Any, make_protocol),
        loop="asyncio",
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        backlog=ACCEPTED_AT_ONCE,
    )
    config.load()
    return config
