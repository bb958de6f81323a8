"""Which time counts for a message whose client can have a wrong clock."""

from __future__ import annotations

FUTURE_AT_MOST_MS = 5 * 60 * 1000
"""A client's clock is believed up to this long after the receipt."""
BEFORE_ADDED_AT_MOST_MS = 90 * 24 * 3600 * 1000
"""A client's clock is believed from this long before the client was added: a full spool is older than its registration."""
SECONDS_BELOW = 100_000_000_000
"""A `ts` below it is in seconds: as milliseconds it would be before March 1973, as seconds it goes on until the year 5138."""


def in_ms(ts: int) -> tuple[int, bool]:
    """A message's `ts` in Unix milliseconds, and whether the client sent seconds, as version 1 of the API and old pours have them."""
    if abs(ts) < SECONDS_BELOW:
        return ts * 1000, True
    return ts, False


def counted_ms(ts_ms: int, received_ms: int, added_ms: int) -> tuple[int, bool]:
    """The time that counts for a message, and whether it is that of the receipt because `ts_ms` is impossible.

    All in Unix milliseconds; `added_ms` is when the client was added.
    """
    if added_ms - BEFORE_ADDED_AT_MOST_MS <= ts_ms <= received_ms + FUTURE_AT_MOST_MS:
        return ts_ms, False
    return received_ms, True
