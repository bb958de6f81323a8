"""Messages whose sender has no clock. It sends how long ago something was, so a message that it repeats has another `ts_ms`.

Such a message is known by its client and its digest, among those whose time differs by at most its `repeat_ms`.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from .database import Connection
from .messages import VerifiedMessage, VerifiedPour
from .schema import ping, pour

_Key = tuple[int, int, bytes]


def stored_before(c: Connection, messages: Collection[VerifiedMessage]) -> set[_Key]:
    """Which of these messages are stored, by their own client, time and digest.

    Call it after `lock_clients`, in the transaction that stores messages, where another server can receive the same ones.
    """
    groups: dict[tuple[int, sa.Table], dict[bytes, VerifiedMessage]] = {}
    for message in messages:
        table = pour if isinstance(message, VerifiedPour) else ping
        groups.setdefault((message.client, table), {})[message.digest] = message
    return {key for (client, table), group in groups.items() for key in _stored(c, client, table, group)}


def _stored(c: Connection, client: int, table: sa.Table, group: dict[bytes, VerifiedMessage]) -> list[_Key]:
    since_ms = min(message.ts_ms - message.repeat_ms for message in group.values())
    until_ms = max(message.ts_ms + message.repeat_ms for message in group.values())
    when = (table.c.client == client) & table.c.ts_ms.between(since_ms, until_ms)
    found = c.execute(sa.select(table.c.digest).where(when, table.c.digest.in_(sorted(group)))).scalars()
    return [(client, group[bytes(digest)].ts_ms, bytes(digest)) for digest in found]
