"""The one-time code by which a client registers itself, and the fingerprint of its key."""

from __future__ import annotations

from pathlib import Path

import pytest
from kegnet.core.fingerprint import fingerprint
from kegnet.server.ingest.form import parse
from kegnet.server.model.registration import VALID_MS, WRONG_TRIES_AT_MOST, Code, CodeState, digits_of, shown, signed_text
from support.pki import openssl

MADE_MS = 1_796_000_000_000
CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
NEW = Code("salt", "right", MADE_MS)


def test_the_right_digits_use_the_code_up() -> None:
    used, state = NEW.tried("right", CLIENT, MADE_MS)
    assert (state, used.used_by, used.state(MADE_MS)) == (CodeState.OPEN, CLIENT, CodeState.USED)
    assert used.tried("right", "another", MADE_MS) == (used, CodeState.USED)


def test_a_code_is_valid_for_ten_minutes() -> None:
    assert VALID_MS == 600_000
    assert NEW.state(MADE_MS + VALID_MS - 1) is CodeState.OPEN
    assert NEW.state(MADE_MS + VALID_MS) is CodeState.EXPIRED
    assert NEW.tried("right", CLIENT, MADE_MS + VALID_MS) == (NEW, CodeState.EXPIRED)
    assert NEW.state(MADE_MS - 1) is CodeState.EXPIRED, "a clock that was set back"


def test_a_code_is_void_after_five_wrong_tries() -> None:
    code, states = NEW, []
    for _ in range(WRONG_TRIES_AT_MOST):
        code, state = code.tried("wrong", CLIENT, MADE_MS)
        states.append(state)
    assert states == [CodeState.WRONG] * 4 + [CodeState.VOID]
    assert code.tried("right", CLIENT, MADE_MS) == (code, CodeState.VOID)
    four_wrong = Code("salt", "right", MADE_MS, wrong=4)
    assert four_wrong.tried("right", CLIENT, MADE_MS)[1] is CodeState.OPEN


@pytest.mark.parametrize("text", ["1234-5678", "12345678", " 1234 5678 "])
def test_a_code_is_typed_with_or_without_its_hyphen(text: str) -> None:
    assert digits_of(text) == "12345678"
    assert shown("12345678") == "1234-5678"


@pytest.mark.parametrize("text", ["", "1234-567", "1234-56789", "1234-567a", "١٢٣٤٥٦٧٨", "1234_5678", "-12345678-9"])
def test_what_has_no_eight_digits_is_no_code(text: str) -> None:
    assert digits_of(text) is None


def test_the_signature_of_a_registration_is_not_that_of_a_message() -> None:
    text = signed_text(CLIENT, "00001234", "1796000000000").decode()
    assert text == f"register,{CLIENT},00001234,1796000000000"
    # Without the first word it would be the text of a ping with 1.234 °C.
    ping = parse("ping", f"id={CLIENT}&temp=00001234&ts=1796000000000&sig=x".encode()).text.decode()
    assert ping == text.removeprefix("register,")


def test_the_fingerprint_is_the_beginning_of_the_sha_256_of_the_key(key: Path) -> None:
    pem = openssl("rsa", "-in", key, "-pubout").decode()
    der = openssl("rsa", "-in", key, "-pubout", "-outform", "der")
    digits = openssl("dgst", "-sha256", "-r", given=der).decode()[:32]
    assert fingerprint(pem).replace(" ", "") == digits
    assert fingerprint(f"\r\n{pem}".replace("\n", "\r\n")) == fingerprint(pem)
    assert fingerprint(pem).count(" ") == 7


@pytest.mark.parametrize("text", ["", "hello", "-----END PUBLIC KEY-----\n-----BEGIN PUBLIC KEY-----", "x" * 64])
def test_what_is_no_key_has_no_fingerprint(text: str) -> None:
    with pytest.raises(ValueError, match="not a public key"):
        fingerprint(text)
