"""TCP ports for tests that must know one before its program starts."""

from __future__ import annotations

import os
import random
import socket

LOWEST, HIGHEST = 10_000, 32_767
"""Below the ephemeral ports of Linux (ip_local_port_range), which any connection of another test can take meanwhile."""
_WORKERS = 16
_given: set[int] = set()


def free_port(host: str = "127.0.0.1") -> int:
    """A port of `host` that nobody uses, and that no test gets again before all others.

    Each process of pytest-xdist has its own part of the range, so that none gives away a port that another has given and not bound yet.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    ports = range(LOWEST + worker, HIGHEST, _WORKERS)
    if len(_given) == len(ports):
        _given.clear()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        port = random.choice(ports)
        if port in _given:
            continue
        _given.add(port)
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            try:
                sock.bind((host, port))
            except OSError:
                continue
            return port
