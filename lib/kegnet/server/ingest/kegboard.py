"""`POST /kegboard-event`: boards that report without a Pi, by the Kegboard Event Protocol, version 1.

The protocol is open: https://github.com/Kegbot/kegboard, `docs/kegboard-event-protocol.md`, with JSON schemas in `schemas/`;
the section numbers below are those of that document. Kegbot's firmware for ESP32 boards speaks it. In short:

- A request is one JSON object with 1 to 16 events, of up to 16 KiB. The board repeats it until it gets 2xx, so an event is known
  by the board's name, its `boot_id` and the event's `id` (section 9). 2xx is sent once all of them are durable.
- A board has no clock. `age_ms` is how long ago an event happened when it was sent (section 6).
- The board measures millilitres (`volume_ml`); its calibration is its own (section 5.1). They become a pour in pulses of 0.1 ml.
- Pairing (section 8): without a token the answer is 401 with `{"pairing": {"state": "pending"}}`, and the board is listed as waiting.
  Once somebody has accepted it, the answer to its next request contains its token, once; `denied` stops it until its next start.
- 401 and 5xx: the board keeps the events. Any other 4xx: it drops them. So that is what only a malformed batch gets.

Of the events, `pour` and `temperature` are stored, and `status` is a sign of life. The others are for live views and for valves,
and are accepted and ignored. A client has one temperature; `kegboard_sensors.py` chooses the sensor.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from kegnet.core.clock import is_set
from kegnet.core.syslog_handler import escape_name

from ..context import Context
from ..log_limit import LimitedLog
from ..model.times import counted_ms
from ..storage import Database
from ..storage.boards import (
    board_uuid,
    provide_tap,
    set_board_heard,
    token_hash,
)
from ..storage.clients import find_client
from ..storage.messages import VerifiedMessage, VerifiedPing, VerifiedPour
from ..storage.records import Client
from .kegboard_events import Batch, BatchError, BoardPour, BoardTemperature, parse
from .kegboard_pairing import Pairing
from .kegboard_sensors import Sensors

PATH = "/kegboard-event"
LIMIT_BYTES = 16 * 1024
"""Section 2."""
HEARD_EVERY_MS = 10 * 60 * 1000
SAME_EVENT_MS = 60 * 60 * 1000
"""A repeated event gets a time that differs by the delay of its request and by the error of the board's clock: less than this."""

