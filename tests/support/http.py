"""Requests over real sockets, byte by byte where a test needs that."""

from __future__ import annotations

import socket
import ssl
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from .kegnet_server import KegnetServer, now_ms
from .pki import openssl, signature


@dataclass(frozen=True)
class Answer:
    """A response that has come whole."""

    status: int
    text: str
    headers: Mapping[str, str]


class Wire:
    """A TCP connection to the server."""

    def __init__(self, url: str, limit_s: float = 30.0) -> None:
        parts = urlsplit(url)
        self.host = parts.netloc
        address: tuple[str, int] = (parts.hostname or "", parts.port or 0)
        self.sock = socket.create_connection(address, limit_s)
        if parts.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.sock = context.wrap_socket(self.sock, server_hostname=parts.hostname)
        self._file = self.sock.makefile("rb")

    def send(self, data: bytes | str) -> None:
        """Sends it."""
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def head(self, method: str, path: str, *lines: str) -> None:
        """Sends the head of a request."""
        self.send("".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", f"Host: {self.host}", *lines, "")))

    def post(self, path: str, body: bytes | str, *lines: str) -> None:
        """Sends a whole form."""
        body = body.encode() if isinstance(body, str) else body
        self.head("POST", path, "Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}", *lines)
        self.send(body)

    def answer(self) -> Answer:
        """The next response."""
        # Not http.client's: its buffer takes a part of the response after it.
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Answer(status, self._body(headers).decode(), headers)

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return self._file.read(int(headers["content-length"]))
        body = b""
        while size := int(self._file.readline(), 16):
            body += self._file.read(size)
            self._file.readline()
        self._file.readline()
        return body

    def rest(self) -> bytes:
        """All that the server sends until it closes the connection."""
        received = b""
        try:
            while part := self.sock.recv(65536):
                received += part
        except ConnectionResetError:
            pass
        return received

    def close(self) -> None:
        """Closes the connection."""
        self._file.close()
        self.sock.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def post(server: KegnetServer, path: str, fields: Mapping[str, str] | list[tuple[str, str]], *lines: str) -> Answer:
    """The answer to a form."""
    with Wire(server.page_url) as wire:
        wire.post(path, urlencode(fields), *lines)
        return wire.answer()


def get(server: KegnetServer, path: str, *lines: str) -> Answer:
    """The answer to a GET."""
    with Wire(server.page_url) as wire:
        wire.head("GET", path, *lines)
        return wire.answer()


@dataclass(frozen=True)
class Signer:
    """A client with a key, which makes signed forms."""

    key: Path
    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def register(self, server: KegnetServer) -> Signer:
        """Registers it at the server."""
        server.add_client(self.client_id, openssl("rsa", "-in", self.key, "-pubout").decode())
        return self

    def pour(self, **changes: object) -> dict[str, str]:
        """A pour of now, signed with these changes."""
        return self.signed({"id": self.client_id, "pin": 0, "pulses": 586, "et": 8213, "ts": now_ms(), **changes})

    def ping(self, **changes: object) -> dict[str, str]:
        """A ping of now, signed with these changes."""
        return self.signed({"id": self.client_id, "temp": 4187, "ts": now_ms(), **changes})

    def signed(self, fields: Mapping[str, object]) -> dict[str, str]:
        """These fields with their signature."""
        texts = {name: str(value) for name, value in fields.items()}
        return {**texts, "sig": signature(self.key, ",".join(texts.values()))}
