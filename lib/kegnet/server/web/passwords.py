"""Checks passwords against their hashes, with a limit on wrong passwords."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections.abc import Mapping

from kegnet.core.syslog_handler import escape_name

from ..context import Context
from ..limits import RefusalLimit, is_private, network
from ..log_limit import LimitedLog
from ..shared_work import SharedWork
from . import password
from .access import Reader, RefusedError
from .turns import BusyError, Turns

WRONG_PASSWORDS_A_MINUTE = 20
"""Per address (IPv6: its /64), for all pages and all processes together."""
KNOWN_AT_MOST = 16
"""Upper bound on cached digests of right passwords."""
RETRY_BUSY_S = "5"
"""20 waiting log-ins take up to this long on a Pi."""
AUTHENTICATE = {"WWW-Authenticate": 'Basic realm="KegNet", charset="UTF-8"'}

log = logging.getLogger(__name__)


class Passwords:
    """Checks one password at a time, so that many tries use only one core."""

    def __init__(self, context: Context) -> None:
        self._limit = RefusalLimit(context.database, "password", shared=context.shared, per_minute=WRONG_PASSWORDS_A_MINUTE)
        self._log = LimitedLog(log, "%d more wrong passwords")
        self._turns = Turns()
        self._shared = SharedWork()
        self._secret = secrets.token_bytes(32)
        self._known: dict[bytes, Reader] = {}

    async def reader_with(self, hashes: Mapping[Reader, str], given: str, address: str) -> Reader:
        """Whose password `given` is. Raises RefusedError if it is nobody's, or after too many wrong ones, or if too many wait."""
        known = self._known_as(hashes, given)
        if known is not None:
            return known
        # A page sends its requests at the same moment, all with the same password.
        key = network(address), self._digest(" ".join(hashes.values()), given)
        reader: Reader = await self._shared.result(key, lambda: self._take_turn(hashes, given, address))
        return reader

    async def _take_turn(self, hashes: Mapping[Reader, str], given: str, address: str) -> Reader:
        await self._require_below_limit(address)
        try:
            async with self._turns.turn(network(address), local=is_private(address)):
                return self._known_as(hashes, given) or await self._check(hashes, given, address)
        except BusyError as error:
            raise RefusedError(429, "too many log-ins wait; try again in a few seconds", {"Retry-After": RETRY_BUSY_S}) from error

    async def _require_below_limit(self, address: str) -> None:
        if await self._limit.reached(network(address)):
            raise RefusedError(429, "too many wrong passwords from this address; wait a minute", {"Retry-After": "60"})

    async def _check(self, hashes: Mapping[Reader, str], given: str, address: str) -> Reader:
        await self._require_below_limit(address)
        for reader, stored in hashes.items():
            if await asyncio.to_thread(password.matches, stored, given):
                if len(self._known) >= KNOWN_AT_MOST:
                    self._known.clear()
                self._known[self._digest(stored, given)] = reader
                return reader
        await self._limit.count(network(address))
        self._log.line(logging.WARNING, "wrong password from %s", escape_name(address))
        raise RefusedError(401, "the password is wrong", AUTHENTICATE)

    def _known_as(self, hashes: Mapping[Reader, str], given: str) -> Reader | None:
        """Whose password this is, if it was checked before: HTTP Basic sends it with each request."""
        return next((reader for reader, stored in hashes.items() if self._known.get(self._digest(stored, given)) is reader), None)

    def _digest(self, stored: str, given: str) -> bytes:
        return hmac.digest(self._secret, f"{stored}\n{given}".encode(), hashlib.sha256)