log = logging.getLogger(__name__)
_Answer = tuple[int, dict[str, Any]]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def create_kegboard(context: Context) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The ASGI application. It raises UnavailableError before it has sent anything."""
    boards = _Boards(context)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        status, content = 405, {"detail": "send events by POST"}
        if scope["method"] == "POST":
            body = await _body(receive)
            if len(body) > LIMIT_BYTES:
                status, content = 413, {"detail": f"the body is larger than {LIMIT_BYTES} bytes"}
            else:
                client = scope.get("client")
                status, content = await boards.receive(body, _token(scope["headers"]), client[0] if client else "unix")
        text = json.dumps(content).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    return answer


class _Boards:
    """Receives the batches."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._database = context.database
        self._pairing = Pairing(context.database)
        self._sensors = Sensors(context.database)
        self._refusals = LimitedLog(log, "%d more batches of Kegboards refused")
        self._left_out = LimitedLog(log, "%d more events of Kegboards left out")
        self._locks: dict[int, asyncio.Lock] = {}
        self._taps: set[tuple[int, int]] = set()
        self._heard_ms: dict[int, int] = {}
        self._dropped: dict[int, int] = {}

    async def receive(self, body: bytes, token: str | None, address: str) -> _Answer:
        """The status and the content of the answer. Raises UnavailableError."""
        try:
            batch = parse(body)
        except BatchError as error:
            self._refusals.line(logging.WARNING, "a Kegboard's batch from %s is refused: %s", address, error)
            self._context.counters.message("kegboard", "malformed")
            return 400, {"detail": str(error)}
        client = await asyncio.to_thread(_client, self._database, batch.device)
        if client is None or token is None or not hmac.compare_digest(client.public_key, token_hash(token)):
            self._context.counters.message("kegboard", "unauthorized")
            if token is not None:
                text = "a batch of the Kegboard %s from %s is refused: its token is wrong"
                self._refusals.line(logging.WARNING, text, escape_name(batch.device), address)
            return 401, {"pairing": await self._pairing.answer(client, batch.device, address)}
        now_ms = time.time_ns() // 10**6
        if not is_set(now_ms / 1000):
            self._context.counters.message("kegboard", "clock not set")
            return 503, {"detail": "the clock of this server is not set yet"}
        lock = self._locks.setdefault(client.key, asyncio.Lock())
        async with lock:
            await self._store(client, batch, now_ms)
        return 200, {"commands": []}

    async def _store(self, client: Client, batch: Batch, now_ms: int) -> None:
        """Returns once all of it is durable. Raises UnavailableError."""
        self._log_losses(client, batch)
        found = [await self._message(client, event, now_ms) for event in batch.events]
        messages = list({message.digest: message for message in found if message is not None}.values())
        if messages:
            kept = await asyncio.gather(*(self._keep(message) for message in messages), return_exceptions=True)
            stored = [message for message, is_new in zip(messages, kept, strict=True) if is_new is True]
            self._count(client, sum(not isinstance(is_new, BaseException) for is_new in kept), stored)
            for is_new in kept:
                if isinstance(is_new, BaseException):
                    # The board sends all of them again.
                    raise is_new
            self._heard_ms[client.key] = now_ms
        # A time in the future is of a clock that was ahead.
        elif abs(now_ms - self._heard_ms.get(client.key, 0)) >= HEARD_EVERY_MS:
            self._heard_ms[client.key] = now_ms
            await asyncio.to_thread(_heard, self._database, client, now_ms)

    async def _keep(self, message: VerifiedMessage) -> bool:
        """Whether the message is new, once it is durable. Raises UnavailableError, but only when it is awaited."""
        return await self._context.writer.keep(message)

    async def _message(self, client: Client, event: BoardPour | BoardTemperature, now_ms: int) -> VerifiedMessage | None:
        """The event as a message; None for a temperature of another sensor."""
        if isinstance(event, BoardTemperature):
            ts_ms = now_ms - event.age_ms
            at_ms, _ = counted_ms(ts_ms, now_ms, client.added_ms)
            if not await self._sensors.counts(client, event.sensor, at_ms):
                return None
            return VerifiedPing(client.key, ts_ms, event.digest, False, event.millicelsius, at_ms, now_ms, SAME_EVENT_MS)
        if (client.key, event.meter) not in self._taps:
            await asyncio.to_thread(_tap, self._database, client, event.meter)
            self._taps.add((client.key, event.meter))
        ts_ms = now_ms - event.age_ms - event.et_ms
        at_ms, _ = counted_ms(ts_ms, now_ms, client.added_ms)
        times = (event.et_ms, at_ms, now_ms, SAME_EVENT_MS)
        return VerifiedPour(client.key, ts_ms, event.digest, False, event.meter, event.pulses, *times)

    def _count(self, client: Client, number: int, kept: Iterable[VerifiedMessage]) -> None:
        new = list(kept)
        for place in range(number):
            self._context.counters.message("kegboard", "accepted" if place < len(new) else "repeated")
        for message in new:
            if isinstance(message, VerifiedPour):
                self._context.counters.poured(client.uuid, message.pin, message.pulses)

    def _log_losses(self, client: Client, batch: Batch) -> None:
        for reason in batch.left_out:
            text = "an event of the Kegboard %s is left out: %s"
            self._left_out.line(logging.WARNING, text, escape_name(batch.device), escape_name(reason))
        if batch.dropped is not None:
            before = self._dropped.setdefault(client.key, batch.dropped)
            if batch.dropped > before:
                log.warning(
                    "the Kegboard %s has lost %d events that did not fit its memory", escape_name(batch.device), batch.dropped - before
                )
            self._dropped[client.key] = batch.dropped


def _token(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        scheme, _, token = value.decode("latin-1").partition(" ")
        if name == b"authorization" and scheme.lower() == "bearer" and token.strip():
            return token.strip()
    return None


async def _body(receive: Receive) -> bytes:
    """The body, or the first part of one that is too large."""
    body, more = b"", True
    while more and len(body) <= LIMIT_BYTES:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _client(database: Database, device: str) -> Client | None:
    with database.reading() as c:
        client = find_client(c, board_uuid(device))
    return client if client is not None and client.kind == "kegboard" else None


def _tap(database: Database, client: Client, meter: int) -> None:
    with database.writing() as c:
        provide_tap(c, client, meter)


def _heard(database: Database, client: Client, now_ms: int) -> None:
    with database.writing() as c:
        set_board_heard(c, client, now_ms)
