"""What a network can do to a request: greetings that go wrong before HTTP, and moods that go wrong after it."""

from __future__ import annotations

import gzip
import os
import socket
import ssl
import struct
import warnings
from typing import Callable

from support.pki import Certificate
from support.scripted_server import Answer, Connection, Handshake, Request, ScriptedServer, tls

ENDLESS_BYTES = 64 * 2**20
"""Where an endless answer ends all the same, should nobody hang up."""
BOMB = gzip.compress(bytes(200 * 2**20), 6)
OK = b"HTTP/1.1 200 OK\r\n"

# How it ends.

Ending = Callable[[Connection], None]


def cut(connection: Connection) -> None:
    """An orderly end in a disorderly place."""
    connection.cut()


def reset(connection: Connection) -> None:
    """A TCP reset."""
    connection.reset()


def silence(connection: Connection) -> None:
    """Nothing more, and no end."""
    connection.closing.wait()


def says(text: bytes, ending: Ending) -> Answer:
    """The first_answer that answers `text`, and then ends so."""

    def first_answer(connection: Connection, _: Request) -> None:
        connection.send(text)
        ending(connection)

    return first_answer


def drips(text: bytes, drop: bytes) -> Answer:
    """The first_answer that answers `text`, and then a byte a second."""

    def first_answer(connection: Connection, _: Request) -> None:
        connection.send(text)
        while not connection.closing.wait(1):
            connection.send(drop)

    return first_answer


