"""Operations on single files of the spool directory: read, delete, set aside, put back.

Every function takes the directory's descriptor, so that nothing outside it can be changed.

A pour is removed in two ways only: an unlink after the server has accepted it, or a rename to `.fail`. Neither needs an
fsync(2): if a power cut undoes it, the pour is sent again, and the server recognises the repeat. The program that writes a
pour must make its content durable.

Before either, `X.pour` is renamed to `X.leaving.pour` and compared again, because another pour could take the name between
the comparison and the unlink. After a crash, `X.leaving.pour` is an ordinary pour.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

SUFFIX = ".pour"
FAIL_SUFFIX = ".fail"
LEAVING = ".leaving"
_NAME_LIMIT_BYTES = 255
_NO_HARD_LINK = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.ENOSPC, errno.EDQUOT)
_OPEN_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class NotAFileError(Exception):
    """A FIFO, a symbolic link, a directory or the like has the name of a pour. The text is its kind."""


class Stamp(NamedTuple):
    """Identifies a file and its state. Changed content or another file has another stamp."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """The stamp in a result of stat(2)."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class Content:
    """The beginning of a file, and the stamp that the file had when it was read."""

    head: bytes
    stamp: Stamp


def stamp(directory: int, name: str) -> Stamp:
    """The stamp of `name`. Raises OSError."""
    return Stamp.of(os.stat(name, dir_fd=directory, follow_symlinks=False))


def read(directory: int, name: str, limit_bytes: int) -> Content:
    """The first `limit_bytes` of the file `name`. Never blocks. Raises NotAFileError or OSError."""
    # Before the open, because opening a device can have effects.
    if not stat.S_ISREG(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
        raise NotAFileError("not a regular file")
    try:
        descriptor = os.open(name, os.O_RDONLY | _OPEN_FLAGS, dir_fd=directory)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotAFileError("a symbolic link") from error
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotAFileError("not a regular file")
        return Content(os.read(descriptor, limit_bytes), Stamp.of(status))
    finally:
        os.close(descriptor)


def is_unchanged(directory: int, name: str, content: Content) -> bool:
    """Whether `name` still has the stamp of `content`. Raises OSError."""
    return stamp(directory, name) == content.stamp


def has_content(directory: int, name: str, content: Content) -> bool:
    """Whether `name` still has the stamp and the bytes of `content`; two writes can have the same time."""
    try:
        return read(directory, name, max(1, len(content.head))) == content
    except NotAFileError:
        return False


def rename_to_leaving(directory: int, name: str) -> str:
    """Renames `name` to the name under which it is removed, and returns that name. Raises OSError."""
    if name.removesuffix(SUFFIX).endswith(LEAVING):
        return name
    leaving = free_name(directory, name, LEAVING + SUFFIX)
    try:
        os.rename(name, leaving, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError as error:
        # A full disk may have no room for another name. The unlink that follows makes room.
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return name
        raise
    return leaving


def delete(directory: int, name: str) -> None:
    """Unlinks `name`. Raises OSError."""
    os.unlink(name, dir_fd=directory)


def set_aside(directory: int, place: str, name: str) -> str:
    """Renames `place`, which was called `name` before, to a free `.fail` name. Returns that name. Raises OSError."""
    return _move(directory, place, name, SUFFIX + FAIL_SUFFIX)


def put_back(directory: int, name: str) -> str:
    """Renames the set-aside pour `name`, a regular file, to a free `.pour` name. Returns that name. Raises OSError."""
    return _move(directory, name, name.removesuffix(FAIL_SUFFIX), SUFFIX, durable=True)


def report_closed(directory: int, name: str) -> None:
    """Makes inotify(7) report `name` as closed after writing, without changing it. Raises OSError."""
    os.close(os.open(name, os.O_WRONLY | _OPEN_FLAGS, dir_fd=directory))


def free_name(directory: int, name: str, ending: str) -> str:
    """`name` with another ending: `X.pour.fail`, or `X.2.pour.fail` if that exists, and so on."""
    stem = os.fsencode(name.removesuffix(SUFFIX).removesuffix(LEAVING))
    for number in count(1):
        end = os.fsencode(("" if number == 1 else f".{number}") + ending)
        free = os.fsdecode(stem[: _NAME_LIMIT_BYTES - len(end)] + end)
        if not _exists(directory, free):
            return free
    raise AssertionError("count() does not end")


def _move(directory: int, old: str, name: str, ending: str, durable: bool = False) -> str:
    """Moves `old` to a free name made of `name` and `ending`. Never overwrites: link(2) fails if the name exists.

    A crash between link and unlink leaves both names: the pour is sent again, and rejected again.
    """
    while True:
        free = free_name(directory, name, ending)
        try:
            os.link(old, free, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno not in _NO_HARD_LINK:
                raise
            # A full disk, or a file system without hard links, such as FAT. Another program could take the name just now.
            os.rename(old, free, src_dir_fd=directory, dst_dir_fd=directory)
            return free
        if durable:
            # A power cut must not leave the unlink done and the link not.
            os.fsync(directory)
        os.unlink(old, dir_fd=directory)
        return free


def _exists(directory: int, name: str) -> bool:
    with contextlib.suppress(FileNotFoundError):
        os.stat(name, dir_fd=directory, follow_symlinks=False)
        return True
    return False
