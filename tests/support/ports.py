"""TCP ports for tests that must know one before its program starts."""

from __future__ import annotations

import random
import socket

LOWEST, HIGHEST = 10_000, 32_767
"""Below the ephemeral ports of Linux (ip_local_port_range), which any connection of another test can take meanwhile."""


def free_port(host: str = "127.0.0.1") -> int:
    """A port of `host` that nobody uses."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        port = random.randint(LOWEST, HIGHEST)
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            try:
                sock.bind((host, port))
            except OSError:
                continue
            return port
