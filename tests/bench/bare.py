"""The limit of serial sending in Python: sign, POST over one kept connection on a plain socket, unlink; and nothing else.

usage: python3 -m bench.bare SPOOL KEY UUID PORT [CA]
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import ssl
import sys
import time
import urllib.parse
from collections.abc import Callable

from M2Crypto import RSA


def connect(port: int, ca: str | None) -> socket.socket:
    """One connection."""
    plain = socket.create_connection(("127.0.0.1", port))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ssl.create_default_context(cafile=ca).wrap_socket(plain, server_hostname="127.0.0.1") if ca else plain


def signed_form(path: str, key: RSA.RSA, client: str) -> str:
    """The signed form of the pour in a file."""
    with open(path, "rb") as file:
        pin, pulses, et, ts = file.read().decode().strip().split(",")
    digest = hashlib.sha256(f"{client},{pin},{pulses},{et},{ts}".encode()).digest()
    sig = urllib.parse.quote_plus(base64.b64encode(key.sign(digest, "sha256")))
    return f"id={client}&pin={pin}&pulses={pulses}&et={et}&ts={ts}&sig={sig}"


def send(sock: socket.socket, body: str) -> None:
    """One pour."""
    head = "POST /rest/v2/pour HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "
    sock.sendall(f"{head}{len(body)}\r\n\r\n{body}".encode())
    answer = sock.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert answer.endswith(b"OK"), answer


def drain(connected: Callable[[int, str | None], Callable[[str], None]]) -> None:
    """Empties the spool of the command line, then sends what appears, until it is killed.

    `connected(port, ca)` is called once, and returns what sends a form.
    """
    spool, key_file, client, port, *ca = sys.argv[1:]
    key = RSA.load_key(key_file)
    send_form = connected(int(port), ca[0] if ca else None)
    while True:
        names = sorted(name for name in os.listdir(spool) if name.endswith(".pour"))
        for name in names:
            path = os.path.join(spool, name)
            send_form(signed_form(path, key, client))
            os.unlink(path)
        if not names:
            time.sleep(0.001)


def main() -> None:
    """Sends over a plain socket."""

    def connected(port: int, ca: str | None) -> Callable[[str], None]:
        sock = connect(port, ca)
        return lambda body: send(sock, body)

    drain(connected)


if __name__ == "__main__":
    main()
