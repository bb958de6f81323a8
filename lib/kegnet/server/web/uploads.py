"""Requests whose bodies may be larger than 8 KiB: pictures, recipes, and a beer with its notes.

Other bodies are read before the request is checked. Routes read these bodies themselves, after the guard has checked the sender.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from ..model.pictures import LARGEST_BYTES

RECIPES_AT_MOST_BYTES = 1_000_000
"""Requests of more than 1 MiB are refused, see `wire.py`."""
BEER_AT_MOST_BYTES = 32 * 1024
"""Notes of 2000 characters are up to 24,000 bytes in a form: %F0%9F%8D%BA is one."""
_LIMITS = (
    (re.compile(r"POST /beers/(new|[0-9]{1,10})"), BEER_AT_MOST_BYTES),
    (re.compile(r"PUT /beers/[0-9]{1,10}/picture"), LARGEST_BYTES),
    (re.compile(r"POST /beers/import(/add)?"), RECIPES_AT_MOST_BYTES),
)


def limit_of(method: str, path: str) -> int | None:
    """The largest size of the body in bytes; None: it is not one of these requests."""
    request = f"{method} {path}"
    return next((limit for pattern, limit in _LIMITS if pattern.fullmatch(request)), None)


def limited(receive: Receive, limit_bytes: int, complete: Callable[[], None]) -> Receive:
    """A `receive` that raises HTTPException for a body of more bytes, and calls `complete` at the end of the body."""
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > limit_bytes:
                raise HTTPException(413, f"this is too large: {limit_bytes // 1000} KB is the most")
            if not message.get("more_body"):
                complete()
        return message

    return counted
