"""TLS for the connections of the server, over ssl.MemoryBIO. asyncio's own has a buffer of 256 KiB for each connection.

    TCP transport  <->  TlsConnection  <->  the protocol inside: LimitedConnection, then uvicorn's

Data from the TCP transport is decrypted at once and passed to the protocol inside; data from that is encrypted at once and passed to the
TCP transport. Only an incomplete record is buffered here, so the flow control of the TCP transport is that of the connection. The
protocol inside gets its connection before the handshake, so the limits on connections and their time count for handshakes, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from .certificate import load_certificate
from .transport import ReadInParts

PART_BYTES = 16 * 1024
"""As much as a record of TLS has at most, RFC 8446 §5.1. The memory of a BIO never shrinks, so it is given no more at once."""
OWN_BYTES_AT_MOST = 64 * 1024
"""What TLS itself may send on a connection, beside the answers: the handshake, and a few dozen bytes for each KeyUpdate of the client."""


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer with the ciphers of OpenSSL, which are Debian's. Raises CertificateError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    load_certificate(context, certificate, key)
    return context


class Tls:
    """Makes the protocols of connections with TLS, as uvicorn's `http=` setting."""

    def __init__(self, make_inside: Callable[..., asyncio.Protocol], context: ssl.SSLContext) -> None:
        """`make_inside` makes the protocol that sees what is decrypted. `context` may get another certificate meanwhile."""
        self._make_inside = make_inside
        self._context = context

    def __call__(self, **settings: object) -> asyncio.Protocol:
        """Makes the protocol of one connection, with uvicorn's settings for it."""
        return TlsConnection(self._make_inside(**settings), self._context)


class TlsConnection(ReadInParts):
    """One connection, at the side of the server."""

    def __init__(self, inside: asyncio.Protocol, context: ssl.SSLContext) -> None:
        self._inside = inside
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._tcp: asyncio.Transport | None = None
        self._negotiated = False
        self._input_ended = False
        self._own_bytes = 0
        self.closing = False

    # What asyncio reports.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client has connected; it begins the handshake."""
        self._tcp = cast(asyncio.Transport, transport)
        self._inside.connection_made(_TlsTransport(self, self._tcp))

    def data_received(self, data: bytes) -> None:
        """Bytes of the client have come, in whatever parts."""
        parts = memoryview(data)
        for start in range(0, len(data), PART_BYTES):
            if self.closing or self._input_ended:
                return
            self._incoming.write(parts[start : start + PART_BYTES])
            self._read()

    def eof_received(self) -> bool:
        """TCP has ended, mostly without TLS's own end before: many clients do not send it. The lengths of HTTP show what is complete."""
        self._end_input()
        return True

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self._inside.pause_writing()

    def resume_writing(self) -> None:
        """The client has read."""
        self._inside.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is closed."""
        self.closing = True
        inside, self._inside = self._inside, asyncio.Protocol()  # without a circle, the memory is free at once
        inside.connection_lost(error)

    # What the protocol inside does.

    def write(self, data: Any) -> None:
        """Encrypts and sends it. That is possible once something was received."""
        rest = memoryview(data)
        while rest and not self.closing:
            try:
                rest = rest[self.tls.write(rest) :]
            except ssl.SSLError:
                self.abort()
            self._send()

    def close(self) -> None:
        """Closes the connection after what is written. The client's own end of TLS is not waited for, RFC 8446 §6.1."""
        if self.closing or self._tcp is None:
            return
        # An error says that the client has not ended its side, or that there is no TLS yet to end.
        with contextlib.suppress(ssl.SSLError):
            self.tls.unwrap()
        self._send()
        self.closing = True
        self._tcp.close()

    def abort(self) -> None:
        """Closes the connection at once."""
        self.closing = True
        if self._tcp is not None:
            self._tcp.abort()

    def set_inside(self, inside: asyncio.Protocol) -> None:
        """Lets another protocol go on with the connection."""
        self._inside = inside

    def _read(self) -> None:
        """Decrypts what is complete of what has come."""
        try:
            if not self._negotiated:
                self.tls.do_handshake()
                self._negotiated = True
            # Without a question for more than there is: its exception would cost each message.
            while (self._incoming.pending or self.tls.pending()) and not self.closing:
                data = self.tls.read(PART_BYTES)
                if not data:
                    self._end_input()
                    break
                self._inside.data_received(data)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self._send()  # the alert
            self.abort()
        self._own_bytes += self._outgoing.pending
        self._send()
        if self._own_bytes > OWN_BYTES_AT_MOST:
            self.abort()

    def _end_input(self) -> None:
        if not self._input_ended:
            self._input_ended = True
            # In a later turn of the loop, as asyncio reports the end of TCP: a request that came with it has begun to run by then.
            asyncio.get_running_loop().call_soon(self._close_unless_answering)

    def _close_unless_answering(self) -> None:
        """The client sends no more, but may still read the answer."""
        if not (self._negotiated and self._inside.eof_received()):
            self.close()

    def _send(self) -> None:
        if self._outgoing.pending and not self.closing and self._tcp is not None:
            self._tcp.write(self._outgoing.read())


class _TlsTransport(asyncio.Transport):
    """What the protocol inside writes to."""

    def __init__(self, connection: TlsConnection, tcp: asyncio.Transport) -> None:
        super().__init__()
        self._connection = connection
        self._tcp = tcp
        self._extra = {"sslcontext": connection.tls.context, "ssl_object": connection.tls}

    def write(self, data: Any) -> None:
        self._connection.write(data)

    def close(self) -> None:
        self._connection.close()

    def abort(self) -> None:
        self._connection.abort()

    def is_closing(self) -> bool:
        return self._connection.closing or self._tcp.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._extra[name] if name in self._extra else self._tcp.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._tcp.pause_reading()

    def resume_reading(self) -> None:
        self._tcp.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._connection.set_inside(cast(asyncio.Protocol, protocol))
