"""`POST /rest/v1|v2/ping|pour` as an ASGI application. CPU per message decides the burst, so there is no framework in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any

from ..context import Context
from .keys import Signers
from .receiver import Receiver, Result, Verdict
from .register import PATHS, Registrar

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PREFIX = "/rest/"
ENDPOINTS = {f"{PREFIX}{version}/{endpoint}": endpoint for version in ("v1", "v2") for endpoint in ("ping", "pour")}
"""The endpoint by path. Both versions accept the same: whether `ts` is in seconds is decided by its size."""
_RETRY = ((b"retry-after", b"60"),)


class Rest:
    """Answers what comes to `/rest/`."""

    def __init__(self, context: Context) -> None:
        self._receiver = Receiver(context)
        self._registrar = Registrar(context)

    @property
    def signers(self) -> Signers:
        """The cached clients, to be dropped when they change."""
        return self._receiver.signers

    async def answer(self, scope: Scope, body: bytes, send: Send) -> None:
        """Answers a request whose body is complete. Raises UnavailableError before it has sent anything."""
        endpoint = ENDPOINTS.get(scope["path"])
        if endpoint is None and scope["path"] not in PATHS:
            await send_text(send, 404, "no such endpoint")
        elif scope["method"] != "POST":
            await send_text(send, 405, "send messages by POST", ((b"allow", b"POST"),))
        else:
            client = scope["client"]
            address = client[0] if client else "unix"
            if endpoint is None:
                status, text = await self._registrar.answer(body, address)
                await send_text(send, status, text, _RETRY if status == 429 else ())
            else:
                await _send_verdict(send, await self._receiver.receive(endpoint, body, address))


async def _send_verdict(send: Send, verdict: Verdict) -> None:
    headers = _RETRY if verdict.result in (Result.LIMITED, Result.NO_CLOCK) else ()
    await send_text(send, verdict.result.status, verdict.text, headers)


async def send_text(send: Send, status: int, text: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    """Sends a whole answer of one line of text."""
    start, body = _answer(status, text, headers)
    await send(start)
    await send(body)


@lru_cache(maxsize=64)
def _answer(status: int, text: str, headers: tuple[tuple[bytes, bytes], ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    body = text.encode() + b"\n"
    all_headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode()), *headers]
    return {"type": "http.response.start", "status": status, "headers": all_headers}, {"type": "http.response.body", "body": body}
