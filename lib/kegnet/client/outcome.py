"""What became of a message, and what that means for a pour's file."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Outcome(enum.Enum):
    """What became of a message that was to be sent."""

    ACCEPTED = "accepted"
    INVALID = "invalid"
    REFUSED = "refused"
    BUSY = "busy"
    FAILED = "failed"
    NO_CONNECTION = "no connection"


@dataclass(frozen=True)
class Result:
    """An outcome with its reason, fit for the log, and what the user can do about it, if anything.

    `retry_after_s`: how long a busy server asks to wait; 0 if it does not say. `untrusted`: there is no connection because the
    server's certificate is not trusted.
    """

    outcome: Outcome
    reason: str
    retry_after_s: float = 0.0
    fix: str = ""
    untrusted: bool = False


class Fate(enum.Enum):
    """What happens to a pour's file."""

    DELETE = "deleted"
    SET_ASIDE = "set aside"
    KEEP = "kept"
