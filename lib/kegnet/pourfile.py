"""One pour's file: how it is read, and how it leaves the spool.

It leaves in one of two ways only: an unlink, for what the server has accepted, or a rename to `.fail`. Neither needs an
fsync(2): should a power cut undo it, the pour is there again and is sent again, to be dropped by the server as the
repeat that it is. All that is asked of the file system is that a rename is whole or not at all, as rename(2) has it. That
a pour's own bytes are on the disk before its name is, is for whoever writes it.

Before either, `X.pour` becomes `X.leaving.pour`, and is looked at once more: under its own name another pour
could take its place between the last look and the unlink. What a crash leaves under that name is a pour like any other.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import os
import stat
from itertools import count
from pathlib import Path
from typing import NamedTuple

SUFFIX = ".pour"
FAIL_SUFFIX = ".fail"
LEAVING = ".leaving"
_NAME_LIMIT_BYTES = 255
_TRIES = 10


class SpoolError(Exception):
    """The spool, or a file in it, cannot be used; the text says why."""


class NotAFileError(SpoolError):
    """What bears a pour's name is a FIFO, a link, a directory or the like."""


class GoneError(SpoolError):
    """There is no such file any more."""


class Fate(enum.Enum):
    """The two ways out of the spool."""

    REMOVE = "removed"
    SET_ASIDE = "set aside"


class Stamp(NamedTuple):
    """Which file, in which state, stood under a name. Changed content and another file have another stamp."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """The stamp in what stat(2) says."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class Content(NamedTuple):
    """The beginning of a file, and the stamp that it had then."""

    head: bytes
    stamp: Stamp


def pours_wait(number: int) -> str:
    """How many wait, in words."""
    return "1 pour waits" if number == 1 else f"{number or 'no'} pours wait"


def read(folder: Path, name: str, limit_bytes: int) -> Content:
    """The first `limit_bytes` of the pour `name`. Never blocks and never leaves the directory.

    Raises NotAFileError, FileNotFoundError, or another OSError if it cannot be read.
    """
    path = os.path.join(folder, name)
    # Before the open, because opening a device may already do something.
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise NotAFileError("it is not a regular file")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotAFileError("it is a symbolic link") from error
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotAFileError("it is not a regular file")
        return Content(os.read(descriptor, limit_bytes), Stamp.of(status))
    finally:
        os.close(descriptor)


def stands(folder: Path, name: str, content: Content) -> bool:
    """Whether `name` seems to stand for what was read as `content`. Raises OSError."""
    return Stamp.of(os.lstat(os.path.join(folder, name))) == content.stamp


def holds(folder: Path, name: str, content: Content) -> bool:
    """Whether `name` stands for what was read as `content`. By its bytes too: two writes may bear the same time."""
    try:
        return read(folder, name, max(1, len(content.head))) == content
    except NotAFileError:
        return False


def step_aside(folder: Path, name: str) -> str:
    """Gives a pour the name under which it leaves, or lets it be where there is no room for another name."""
    if name.endswith(LEAVING + SUFFIX):
        return name
    leaving = _free_name(folder, name, LEAVING + SUFFIX)
    try:
        os.rename(os.path.join(folder, name), os.path.join(folder, leaving))
    except OSError as error:
        # An unlink, which may do without, makes room.
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return name
        raise
    return leaving


def leave(folder: Path, place: str, name: str, fate: Fate) -> None:
    """Lets the pour `name`, which has stepped aside to `place`, go."""
    if fate is Fate.REMOVE:
        os.unlink(os.path.join(folder, place))
    else:
        os.rename(os.path.join(folder, place), os.path.join(folder, _free_name(folder, name, SUFFIX + FAIL_SUFFIX)))


def put_back(folder: Path, name: str) -> str:
    """Has the set-aside pour `name`, a regular file, wait again; the name under which it does. Raises OSError.

    By a link and an unlink, not a rename, which would take the place of a pour that comes under that name meanwhile.
    What a crash leaves between the two is sent, and is still set aside.
    """
    original = name.removesuffix(FAIL_SUFFIX)
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for _ in range(_TRIES):
            free = _free_name(folder, original, SUFFIX)
            with contextlib.suppress(FileExistsError):
                os.link(name, free, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
                # Or a power cut might leave the unlink done and the link not.
                os.fsync(directory)
                os.unlink(name, dir_fd=directory)
                return free
    finally:
        os.close(directory)
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), original)


def announce(folder: Path, name: str) -> None:
    """Has inotify(7) say that somebody who wrote `name` has closed it. Raises OSError."""
    os.close(os.open(os.path.join(folder, name), os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC))


def _free_name(folder: Path, name: str, ending: str) -> str:
    """`name` with another ending: `X.pour.fail`, or `X.2.pour.fail` if there is one from before, and so on."""
    stem = os.fsencode(name.removesuffix(SUFFIX).removesuffix(LEAVING))
    for number in count(1):
        end = os.fsencode(("" if number == 1 else f".{number}") + ending)
        free = os.fsdecode(stem[: _NAME_LIMIT_BYTES - len(end)] + end)
        if not os.path.lexists(os.path.join(folder, free)):
            return free
    raise AssertionError("count() ends never")
