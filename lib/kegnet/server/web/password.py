"""The hash of the one password that changes need. Hashes are texts as werkzeug writes them: `METHOD:PARAMETERS$SALT$HEX`.

`scrypt:N:r:p` for new ones (RFC 7914; `hashlib.scrypt`), `pbkdf2:HASH:ITERATIONS` for those of the first server.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from kegnet.core.problem import ProblemError

from ..storage import Connection
from ..storage.logins import remove_logins
from ..storage.settings import get_setting, set_setting

SETTING, READERS_SETTING = "password hash", "readers' password hash"
"""The names of the settings with the hashes. Without a readers' password, everybody may read."""
LEAST_CHARACTERS = 8
_N, _R, _P = 16_384, 8, 1
"""16 MiB of memory and about 50 ms on a PC, 0.3 s on a Pi."""
_MEMORY_BYTES = 256 * _N * _R


class PasswordError(ProblemError):
    """The text cannot be the password."""


def set_password(connection: Connection, text: str) -> None:
    """Stores the hash of `text` as the password of this installation, and logs all administrators out.

    Raises PasswordError if it is too short, or that of the readers.
    """
    if is_set_to(connection, READERS_SETTING, text):
        raise PasswordError("this is the password of the readers, whom it would let change everything", "choose another one")
    store_password(connection, hashed(_usable(text)))


def store_password(connection: Connection, stored: str) -> None:
    """The same with a computed hash, because hashing takes too long for a transaction."""
    set_setting(connection, SETTING, stored)
    remove_logins(connection, "administrator")


def set_readers_password(connection: Connection, text: str | None) -> None:
    """Stores the hash of `text` as the password for reading. None: everybody may read. Logs all readers out.

    Raises PasswordError if it is too short, or the administrator's password, or if there is none: no page could then change it.
    """
    if text is not None and get_setting(connection, SETTING) is None:
        raise PasswordError("there is no administrator's password yet", "set that first: kegnet-server password")
    if text is not None and is_set_to(connection, SETTING, text):
        raise PasswordError("this is the administrator's password: readers could change everything", "choose another one for them")
    store_readers_password(connection, None if text is None else hashed(_usable(text)))


def store_readers_password(connection: Connection, stored: str | None) -> None:
    """The same with a computed hash, because hashing takes too long for a transaction."""
    set_setting(connection, READERS_SETTING, stored)
    remove_logins(connection, "reader")


def is_set_to(connection: Connection, setting: str, text: str) -> bool:
    """Whether `text` is the password whose hash is in `setting`. It takes as long as `matches`."""
    stored = get_setting(connection, setting)
    return stored is not None and matches(stored, text)


def _usable(text: str) -> str:
    if len(text) < LEAST_CHARACTERS:
        raise PasswordError("the password is too short", f"choose one of {LEAST_CHARACTERS} characters or more")
    return text


def hashed(text: str) -> str:
    """A new hash of `text`, with a salt of its own."""
    salt = secrets.token_hex(16)
    return f"scrypt:{_N}:{_R}:{_P}${salt}${_scrypt(text, salt, _N, _R, _P).hex()}"


def matches(stored: str, text: str) -> bool:
    """Whether `stored` is a hash of `text`. It takes about 50 ms on a PC. False if `stored` is no known form of a hash."""
    try:
        method, salt, digest = stored.split("$")
        match method.split(":"):
            case ["scrypt", n, r, p]:
                computed = _scrypt(text, salt, int(n), int(r), int(p))
            case ["pbkdf2", name, iterations]:
                computed = hashlib.pbkdf2_hmac(name, text.encode("utf-8", "surrogateescape"), salt.encode(), int(iterations))
            case _:
                return False
    except ValueError:
        return False
    return hmac.compare_digest(computed.hex().encode(), digest.encode())


def _scrypt(text: str, salt: str, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        text.encode("utf-8", "surrogateescape"), salt=salt.encode(), n=n, r=r, p=p, maxmem=max(_MEMORY_BYTES, 256 * n * r), dklen=64
    )
