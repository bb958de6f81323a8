#!/usr/bin/env python3
"""The limit of serial sending in Python: sign, POST over one kept connection on a plain socket, unlink; and nothing else.

usage: bare.py SPOOL KEY UUID PORT [CA]
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

from M2Crypto import RSA


def connect(port: int, ca: str | None) -> socket.socket:
    """One connection."""
    plain = socket.create_connection(("127.0.0.1", port))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ssl.create_default_context(cafile=ca).wrap_socket(plain, server_hostname="127.0.0.1") if ca else plain


def send(sock: socket.socket, key: RSA.RSA, client: str, path: str) -> None:
    """One pour."""
    with open(path, "rb") as file:
        pin, pulses, et, ts = file.read().decode().strip().split(",")
    digest = hashlib.sha256(f"{client},{pin},{pulses},{et},{ts}".encode()).digest()
    sig = urllib.parse.quote_plus(base64.b64encode(key.sign(digest, "sha256")))
    body = f"id={client}&pin={pin}&pulses={pulses}&et={et}&ts={ts}&sig={sig}"
    head = "POST /rest/v2/pour HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "
    sock.sendall(f"{head}{len(body)}\r\n\r\n{body}".encode())
    answer = sock.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert answer.endswith(b"OK"), answer
    os.unlink(path)


def main() -> None:
    """Empties the spool, then sends what appears, until it is killed."""
    spool, key_file, client, port, *ca = sys.argv[1:]
    key = RSA.load_key(key_file)
    sock = connect(int(port), ca[0] if ca else None)
    while True:
        names = sorted(name for name in os.listdir(spool) if name.endswith(".pour"))
        for name in names:
            send(sock, key, client, os.path.join(spool, name))
        if not names:
            time.sleep(0.001)


if __name__ == "__main__":
    main()
