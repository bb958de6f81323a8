"""Pings and pours as values."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kegnet.core.messages import LINE_LIMIT_BYTES, Ping, Pour, PourError, canonical_text

CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
INTEGERS = st.integers(min_value=0, max_value=10**19 - 1)


def slowly_parsed(content: bytes) -> tuple[int, ...] | None:
    """The contract again, one character at a time."""
    line = content.removesuffix(b"\n")
    if line != content:
        line = line.removesuffix(b"\r")
    numbers = []
    for part in line.split(b","):
        if not 1 <= len(part) <= 19 or any(byte not in b"0123456789" for byte in part):
            return None
        numbers.append(int(part))
    return tuple(numbers) if len(numbers) == 4 else None


def test_the_documented_pour() -> None:
    pour = Pour.parse(b"0,586,8213,1372686435017\n")
    assert pour == Pour(pin=0, pulses=586, et=8213, ts=1372686435017)
    assert canonical_text(pour.fields(CLIENT)) == f"{CLIENT},0,586,8213,1372686435017".encode()


def test_the_documented_ping() -> None:
    assert Ping(4187, 1372686435017).fields(CLIENT) == {"id": CLIENT, "temp": "4187", "ts": "1372686435017"}


@given(INTEGERS, INTEGERS, INTEGERS, INTEGERS, st.sampled_from([b"", b"\n", b"\r\n"]))
def test_every_four_integers_are_a_pour(pin: int, pulses: int, et: int, ts: int, end: bytes) -> None:
    line = f"{pin},{pulses},{et},{ts}".encode() + end
    assert len(line) <= LINE_LIMIT_BYTES
    assert Pour.parse(line) == Pour(pin, pulses, et, ts)


@given(st.binary(max_size=2 * LINE_LIMIT_BYTES) | st.text("0123456789,-\n\r +_.\u0661", max_size=40).map(str.encode))
@example(b"0,1,2,3\r\n")
@example(b"0,1,2,3\n\n")
@example(b"0,1,2,3\r")
@example(b"007,-0,1,1")
@example(b"007,0,1,1")
@example("٠,1,2,3".encode())
@example(b"0,1,2," + b"9" * 20)
def test_anything_is_a_pour_or_a_pour_error_as_the_slow_parser_says(content: bytes) -> None:
    expected = slowly_parsed(content)
    if expected is None:
        with pytest.raises(PourError):
            Pour.parse(content)
    else:
        assert Pour.parse(content) == Pour(*expected)


@given(INTEGERS, INTEGERS, INTEGERS, INTEGERS)
def test_the_line_of_a_pour_is_read_as_the_same_pour(pin: int, pulses: int, et: int, ts: int) -> None:
    line = Pour(pin, pulses, et, ts).line()
    assert Pour.parse(line) == Pour(pin, pulses, et, ts)
    assert line.endswith(b"\n")
    assert len(line) <= LINE_LIMIT_BYTES
