"""The type and the size of a picture, from the first bytes of the file, not from its name or declared type. Pure.

PNG: W3C PNG §11.2.2 (IHDR). JPEG: ITU-T T.81 annex B (frame headers). WebP: RFC 9649 §2.4 to 2.7.
"""

from __future__ import annotations

from dataclasses import dataclass

LARGEST_BYTES = 300_000
LARGEST_PIXELS = 2000
"""The upper bound of a side."""
_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers of frame headers. C4, C8 and CC in that range are not."""
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""JPEG markers without a length."""


@dataclass(frozen=True)
class Kind:
    """A picture's media type, and its sides in pixels."""

    media_type: str
    width: int
    height: int

    @property
    def is_sane(self) -> bool:
        """Whether a browser can show it: no side is 0 or too large."""
        return 1 <= self.width <= LARGEST_PIXELS and 1 <= self.height <= LARGEST_PIXELS


def kind_of(data: bytes) -> Kind | None:
    """PNG, JPEG or WebP. None: another format, or a damaged head."""
    if data.startswith(_PNG) and len(data) >= 24:
        return Kind("image/png", _big(data[16:20]), _big(data[20:24]))
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= 30:
        return _webp(data)
    return None


def _jpeg(data: bytes) -> Kind | None:
    """Reads the first frame header. It follows segments of a marker, a length and content."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker in _FRAMES:
            return Kind("image/jpeg", _big(data[at + 7 : at + 9]), _big(data[at + 5 : at + 7]))
        else:
            at += 2 + max(2, _big(data[at + 2 : at + 4]))
    return None


def _webp(data: bytes) -> Kind | None:
    match data[12:16]:
        case b"VP8X":
            return Kind("image/webp", 1 + _little(data[24:27]), 1 + _little(data[27:30]))
        case b"VP8L" if data[20] == 0x2F:
            bits = _little(data[21:25])
            return Kind("image/webp", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
        case b"VP8 " if data[23:26] == b"\x9d\x01\x2a":
            return Kind("image/webp", _little(data[26:28]) & 0x3FFF, _little(data[28:30]) & 0x3FFF)
    return None


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
