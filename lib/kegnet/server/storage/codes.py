"""The one-time code of the installation: stored as a hash, so that any process accepts it, and each try is counted."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import asdict

import sqlalchemy as sa

from ..model.registration import DIGITS, Code, CodeState
from .database import Connection
from .schema import setting
from .settings import get_setting, put_setting

_NAME = "registration code"
_N, _R, _P = 4096, 8, 1
"""4 MiB and about 10 ms on a PC. All codes together take days, and a code is open for minutes."""


def new_code(c: Connection, now_ms: int) -> str:
    """Makes a code and returns its digits. The one before cannot be used any more."""
    digits, salt = f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}", secrets.token_hex(16)
    put_setting(c, _NAME, json.dumps(asdict(Code(salt, digest_of(digits, salt), now_ms))))
    return digits


def last_code(c: Connection) -> Code | None:
    """The code that was made last, whether it can be used or not."""
    value = get_setting(c, _NAME)
    return None if value is None else Code(**json.loads(value))


def try_code(c: Connection, salt: str, digest: str, uuid: str, now_ms: int) -> CodeState:
    """Tries digits for the client `uuid` and counts the try; OPEN: they are right, and nobody else can use them.

    `digest` is `digest_of(digits, salt)`, computed before the transaction. Of tries at the same time, one is first on any database.
    """
    value = c.execute(sa.select(setting.c.value).where(setting.c.name == _NAME).with_for_update()).scalar()
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
