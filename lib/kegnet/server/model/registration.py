"""The one-time code by which a client registers itself: its form, and when it can be used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

VALID_MS = 10 * 60 * 1000
WRONG_TRIES_AT_MOST = 5
DIGITS = 8


class CodeState(Enum):
    """The result of a try. The text is sent to the client."""

    OPEN = "the code is right"
    WRONG = "the code is wrong"
    NONE = "no code is open"
    USED = "the code was used already"
    EXPIRED = "the code has expired"
    VOID = f"the code is void after {WRONG_TRIES_AT_MOST} wrong tries"


@dataclass(frozen=True)
class Code:
    """A code that was made at `made_ms`. `digest` (hex) is of its digits and `salt`; `used_by` is the UUID of the client that used it."""

    salt: str
    digest: str
    made_ms: int
    wrong: int = 0
    used_by: str = ""

    @property
    def until_ms(self) -> int:
        """When it expires."""
        return self.made_ms + VALID_MS

    def state(self, now_ms: int) -> CodeState:
        """Whether it can be used. OPEN: with the right digits."""
        if self.used_by:
            return CodeState.USED
        if self.wrong >= WRONG_TRIES_AT_MOST:
            return CodeState.VOID
        # A clock that was set back must not make a code valid for longer.
        return CodeState.OPEN if self.made_ms <= now_ms < self.until_ms else CodeState.EXPIRED

    def tried(self, digest: str, uuid: str, now_ms: int) -> tuple[Code, CodeState]:
        """The code after a try with digits of that digest for the client `uuid`, and the result of the try."""
        state = self.state(now_ms)
        if state is not CodeState.OPEN:
            return self, state
        if digest == self.digest:
            return replace(self, used_by=uuid), CodeState.OPEN
        wrong = replace(self, wrong=self.wrong + 1)
        return wrong, CodeState.VOID if wrong.wrong >= WRONG_TRIES_AT_MOST else CodeState.WRONG


def digits_of(text: str) -> str | None:
    """The digits of a code as people type it, `1234-5678`, with or without the hyphen. None: it is not a code."""
    digits = text.strip().replace("-", "").replace(" ", "")
    return digits if len(digits) == DIGITS and digits.isascii() and digits.isdigit() else None


def shown(digits: str) -> str:
    """A code as it is shown: `1234-5678`."""
    return f"{digits[:4]}-{digits[4:]}"


def signed_text(client_id: str, digits: str, ts: str) -> bytes:
    """The text that a client signs to prove that it has the private key: `register,id,code,ts`, the code without its hyphen.

    No ping and no pour has such a text, so the signature is valid for nothing else.
    """
    return f"register,{client_id},{digits},{ts}".encode("ascii")
