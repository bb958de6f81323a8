"""A message's way from its form to the database: parse, find the client, verify, store, answer."""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass
from enum import Enum

from kegnet.core.clock import is_set
from kegnet.core.syslog_handler import escape_name

from ..context import Context
from ..limits import RefusalLimit, network
from ..log_limit import LimitedLog
from ..model.times import counted_ms, in_ms
from ..signature import verifies
from ..storage.messages import VerifiedMessage, VerifiedPing, VerifiedPour
from .form import FormError, SentMessage, parse
from .keys import Signer, Signers
from .strangers import Strangers

log = logging.getLogger(__name__)


class Result(Enum):
    """What becomes of a message: the HTTP status, and the result's name in the counters."""

    ACCEPTED = 200, "accepted"
    REPEATED = 200, "repeated"
    INVALID = 400, "invalid"
    UNKNOWN = 401, "unknown client"
    FORGED = 403, "wrong signature"
    LIMITED = 429, "too many refusals"
    NO_CLOCK = 503, "clock not set"

    def __init__(self, status: int, label: str) -> None:
        self.status = status
        self.label = label


@dataclass(frozen=True)
class Verdict:
    """The answer to a message."""

    result: Result
    text: str


ACCEPTED = Verdict(Result.ACCEPTED, "accepted")
REPEATED = Verdict(Result.REPEATED, "accepted before")
UNKNOWN = Verdict(Result.UNKNOWN, "this client is not known")
FORGED = Verdict(Result.FORGED, "the signature is not this client's")
LIMITED = Verdict(Result.LIMITED, "too many refused messages from this address")
NO_CLOCK = Verdict(Result.NO_CLOCK, "the clock of this server is not set yet")


class Receiver:
    """Receives the messages of registered clients. For the event loop's thread."""

    def __init__(self, context: Context) -> None:
        self._writer = context.writer
        self._counters = context.counters
        self._outage = context.outage
        self._limit = RefusalLimit(context.database, "message", shared=context.shared)
        self._pours = LimitedLog(log, "%d more pours accepted")
        self._refusals = LimitedLog(log, "%d more messages refused")
        self._strangers = Strangers(context.database)
        self.signers = Signers(context.database)

    async def receive(self, endpoint: str, body: bytes, address: str) -> Verdict:
        """The answer to the message in `body`, which came from `address`. What it accepts is durable. Raises UnavailableError."""
        try:
            sent = parse(endpoint, body)
        except FormError as error:
            return await self._refuse(endpoint, Verdict(Result.INVALID, f"not a valid message: {error}"), address, None)
        uuid = sent.uuid
        signer = None if uuid is None else self.signers.known(uuid) or await self.signers.find(uuid)
        if signer is None:
            return await self._refuse(endpoint, UNKNOWN, address, sent)
        digest = hashlib.sha256(sent.text).digest()
        if not verifies(signer.verifier, digest, sent.signature):
            return await self._refuse(endpoint, FORGED, address, sent)
        outside = sent.out_of_range()
        if outside:
            return self._record(endpoint, Verdict(Result.INVALID, f"out of range: {', '.join(outside)}"), address, sent)
        received_ms = time.time_ns() // 10**6
        if not is_set(received_ms / 1000):
            # After a boot without network, the time of receipt would be earlier than that of all earlier messages.
            return self._record(endpoint, NO_CLOCK, address, sent)
        new = await self._writer.keep(verified(endpoint, sent, digest, signer, received_ms))
        self._outage.over()
        return self._accept(endpoint, sent, signer, new)

    def _accept(self, endpoint: str, sent: SentMessage, signer: Signer, new: bool) -> Verdict:
        self._counters.message(endpoint, "accepted" if new else "repeated")
        if endpoint == "pour":
            if new:
                self._counters.poured(signer.uuid, sent.numbers["pin"], sent.numbers["pulses"])
            self._pours.line(logging.INFO, "pour %s: %s", "accepted" if new else "accepted before", sent.text.decode("ascii"))
        return ACCEPTED if new else REPEATED

    async def _refuse(self, endpoint: str, verdict: Verdict, address: str, sent: SentMessage | None) -> Verdict:
        """The answer to a message without a valid signature: the limit is for those alone."""
        uuid = sent and sent.uuid
        if await self._limit.count(network(address), uuid or "-"):
            return self._record(endpoint, LIMITED, address, sent)
        if uuid:
            self._strangers.refused(uuid, address, wrong_key=verdict is FORGED)
        return self._record(endpoint, verdict, address, sent)

    def _record(self, endpoint: str, verdict: Verdict, address: str, sent: SentMessage | None) -> Verdict:
        name = escape_name(sent.client_id) if sent else "-"
        self._refusals.line(logging.WARNING, "%s refused from %s, client %s: %s", endpoint, escape_name(address), name, verdict.text)
        self._counters.message(endpoint, verdict.result.label)
        return verdict


def verified(endpoint: str, sent: SentMessage, digest: bytes, signer: Signer, received_ms: int) -> VerifiedMessage:
    """The row of a message whose signature and ranges are right. `digest` is the SHA-256 of its text.

    A message is identified by the digest of its text with the id in lower case, as all tables have it.
    """
    ts_ms, seconds = in_ms(sent.numbers["ts"])
    at_ms, _by_receipt = counted_ms(ts_ms, received_ms, signer.added_ms)
    if sent.client_id != signer.uuid:
        digest = hashlib.sha256(sent.text.lower()).digest()
    if endpoint == "ping":
        return VerifiedPing(signer.key, ts_ms, digest, seconds, sent.numbers["temp"], at_ms, received_ms)
    pin, pulses, et = sent.numbers["pin"], sent.numbers["pulses"], sent.numbers["et"]
    return VerifiedPour(signer.key, ts_ms, digest, seconds, pin, pulses, et * 1000 if seconds else et, at_ms, received_ms)
