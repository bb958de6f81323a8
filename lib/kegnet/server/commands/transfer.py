"""kegnet-server backup, restore, export and import."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ..config import Config
from ..storage import Database, StorageError
from . import arguments
from .account import as_root, become_owner
from .errors import CommandError

_STANDARD = "-"
_SQLITE = "sqlite:///"
_MODE = 0o600
_CLOSED = "Only the administrator can read, because the readers' password is not exported; fix: kegnet-server settings --reading password"


def add_to(verbs: Any) -> None:
    """Adds the commands."""
    save = arguments.add_command(verbs, "backup", back_up, "copies the database to a new file, while the server runs")
    load = arguments.add_unopened(verbs, "restore", put_back, "puts a backup in the place of the database; stop the server first")
    for parser in (save, load):
        parser.add_argument("file", metavar="FILE", type=Path)
    export = arguments.add_command(verbs, "export", export_all, "writes everything as JSON lines, for another database or program")
    take = arguments.add_command(verbs, "import", import_all, "fills an empty database with what export has written")
    for parser in (export, take):
        parser.add_argument("file", metavar="FILE", nargs="?", default=_STANDARD, help="- or none: standard output or input")


def back_up(parsed: argparse.Namespace, database: Database) -> None:
    """Makes the file, which only the user who started this can read. Never overwrites. Raises CommandError."""
    from ..storage.backup import backup

    if database.file is None:
        backup(database, parsed.file)  # It names PostgreSQL's own program.
        return
    _require_absent(parsed.file)
    with tempfile.TemporaryDirectory(prefix="backup-", dir=database.file.path.parent) as folder:
        copy = Path(folder, "backup")
        backup(database, copy)
        with _explained(parsed.file), copy.open("rb") as source, _new_file(parsed.file) as target:
            shutil.copyfileobj(source, target)
        print(f"{parsed.file}: {copy.stat().st_size} bytes")


def put_back(parsed: argparse.Namespace, config: Config) -> None:
    """Restores the database from the file. Raises CommandError, StorageError, UnavailableError."""
    from ..storage.backup import restore

    url = config.options.database
    become_owner(url)
    if not url.startswith(_SQLITE):
        restore(url, parsed.file)  # It names PostgreSQL's own program.
        return
    with tempfile.TemporaryDirectory(prefix="restore-", dir=Path(url.removeprefix(_SQLITE)).parent) as folder:
        copy = Path(folder, "backup")
        with _explained(parsed.file), _readable(parsed.file) as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target)
        try:
            before = restore(url, copy)
        except StorageError as error:
            # The user knows the file by its own name.
            raise StorageError(error.problem.replace(str(copy), str(parsed.file)), error.fix) from error
    kept = f"; the database before is in {before}" if before else ""
    print(f"restored from {parsed.file}{kept}; now: sudo systemctl start kegnet-server")


def export_all(parsed: argparse.Namespace, database: Database) -> None:
    """Writes the lines to the file or to standard output. Raises CommandError."""
    from ..storage.transfer import export_lines

    if parsed.file == _STANDARD:
        sys.stdout.writelines(export_lines(database))
        return
    _require_absent(Path(parsed.file))
    with _explained(Path(parsed.file)), _new_file(Path(parsed.file)) as target:
        for line in export_lines(database):
            target.write(line.encode())


def import_all(parsed: argparse.Namespace, database: Database) -> None:
    """Fills the database, which must be empty, and prints how many rows each table has. Raises ProblemError."""
    from ..storage.transfer import import_lines, needs_readers_password

    now_ms = time.time_ns() // 10**6
    if parsed.file == _STANDARD:
        counts = import_lines(database, sys.stdin, now_ms)
    else:
        with _explained(Path(parsed.file)), _readable(Path(parsed.file)) as source:
            counts = import_lines(database, (line.decode("utf-8", "replace") for line in source), now_ms)
    for table, count in counts.items():
        print(f"{table}: {count}")
    print("Passwords are not exported; now: sudo kegnet-server password")
    with database.reading() as connection:
        if needs_readers_password(connection):
            print(_CLOSED)


def _require_absent(path: Path) -> None:
    with as_root():
        exists = os.path.lexists(path)
    if exists:
        raise CommandError(f"{path}: exists already", "name a new file, or remove this one")


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turns an OSError about `path` into a CommandError."""
    try:
        yield
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", "name a file in a folder that you can use, with enough space") from error


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """A new file of the user who started this. It is complete and on the disk, or absent."""
    with as_root():
        file = open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb")  # noqa: SIM115
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with as_root():
            path.unlink()
        raise


def _readable(path: Path) -> IO[bytes]:
    """The file, opened as the user who started this. Raises CommandError."""
    try:
        with as_root():
            return path.open("rb")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", "check the name of the file") from error
