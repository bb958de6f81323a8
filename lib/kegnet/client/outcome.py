"""The result of an attempt to send a message, and the resulting action on the pour's file."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Outcome(enum.Enum):
    """The result of one attempt to send a message."""

    ACCEPTED = "accepted"  # 2xx.
    INVALID = "invalid"  # Other 4xx: the server rejected the message, so it is not sent again.
    REFUSED = "refused"  # 401, 403: the server does not know this client, or refuses this message.
    BUSY = "busy"  # 408, 425, 429, 503: not sent before Retry-After.
    FAILED = "failed"  # Connected, but the server failed, or it is not the KegNet API.
    NO_CONNECTION = "no connection"  # Nothing was sent.


@dataclass(frozen=True)
class Result:
    """An outcome with its reason, escaped for the log, and a fix for the user, if there is one.

    `retry_after_s`: the delay that a busy server requests; 0 if it requests none. `untrusted`: there is no connection because
    the server's certificate is not trusted.
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
