"""Counts of refused messages and wrong passwords, shared by all processes."""

from __future__ import annotations

import sqlalchemy as sa

from . import schema
from .database import Connection, insert_into

_refusal = schema.refusal
_SUBJECT_LENGTH = 120


def count_refusal(connection: Connection, subject: str, minute: int) -> int:
    """Adds one to those of `subject` in that minute of Unix time; how many there are now."""
    added = insert_into(connection, _refusal).values(subject=_key(subject), minute=minute, number=1)
    changed = {"number": _refusal.c.number + 1}
    connection.execute(added.on_conflict_do_update(index_elements=["subject", "minute"], set_=changed))
    return refusals(connection, subject, minute)


def refusals(connection: Connection, subject: str, minute: int) -> int:
    """How many of `subject` there are in that minute."""
    where = (_refusal.c.subject == _key(subject)) & (_refusal.c.minute == minute)
    return int(connection.execute(sa.select(_refusal.c.number).where(where)).scalar() or 0)


def forget_refusals(connection: Connection, before_minute: int) -> None:
    """Removes the counts of earlier minutes."""
    connection.execute(sa.delete(_refusal).where(_refusal.c.minute < before_minute))


def _key(subject: str) -> str:
    return subject.replace("\0", "")[:_SUBJECT_LENGTH]
