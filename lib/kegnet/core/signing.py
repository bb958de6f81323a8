"""The client's RSA key: load it, check it, sign with it (RSASSA-PKCS1-v1_5 over SHA-256, RFC 8017 §8.2). Also TLS certificates."""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path

from M2Crypto import BIO, EVP, RSA, X509

MINIMUM_BITS = 2048
PUBLIC_EXPONENT = 65537
NO_KEY_FILE = b"missing"
"""The content that systemd passes as the key if the key file does not exist (SetCredential= in the unit)."""
_SIZE_LIMIT_BYTES = 64 * 1024
_REPLACE = "move the file away and make another key with {setup}"


class KeyFileError(Exception):
    """The private key file cannot be used. `problem` is the reason, `fix` is what to do; the caller names the file.

    `{setup}` in `fix` is a placeholder for the program's command that makes a key.
    """

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem, fix)
        self.problem = problem
        self.fix = fix


class SigningKey:
    """One RSA private key. Signatures are deterministic: the same text gives the same bytes."""

    def __init__(self, key: RSA.RSA) -> None:
        self._key = key

    @classmethod
    def load(cls, path: Path, original: Path | None = None) -> SigningKey:
        """The unencrypted RSA key (PEM, traditional or PKCS #8) in the file `path`.

        If systemd made `path` as a copy, `original` is the owner's file, and the fix names that one.
        Raises KeyFileError. Never asks for a passphrase.
        """
        return cls(_rsa_key(original or path, _read(path)))

    @property
    def bits(self) -> int:
        """The key's size in bits."""
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


@dataclass(frozen=True)
class CertificateFacts:
    """Names and expiry of a TLS certificate. `not_after_s` is the Unix time at which it expires."""

    names: str
    not_after_s: float


def new_key_pem() -> bytes:
    """A new RSA key of `MINIMUM_BITS`, in PEM form, without a passphrase."""
    return bytes(RSA.gen_key(MINIMUM_BITS, PUBLIC_EXPONENT, _no_passphrase).as_pem(cipher=None))


def certificate_facts(pem: str) -> CertificateFacts:
    """The names and the expiry date of the certificate `pem`. Raises ValueError if it cannot be decoded."""
    try:
        certificate = X509.load_cert_string(pem)
    except X509.X509Error as error:
        raise ValueError(str(error)) from error
    try:
        names = certificate.get_ext("subjectAltName").get_value()
    except LookupError:
        names = certificate.get_subject().as_text()
    return CertificateFacts(names, certificate.get_not_after().get_datetime().timestamp())


def _read(path: Path) -> bytes:
    not_a_file = KeyFileError("it is not a file", _REPLACE)
    try:
        # O_NONBLOCK: opening a FIFO must not block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise not_a_file
            return file.read(_SIZE_LIMIT_BYTES)
    except FileNotFoundError as error:
        if path.is_symlink():
            target = os.readlink(path)
            raise KeyFileError(
                f"it is a symbolic link to {target}, which does not exist", f"mount or make {target}, or remove the link"
            ) from error
        raise KeyFileError("it is missing", "make one with {setup}") from error
    except IsADirectoryError as error:
        raise not_a_file from error
    except OSError as error:
        raise KeyFileError(f"it cannot be read ({error.strerror})", "run this as root, or let the client's user read it") from error


def _rsa_key(path: Path, pem: bytes) -> RSA.RSA:
    _require_plain_pem(path, pem)
    try:
        key = RSA.load_key_string(pem, callback=_no_passphrase)
        bits = len(key)
        consistent = bool(key.check_key())
    except (RSA.RSAError, BIO.BIOError, ValueError) as error:
        raise KeyFileError(_other_kind(pem), _REPLACE) from error
    if bits < MINIMUM_BITS:
        raise KeyFileError(f"it has {bits} bits; at least {MINIMUM_BITS} are needed", _REPLACE)
    if not consistent:
        raise KeyFileError("it is damaged: it is not a consistent RSA key", _REPLACE)
    return key


def _require_plain_pem(path: Path, pem: bytes) -> None:
    if pem == NO_KEY_FILE:
        if not os.path.lexists(path):
            raise KeyFileError("it is missing", "make one with {setup}")
        # The unit and client.conf name different files.
        fix = f"put LoadCredential=privkey.pem:{path} into the unit, then restart it"
        raise KeyFileError("systemd does not pass this file to the service", fix)
    if b"ENCRYPTED" in pem:
        old, new = shlex.quote(str(path)), shlex.quote(f"{path}.plain")
        fix = f"remove the passphrase: openssl rsa -in {old} -out {new} && mv {new} {old}"
        raise KeyFileError("it is protected by a passphrase, which a daemon cannot enter", fix)
    if b"PRIVATE KEY-----" not in pem:
        raise KeyFileError("it contains no private key in PEM form", _REPLACE)


def _other_kind(pem: bytes) -> str:
    """The kind of PEM text that is not an RSA key, for the message."""
    try:
        EVP.load_key_string(pem, callback=_no_passphrase)
    except (EVP.EVPError, BIO.BIOError, ValueError):
        return "it is damaged: it cannot be decoded"
    return "it is a private key, but not an RSA key"


def _no_passphrase(*_: object) -> bytes:
    return b""
