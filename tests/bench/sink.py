#!/usr/bin/env python3
"""The server of the benchmarks: accepts every message as fast as Python can, and records when.

usage: sink.py TIMES DELAY_S [CERTIFICATE KEY]      prints its port; writes a line per message to TIMES: its kind, monotonic seconds
"""

from __future__ import annotations

import socket
import ssl
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


def request(file: BinaryIO) -> bytes:
    """Reads the next request, and returns its request line; empty at the end."""
    first, length = file.readline(), 0
    while (line := file.readline()) not in (b"\r\n", b""):
        if line[:15].lower() == b"content-length:":
            length = int(line[15:])
    file.read(length)
    return first


def serve(plain: socket.socket, context: ssl.SSLContext | None, times: BinaryIO, delay_s: float) -> None:
    """Answers every request of one connection."""
    with plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock = context.wrap_socket(plain, server_side=True) if context else plain
        with sock, sock.makefile("rb") as file:
            while first := request(file):
                if delay_s:
                    time.sleep(delay_s)
                kind = first.split()[1].rpartition(b"/")[2]
                times.write(b"%s %.6f\n" % (kind, time.monotonic()))
                sock.sendall(ANSWER)


def main() -> None:
    """Serves until it is killed."""
    path, delay, *files = sys.argv[1:]
    context = None
    if files:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener, Path(path).open("wb", buffering=0) as times:
        print(listener.getsockname()[1], flush=True)
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=serve, args=(plain, context, times, float(delay)), daemon=True).start()


if __name__ == "__main__":
    main()
