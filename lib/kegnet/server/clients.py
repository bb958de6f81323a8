"""Who may speak: public keys, and whether a signature is one of theirs."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from M2Crypto import BIO, RSA

from .store import Store

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MINIMUM_BITS = 2048


class PublicKeyError(ValueError):
    """The text is no public key that can serve; it says why."""


def public_key(pem: str) -> RSA.RSA_pub:
    """The RSA key in `pem`, SubjectPublicKeyInfo in PEM form. Raises PublicKeyError."""
    if "PRIVATE KEY" in pem:
        raise PublicKeyError("it is a private key, which stays with its client; take the public one")
    try:
        key = RSA.load_pub_key_bio(BIO.MemoryBuffer(pem.encode("ascii", "replace")))
        bits = len(key)
    except (RSA.RSAError, BIO.BIOError, ValueError) as error:
        raise PublicKeyError("it is no RSA public key in PEM form; kegnet-client --setup prints one") from error
    if bits < MINIMUM_BITS:
        raise PublicKeyError(f"it has {bits} bits, and {MINIMUM_BITS} are the least that is safe")
    return key


class Clients:
    """The clients that `store` knows. One that is added counts from the next message on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._parsed: dict[str, RSA.RSA_pub] = {}

    def public_key(self, client_id: str) -> RSA.RSA_pub | None:
        """That client's public key; None if it is not known."""
        client = self._store.client(client_id) if UUID.fullmatch(client_id) else None
        if client is None:
            return None
        if client.public_key not in self._parsed:
            self._parsed[client.public_key] = public_key(client.public_key)
        return self._parsed[client.public_key]


def verifies(key: RSA.RSA_pub, text: bytes, signature: str) -> bool:
    """Whether `signature` (base64, RFC 4648 §4) is the key's RSASSA-PKCS1-v1_5 over SHA-256 of `text`."""
    try:
        raw = base64.b64decode(signature, validate=True)
        return bool(key.verify(hashlib.sha256(text).digest(), raw, "sha256"))
    except (binascii.Error, ValueError, RSA.RSAError):
        return False
