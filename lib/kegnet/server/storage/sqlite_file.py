"""SQLite as a server wants it: one file, readers beside a writer, commits that are on the disk.

Transactions are begun by SQLAlchemy's documented recipe for pysqlite (its driver alone begins none before a CREATE TABLE).
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from .errors import StorageError

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
        self._identity = _identity(path)

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
    if not (os.access(path, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)):
        raise StorageError(f"{shown}: no permission to write", _access_fix(path))


def create_owned_file(path: Path) -> None:
    """Makes an empty file. One that root makes belongs to the owner of its directory, so that the service can use it.

    Raises OSError, FileExistsError if it is there already.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _MODE)
    try:
        if os.geteuid() == 0:
            directory = path.parent.stat()
            os.fchown(descriptor, directory.st_uid, directory.st_gid)
    finally:
        os.close(descriptor)


def create_engine(url: sa.engine.URL, path: Path) -> sa.engine.Engine:
    """An engine over the file, which must exist: no connection ever makes an empty database in place of one that was deleted."""
    engine = sa.create_engine(
        url.set(query={}),
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
    uri = f"file:{quote(str(path))}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


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
