"""Pictures made by hand, without a library."""

from __future__ import annotations

import random
import zlib


def png(width: int, height: int, seed: int | None = None) -> bytes:
    """A PNG file of one golden colour; with a `seed` of noise, which does not compress."""
    chance = random.Random(seed)
    rows = b"".join(b"\0" + (bytes([217, 143, 43]) * width if seed is None else chance.randbytes(3 * width)) for _ in range(height))
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")
