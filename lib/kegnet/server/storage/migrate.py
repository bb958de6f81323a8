"""Brings the tables of a database up to date: all or nothing, and one program at a time."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from .errors import StorageError
from .sqlite_file import SqliteFile

HEAD = "0003"
"""The revision that this program works with."""

_SCRIPTS = Path(__file__).with_name("migrations")
_LOCK = 5600
"""The key of PostgreSQL's advisory lock; the server of 2026 before this one uses it, too."""

log = logging.getLogger(__name__)


def migrate(connection: sa.engine.Connection, shown: str, file: SqliteFile | None) -> bool:
    """Migrates within the connection's transaction, which on SQLite holds the write lock. A `file` with older tables is copied first.

    True: there were older tables. `shown` names the database.
    Raises StorageError: the database is of a newer release. Raises UnavailableError: the copy failed.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    found = revision(connection)
    if found == HEAD:
        return False
    if found is not None and found not in known_revisions():
        raise StorageError(f"{shown}: this database was made by a newer kegnet-server", "install that release")
    if file is not None and found is not None:
        log.info("%s: copied to %s before its migration", shown, file.copy_to(f"before-{HEAD}"))
    _upgrade(connection)
    log.info("%s: migrated from %s to %s", shown, found or "no tables", HEAD)
    return found is not None


def revision(connection: sa.engine.Connection) -> str | None:
    """The revision of the database's tables; None if there are none."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _upgrade(connection: sa.engine.Connection) -> None:
    # Alembic costs a tenth of a second (a second on a small board), and is needed once in a release.
    import alembic.command

    config = _config()
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "head")


def known_revisions() -> set[str]:
    """The revisions from which this program can migrate."""
    from alembic.script import ScriptDirectory

    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def _config() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
