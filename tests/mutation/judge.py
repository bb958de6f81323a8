"""Runs pytest on mutants. It imports what takes long once, and forks for each mutant; nothing of the server is imported before.

usage: judge.py SOCKET                              waits for requests at a UNIX socket, in the mutated copy
       judge.py SOCKET SECONDS WORD-OF-PYTEST ...   asks it. Prints what became of the mutant; exit status 0: it survived
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time

PYTEST = ["-x", "-q", "--no-header", "-n", "0", "--tb=no"]
IMPORTED = ("alembic.command", "cryptography.x509", "fastapi", "hypothesis", "itsdangerous", "jinja2", "paho.mqtt.client",
            "prometheus_client", "psycopg2", "pytest", "requests", "sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.sqlite",
            "uvicorn", "xdist")  # fmt: skip


def verdict(limit_s: float, words: list[str]) -> str:
    """A time-out counts as killed. A status of pytest other than 0 and 1 says nothing of the tests: it is `invalid`."""
    pid = os.fork()
    if pid == 0:
        os._exit(_run_pytest(words))
    end = time.monotonic() + limit_s
    while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0 and time.monotonic() < end:
        time.sleep(0.01)
    # With whatever a test has started and not ended.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    if ended[0] == 0:
        os.waitpid(pid, 0)
        return "killed by time-out"
    status = os.waitstatus_to_exitcode(ended[1])
    return {0: "survived", 1: "killed"}.get(status, f"invalid {status}")


def _run_pytest(words: list[str]) -> int:
    import pytest

    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    status = 3
    with contextlib.suppress(BaseException):
        status = int(pytest.main([*PYTEST, *words]))
    return status


def serve(path: str) -> None:
    """Answers until it is killed."""
    for name in IMPORTED:
        __import__(name)
    sys.dont_write_bytecode = True
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        while True:
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb") as stream:
                limit_s, words = json.loads(stream.readline())
                with contextlib.suppress(BrokenPipeError):
                    stream.write(verdict(limit_s, words).encode() + b"\n")


def ask(path: str, limit_s: float, words: list[str]) -> int:
    """The exit status."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        sock.sendall(json.dumps([limit_s, words]).encode() + b"\n")
        answer = sock.makefile().readline().strip() or "invalid"
    print(answer)
    return 0 if answer == "survived" else 1


if __name__ == "__main__":
    if len(sys.argv) == 2:
        serve(sys.argv[1])
    sys.exit(ask(sys.argv[1], float(sys.argv[2]), sys.argv[3:]))
