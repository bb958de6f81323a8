"""The fingerprint of a public key, for people to compare."""

from __future__ import annotations

import base64
import hashlib

_DIGITS = 32
_GROUP = 4


def fingerprint(pem: str) -> str:
    """The first 16 bytes of the SHA-256 of the key in DER form, in hex groups. Raises ValueError if `pem` is not PEM.

    The same digits: `openssl pkey -pubin -outform der -in pubkey.pem | sha256sum`.
    """
    lines = [line.strip() for line in pem.strip().splitlines()]
    begin, end = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"
    if begin not in lines or end not in lines[lines.index(begin) :]:
        raise ValueError("this is not a public key in PEM form")
    der = base64.b64decode("".join(lines[lines.index(begin) + 1 : lines.index(end)]), validate=True)
    digits = hashlib.sha256(der).hexdigest()[:_DIGITS]
    return " ".join(digits[at : at + _GROUP] for at in range(0, _DIGITS, _GROUP))
