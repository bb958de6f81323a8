"""What a server or a network can do to a request: in the handshake, and in the response."""

from __future__ import annotations

import gzip
import os
import select
import socket
import ssl
import struct
import warnings
from collections.abc import Callable

from support.pki import Certificate
from support.scripted_server import Answer, Connection, Handshake, Request, ScriptedServer, tls

ENDLESS_BYTES = 64 * 2**20
"""Where an endless answer ends if the client does not close the connection."""
BOMB = gzip.compress(bytes(200 * 2**20), 6)
OK = b"HTTP/1.1 200 OK\r\n"

Ending = Callable[[Connection], None]


def cut(connection: Connection) -> None:
    """Closes the connection."""
    connection.cut()


def reset(connection: Connection) -> None:
    """Resets the connection."""
    connection.reset()


def silence(connection: Connection) -> None:
    """Sends nothing more."""
    connection.closing.wait()


def sends(text: bytes, ending: Ending) -> Answer:
    """Sends `text`, then does what `ending` does."""

    def answer(connection: Connection, _: Request) -> None:
        connection.send(text)
        ending(connection)

    return answer


def drips(text: bytes, drop: bytes) -> Answer:
    """Sends `text`, then `drop` once a second."""

    def answer(connection: Connection, _: Request) -> None:
        connection.send(text)
        while not connection.closing.wait(1):
            connection.send(drop)

    return answer


