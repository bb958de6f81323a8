"""The one-time code of the installation. Its hash and its wrong tries are stored, so that all processes share them."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import asdict

from ..model.registration import DIGITS, Code, CodeState
from .database import Connection
from .settings import get_setting, locked_setting, put_setting

_NAME = "registration code"
_N, _R, _P = 4096, 8, 1
"""4 MiB and about 10 ms on a PC. To try all codes takes days, and a code is valid for minutes."""


def new_code(c: Connection, now_ms: int) -> str:
    """Makes a code and returns its digits. The previous code becomes invalid."""
    digits, salt = f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}", secrets.token_hex(16)
    put_setting(c, _NAME, json.dumps(asdict(Code(salt, digest_of(digits, salt), now_ms))))
    return digits


def last_code(c: Connection) -> Code | None:
    """The newest code, also if it cannot be used any more."""
    value = get_setting(c, _NAME)
    return None if value is None else Code(**json.loads(value))


def try_code(c: Connection, salt: str, digest: str, uuid: str, now_ms: int) -> CodeState:
    """Tries digits for the client `uuid` and counts the try. OPEN: they are right, and are now used by this client.

    `digest` is `digest_of(digits, salt)`, computed before the transaction. Of concurrent tries, only one succeeds on any database.
    """
    value = locked_setting(c, _NAME)
    if value is None:
        return CodeState.NONE
    before = Code(**json.loads(value))
    after, state = before.tried(digest if salt == before.salt else "", uuid, now_ms)
    if after != before:
        put_setting(c, _NAME, json.dumps(asdict(after)))
    return state


def digest_of(digits: str, salt: str) -> str:
    """The slow hash of a code."""
    return hashlib.scrypt(digits.encode(), salt=salt.encode(), n=_N, r=_R, p=_P, dklen=32).hex()
