"""Public keys, and signatures in the one spelling that counts."""

from __future__ import annotations

import base64
import hashlib
import string
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from kegnet.server.signature import PublicKeyError, public_key, verifies
from support.pki import openssl, signature

TEXT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11,4187,1372686435017"


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@pytest.fixture(scope="module")
def pem(key: Path) -> str:
    return openssl("rsa", "-in", key, "-pubout").decode()


@pytest.fixture(scope="module")
def verifier(pem: str) -> RSAPublicKey:
    return public_key(pem)


@pytest.fixture(scope="module")
def signed(key: Path) -> str:
    return signature(key, TEXT)


def test_a_signature_by_openssl_is_right(verifier: RSAPublicKey, signed: str) -> None:
    assert verifies(verifier, digest(TEXT), signed)


def test_a_signature_of_another_text_or_by_another_key_is_wrong(verifier: RSAPublicKey, signed: str, tmp_path: Path) -> None:
    assert not verifies(verifier, digest(TEXT + "0"), signed)
    openssl("genrsa", "-out", tmp_path / "other.pem", "2048")
    assert not verifies(verifier, digest(TEXT), signature(tmp_path / "other.pem", TEXT))


def test_only_one_of_the_16_spellings_of_a_signature_is_right(verifier: RSAPublicKey, signed: str) -> None:
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
    assert signed.endswith("==")
    spellings = [f"{signed[:-3]}{letter}==" for letter in alphabet]
    same_bytes = [spelling for spelling in spellings if base64.b64decode(spelling) == base64.b64decode(signed)]
    assert len(same_bytes) == 16
    assert [spelling for spelling in same_bytes if verifies(verifier, digest(TEXT), spelling)] == [signed]


@pytest.mark.parametrize("change", ["{}\n", " {}", "{}=", "{}AAAA", "", "not base64!", "é{}", "AAAA"])
def test_what_is_not_base64_of_the_signature_alone_is_wrong(verifier: RSAPublicKey, signed: str, change: str) -> None:
    assert not verifies(verifier, digest(TEXT), change.format(signed))


def test_a_signature_without_its_padding_or_in_the_url_alphabet_is_wrong(verifier: RSAPublicKey, signed: str) -> None:
    assert not verifies(verifier, digest(TEXT), signed.rstrip("="))
    url = signed.replace("+", "-").replace("/", "_")
    assert url == signed or not verifies(verifier, digest(TEXT), url)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("genrsa", "1024"), "1024 bits"),
        (("genpkey", "-algorithm", "ED25519"), "not an RSA key"),
    ],
)
def test_a_key_that_is_not_safe_or_not_rsa_is_refused(tmp_path: Path, command: tuple[str, ...], reason: str) -> None:
    (tmp_path / "key.pem").write_bytes(openssl(*command))
    with pytest.raises(PublicKeyError, match=reason):
        public_key(openssl("pkey", "-in", tmp_path / "key.pem", "-pubout").decode())


def test_a_key_of_2048_bits_is_the_least(pem: str) -> None:
    assert public_key(pem).key_size == 2048


def test_a_private_key_is_refused_by_its_name(key: Path) -> None:
    with pytest.raises(PublicKeyError, match="private key"):
        public_key(key.read_text())


@pytest.mark.parametrize("text", ["", "hello", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "ключ"])
def test_a_text_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(PublicKeyError, match="not an RSA public key in PEM form"):
        public_key(text)
