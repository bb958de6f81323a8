"""Limits on connections: uvicorn's HTTP protocol, wrapped through the `http=` setting of its configuration.

uvicorn has no limit for a head or body that never ends, none for the number of connections that is not an answer, and it closes
a connection whose client has finished sending before the answer is written. It also writes head and body of an answer by one
system call each, which is a tenth of the time of a message; see `transport.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import cast

from .memory import HELD_BYTES
from .transport import HttpTransport, ReadInParts

REQUEST_S = 30.0
"""A head and body are complete after this long, counted from the connection or from the first byte after the last answer."""
READ_S = 60.0
"""A client that reads nothing of its answer for this long is dropped, so that what the answer uses, such as a connection to the
database, is free again."""
SWEEP_S = 2.0
DISCARDED_BYTES = 1024 * 1024
"""A body that was refused is read and thrown away up to this size, so that its sender sees the answer."""
BEHIND_BYTES = 160 * 1024
"""Upper bound on the memory of an unfinished request, or of data behind a request that is answered: the parts that were read, and a receive
buffer of the kernel, see `listening.py`."""

_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_current: ContextVar[LimitedConnection] = ContextVar("connection")


class Connections:
    """The open connections of this process. For the event loop's thread."""

    def __init__(self, make_http: Callable[..., asyncio.Protocol], at_most: int) -> None:
        """`make_http` makes uvicorn's protocol."""
        self._make_http = make_http
        self._at_most = at_most
        self._open: dict[LimitedConnection, None] = {}
        self._holding: dict[LimitedConnection, int] = {}
        self._held_bytes = 0
        self._sweeping = False

    def __call__(self, **settings: object) -> asyncio.Protocol:
        """Makes the protocol of one connection, with uvicorn's settings for it."""
        return LimitedConnection(self, self._make_http(**settings))

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: LimitedConnection) -> bool:
        """Adds a connection. If there are too many, an idle one is closed for it, or that of the oldest unfinished request.

        Whether it may stay.
        """
        if len(self._open) >= self._at_most and not (self._close_idle() or self._close_holding()):
            return False
        self._open[connection] = None
        if not self._sweeping:
            self._sweeping = True
            asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)
        return True

    def remove(self, connection: LimitedConnection) -> None:
        """Removes a connection that is closed."""
        self.holds(connection, 0)
        self._open.pop(connection, None)

    def holds(self, connection: LimitedConnection, held_bytes: int) -> None:
        """Records how many bytes of a connection cannot be used yet. While all together are too many, the oldest of them is closed."""
        if connection not in self._open:
            return
        self._held_bytes += held_bytes - self._holding.get(connection, 0)
        if held_bytes:
            self._holding[connection] = held_bytes
        else:
            self._holding.pop(connection, None)
        while self._held_bytes > HELD_BYTES:
            self._close_holding()

    def abort_all(self) -> None:
        """Closes all connections at once."""
        for connection in list(self._open):
            connection.abort()

    def _close_idle(self) -> bool:
        for connection in self._open:
            if connection.idle:
                return self._close(connection)
        return False

    def _close_holding(self) -> bool:
        for connection in self._holding:
            return self._close(connection)
        return False

    def _close(self, connection: LimitedConnection) -> bool:
        connection.abort()
        self.remove(connection)
        return True

    def _sweep(self) -> None:
        """One timer for all connections: a timer per request would cost each message."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in [connection for connection in self._open if connection.overdue(now)]:
            connection.abort()
        self._sweeping = bool(self._open)
        if self._sweeping:
            loop.call_later(SWEEP_S, self._sweep)


class LimitedConnection(ReadInParts):
    """One connection. The application calls `received()` and `answered()` through `current()`."""

    def __init__(self, connections: Connections, http: asyncio.Protocol) -> None:
        self._connections = connections
        self._http = http
        self._loop = asyncio.get_running_loop()
        self._transport: HttpTransport | None = None
        self._request_deadline: float | None = None
        self._reading_deadline: float | None = None
        self._answering = 0
        self._finished_sending = False
        self._read_bytes = 0

    @property
    def idle(self) -> bool:
        """Whether nothing of a request has come since the last answer, or since the connection."""
        return not self._answering and self._read_bytes == 0

    def overdue(self, now: float) -> bool:
        """Whether the request should be complete by now, or the client should have read more of the answer."""
        return any(deadline is not None and now >= deadline for deadline in (self._request_deadline, self._reading_deadline))

    def abort(self) -> None:
        """Closes the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # What the application reports.

    def received(self) -> None:
        """The request is complete: the client has no more time limit for it."""
        self._request_deadline = None
        self._answering += 1
        self._read_bytes = 0
        if self._transport is not None:
            self._transport.request_complete()
            self._count_held(self._transport)

    def hold(self) -> None:
        """Writes nothing until `answered()`: the answer is short."""
        if self._transport is not None:
            self._transport.hold()

    def answered(self) -> None:
        """The answer is complete."""
        # The next request can be complete before the application has finished this one.
        self._answering = max(0, self._answering - 1)
        if self._transport is not None:
            self._transport.release()
            if not self._answering:
                self._transport.answer_complete()
                if self._read_bytes and self._request_deadline is None:
                    self._request_deadline = self._loop.time() + REQUEST_S
            self._count_held(self._transport)
            if self._finished_sending:
                # After the task of the next request, if that came with this one.
                self._loop.call_soon(self._close_unless_answering)

    def _close_unless_answering(self) -> None:
        if self._transport is not None and not self._answering:
            self._transport.close()

    def _count_held(self, transport: HttpTransport) -> None:
        if self._answering:
            self._connections.holds(self, BEHIND_BYTES if transport.behind else 0)
        else:
            self._connections.holds(self, min(self._read_bytes, BEHIND_BYTES))

    # What asyncio reports.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client has connected. The time that TLS needs to be negotiated counts as the first request's."""
        self._transport = HttpTransport(cast(asyncio.Transport, transport))
        if not self._connections.add(self):
            self._transport.abort()
            self._transport = None
            return
        self._request_deadline = self._loop.time() + REQUEST_S
        self._http.connection_made(self._transport)

    def data_received(self, data: bytes) -> None:
        """A part of a request has come."""
        if self._transport is None:
            return
        self._read_bytes += len(data)
        if not self._answering:
            if self._request_deadline is None:
                self._request_deadline = self._loop.time() + REQUEST_S
            if self._read_bytes > DISCARDED_BYTES:
                self.abort()
                return
        self._transport.part_received()
        # The task that uvicorn starts for the request inherits it.
        _current.set(self)
        try:
            self._http.data_received(data)
        except ValueError:
            # A length with more digits than int() accepts; h11 does not catch the error.
            self._transport.write(_BAD_REQUEST)
            self._transport.close()
        self._transport.part_used()
        self._count_held(self._transport)

    def eof_received(self) -> bool:
        """A client that shuts down its side still reads the answer to a complete request."""
        self._finished_sending = True
        self._http.eof_received()
        return self._answering > 0

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self._reading_deadline = self._loop.time() + READ_S
        self._http.pause_writing()

    def resume_writing(self) -> None:
        """The client has read."""
        self._reading_deadline = None
        self._http.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is closed."""
        self._connections.remove(self)
        if self._transport is not None:
            self._http.connection_lost(error)


def current() -> LimitedConnection:
    """The connection whose request the running task answers."""
    return _current.get()
