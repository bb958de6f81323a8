"""A real HTTPS server that answers as a test says."""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import parse_qs

from .pki import Certificate
from .wait import wait_for


@dataclass(frozen=True)
class Request:
    """One request, and when it came by the monotonic clock."""

    path: str
    headers: dict[str, str]
    fields: dict[str, str]
    at_s: float = field(default_factory=time.monotonic)


class Connection:
    """A client's connection. `closing` is set when the server ends."""

    def __init__(self, sock: socket.socket, closing: threading.Event) -> None:
        self._socket = sock
        self.closing = closing
        self.closed = False

    def send(self, data: bytes) -> None:
        """Sends `data` as it is."""
        self._socket.sendall(data)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Sends a whole response; an underscore in a header's name stands for a hyphen."""
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def wait_for_more(self) -> None:
        """Waits for more data from the client."""
        select.select([self._socket], [], [])

    def cut(self) -> None:
        """Closes the connection with a FIN."""
        self.closed = True
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def reset(self) -> None:
        """Closes the connection with a TCP reset."""
        self.closed = True
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self._socket.detach())


Answer = Callable[[Connection, Request], None]
"""Answers one request."""
Handshake = Callable[["ScriptedServer", socket.socket], socket.socket]
"""Does what precedes the first request, and returns the socket to read it from."""


def answers(status: int, body: bytes = b"", **headers: str) -> Answer:
    """Answers every request like this."""
    return lambda connection, _: connection.answer(status, body, **headers)


def silent(connection: Connection, _: Request) -> None:
    """Never answers."""
    connection.closing.wait()


def tls(server: ScriptedServer, plain: socket.socket) -> socket.socket:
    """A TLS handshake."""
    return server.context.wrap_socket(plain, server_side=True)


def without_tls(_: ScriptedServer, plain: socket.socket) -> socket.socket:
    """No handshake: plain HTTP."""
    return plain


class ScriptedServer:
    """Serves at `host` and `port`, or a free port; by plain HTTP if it has no certificate.

    `pour_answer` answers pours, `ping_answer` pings. `handshake` precedes them.
    """

    def __init__(self, certificate: Certificate | None, host: str = "127.0.0.1", port: int = 0) -> None:
        self.pour_answer: Answer = answers(200)
        self.ping_answer: Answer = answers(200)
        self.handshake: Handshake = without_tls if certificate is None else tls
        self.requests: list[Request] = []
        self.connections = 0
        self.closing = threading.Event()
        self._open: list[Connection] = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if certificate is not None:
            self.context.load_cert_chain(certificate.certificate, certificate.key)
        self._listen((host, port))
        self.address: tuple[str, int] = self._listener.getsockname()
        self.port = self.address[1]
        self.base_url = f"{'http' if certificate is None else 'https'}://{host}:{self.port}/rest/v2"

    def paths(self, end: str) -> list[Request]:
        """The requests so far to a path that ends in `end`."""
        return [request for request in self.requests if request.path.endswith(end)]

    def wait_for_requests(self, end: str, number: int = 1, limit_s: float = 30.0) -> list[Request]:
        """The same, once there are `number` of them."""
        wait_for(lambda: len(self.paths(end)) >= number, limit_s)
        return self.paths(end)

    def stop_listening(self) -> None:
        """Stops listening: connections are refused."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def reset_connections(self) -> None:
        """Resets all connections."""
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.reset()

    def listen_again(self) -> None:
        """Listens again at the same address."""
        self._listen(self.address)

    def close(self) -> None:
        """Stops listening, and ends what waits."""
        self.closing.set()
        self.stop_listening()

    def _listen(self, address: tuple[str, int]) -> None:
        self._listener = socket.create_server(address)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        # Clients may be killed, or close the connection.
        with contextlib.suppress(OSError), plain, self.handshake(self, plain) as sock:
            connection = Connection(sock, self.closing)
            self._open.append(connection)
            file = sock.makefile("rb")
            while not connection.closed and (request := _read(file)):
                self.requests.append(request)
                answer = self.ping_answer if request.path.endswith("/ping") else self.pour_answer
                answer(connection, request)


def _read(file: BinaryIO) -> Request | None:
    """The next request; None if the client has closed the connection, even in the middle of one."""
    first = file.readline().decode("latin-1")
    headers: dict[str, str] = {}
    while (line := file.readline().decode("latin-1")) not in ("\r\n", ""):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = file.read(int(headers.get("content-length", "0"))).decode("ascii")
    if line == "" or len(body) < int(headers.get("content-length", "0")):
        return None
    match = re.match(r"(GET|POST) (\S+) HTTP/1.1", first)
    assert match, first
    return Request(match.group(2), headers, {name: values[0] for name, values in parse_qs(body).items()})
