"""Since when servers receive messages without a break, by a time that the leader stores.

While no server runs, or the database is away, clients try in vain. That is no silence of theirs.
"""

from __future__ import annotations

from .database import Connection, Database
from .settings import get_setting, put_setting

STORE_EVERY_MS = 5 * 60 * 1000
"""A write wears an SD card."""
BREAK_MS = 2 * STORE_EVERY_MS
"""A break is longer than this. A failover is shorter."""
_SETTING = "receiving"


def receiving_since_ms(database: Database, now_ms: int) -> int:
    """Notes that servers receive at `now_ms`; since when they do without a break. Raises UnavailableError, StorageError."""
    with database.reading() as c:
        since_ms, last_ms = _stored(c)
    # A time in the future is from a clock that was ahead.
    if abs(now_ms - last_ms) < STORE_EVERY_MS:
        return since_ms
    with database.writing() as c:
        since_ms, last_ms = _stored(c)
        if abs(now_ms - last_ms) > BREAK_MS:
            since_ms = now_ms
        set_receiving(c, since_ms, now_ms)
    return since_ms


def set_receiving(c: Connection, since_ms: int, last_ms: int) -> None:
    """Stores since when servers receive without a break, and when one last did."""
    put_setting(c, _SETTING, f"{since_ms} {last_ms}")


def _stored(c: Connection) -> tuple[int, int]:
    since_ms, _, last_ms = (get_setting(c, _SETTING) or "0 0").partition(" ")
    return int(since_ms), int(last_ms)
