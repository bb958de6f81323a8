"""Backup and restore of an SQLite database.

A restore is safe against a power cut between any two of its steps. The database's name is always that of a complete database, the old or
the restored one. The old one gets its second name before it loses the first.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from .database import Database
from .errors import StorageError
from .migrate import known_revisions
from .sqlite_file import SqliteFile, create_owned_file

BEFORE = ".before-restore"


def backup(database: Database, path: Path) -> None:
    """Copies the database, while it is in use, to a new file: one file, readable by its owner only. Raises StorageError."""
    if database.postgresql:
        raise StorageError("backups of PostgreSQL are made by its own program", f"pg_dump --format=custom --file={path} NAME")
    with _explained(path, "be written"):
        if os.path.lexists(path):
            raise StorageError(f"{path}: this file exists", "name a new file, or delete that one first")
        with _new_file(path) as temporary:
            with database.reading() as connection:
                driver: Any = connection.connection.driver_connection
                _copy(driver, temporary)
            _sync(temporary)
            _name_newly(temporary, path)


def restore(url: str, path: Path) -> Path | None:
    """Puts a backup in the place of the SQLite database at `url`. The result is the new name of the old database, None if there was none.

    Raises StorageError: the backup is damaged or of a newer release, or the database is in use.
    """
    parsed = sa.engine.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise StorageError("this restores SQLite databases only", "for PostgreSQL use its own program: pg_restore")
    named = Path(parsed.database).absolute()
    # Where the name is a link to another disk, the database there is replaced, not the link.
    target = Path(os.path.realpath(named))
    with _explained(target, "be restored"), contextlib.closing(_open_backup(path)) as source, _new_file(target) as temporary:
        _copy(source, temporary)
        if not target.exists():
            _require_no_log(target)
            _own_like(temporary, target.parent)
            _sync(temporary)
            _name_newly(temporary, target)
            return None
        with _unused(target, SqliteFile(named).leader):
            return _replace(target, temporary)


# Steps of both.


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """An empty file beside `path`, which is gone at the end unless it was renamed."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _copy(source: sqlite3.Connection, target: Path) -> None:
    """Copies by SQLite's backup API, into a file that needs no other file beside it."""
    with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")


def _name_newly(temporary: Path, path: Path) -> None:
    """Gives a file its name, durably. Never overwrites. Raises OSError, FileExistsError among them."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # A FAT file system, such as a USB stick's, has no hard links.
        if os.path.lexists(path):
            raise FileExistsError(str(path)) from None
        os.rename(temporary, path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _explained(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        fix = "check the directory's owner, and the space that is left"
        raise StorageError(f"{path}: cannot {what} ({error.strerror or error})", fix) from error
    except sqlite3.Error as error:
        raise StorageError(f"{path}: cannot {what} ({error})", "check the disk, and the space that is left") from error


# Steps of the restore.


def _open_backup(path: Path) -> sqlite3.Connection:
    """A backup that was checked."""
    if not path.is_file():
        raise StorageError(f"{path}: there is no such file", "name a file that kegnet-server backup made")
    source = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)
    try:
        _check_backup(path, source)
    except BaseException:
        source.close()
        raise
    return source


def _check_backup(path: Path, source: sqlite3.Connection) -> None:
    no_backup = StorageError(f"{path}: this is no complete backup", "name another file that kegnet-server backup made")
    try:
        found = [row[0] for row in source.execute("PRAGMA integrity_check(1)")]
        revisions = [row[0] for row in source.execute("SELECT version_num FROM alembic_version")]
        lost = source.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.Error:
        raise no_backup from None
    if found != ["ok"] or len(revisions) != 1 or lost is not None:
        raise no_backup
    if revisions[0] not in known_revisions():
        raise StorageError(f"{path}: this backup was made by a newer kegnet-server", "install that release")


@contextlib.contextmanager
def _unused(target: Path, lock: Path) -> Iterator[None]:
    """Requires that nobody else has the database open, and takes the lock of the leading server, so that none begins to lead.

    Each user of it in WAL mode has a shared lock on it. So only its last user can leave that mode, which also moves all that is in
    the log into the database and deletes the log.
    """
    in_use = StorageError(f"{target}: the database is in use", "stop the server first: systemctl stop kegnet-server")
    with contextlib.suppress(FileExistsError):
        create_owned_file(lock)
    with open(lock, "a") as leader:
        try:
            fcntl.flock(leader, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise in_use from None
        with contextlib.closing(sqlite3.connect(target, isolation_level=None, timeout=1)) as old:
            try:
                old.execute("PRAGMA journal_mode = DELETE")
                old.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:
                raise in_use from None
            except sqlite3.DatabaseError:
                # It is damaged, which is why it is being replaced. SQLite lets nobody work with it.
                pass
            yield


def _replace(target: Path, temporary: Path) -> Path:
    """Gives the database a second name, and its own name to the restored one."""
    kept = target.with_name(target.name + BEFORE)
    if kept.exists() and not kept.samefile(target):
        raise StorageError(f"{kept}: this file is of an earlier restore", "move it elsewhere, or delete it")
    if not kept.exists():
        os.link(target, kept)
    # Only a damaged database has a log still. It must not be taken for that of the restored one.
    log = Path(f"{target}-wal")
    if os.path.lexists(log):
        _name_newly(log, Path(f"{kept}-wal"))
        log.unlink(missing_ok=True)
    _own_like(temporary, target)
    _sync(temporary)
    _sync(target.parent)
    os.rename(temporary, target)
    _sync(target.parent)
    return kept


def _require_no_log(target: Path) -> None:
    if os.path.lexists(f"{target}-wal"):
        raise StorageError(f"{target}-wal: this is the log of a database that is missing", "move it elsewhere first, it may have messages")


def _own_like(temporary: Path, model: Path) -> None:
    """The owner and mode of the file `model`, or the owner of a directory."""
    status = model.stat()
    os.chmod(temporary, status.st_mode & 0o666 if model.is_file() else 0o640)
    if os.geteuid() == 0:
        os.chown(temporary, status.st_uid, status.st_gid)
