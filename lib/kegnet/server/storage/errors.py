"""Errors of the database: those that only a person can fix, and those that pass."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from kegnet.core.problem import ProblemError


class StorageError(ProblemError):
    """The database cannot be used until somebody fixes it. `problem` names the database."""


class UnavailableError(Exception):
    """The database is away, locked, or its disk is full: try again later. The text is one line."""


_READ_ONLY = "25006"
"""SQLSTATE read_only_sql_transaction: the server is a standby, or has just become one."""

_FIXES = {
    "password authentication failed": "correct the user and the password in the database's URL",
    "no password supplied": "add the password to the database's URL, or to ~/.pgpass",
    "no pg_hba.conf entry": "allow this host and user in PostgreSQL's pg_hba.conf",
    "authentication failed": "allow this user in PostgreSQL's pg_hba.conf, or correct the URL",
    "does not exist": "create the user and the database in PostgreSQL, or correct the URL",
    "permission denied": "let this user own the database and its tables",
    "not a database": "name a file that kegnet-server made, or one that does not exist yet",
    "malformed": "restore a backup: kegnet-server restore FILE",
    "readonly database": "let the user of kegnet-server own the file and write into its directory",
    "already exists": "name an empty database, or one that kegnet-server made",
}
"""What only a person can fix, by a part of the driver's message."""


@contextmanager
def translated(shown: str) -> Iterator[None]:
    """Turns the errors of SQLAlchemy and its drivers into StorageError and UnavailableError. `shown` names the database."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        raise _translation(error, shown) from error


def _translation(error: sa.exc.SQLAlchemyError, shown: str) -> Exception:
    line = one_line(error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig is not None else error)
    fix = next((fix for part, fix in _FIXES.items() if part in line), None)
    passing = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.TimeoutError) or is_read_only(error)
    if fix is not None and isinstance(error, sa.exc.DatabaseError) and not isinstance(error, sa.exc.IntegrityError | sa.exc.DataError):
        return StorageError(f"{shown}: {line}", fix)
    if passing or (isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated):
        return UnavailableError(f"{shown}: {line}")
    return error


def is_read_only(error: sa.exc.SQLAlchemyError) -> bool:
    """The PostgreSQL server accepts no writes: it is a standby."""
    return isinstance(error, sa.exc.DBAPIError) and getattr(error.orig, "pgcode", None) == _READ_ONLY


def one_line(error: BaseException) -> str:
    """The error's text without line breaks."""
    return re.sub(r"\s+", " ", str(error)).strip() or type(error).__name__
