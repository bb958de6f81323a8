"""What the ingest hands to the writer: verified messages as frozen values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VerifiedPing:
    """A ping whose signature is right. `client` is the client's key, `digest` the SHA-256 of the signed text; times as in the table.

    `repeat_ms`: how much `ts_ms` can differ when the sender repeats the message. 0: the time is a part of the message.
    """

    client: int
    ts_ms: int
    digest: bytes
    ts_seconds: bool
    temp: int
    at_ms: int
    received_ms: int
    repeat_ms: int = 0


@dataclass(frozen=True)
class VerifiedPour:
    """A pour whose signature is right. `repeat_ms` as in a ping."""

    client: int
    ts_ms: int
    digest: bytes
    ts_seconds: bool
    pin: int
    pulses: int
    et_ms: int
    at_ms: int
    received_ms: int
    repeat_ms: int = 0


VerifiedMessage = VerifiedPing | VerifiedPour
