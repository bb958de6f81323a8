"""The form of a message: each field once, integers, what was signed as it was sent."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kegnet.server.ingest.form import RANGES, FormError, SentMessage, parse

CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
POUR = {"id": CLIENT, "pin": "0", "pulses": "586", "et": "8213", "ts": "1372686435017", "sig": "ab+/=="}
PING = {"id": CLIENT, "temp": "-3250", "ts": "1372686435017", "sig": "ab=="}


def parsed(fields: dict[str, str], endpoint: str = "pour") -> SentMessage:
    return parse(endpoint, urlencode(fields).encode())


def test_a_pour_is_read_with_the_text_that_was_signed() -> None:
    sent = parsed(POUR)
    assert sent.text == f"{CLIENT},0,586,8213,1372686435017".encode()
    assert sent.numbers == {"pin": 0, "pulses": 586, "et": 8213, "ts": 1372686435017}
    assert (sent.client_id, sent.signature) == (CLIENT, "ab+/==")


def test_a_ping_is_read_with_the_text_that_was_signed() -> None:
    sent = parsed(PING, "ping")
    assert sent.text == f"{CLIENT},-3250,1372686435017".encode()
    assert sent.numbers == {"temp": -3250, "ts": 1372686435017}


def test_the_order_of_the_fields_in_the_form_does_not_matter() -> None:
    assert parsed(dict(reversed(POUR.items()))) == parsed(POUR)


def test_what_was_signed_keeps_its_spelling() -> None:
    sent = parsed({**POUR, "id": CLIENT.upper(), "pulses": "0586"})
    assert sent.text == f"{CLIENT.upper()},0,0586,8213,1372686435017".encode()
    assert (sent.uuid, sent.numbers["pulses"]) == (CLIENT, 586)


def test_other_fields_are_ignored() -> None:
    assert parsed({**POUR, "more": "1"}) == parsed(POUR)


@pytest.mark.parametrize("name", POUR)
def test_a_missing_field_is_named(name: str) -> None:
    with pytest.raises(FormError, match=rf"^the field {name} is missing$"):
        parsed({field: value for field, value in POUR.items() if field != name})


@pytest.mark.parametrize("name", POUR)
def test_a_repeated_field_is_refused_though_it_says_the_same(name: str) -> None:
    with pytest.raises(FormError, match=r"^a field is there twice$"):
        parse("pour", urlencode([*POUR.items(), (name, POUR[name])]).encode())


@pytest.mark.parametrize("value", ["", "many", "1.0", "+1", " 1", "1 ", "1\n", "--1", "1_000", "0x10", "٣", "1" * 19, "-" + "1" * 19])
@pytest.mark.parametrize("name", ["pin", "pulses", "et", "ts"])
def test_a_number_is_decimal_digits_and_nothing_else(name: str, value: str) -> None:
    with pytest.raises(FormError, match=rf"^the field {name} is no integer$"):
        parsed({**POUR, name: value})


@pytest.mark.parametrize("value", ["0", "-1", "9" * 18, "007"])
def test_a_number_has_up_to_18_digits(value: str) -> None:
    assert parsed({**POUR, "et": value}).numbers["et"] == int(value)


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff\xfe", b"id=%ff", "id=é".encode(), b"&".join(b"a%d=1" % n for n in range(21))])
def test_what_is_no_form_of_a_few_ascii_fields_is_refused(body: bytes) -> None:
    with pytest.raises(FormError):
        parse("pour", body)


def test_a_form_has_at_most_20_fields() -> None:
    assert parsed({**POUR, **{f"more{n}": "1" for n in range(14)}})
    with pytest.raises(FormError, match=r"^the body has more than 20 fields$"):
        parsed({**POUR, **{f"more{n}": "1" for n in range(15)}})


@given(
    st.dictionaries(st.sampled_from(["id", "pin", "a", "b c"]), st.text("aA0%+&=/ 2BFD3", max_size=12)),
    st.text("aid%+&=2BFD3", max_size=30),
)
def test_a_form_is_read_as_pythons_own_library_reads_it(fields: dict[str, str], junk: str) -> None:
    for form in (urlencode(fields), junk, f"{urlencode(fields)}&{junk}"):
        try:
            pairs = parse_qsl(form, keep_blank_values=True, errors="strict")
        except UnicodeDecodeError:
            continue
        whole = [*pairs, *((name, value) for name, value in POUR.items() if name not in dict(pairs))]
        if len(dict(pairs)) == len(pairs) and all(dict(whole)[name].isdigit() for name in ("pin", "pulses", "et", "ts")):
            sent = parse("pour", f"{form}&{urlencode(whole[len(pairs) :])}".encode())
            assert (sent.client_id, sent.signature) == (dict(whole)["id"], dict(whole)["sig"])


def test_an_id_that_is_not_ascii_was_signed_by_nobody() -> None:
    with pytest.raises(FormError, match=r"^the field id is not ASCII$"):
        parsed({**POUR, "id": "é"})


@pytest.mark.parametrize(
    "client_id", ["", "../../etc/passwd", CLIENT + "0", CLIENT[:-1], CLIENT.replace("-", ""), f"{{{CLIENT}}}", CLIENT + "\n"]
)
def test_an_id_that_is_no_uuid_names_nobody(client_id: str) -> None:
    assert parsed({**POUR, "id": client_id}).uuid is None


@pytest.mark.parametrize(
    ("endpoint", "name", "least", "most"),
    [
        ("ping", "temp", -55_000, 125_000),
        ("ping", "ts", 0, 253_402_300_799_999),
        ("pour", "pin", 0, 1000),
        ("pour", "pulses", 0, 10**9),
        ("pour", "et", 0, 10**10),
        ("pour", "ts", 0, 253_402_300_799_999),
    ],
)
def test_what_no_probe_and_no_meter_can_measure_is_out_of_range(endpoint: str, name: str, least: int, most: int) -> None:
    fields = PING if endpoint == "ping" else POUR
    for number in (least, most):
        assert parsed({**fields, name: str(number)}, endpoint).out_of_range() == []
    for number in (least - 1, most + 1):
        assert parsed({**fields, name: str(number)}, endpoint).out_of_range() == [name]
    assert set(RANGES) == {"temp", "pin", "pulses", "et", "ts"}


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_an_error_with_a_reason(body: bytes) -> None:
    for endpoint in ("ping", "pour"):
        try:
            parse(endpoint, body)
        except FormError as error:
            assert str(error).isprintable()
