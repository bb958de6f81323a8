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
"""The digest identifies the message, too: it is computed once, and by hashlib, which is faster."""


class PublicKeyError(ValueError):
    """The text is no public key that can be used. The text is the reason."""


def public_key(pem: str) -> RSAPublicKey:
    """The RSA key in `pem`, SubjectPublicKeyInfo in PEM form. Raises PublicKeyError."""
    if "PRIVATE KEY" in pem:
        raise PublicKeyError("it is a private key, which stays with its client; take the public one")
    try:
        key = load_pem_public_key(pem.encode("ascii", "replace"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PublicKeyError("it is no RSA public key in PEM form; kegnet-client --setup prints one") from error
    if not isinstance(key, RSAPublicKey):
        raise PublicKeyError("it is no RSA key; kegnet-client --setup prints one")
    if key.key_size < MINIMUM_BITS:
        raise PublicKeyError(f"it has {key.key_size} bits, and {MINIMUM_BITS} are the least that is safe")
    return key


def plain_pem(pem: str) -> str:
    """The key in `pem` in the one spelling that is stored and compared. Raises PublicKeyError."""
    return public_key(pem).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def verifies(key: RSAPublicKey, digest: bytes, signature: str) -> bool:
    """Whether `signature` is the key's RSASSA-PKCS1-v1_5 over the SHA-256 `digest`, in the one base64 spelling of RFC 4648 §4 and §3.5."""
    try:
        raw = base64.b64decode(signature, validate=True)
        if base64.b64encode(raw) != signature.encode("ascii"):
            return False
        key.verify(raw, digest, _PADDING, _HASH)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
