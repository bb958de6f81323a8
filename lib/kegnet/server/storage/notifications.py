"""The outbox of notifications: which alarms' beginnings and ends are still to be sent, and who already has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from .database import Connection
from .records import Alarm
from .schema import alarm, client, notification, tap

OUTBOX_MS = 60 * 60 * 1000
"""A notification that could not be sent for so long is old news, and dropped. An alarm that lasts is news."""


@dataclass(frozen=True)
class Notification:
    """An alarm's beginning or end (`ending`) that is still to be sent. `delivered` are the fingerprints of who has it."""

    alarm: Alarm
    client_name: str
    tap_name: str | None
    ending: bool
    made_ms: int
    delivered: frozenset[str]


def waiting_notifications(c: Connection, fingerprint: str, limit: int, before_ms: int) -> list[Notification]:
    """What is still to be sent to the address with that fingerprint, the oldest first; not what is too old, see `drop_notifications`."""
    columns = (alarm.c.key, alarm.c.client, alarm.c.tap, alarm.c.kind, alarm.c.began_ms, alarm.c.ended_ms)
    query = (
        sa.select(*columns, client.c.name, tap.c.name, notification.c.ending, notification.c.made_ms, notification.c.delivered)
        .select_from(
            notification.join(alarm, notification.c.alarm == alarm.c.key)
            .join(client, alarm.c.client == client.c.key)
            .outerjoin(tap, alarm.c.tap == tap.c.key)
        )
        .where(~notification.c.delivered.contains(fingerprint), ~_is_old(before_ms))
        .order_by(notification.c.made_ms, notification.c.alarm, notification.c.ending)
        .limit(limit)
    )
    return [Notification(Alarm(*row[:6]), row[6], row[7], row[8], row[9], frozenset(row[10].split())) for row in c.execute(query)]


def set_delivered(c: Connection, sent: Notification, fingerprint: str, everyone: frozenset[str]) -> None:
    """Stores that one more address has it. Once all of `everyone` have it the row is deleted."""
    which = (notification.c.alarm == sent.alarm.key) & (notification.c.ending == sent.ending)
    # Locked: another address's task stores its own at the same time.
    before = c.execute(sa.select(notification.c.delivered).where(which).with_for_update()).scalar()
    if before is None:
        return
    delivered = {*before.split(), fingerprint}
    if delivered >= everyone:
        c.execute(sa.delete(notification).where(which))
    else:
        c.execute(sa.update(notification).where(which).values(delivered=" ".join(sorted(delivered))))


def drop_notifications(c: Connection, before_ms: int) -> list[frozenset[str]]:
    """Deletes notifications that were made before `before_ms`, except beginnings of alarms that last.

    Returns the fingerprints of the addresses that got it, for each of them.
    """
    old = (
        sa.select(notification.c.alarm, notification.c.ending, notification.c.delivered)
        .join_from(notification, alarm, notification.c.alarm == alarm.c.key)
        .where(_is_old(before_ms))
        .order_by(notification.c.made_ms, notification.c.alarm, notification.c.ending)
        .with_for_update(of=notification)
    )
    rows = c.execute(old).all()
    for row in rows:
        c.execute(sa.delete(notification).where(notification.c.alarm == row.alarm, notification.c.ending == row.ending))
    return [frozenset(row.delivered.split()) for row in rows]


def _is_old(before_ms: int) -> Any:
    """The condition, for a query that joins the alarm."""
    return (notification.c.made_ms < before_ms) & (notification.c.ending | alarm.c.ended_ms.is_not(None))
