"""SQLite as a server wants it: one file, readers beside a writer, commits that are on the disk.

Transactions are begun by SQLAlchemy's documented recipe for pysqlite (its driver alone begins none before a CREATE TABLE).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from .errors import StorageError, UnavailableError, one_line

WRITING = "kegnet_writing"
"""The execution option of connections that begin with the write lock."""

_BUSY_S = 30
_POOL_SIZE = 8
_POOL_OVERFLOW = 24
_POOL_WAIT_S = 10
_MODE = 0o640


class SqliteFile:
    """The file of an open database, and the names beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.feed = path.with_name(path.name + ".feed")
        self.leader = path.with_name(path.name + ".leader")
        self.listeners: set[Callable[[str], None]] = set()
        """Feeds of this process that could not make their socket in `feed`."""
        self._identity = _identity(path)

    def copy_to(self, suffix: str) -> Path:
        """Makes a durable copy of the database beside it, `NAME.suffix`; its path. Raises UnavailableError."""
        copy = self.path.with_name(f"{self.path.name}.{suffix}")
        partial = copy.with_name(copy.name + ".part")
        try:
            partial.unlink(missing_ok=True)
            create_owned_file(partial)
            _copy(self.path, partial)
            os.replace(partial, copy)
            _sync(copy.parent)
        except (OSError, sqlite3.Error) as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise UnavailableError(f"{self.path}: the copy before the migration failed: {one_line(error)}") from error
        return copy

    def compact(self) -> None:
        """Gives the space of deleted tables back, if nobody uses the file and there is space to do it."""
        with suppress(sqlite3.Error), closing(sqlite3.connect(_uri(self.path), uri=True, isolation_level=None)) as connection:
            connection.execute("VACUUM")

    def is_in_place(self) -> bool:
        """The path still names the file that was opened."""
        return self._identity is not None and _identity(self.path) == self._identity


def require_usable(path: Path, shown: str) -> None:
    """Makes an empty file where none is. Raises StorageError if the file cannot be used."""
    if path.is_dir():
        raise StorageError(f"{shown}: this is a directory", "name a file in it")
    if not path.parent.is_dir():
        raise StorageError(f"{shown}: there is no directory {path.parent}", f"make it: mkdir -p {path.parent}")
    try:
        create_owned_file(path)
    except FileExistsError:
        pass
    except OSError as error:
        raise StorageError(f"{shown}: {error.strerror}", _access_fix(path)) from error
    # A command of root has the rights of the folder's owner as its effective ones.
    may_write = os.access(path, os.R_OK | os.W_OK, effective_ids=True) and os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True)
    if not may_write:
        raise StorageError(f"{shown}: no permission to write", _access_fix(path))


def create_owned_file(path: Path) -> None:
    """Makes an empty file that the service can use. Raises OSError, FileExistsError if it is there already."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _MODE)
    os.close(descriptor)
    give_to_owner_of_directory(path)


def give_to_owner_of_directory(path: Path) -> None:
    """What root makes belongs to the owner of the directory that it is in. Raises OSError."""
    if os.geteuid() == 0:
        directory = path.parent.stat()
        os.chown(path, directory.st_uid, directory.st_gid, follow_symlinks=False)


def create_engine(url: sa.engine.URL, path: Path) -> sa.engine.Engine:
    """An engine over the file, which must exist: no connection ever makes an empty database in place of one that was deleted."""
    engine = sa.create_engine(
        url,
        future=True,
        creator=lambda: _connect(path),
        poolclass=sa.pool.QueuePool,
        pool_size=_POOL_SIZE,
        max_overflow=_POOL_OVERFLOW,
        pool_timeout=_POOL_WAIT_S,
    )
    sa.event.listen(engine, "begin", _begin)
    return engine


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(_uri(path), uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _copy(path: Path, copy: Path) -> None:
    """Copies a consistent state, also while others use the database (SQLite's backup API)."""
    with (
        closing(sqlite3.connect(_uri(path), uri=True, timeout=_BUSY_S)) as source,
        closing(sqlite3.connect(_uri(copy), uri=True)) as target,
    ):
        source.backup(target)
    _sync(copy)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _uri(path: Path) -> str:
    """Opens what is there, and never makes a file."""
    return f"file:{quote(str(path))}?mode=rw"


def _begin(connection: sa.engine.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(WRITING) else "BEGIN")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _access_fix(path: Path) -> str:
    return f"let the user of kegnet-server own {path} and its directory"
