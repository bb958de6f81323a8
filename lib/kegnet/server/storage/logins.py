"""The log-ins. The database contains only a hash of a session's id, so a copy of it is of no use for a log-in."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa

from . import schema
from .database import Connection

LASTS_MS = 30 * 24 * 3600 * 1000
"""The duration of a log-in."""
_login = schema.login


def add_login(connection: Connection, session: str, role: str, now_ms: int) -> None:
    """The session with that id is logged in as `role` from now on."""
    connection.execute(sa.insert(_login).values(digest=_digest(session), role=role, began_ms=now_ms))


def role_of(connection: Connection, session: str, now_ms: int) -> str | None:
    """The role of the session; None if it is not logged in, or not any more."""
    where = (_login.c.digest == _digest(session)) & (_login.c.began_ms > now_ms - LASTS_MS)
    role = connection.execute(sa.select(_login.c.role).where(where)).scalar()
    return None if role is None else str(role)


def remove_login(connection: Connection, session: str) -> None:
    """Logs the session out."""
    connection.execute(sa.delete(_login).where(_login.c.digest == _digest(session)))


def remove_logins(connection: Connection, role: str) -> None:
    """Logs everybody out who is logged in as `role`."""
    connection.execute(sa.delete(_login).where(_login.c.role == role))


def forget_logins(connection: Connection, now_ms: int) -> None:
    """Removes log-ins that have expired."""
    connection.execute(sa.delete(_login).where(_login.c.began_ms <= now_ms - LASTS_MS))


def _digest(session: str) -> str:
    return hashlib.sha256(session.encode()).hexdigest()
