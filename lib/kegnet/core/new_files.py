"""Makes and replaces files durably: a file is complete or absent, also after a power cut."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .ini import ConfigError


def make(path: Path, content: bytes, mode: int) -> None:
    """Makes a new file. Never overwrites. Raises OSError, FileExistsError among them."""
    temporary = _write_temporary(path, content, mode)
    try:
        os.link(temporary, path)
    finally:
        os.unlink(temporary)
    _sync(path.parent)
    print(f"made {path}", file=sys.stderr)


def replace(path: Path, content: bytes) -> None:
    """Replaces the content of the file `path`, which keeps its owner and mode. Raises OSError."""
    path = Path(os.path.realpath(path))
    status = path.stat()
    temporary = _write_temporary(path, content, status.st_mode & 0o7777)
    try:
        if os.geteuid() == 0:
            os.chown(temporary, status.st_uid, status.st_gid)
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    _sync(path.parent)
    print(f"changed {path}", file=sys.stderr)


@contextlib.contextmanager
def explained(path: Path, command: str) -> Iterator[None]:
    """Turns an OSError of a block that makes or changes `path` by the shell command `command` into a ConfigError."""
    try:
        yield
    except OSError as error:
        fix = f"run this as root: {command}" if os.geteuid() else "make sure that its directory exists and can be written to"
        raise ConfigError(f"{path}: cannot be made ({error.strerror})", fix) from error


def _write_temporary(path: Path, content: bytes, mode: int) -> str:
    """The name of a new file beside `path`, already written to the disk."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        os.unlink(name)
        raise
    return name


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
