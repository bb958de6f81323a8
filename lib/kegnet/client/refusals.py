"""Rule 4 of retrying: the state after refused messages (401, 403). No I/O. Times are monotonic seconds."""

from __future__ import annotations

from dataclasses import dataclass

ASK_S = 60.0
ASK_LATER_S = 600.0
ASK_LATER_AFTER_S = 3600.0
"""Intervals at which a client that is not authorised asks again: in the first hour, and after it."""

_NEVER = float("inf")
_LONG_AGO = float("-inf")


@dataclass
class Refusals:
    """To ask means: to send one message to find out whether the server knows the client now. `count` is refusals in a row.

    One refusal is doubt: it may concern only that message, so one other message is sent at once. From the second on, the
    client is not authorised and asks at `ask_at`, pings and pours alternately. Pours are held only if a pour was refused.
    """

    count: int = 0
    since: float = 0.0
    ask_at: float = 0.0
    ping_asked: bool = False
    pour_refused: bool = False

    def record(self, is_ping: bool, sent_at: float, now: float) -> None:
        """Records that a message, sent at `sent_at`, was refused."""
        self.count += 1
        self.pour_refused = self.pour_refused or not is_ping
        if self.count == 1:
            self.since = self.ask_at = now
        else:
            self.asked(is_ping, sent_at, now)

    def asked(self, is_ping: bool, sent_at: float, now: float) -> None:
        """Records a message that was not accepted. If `ask_at` has passed, sets the next one, for the other kind of message."""
        if sent_at >= self.ask_at:
            self.ping_asked = is_ping
            self.ask_at = now + (ASK_S if now - self.since < ASK_LATER_AFTER_S else ASK_LATER_S)

    def ping_at(self, pour_waits: bool, other_pour_waits: bool) -> float:
        """When a ping is sent to ask, in addition to the pings at their interval."""
        pour_asks = other_pour_waits if self.count == 1 else (pour_waits and self.ping_asked)
        return _NEVER if self.count == 0 or pour_asks else self.ask_at

    def pour_at(self, was_refused: bool, can_ping: bool) -> float:
        """When a pour may be sent. In doubt (`count` 1) only refused pours are held, later all."""
        if not self.pour_refused or (self.count == 1 and not was_refused):
            return _LONG_AGO
        if self.count == 1:
            return max(self.ask_at, self.since + ASK_S)
        # If it is the ping's turn, the pour asks only if no ping can be sent; else a minute later.
        return self.ask_at if self.ping_asked or not can_ping else self.ask_at + ASK_S
