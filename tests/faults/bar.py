#!/usr/bin/env python3
"""Runs in the guest: a server that writes each message that it accepts to a file, one a line: [seconds of uptime, path, fields].

usage: bar.py HOST PORT FILE [CERTIFICATE KEY]      plain HTTP without a certificate
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.pki import Certificate
from support.scripted_server import Connection, Request, ScriptedServer


def main() -> None:
    """Serves until it is killed."""
    host, port, file, *tls_files = sys.argv[1:]
    certificate = Certificate(*map(Path, tls_files)) if tls_files else None

    def accept(connection: Connection, request: Request) -> None:
        with Path(file).open("a") as book:
            book.write(json.dumps([time.monotonic(), request.path, request.fields]) + "\n")
        connection.answer(200)

    server = ScriptedServer(certificate, host, int(port))
    server.pour_answer = server.ping_answer = accept
    threading.Event().wait()


if __name__ == "__main__":
    main()