def endless(text: bytes, more: bytes) -> Answer:
    """Sends `text`, then `more` again and again."""

    def answer(connection: Connection, _request: Request) -> None:
        connection.send(text)
        for _ in range(ENDLESS_BYTES // len(more)):
            connection.send(more)
        connection.cut()

    return answer


def _body(status: int, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


CLOSED = "the connection was closed without an answer"
LATE = "no answer within 30 s"
NOT_HTTP = "the answer is not HTTP"
UNDECIDED_ANSWERS: dict[str, tuple[Answer, str]] = {
    "cut before the answer": (sends(b"", cut), CLOSED),
    "reset before the answer": (sends(b"", reset), f"{CLOSED}|reset"),
    "cut in the status code": (sends(b"HTTP/1.1 20", cut), NOT_HTTP),
    "cut after the status code": (sends(b"HTTP/1.1 200", cut), "the answer was cut off in its first line"),
    "cut in the phrase": (sends(b"HTTP/1.1 400 Bad Requ", cut), "the answer was cut off in its first line"),
    "cut after an interim answer": (sends(b"HTTP/1.1 100 Continue\r\n\r\n", cut), CLOSED),
    "two lengths": (sends(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nOK", silence), "unmatching values"),
    "garbage": (sends(os.urandom(4096), silence), NOT_HTTP),
    "an answer in another protocol": (sends(b"220 mail.example ESMTP\r\n", silence), NOT_HTTP),
    "HTTP/2 unasked": (sends(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18), silence), LATE),
    "a status out of range": (sends(b"HTTP/1.1 99 Low\r\n\r\n", silence), NOT_HTTP),
    "a status of 600": (sends(_body(600, b""), cut), "600"),
    "a status that is no number": (sends(b"HTTP/1.1 2OO OK\r\n\r\n", silence), NOT_HTTP),
    "another protocol switched to": (sends(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", silence), "101 Switching Protocols"),
    "many interim answers": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 20000), f"{CLOSED}|reset|{LATE}"),
    "many early hints": (endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100), "103 Early Hints"),
    "an endless status line": (endless(b"HTTP/1.1 200 ", b"O" * 65536), "got more than 65536 bytes"),
    "an endless header": (endless(OK + b"Server: ", b"x" * 65536), "got more than 65536 bytes"),
    "endless headers": (endless(OK, b"Server: x\r\n" * 6000), "got more than 100 headers"),
    "an endless refusal": (endless(b"HTTP/1.1 503 Later\r\nServer: x\r\n\r\n", b"later " * 10000), "503 Service Unavailable: later"),
    "an endless refusal in chunks": (
        endless(b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\nlate\r\n" * 8000),
        "500 Internal Server Error: late",
    ),
    "a compressed bomb": (sends(_body(503, BOMB, "Content-Encoding: gzip"), cut), "503 Service Unavailable"),
    "a redirect with an endless body": (
        endless(b"HTTP/1.1 302 Found\r\nLocation: /welcome\r\n\r\n", b"<html>" * 10000),
        "302 Found, a redirect to /welcome",
    ),
    "a redirect with a compressed bomb": (
        sends(_body(302, BOMB, "Content-Encoding: gzip", "Location: /welcome"), cut),
        "302 Found, a redirect to /welcome",
    ),
    "a redirect to no address": (sends(_body(302, b"", "Location: http://["), cut), "302 Found, a redirect to http://\\["),
    "a redirect at a byte a second": (
        drips(b"HTTP/1.1 302 Found\r\nLocation: /welcome\r\nContent-Length: 1000\r\n\r\n", b"x"),
        "302 Found, a redirect to /welcome",
    ),
    "a long text with control characters": (
        sends(_body(500, b"\x1b[2J\xe2\x80\xa8<14>forged " * 10000), cut),
        "500 Internal Server Error: ",
    ),
    "silence": (sends(b"", silence), LATE),
    "silence in a header": (sends(OK + b"Content-Le", silence), LATE),
    "a byte a second in the status line": (drips(b"HTTP/1.1 200 ", b"O"), LATE),
    "a byte a second in a header": (drips(OK + b"Server: ", b"x"), LATE),
    "an interim answer a second": (drips(b"", b"HTTP/1.1 102 Processing\r\n\r\n"), "102 Processing"),
}
"""Answers whose status line is missing, not complete, or no acceptance, and what the client logs."""

CUT_OFF_ANSWERS: dict[str, Answer] = {
    "after the status line": sends(OK, cut),
    "in a header": sends(OK + b"Content-Le", cut),
    "after a header": sends(OK + b"Server: x\r\n", cut),
    "before the body": sends(OK + b"Content-Length: 9\r\n\r\n", cut),
    "in the body": sends(OK + b"Content-Length: 9\r\n\r\nhalf", cut),
    "in a chunk": sends(OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf", cut),
    "after a chunk": sends(OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", cut),
    "where a chunk should be": sends(OK + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n\r\n", cut),
    "by a length too long": sends(OK + b"Content-Length: 99999999999\r\n\r\nOK", cut),
    "by silence": sends(OK + b"Content-Length: 9\r\n\r\nhalf", silence),
    "by a byte a second": drips(OK + b"Content-Length: 1000\r\n\r\n", b"x"),
    "by a byte a second of chunks": drips(OK + b"Transfer-Encoding: chunked\r\n\r\n1", b";"),
}
"""Acceptances that end too early: the status line has decided."""

ODD_ANSWERS: dict[str, bytes] = {
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 201 Created\nContent-Length: 2\n\nOK",
    "of HTTP/1.0": b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\n",
    "without a length": OK + b"Connection: close\r\n\r\nOK",
    "after interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 30 + _body(200, b"OK"),
    "in chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nOK\r\n0\r\nTrailer: z\r\n\r\n",
    "longer than its length": OK + b"Content-Length: 0\r\n\r\n" + _body(200, b"of the next request, so to speak"),
    "with a body that is a compressed bomb": _body(200, BOMB, "Content-Encoding: gzip"),
    "with a long body": _body(200, b"x" * 2**20),
    "of an unknown status": b"HTTP/1.1 299 Curious\r\nContent-Length: 0\r\n\r\n",
}
"""Unusual acceptances."""


def closes(_: ScriptedServer, plain: socket.socket) -> socket.socket:
    """Closes the connection at once."""
    plain.close()
    raise ConnectionAbortedError


def _resetting(plain: socket.socket) -> None:
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def resets(_: ScriptedServer, plain: socket.socket) -> socket.socket:
    """Resets the connection at once."""
    _resetting(plain)
    plain.close()
    raise ConnectionResetError


def resets_in_the_handshake(_: ScriptedServer, plain: socket.socket) -> socket.socket:
    """Resets the connection after the first byte of the ClientHello."""
    plain.recv(1)
    return resets(_, plain)


def does_not_answer(server: ScriptedServer, _: socket.socket) -> socket.socket:
    """Does not answer the ClientHello."""
    server.closing.wait()
    raise ConnectionAbortedError


def answers_garbage(_: ScriptedServer, plain: socket.socket) -> socket.socket:
    """Answers the ClientHello with garbage."""
    plain.recv(4096)
    plain.sendall(b"no hello of TLS at all" * 100)
    plain.close()
    raise ConnectionAbortedError


def answers_in_plain_http(_: ScriptedServer, plain: socket.socket) -> socket.socket:
    """Answers the ClientHello in plain HTTP: a server without TLS."""
    plain.recv(4096)
    plain.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    plain.close()
    raise ConnectionAbortedError


def resets_after_the_handshake(server: ScriptedServer, plain: socket.socket) -> socket.socket:
    """Resets the connection before it reads the request, of which a part has arrived."""
    sock = tls(server, plain)
    select.select([sock], [], [], 5.0)
    _resetting(sock)
    sock.close()
    raise ConnectionResetError


def _handshake(server: ScriptedServer, plain: socket.socket, reply: Callable[[bytes], None]) -> None:
    """Does the handshake; `reply` sends the server's part."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls_object = server.context.wrap_bio(incoming, outgoing, server_side=True)
    while True:
        try:
            tls_object.do_handshake()
        except ssl.SSLWantReadError:
            if outgoing.pending:
                reply(outgoing.read())
            data = plain.recv(4096)
            if not data:
                raise ConnectionAbortedError from None
            incoming.write(data)


def cuts_the_handshake(server: ScriptedServer, plain: socket.socket) -> socket.socket:
    """Sends half of its ServerHello, then closes the connection."""

    def half(text: bytes) -> None:
        plain.sendall(text[: len(text) // 2])
        plain.shutdown(socket.SHUT_RDWR)

    _handshake(server, plain, half)
    raise ConnectionAbortedError


def drips_in_the_handshake(server: ScriptedServer, plain: socket.socket) -> socket.socket:
    """Sends its ServerHello at a byte a second."""

    def drip(text: bytes) -> None:
        for byte in text:
            plain.sendall(bytes([byte]))
            if server.closing.wait(1):
                raise ConnectionAbortedError

    _handshake(server, plain, drip)
    raise ConnectionAbortedError


def offers_old_tls(server: ScriptedServer, plain: socket.socket) -> socket.socket:
    """Offers TLS 1.1 at most."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context.wrap_socket(plain, server_side=True)


def shows(certificate: Certificate) -> Handshake:
    """The handshake with another certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    return lambda _, plain: context.wrap_socket(plain, server_side=True)


BROKEN_HANDSHAKES: dict[str, tuple[Handshake, str]] = {
    "closed at once": (closes, "closed|reset"),
    "reset at once": (resets, "reset|not connected"),
    "reset in the handshake": (resets_in_the_handshake, "reset"),
    "no answer": (does_not_answer, "no answer in time"),
    "half a ServerHello": (cuts_the_handshake, "closed|reset"),
    "a byte a second": (drips_in_the_handshake, "no answer"),
    "garbage": (answers_garbage, "the server does not use TLS"),
    "plain HTTP": (answers_in_plain_http, "the server does not use TLS"),
    "old TLS": (offers_old_tls, "TLS|tls"),
}
"""Connections on which TLS cannot be agreed on, and what the client logs."""
