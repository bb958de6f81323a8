"""`POST /rest/v2/register`: a client registers itself with the one-time code that a page shows. An extension of this server.

The form has the fields `id`, `public_key` (PEM), `code`, `ts`, `sig`, and optionally `name`. `sig` is the signature of the ASCII text
`register,id,code,ts` with the private key of `public_key`. It proves that the sender has that key.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import unicodedata
from dataclasses import dataclass
from hashlib import sha256

from kegnet.core.fingerprint import fingerprint
from kegnet.core.syslog_handler import escape_name

from ..context import Context
from ..limits import RefusalLimit, network
from ..log_limit import LimitedLog
from ..model.registration import CodeState, digits_of, signed_text
from ..signature import PublicKeyError, plain_pem, public_key, verifies
from ..storage import Database
from ..storage.clients import find_client, set_client
from ..storage.codes import digest_of, last_code, try_code
from .form import RANGES, FormError, fields_of, uuid_of

PATHS = ("/rest/v1/register", "/rest/v2/register")
"""The path of version 1 is for clients that use that version; `ts` is in milliseconds in both."""
REFUSALS_A_MINUTE = 20
"""Per address (IPv6: its /64). A code is void after 5 wrong tries from any addresses."""
NAME_CHARACTERS = 80
KEY_BITS_AT_MOST = 8192
_LIMITED = 429, "too many refused registrations from this address; wait a minute"
_TS = re.compile("[0-9]{1,15}")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Registration:
    """A request with valid fields. `digits` are those of the code. The key and the signature are not verified yet."""

    client_id: str
    uuid: str
    public_key: str
    digits: str
    ts: str
    signature: str
    name: str | None


class ProofError(Exception):
    """The key cannot be used, or the signature does not prove that the sender has it. The text is the reason."""


class Registrar:
    """Answers registrations. For the event loop's thread."""

    def __init__(self, context: Context) -> None:
        self._database = context.database
        self._limit = RefusalLimit(context.database, "register", shared=context.shared, per_minute=REFUSALS_A_MINUTE)
        self._refusals = LimitedLog(log, "%d more registrations refused")
        self._one_at_a_time = asyncio.Lock()

    async def answer(self, body: bytes, address: str) -> tuple[int, str]:
        """The status and the text of the answer. Raises UnavailableError."""
        sender = network(address)
        if await self._limit.reached(sender):
            return _LIMITED
        # One at a time: the hash is slow, and many tries at once must not take all threads.
        async with self._one_at_a_time:
            # Those that waited here with this one may have used up the limit.
            return _LIMITED if await self._limit.reached(sender) else await self._try(body, sender, address)

    async def _try(self, body: bytes, sender: str, address: str) -> tuple[int, str]:
        try:
            wanted = parse(body)
            status, text = await asyncio.to_thread(register, self._database, wanted, time.time_ns() // 10**6)
        except FormError as error:
            status, text = 400, f"not a valid registration: {error}"
        except ProofError as error:
            status, text = 403, str(error)
        if status == 200:
            log.info("client %s from %s: %s", wanted.uuid, escape_name(address), text)
        else:
            await self._limit.count(sender)
            self._refusals.line(logging.WARNING, "registration refused from %s: %s", escape_name(address), text)
        return status, text


def register(database: Database, wanted: Registration, now_ms: int) -> tuple[int, str]:
    """Registers the client if its code is right. Returns the status and the text of the answer.

    Raises FormError, ProofError, UnavailableError.
    A client that is registered with this key already needs no code: a request that is repeated is accepted again. Nobody else learns
    which clients are known: without a code that is open, the answer is the same for those and for others.
    """
    key = proven_key(wanted)
    with database.reading() as c:
        known, code = find_client(c, wanted.uuid), last_code(c)
    if known is not None and known.kind == "kegnet" and _same_key(known.public_key, key):
        return 200, "registered before"
    state = CodeState.NONE if code is None else code.state(now_ms)
    if code is None or state is not CodeState.OPEN:
        return 401, state.value
    if known is not None and known.kind != "kegnet":
        raise FormError("the field id is that of a board")
    digest = digest_of(wanted.digits, code.salt)
    with database.writing() as c:
        state = try_code(c, code.salt, digest, wanted.uuid, now_ms)
        if state is CodeState.OPEN:
            set_client(c, wanted.uuid, now_ms=now_ms, public_key=key, first_name=wanted.name)
    if state is not CodeState.OPEN:
        return 401, state.value
    return 200, f"registered{' with a new key' if known else ''}; the fingerprint of the key is {fingerprint(key)}"


def parse(body: bytes) -> Registration:
    """The registration in `body`. Raises FormError."""
    fields = fields_of(body)
    missing = {"id", "public_key", "code", "ts", "sig"} - fields.keys()
    if missing:
        raise FormError(f"the field {min(missing)} is missing")
    uuid, digits = uuid_of(fields["id"]), digits_of(fields["code"])
    if uuid is None:
        raise FormError("the field id is no UUID")
    if digits is None:
        raise FormError("the field code does not have 8 digits, as in 1234-5678")
    if not _TS.fullmatch(fields["ts"]) or int(fields["ts"]) > RANGES["ts"][1]:
        raise FormError("the field ts is no time in Unix milliseconds")
    name = _name(fields["name"]) if "name" in fields else None
    return Registration(fields["id"], uuid, fields["public_key"], digits, fields["ts"], fields["sig"], name)


def proven_key(wanted: Registration) -> str:
    """The public key in the form of `plain_pem`, after a check that the sender has the private key. Raises ProofError."""
    try:
        key, pem = public_key(wanted.public_key), plain_pem(wanted.public_key)
    except PublicKeyError as error:
        raise ProofError(f"the field public_key cannot be used: {error}") from error
    if key.key_size > KEY_BITS_AT_MOST:
        raise ProofError(f"the field public_key has {key.key_size} bits; at most {KEY_BITS_AT_MOST} are accepted")
    text = signed_text(wanted.client_id, wanted.digits, wanted.ts)
    if not verifies(key, sha256(text).digest(), wanted.signature):
        raise ProofError("the signature is not that of public_key over register,id,code,ts")
    return pem


def _name(text: str) -> str | None:
    """A name of at most 80 characters, with single blanks; None if it is empty. Raises FormError."""
    tidy = " ".join(text.split())
    if len(tidy) > NAME_CHARACTERS or any(unicodedata.category(character) in ("Cc", "Cs") for character in tidy):
        raise FormError(f"the field name has more than {NAME_CHARACTERS} characters, or control characters")
    return tidy or None


def _same_key(stored: str, pem: str) -> bool:
    try:
        return plain_pem(stored) == pem
    except PublicKeyError:
        return False
