"""Datagrams between the processes that use one SQLite file: each has a socket in a directory beside the file (unix(7))."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .sqlite_file import SqliteFile, give_to_owner_of_directory

_SUFFIX = ".socket"
_GAP = ".gap"
_DIRECTORY_MODE = 0o770
_PAYLOAD_BYTES = 8192
EVERYTHING = ""
"""A payload that is none: everything may have changed."""

log = logging.getLogger(__name__)


def send(file: SqliteFile, payload: str) -> None:
    """Sends `payload` to every process that listens. It never fails and never waits; who misses it notices that.

    It makes no socket and no directory, so root's command line leaves nothing behind that the service cannot use.
    """
    for receive in tuple(file.listeners):
        receive(payload)
    with _opened(file.feed) as descriptor:
        if descriptor is None:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            for name in os.listdir(descriptor):
                if name.endswith(_SUFFIX):
                    _send_to(sender, descriptor, name, payload.encode())


def _send_to(sender: socket.socket, directory: int, name: str, payload: bytes) -> None:
    for mark_gap in (True, False):
        try:
            sender.sendto(payload, _address(directory, name))
        except BlockingIOError:
            # Its queue is full, so it wakes up; then it finds this mark. A queue that was emptied meanwhile takes the second try.
            if mark_gap:
                _mark_gap(directory, name)
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:
                _unlink(directory, name)
                _unlink(directory, name + _GAP)
            return
        else:
            return


async def listen(file: SqliteFile, receive: Callable[[str], None], check_s: float) -> None:
    """Calls `receive` with each payload, until it is cancelled. `EVERYTHING` comes first, and after a gap.

    Without a socket it gets at least what this process sends.
    """
    logged = False
    while True:
        try:
            with _bound(file.feed) as (sock, path):
                logged = False
                receive(EVERYTHING)
                await _receive_until_removed(sock, path, receive, check_s)
        except OSError as error:
            if not logged:
                log.warning("changes by other programs are not noticed: %s: %s", file.feed, error.strerror or error)
            logged = True
            with _registered(file, receive):
                await asyncio.sleep(check_s)


@contextmanager
def _registered(file: SqliteFile, receive: Callable[[str], None]) -> Iterator[None]:
    """`receive` gets what any thread of this process sends."""
    loop = asyncio.get_running_loop()

    def receive_in_loop(payload: str) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(receive, payload)

    file.listeners.add(receive_in_loop)
    try:
        yield
    finally:
        file.listeners.discard(receive_in_loop)


async def _receive_until_removed(sock: socket.socket, path: Path, receive: Callable[[str], None], check_s: float) -> None:
    loop = asyncio.get_running_loop()
    loop.add_reader(sock.fileno(), _drain, sock, path, receive)
    try:
        while path.exists():
            await asyncio.sleep(check_s)
    finally:
        loop.remove_reader(sock.fileno())


def _drain(sock: socket.socket, path: Path, receive: Callable[[str], None]) -> None:
    try:
        while True:
            receive(sock.recv(_PAYLOAD_BYTES).decode("utf-8", "replace"))
    except BlockingIOError:
        pass
    try:
        os.unlink(str(path) + _GAP)
    except OSError:
        return
    receive(EVERYTHING)


@contextmanager
def _bound(directory: Path) -> Iterator[tuple[socket.socket, Path]]:
    """A socket of this process in `directory`."""
    _make(directory)
    name = f"{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
    with _opened(directory) as descriptor, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        if descriptor is None:
            raise OSError(errno.ENOTDIR, "not a directory that can be opened")
        sock.setblocking(False)
        sock.bind(_address(descriptor, name))
        try:
            os.chmod(directory / name, 0o660)
            yield sock, directory / name
        finally:
            _unlink(descriptor, name)
            _unlink(descriptor, name + _GAP)


def _make(directory: Path) -> None:
    try:
        directory.mkdir()
    except FileExistsError:
        return
    directory.chmod(_DIRECTORY_MODE)
    give_to_owner_of_directory(directory)


@contextmanager
def _opened(directory: Path) -> Iterator[int | None]:
    try:
        descriptor = os.open(directory, os.O_DIRECTORY | os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _address(directory: int, name: str) -> str:
    """A socket's address is 107 bytes at most; the path of a directory can be longer."""
    return f"/proc/self/fd/{directory}/{name}"


def _mark_gap(directory: int, name: str) -> None:
    with suppress(OSError):
        os.close(os.open(name + _GAP, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o660, dir_fd=directory))


def _unlink(directory: int, name: str) -> None:
    with suppress(OSError):
        os.unlink(name, dir_fd=directory)
