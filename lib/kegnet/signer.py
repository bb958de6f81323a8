"""The client's RSA key: load it, judge it, sign with it (RSASSA-PKCS1-v1_5 over SHA-256, RFC 8017 §8.2)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib
import os
import stat
import sys
from pathlib import Path

if sys.version_info < (3, 12):
    # M2Crypto compares a version by Python's own distutils. Where setuptools is installed, it puts its own in that
    # place, and with it 15 MB of packages, and a third of what a start takes of the processor.
    with contextlib.suppress(ImportError, AttributeError):
        importlib.import_module("_distutils_hack").remove_shim()

from M2Crypto import BIO, EVP, RSA

MINIMUM_BITS = 2048
_SIZE_LIMIT_BYTES = 64 * 1024
PUBLIC_EXPONENT = 65537
_MEND = "make one with: sudo kegnet-client --setup"
_MEND_INSTEAD = "move it away, and make another with: sudo kegnet-client --setup"
_MISSING = b"missing"
"""What the unit hands over where there is no key file; see SetCredential= there."""


class KeyFileError(Exception):
    """The private key file cannot serve; the text says why, and the mend. Whoever tells it names the file."""


class Signer:
    """Signs with one RSA key. The signature is deterministic: the same text gives the same bytes."""

    def __init__(self, key: RSA.RSA) -> None:
        self._key = key

    @classmethod
    def load(cls, path: Path, kept_at: Path | None = None) -> Signer:
        """A signer with the unencrypted RSA key (PEM, traditional or PKCS #8) at `path`.

        `kept_at` is where the owner keeps it, if `path` is a copy of the service manager's; mends name that.
        Raises KeyFileError; never asks for a passphrase.
        """
        return cls(_rsa_key(kept_at or path, _read(path)))

    @property
    def bits(self) -> int:
        """The key's size."""
        return len(self._key)

    def public_key_pem(self) -> str:
        """The public half, as SubjectPublicKeyInfo in PEM form (RFC 7468 §13)."""
        memory = BIO.MemoryBuffer()
        self._key.save_pub_key_bio(memory)
        return bytes(memory.read()).decode("ascii")

    def sign(self, text: bytes) -> str:
        """The signature of `text` in base64 (RFC 4648 §4, no line breaks)."""
        signature = self._key.sign(hashlib.sha256(text).digest(), "sha256")
        return base64.b64encode(signature).decode("ascii")


def new_key_pem() -> bytes:
    """A new RSA key of `MINIMUM_BITS`, in PEM form, without a passphrase."""
    return bytes(RSA.gen_key(MINIMUM_BITS, PUBLIC_EXPONENT, _no_passphrase).as_pem(cipher=None))


def _read(path: Path) -> bytes:
    no_file = f"it is not a file; {_MEND_INSTEAD}"
    try:
        # O_NONBLOCK: opening a FIFO must not hang the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise KeyFileError(no_file)
            return file.read(_SIZE_LIMIT_BYTES)
    except FileNotFoundError as error:
        if path.is_symlink():
            raise KeyFileError(f"it is a link that leads nowhere; mount or make {os.readlink(path)}, or remove the link") from error
        raise KeyFileError(f"it is missing; {_MEND}") from error
    except IsADirectoryError as error:
        raise KeyFileError(no_file) from error
    except OSError as error:
        raise KeyFileError(f"it cannot be read ({error.strerror}); run this as a user who may, or name another key") from error


def _rsa_key(path: Path, pem: bytes) -> RSA.RSA:
    if pem == _MISSING:
        # The service manager has found none where the unit says, which says nothing of another place.
        elsewhere = f"the service gets no key from there; name it in LoadCredential=privkey.pem:{path} of the unit, and restart it"
        raise KeyFileError(elsewhere if os.path.lexists(path) else f"it is missing; {_MEND}")
    if b"ENCRYPTED" in pem:
        mend = f"openssl rsa -in {path} -out {path}.plain && mv {path}.plain {path}"
        raise KeyFileError(f"it is protected by a passphrase, which a daemon cannot type; remove it with: {mend}")
    if b"PRIVATE KEY-----" not in pem:
        raise KeyFileError(f"it holds no private key in PEM form; {_MEND_INSTEAD}")
    try:
        key = RSA.load_key_string(pem, callback=_no_passphrase)
        bits = len(key)
        sound = bool(key.check_key())
    except (RSA.RSAError, BIO.BIOError, ValueError) as error:
        raise KeyFileError(f"it {_what_else(pem)}; {_MEND_INSTEAD}") from error
    if bits < MINIMUM_BITS:
        raise KeyFileError(f"it has {bits} bits, and {MINIMUM_BITS} are the least that is safe; {_MEND_INSTEAD}")
    if not sound:
        raise KeyFileError(f"it is damaged: its numbers do not fit together; {_MEND_INSTEAD}")
    return key


def _what_else(pem: bytes) -> str:
    """What a PEM text that is no RSA key is instead."""
    try:
        EVP.load_key_string(pem, callback=_no_passphrase)
    except (EVP.EVPError, BIO.BIOError, ValueError):
        return "is damaged: it cannot be decoded"
    return "is a private key, but not an RSA key"


def _no_passphrase(*_: object) -> bytes:
    return b""
