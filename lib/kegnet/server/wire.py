"""Limits on connections: uvicorn's HTTP protocol, wrapped through the `http=` setting of its configuration.

uvicorn has no limit for a head or body that never ends, none for the number of connections that is not an answer, and it closes
a connection whose client has finished sending before the answer is written. It also writes head and body of an answer by one
system call each, which is a tenth of the time of a message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, cast

REQUEST_S = 30.0
"""A head and body are complete after this long, counted from the connection or from the first byte after the last answer."""
READ_S = 60.0
"""A client that reads nothing of its answer for this long is dropped, so that what the answer uses, such as a connection to the
database, is free again."""
SWEEP_S = 2.0
DISCARDED_BYTES = 1024 * 1024
"""A body that was refused is read and thrown away up to this size, so that its sender sees the answer."""

_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_current: ContextVar[LimitedConnection] = ContextVar("connection")


class Connections:
    """The open connections of this process. For the event loop's thread."""

    def __init__(self, make_http: Callable[..., asyncio.Protocol], at_most: int) -> None:
        """`make_http` makes uvicorn's protocol."""
        self._make_http = make_http
        self._at_most = at_most
        self._open: dict[LimitedConnection, None] = {}
        self._sweeping = False

    def __call__(self, **settings: object) -> asyncio.Protocol:
        """Makes the protocol of one connection, with uvicorn's settings for it."""
        return LimitedConnection(self, self._make_http(**settings))

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: LimitedConnection) -> bool:
        """Adds a connection; if there are too many, an idle one is closed for it. Whether it may stay."""
        if len(self._open) >= self._at_most and not self._close_idle():
            return False
        self._open[connection] = None
        if not self._sweeping:
            self._sweeping = True
            asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)
        return True

    def remove(self, connection: LimitedConnection) -> None:
        """Removes a connection that is closed."""
        self._open.pop(connection, None)

    def abort_all(self) -> None:
        """Closes all connections at once."""
        for connection in list(self._open):
            connection.abort()

    def _close_idle(self) -> bool:
        for connection in self._open:
            if connection.idle:
                connection.abort()
                self.remove(connection)
                return True
        return False

    def _sweep(self) -> None:
        """One timer for all connections: a timer per request would cost each message."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in [connection for connection in self._open if connection.overdue(now)]:
            connection.abort()
        self._sweeping = bool(self._open)
        if self._sweeping:
            loop.call_later(SWEEP_S, self._sweep)


class LimitedConnection(asyncio.Protocol):
    """One connection. The application calls `received()` and `answered()` through `current()`."""

    def __init__(self, connections: Connections, http: asyncio.Protocol) -> None:
        self._connections = connections
        self._http = http
        self._loop = asyncio.get_running_loop()
        self._transport: _Transport | None = None
        self._deadline: float | None = None
        self._answering = False
        self._finished_sending = False
        self._read_bytes = 0

    @property
    def idle(self) -> bool:
        """Whether nothing of a request has come since the last answer, or since the connection."""
        return not self._answering and self._read_bytes == 0

    def overdue(self, now: float) -> bool:
        """Whether the request should be complete by now, or the client should have read more of the answer."""
        return self._deadline is not None and now >= self._deadline

    def abort(self) -> None:
        """Closes the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # What the application reports.

    def received(self) -> None:
        """The request is complete: the client has no more time limit."""
        self._deadline = None
        self._answering = True
        self._read_bytes = 0

    def hold(self) -> None:
        """Writes nothing until `answered()`: the answer is short."""
        if self._transport is not None:
            self._transport.hold()

    def answered(self) -> None:
        """The answer is complete."""
        self._answering = False
        if self._transport is not None:
            self._transport.release()
            if self._finished_sending:
                # After the task of the next request, if that came with this one.
                self._loop.call_soon(self._close_unless_answering)

    def _close_unless_answering(self) -> None:
        if self._transport is not None and not self._answering:
            self._transport.close()

    # What asyncio reports.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client has connected. The time that TLS needs to be negotiated counts as the first request's."""
        self._transport = _Transport(cast(asyncio.Transport, transport))
        if not self._connections.add(self):
            self._transport.abort()
            self._transport = None
            return
        self._deadline = self._loop.time() + REQUEST_S
        self._http.connection_made(self._transport)

    def data_received(self, data: bytes) -> None:
        """A part of a request has come."""
        if self._transport is None:
            return
        if not self._answering:
            self._read_bytes += len(data)
            if self._deadline is None:
                self._deadline = self._loop.time() + REQUEST_S
            if self._read_bytes > DISCARDED_BYTES:
                self.abort()
                return
        # The task that uvicorn starts for the request inherits it.
        _current.set(self)
        try:
            self._http.data_received(data)
        except ValueError:
            # A length with more digits than int() accepts; h11 does not catch the error.
            self._transport.write(_BAD_REQUEST)
            self._transport.close()

    def eof_received(self) -> bool:
        """A client that shuts down its side still reads the answer to a complete request."""
        self._finished_sending = True
        self._http.eof_received()
        return self._answering

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self._deadline = self._loop.time() + READ_S
        self._http.pause_writing()

    def resume_writing(self) -> None:
        """The client has read."""
        self._deadline = None
        self._http.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is closed."""
        self._connections.remove(self)
        if self._transport is not None:
            self._http.connection_lost(error)


class _Transport(asyncio.Transport):
    """What uvicorn writes to: asyncio's transport, with a pause before the system call."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._held: list[bytes] | None = None

    def hold(self) -> None:
        self._held = []

    def release(self) -> None:
        held, self._held = self._held, None
        if held:
            self._transport.write(b"".join(held))

    def write(self, data: Any) -> None:
        if self._held is None:
            self._transport.write(data)
        else:
            self._held.append(bytes(data))

    def close(self) -> None:
        self.release()
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)


def current() -> LimitedConnection:
    """The connection whose request the running task answers."""
    return _current.get()
