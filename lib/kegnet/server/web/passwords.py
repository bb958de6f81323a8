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
from ..limits import RefusalLimit, network
from ..log_limit import LimitedLog
from . import password
from .access import Reader, RefusedError

WRONG_PASSWORDS_A_MINUTE = 20
"""Per address (IPv6: its /64), for all pages and all processes together."""
KNOWN_AT_MOST = 16
"""Upper bound on cached digests of right passwords."""
AUTHENTICATE = {"WWW-Authenticate": 'Basic realm="KegNet", charset="UTF-8"'}

log = logging.getLogger(__name__)


class Passwords:
    """Checks one password at a time, so that many tries use only one core."""

    def __init__(self, context: Context) -> None:
        self._limit = RefusalLimit(context.database, "password", shared=context.shared, per_minute=WRONG_PASSWORDS_A_MINUTE)
        self._log = LimitedLog(log, "%d more wrong passwords")
        self._one_at_a_time = asyncio.Lock()
        self._secret = secrets.token_bytes(32)
        self._known: dict[bytes, Reader] = {}

    async def reader_with(self, hashes: Mapping[Reader, str], given: str, address: str) -> Reader:
        """Whose password `given` is. Raises RefusedError if it is nobody's, or after too many wrong ones from that address."""
        known = self._known_as(hashes, given)
        if known is not None:
            return known
        async with self._one_at_a_time:
            return await self._check(hashes, given, address)

    async def _check(self, hashes: Mapping[Reader, str], given: str, address: str) -> Reader:
        subject = network(address)
        if await self._limit.reached(subject):
            raise RefusedError(429, "too many wrong passwords from this address; wait a minute", {"Retry-After": "60"})
        for reader, stored in hashes.items():
            if await asyncio.to_thread(password.matches, stored, given):
                if len(self._known) >= KNOWN_AT_MOST:
                    self._known.clear()
                self._known[self._digest(stored, given)] = reader
                return reader
        await self._limit.count(subject)
        self._log.line(logging.WARNING, "wrong password from %s", escape_name(address))
        raise RefusedError(401, "the password is wrong", AUTHENTICATE)

    def _known_as(self, hashes: Mapping[Reader, str], given: str) -> Reader | None:
        """Whose password this is, if it was checked before: HTTP Basic sends it with each request."""
        return next((reader for reader, stored in hashes.items() if self._known.get(self._digest(stored, given)) is reader), None)

    def _digest(self, stored: str, given: str) -> bytes:
        return hmac.digest(self._secret, f"{stored}\n{given}".encode(), hashlib.sha256)
