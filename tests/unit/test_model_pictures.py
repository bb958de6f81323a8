"""Kinds of pictures by their first bytes."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kegnet.server.model.pictures import Kind, kind_of
from support.pictures import png

JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffffdb0004abcdffc000110801f403200301220002110103110100")
"""An APP0 segment, a fill byte, a quantization table of 2 bytes, and a frame header of 800 x 500."""


def riff(chunk: bytes) -> bytes:
    return b"RIFF" + (4 + len(chunk)).to_bytes(4, "little") + b"WEBP" + chunk


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (png(3, 2), Kind("image/png", 3, 2)),
        (JPEG, Kind("image/jpeg", 800, 500)),
        (riff(b"VP8X" + bytes(8) + bytes([0x1F, 3, 0, 0xF3, 1, 0]) + bytes(9)), Kind("image/webp", 800, 500)),
        (riff(b"VP8L" + bytes(4) + b"\x2f" + (799 | 499 << 14).to_bytes(4, "little") + bytes(9)), Kind("image/webp", 800, 500)),
        (riff(b"VP8 " + bytes(7) + b"\x9d\x01\x2a" + bytes([0x20, 3, 0xF4, 1]) + bytes(9)), Kind("image/webp", 800, 500)),
        (b"GIF89a" + bytes(100), None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
        (b"\x89PNG\r\n\x1a\n" + b"<script>" * 9, None),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", None),
        (riff(b"VP8?" + bytes(40)), None),
        (b"", None),
    ],
)
def test_the_bytes_decide(data: bytes, kind: Kind | None) -> None:
    assert kind_of(data) == kind


@pytest.mark.parametrize(
    ("width", "height", "sane"), [(1, 1, True), (2000, 2000, True), (2001, 5, False), (5, 2**31, False), (0, 5, False)]
)
def test_sides_are_bounded(width: int, height: int, sane: bool) -> None:
    assert Kind("image/png", width, height).is_sane is sane


@given(st.sampled_from([b"", png(3, 2)[:16], JPEG[:4], b"RIFF\0\0\0\0WEBPVP8X", b"RIFF\0\0\0\0WEBPVP8L"]), st.binary(max_size=100))
def test_any_bytes_are_judged(beginning: bytes, rest: bytes) -> None:
    kind = kind_of(beginning + rest)
    assert kind is None or kind.width >= 0


def test_the_picture_of_the_tests_is_one() -> None:
    data = png(3, 2)
    assert data[-8:-4] == b"IEND"
    assert int.from_bytes(data[-4:], "big") == zlib.crc32(b"IEND")
