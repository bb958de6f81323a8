"""A request's body, read whole before anybody looks at it, with a limit that no framing gets around."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

LIMIT_BYTES = 8192


class BodyTooLargeError(Exception):
    """The body is larger than the limit, or its head says so."""


class AmbiguousBodyError(Exception):
    """The head has both a length and chunks. A proxy may have used the other one (RFC 9112 §6.1: request smuggling)."""


class DisconnectedError(Exception):
    """The client has gone before the body was complete."""


async def read_body(headers: list[tuple[bytes, bytes]], receive: Receive, limit_bytes: int = LIMIT_BYTES) -> bytes:
    """The body. Raises BodyTooLargeError, AmbiguousBodyError, DisconnectedError."""
    if {b"content-length", b"transfer-encoding"} <= {name for name, _ in headers}:
        raise AmbiguousBodyError
    for name, value in headers:
        # uvicorn answers what is no number by 400.
        if name == b"content-length" and int(value) > limit_bytes:
            raise BodyTooLargeError
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        if len(body) > limit_bytes:
            raise BodyTooLargeError
        message = await receive()
        body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise DisconnectedError
    if len(body) > limit_bytes:
        raise BodyTooLargeError
    return body


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives `body` first, for an application behind."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
