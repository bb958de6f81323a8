"""Operations on single files of the spool directory: the durable write, a safe read, a free name.

Every function takes the directory's descriptor, so that nothing outside it can be changed.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Collection
from itertools import count

RUNNING = ".running"
"""The file of a pour that runs, or is not published yet."""
TEMPORARY = ".tmp"
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def replace(directory: int, name: str, content: bytes) -> None:
    """Gives the file `name` its new content, or leaves the old one. Durable when it returns. Raises OSError."""
    temporary = name + TEMPORARY
    try:
        _write(directory, temporary, content)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise
    os.fsync(directory)


def read(directory: int, name: str, limit_bytes: int) -> bytes:
    """The content of the file `name`; empty if it is longer, or cannot be read. Never blocks."""
    try:
        descriptor = os.open(name, os.O_RDONLY | _FLAGS, dir_fd=directory)
    except OSError:
        return b""
    try:
        content = os.read(descriptor, limit_bytes + 1)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
    return content if len(content) <= limit_bytes else b""


def free_name(directory: int, stem: str, ending: str, taken: Collection[str] = ()) -> str:
    """`stem` with `ending`; if that exists or is `taken`, with `.2` in between, and so on. Raises OSError."""
    for number in count(1):
        name = f"{stem}{'' if number == 1 else f'.{number}'}{ending}"
        if name in taken:
            continue
        try:
            os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return name
    raise AssertionError("count() does not end")


def publish(directory: int, name: str, stem: str) -> str:
    """Renames `name` to `stem` with `.pour`, or to a free name like it. Returns that. Raises OSError.

    Not link(2) and unlink(2): a crash between them would make two pours.
    """
    free = free_name(directory, stem, ".pour")
    os.rename(name, free, src_dir_fd=directory, dst_dir_fd=directory)
    return free


def _write(directory: int, name: str, content: bytes) -> None:
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _FLAGS, 0o644, dir_fd=directory)
    try:
        if os.write(descriptor, content) != len(content):
            # write(2) writes a part where the disk is full after it.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
