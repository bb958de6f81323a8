"""Who may speak: a folder with one public key a client, `<uuid>.pem`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from pathlib import Path

from M2Crypto import RSA

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Clients:
    """The clients whose public keys lie in `folder`. A key put there counts from the next message on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def public_key(self, client_id: str) -> RSA.RSA_pub | None:
        """That client's public key; None if it is not known. Raises RSA.RSAError if the file is no public key."""
        # The id comes from outside: nothing but a UUID may become a path.
        path = self._folder / f"{client_id}.pem"
        if not _UUID.fullmatch(client_id) or not path.is_file():
            return None
        return RSA.load_pub_key(str(path))


def verifies(key: RSA.RSA_pub, text: bytes, signature: str) -> bool:
    """Whether `signature` (base64, RFC 4648 §4) is the key's RSASSA-PKCS1-v1_5 over SHA-256 of `text`."""
    try:
        raw = base64.b64decode(signature, validate=True)
        return bool(key.verify(hashlib.sha256(text).digest(), raw, "sha256"))
    except (binascii.Error, ValueError, RSA.RSAError):
        return False