def endless(text: bytes, more: bytes) -> Answer:
    """The first_answer that answers `text`, and then `more` and more of it."""

    def first_answer(connection: Connection, _request: Request) -> None:
        connection.send(text)
        for _ in range(ENDLESS_BYTES // len(more)):
            connection.send(more)
        connection.cut()

    return first_answer


def _body(status: int, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


CUT = "the answer was cut off"
LATE = "no whole answer in time"
ANSWERS: dict[str, tuple[Answer, str]] = {
    "cut before the answer": (says(b"", cut), "hung up without an answer"),
    "reset before the answer": (says(b"", reset), "hung up|reset"),
    "cut in the status code": (says(b"HTTP/1.1 20", cut), CUT),
    "cut at the end of the status line": (says(b"HTTP/1.1 200 OK", cut), CUT),
    "cut after the status line": (says(OK, cut), CUT),
    "cut in a header": (says(OK + b"Content-Le", cut), CUT),
    "cut after a header": (says(OK + b"Server: x\r\n", cut), CUT),
    "reset in a header": (says(OK + b"Content-Le", reset), "cut off|hung up|reset"),
    "cut before the body": (says(OK + b"Content-Length: 9\r\n\r\n", cut), CUT),
    "cut in the body": (says(OK + b"Content-Length: 9\r\n\r\nhalf", cut), CUT),
    "reset in the body": (says(OK + b"Content-Length: 9\r\n\r\nhalf", reset), "cut off|hung up|reset"),
    "cut in a chunk": (says(OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf", cut), CUT),
    "cut after a chunk": (says(OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", cut), CUT),
    "cut after an interim answer": (says(b"HTTP/1.1 100 Continue\r\n\r\n", cut), CUT),
    "no chunk at all": (says(OK + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n\r\n", cut), CUT),
    "a length too long": (says(OK + b"Content-Length: 99999999999\r\n\r\nOK", cut), CUT),
    "two lengths": (says(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nOK", silence), "unmatching values"),
    "garbage": (says(os.urandom(4096), silence), "is not HTTP"),
    "an answer in another protocol": (says(b"220 mail.example ESMTP\r\n", silence), "is not HTTP"),
    "HTTP/2 unasked": (says(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18), silence), LATE),
    "a status out of range": (says(b"HTTP/1.1 99 Low\r\n\r\n", silence), "is not HTTP"),
    "a status that is no number": (says(b"HTTP/1.1 2OO OK\r\n\r\n", silence), "is not HTTP"),
    "another protocol switched to": (says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", silence), "101 Switching Protocols"),
    "a storm of interim answers": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), "too many interim answers"),
    "a storm of early hints": (endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100), "too many interim answers"),
    "an endless status line": (endless(b"HTTP/1.1 200 ", b"O" * 65536), "got more than 65536 bytes"),
    "an endless header": (endless(OK + b"Server: ", b"x" * 65536), "got more than 65536 bytes"),
    "endless headers": (endless(OK, b"Server: x\r\n" * 6000), "got more than 100 headers"),
    "an endless refusal": (endless(b"HTTP/1.1 503 Later\r\n\r\n", b"later " * 10000), "503 Service Unavailable: later"),
    "an endless refusal in chunks": (
        endless(b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\nlate\r\n" * 8000),
        "500 Internal Server Error: late",
    ),
    "a compressed bomb": (says(_body(503, BOMB, "Content-Encoding: gzip"), cut), "503 Service Unavailable"),
    "a redirect with an endless body": (
        endless(b"HTTP/1.1 302 Found\r\nLocation: /welcome\r\n\r\n", b"<html>" * 10000),
        "302 Found, a redirect to /welcome",
    ),
    "silence": (says(b"", silence), LATE),
    "silence in a header": (says(OK + b"Content-Le", silence), LATE),
    "silence in the body": (says(OK + b"Content-Length: 9\r\n\r\nhalf", silence), LATE),
    "a byte a second in the status line": (drips(b"HTTP/1.1 200 ", b"O"), LATE),
    "a byte a second in a header": (drips(OK + b"Server: ", b"x"), LATE),
    "a byte a second in the body": (drips(OK + b"Content-Length: 1000\r\n\r\n", b"x"), LATE),
    "a byte a second of chunks": (drips(OK + b"Transfer-Encoding: chunked\r\n\r\n1", b";"), LATE),
    "an interim answer a second": (drips(b"", b"HTTP/1.1 102 Processing\r\n\r\n"), LATE),
}
"""Answers that are none, and what the client says of them."""

ODD_ANSWERS: dict[str, bytes] = {
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 201 Created\nContent-Length: 2\n\nOK",
    "of HTTP/1.0": b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\n",
    "without a length": OK + b"Connection: close\r\n\r\nOK",
    "after interim answers": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + _body(200, b"OK"),
    "after thirty interim answers": b"HTTP/1.1 102 Processing\r\n\r\n" * 30 + _body(204, b""),
    "in chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nOK\r\n0\r\nTrailer: z\r\n\r\n",
    "longer than it says": OK + b"Content-Length: 0\r\n\r\n" + _body(200, b"of the next request, as it were"),
    "with a body that is a compressed bomb": _body(200, BOMB, "Content-Encoding: gzip"),
    "with a long body": _body(200, b"x" * 2**20),
    "of a status that nobody knows": b"HTTP/1.1 299 Curious\r\nContent-Length: 0\r\n\r\n",
}
"""Answers that are odd, but acceptances."""


# What goes wrong before HTTP.


def hangs_up(_: ScriptedServer, plain: socket.socket) -> socket.socket:
    """Closes the connection as soon as it is there."""
    plain.close()
    raise ConnectionAbortedError


def _resetting(plain: socket.socket) -> None:
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def resets(_: ScriptedServer, plain: socket.socket) -> socket.socket:
    """Resets the connection as soon as it is there."""
    _resetting(plain)
    plain.close()
    raise ConnectionResetError


def resets_in_the_handshake(_: ScriptedServer, plain: socket.socket) -> socket.socket:
    """Resets the connection when the other end has said hello."""
    plain.recv(1)
    return resets(_, plain)


def says_nothing(server: ScriptedServer, _: socket.socket) -> socket.socket:
    """Lets the other end say hello, and does not answer."""
    server.closing.wait()
    raise ConnectionAbortedError


def says_garbage(_: ScriptedServer, plain: socket.socket) -> socket.socket:
    """Answers a hello with noise."""
    plain.recv(4096)
    plain.sendall(b"no hello of TLS at all" * 100)
    plain.close()
    raise ConnectionAbortedError


def speaks_plain_http(_: ScriptedServer, plain: socket.socket) -> socket.socket:
    """Answers a hello with HTTP, as a server whose TLS has been forgotten."""
    plain.recv(4096)
    plain.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    plain.close()
    raise ConnectionAbortedError


def resets_after_the_handshake(server: ScriptedServer, plain: socket.socket) -> socket.socket:
    """Resets the connection before the request has been read."""
    sock = tls(server, plain)
    _resetting(sock)
    sock.close()
    raise ConnectionResetError


def _handshake(server: ScriptedServer, plain: socket.socket, reply: Callable[[bytes], None]) -> None:
    """Shakes hands by hand: `reply` is given what there is to say."""
    heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
    talk = server.context.wrap_bio(heard, said, server_side=True)
    while True:
        try:
            talk.do_handshake()
        except ssl.SSLWantReadError:
            if said.pending:
                reply(said.read())
            data = plain.recv(4096)
            if not data:
                raise ConnectionAbortedError from None
            heard.write(data)


def cuts_the_handshake(server: ScriptedServer, plain: socket.socket) -> socket.socket:
    """Says half of its hello, and hangs up."""

    def half(text: bytes) -> None:
        plain.sendall(text[: len(text) // 2])
        plain.shutdown(socket.SHUT_RDWR)

    _handshake(server, plain, half)
    raise ConnectionAbortedError


def drips_in_the_handshake(server: ScriptedServer, plain: socket.socket) -> socket.socket:
    """Says its hello at a byte a second."""

    def drip(text: bytes) -> None:
        for byte in text:
            plain.sendall(bytes([byte]))
            if server.closing.wait(1):
                raise ConnectionAbortedError

    _handshake(server, plain, drip)
    raise ConnectionAbortedError


def speaks_old_tls(server: ScriptedServer, plain: socket.socket) -> socket.socket:
    """Speaks TLS 1.1 at most, as after a downgrade."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context.wrap_socket(plain, server_side=True)


def shows(certificate: Certificate) -> Handshake:
    """The handshake with another certificate than its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    return lambda _, plain: context.wrap_socket(plain, server_side=True)


GREETINGS: dict[str, tuple[Handshake, str]] = {
    "hangs up": (hangs_up, "hung up|closed|reset"),
    "resets": (resets, "reset|not connected"),
    "resets in the handshake": (resets_in_the_handshake, "reset"),
    "resets after the handshake": (resets_after_the_handshake, "hung up|reset"),
    "says nothing in the handshake": (says_nothing, "does not answer"),
    "cuts the handshake": (cuts_the_handshake, "hung up|closed|reset"),
    "drips in the handshake": (drips_in_the_handshake, "does not answer"),
    "says garbage": (says_garbage, "does not speak TLS"),
    "speaks plain HTTP": (speaks_plain_http, "does not speak TLS"),
    "speaks old TLS": (speaks_old_tls, "speaks old TLS only"),
}
"""Connections on which no request gets through, and what the client says of them."""
