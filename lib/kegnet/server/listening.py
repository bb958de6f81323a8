"""The listening socket: parsing `--listen`, binding, and what it is called."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import socket
import stat
from typing import Any

from kegnet.core.problem import ProblemError

BACKLOG = 2048
DESCRIPTORS_AT_MOST = 65_536
RESERVED_DESCRIPTORS = 128
"""For the database, files, and connections of our own."""
RECEIVE_BYTES = 64 * 1024
"""The receive buffer of a connection. The kernel doubles it, see socket(7), which gives the size that Linux begins with. A fixed size
bounds the memory of the service while a client sends more than is read."""
_TCP = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.%]+)\]|(?P<host>[^\[\]:/]*)):(?P<port>[0-9]{1,5})")
_IDLE_S, _INTERVAL_S, _PROBES, _UNSENT_MS = 60, 15, 4, 120_000


class ListenError(ProblemError):
    """The text is no address to listen at."""


class BindError(ProblemError):
    """The address cannot be listened at now: it is in use, or the network is not there yet."""


def bind(listen: str, count: int = 1) -> list[socket.socket]:
    """`count` sockets, one a process, that listen at the same address: HOST:PORT, [IPV6]:PORT or unix:/path.

    Raises ListenError if `listen` has none of these forms or a port that needs root, BindError if the address cannot be used now.
    """
    address = _parse(listen)
    try:
        socks = _bind_unix(address, count) if isinstance(address, str) else _bind_tcp(*address, count)
        for sock in socks:
            sock.listen(BACKLOG)
    except OSError as error:
        if isinstance(error, PermissionError) and isinstance(address, tuple):
            raise ListenError(f"listen {listen}: {error.strerror}", "use a port from 1024 on, such as 8080, or a proxy") from error
        fix = "stop the other program or choose another port" if isinstance(address, tuple) else "check the folder and its permissions"
        raise BindError(f"listen {listen}: {error.strerror or error}", fix) from error
    return socks


def base_url(sock: socket.socket, *, encrypted: bool) -> str:
    """The URL under which the server is found, e.g. `https://[::1]:8443`."""
    if sock.family == socket.AF_UNIX:
        return f"http://unix:{sock.getsockname()}:"
    host, port = sock.getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if encrypted else 'http'}://{host}:{port}"


def descriptors_at_most() -> int:
    """How many connections this process has descriptors for; raises its limit of descriptors as far as it may, see getrlimit(2)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_AT_MOST if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_AT_MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    soft = DESCRIPTORS_AT_MOST if soft == resource.RLIM_INFINITY else soft
    return max(soft - RESERVED_DESCRIPTORS, soft // 2)


def _parse(listen: str) -> tuple[str, int] | str:
    if listen.startswith("unix:/"):
        return listen.removeprefix("unix:")
    match = _TCP.fullmatch(listen)
    if match is None or int(match["port"]) > 65535:
        raise ListenError(f"listen {listen}: is no address", "use HOST:PORT, [IPV6]:PORT or unix:/path, e.g. 0.0.0.0:8443")
    return match["v6"] or match["host"] or "0.0.0.0", int(match["port"])  # noqa: S104


def _bind_tcp(host: str, port: int, count: int) -> list[socket.socket]:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror as error:
        raise BindError(f"listen {host}: {error.strerror}", "use an address of this computer, e.g. 0.0.0.0 for all") from error
    first = _bound(family, address)
    if count == 1:
        return [first]
    # The kernel spreads connections over the sockets of one address, see SO_REUSEPORT in socket(7). The first socket does without it, so
    # that another program at this address is an error.
    address = first.getsockname()
    first.close()
    return [_bound(family, address, reuse_port=True) for _ in range(count)]


def _bound(family: int, address: Any, *, reuse_port: bool = False) -> socket.socket:
    # asyncio sets TCP_NODELAY only on sockets whose protocol is named; without it each answer waits 40 ms for an acknowledgement.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(reuse_port))
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address[0] == "::" else 1)
    # Each accepted connection inherits these, see tcp(7).
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    # A reader who has vanished is noticed.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _INTERVAL_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNSENT_MS)
    try:
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def _bind_unix(path: str, count: int) -> list[socket.socket]:
    """The permissions of its folder decide who can connect. What another process has left there is replaced."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        os.chmod(path, 0o666)  # noqa: S103 - the folder's permissions count
    except OSError:
        sock.close()
        raise
    return [sock, *(sock.dup() for _ in range(count - 1))]
