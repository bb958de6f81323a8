"""Public keys of clients, and whether a signature is one of theirs."""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

MINIMUM_BITS = 2048
_PADDING = PKCS1v15()
_HASH = Prehashed(SHA256())
"""The digest also identifies the message, so it is computed once, with hashlib, which is faster."""


class PublicKeyError(ValueError):
    """The text is not a usable public key. The message has the reason."""


def public_key(pem: str) -> RSAPublicKey:
    """The RSA key in `pem`, SubjectPublicKeyInfo in PEM form. Raises PublicKeyError."""
    if "PRIVATE KEY" in pem:
        raise PublicKeyError("it is a private key, which stays on its host; use the public one")
    try:
        key = load_pem_public_key(pem.encode("ascii", "replace"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PublicKeyError("it is not an RSA public key in PEM form; kegnet-client --setup prints one") from error
    if not isinstance(key, RSAPublicKey):
        raise PublicKeyError("it is not an RSA key; kegnet-client --setup prints one")
    if key.key_size < MINIMUM_BITS:
        raise PublicKeyError(f"it has {key.key_size} bits; at least {MINIMUM_BITS} are needed")
    return key


def plain_pem(pem: str) -> str:
    """The key in `pem` in the form that is stored and compared. Raises PublicKeyError."""
    return public_key(pem).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def verifies(key: RSAPublicKey, digest: bytes, signature: str) -> bool:
    """Whether `signature` is the key's RSASSA-PKCS1-v1_5 over the SHA-256 `digest`, in the strict base64 of RFC 4648 §4 and §3.5."""
    try:
        raw = base64.b64decode(signature, validate=True)
        if base64.b64encode(raw) != signature.encode("ascii"):
            return False
        key.verify(raw, digest, _PADDING, _HASH)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
