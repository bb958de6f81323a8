"""How many refusals an address has a minute, over all processes of the server."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import Counter

from .storage import Database, StorageError, UnavailableError
from .storage.refusals import count_refusal, refusals

REFUSALS_A_MINUTE = 60
SUBJECTS_AT_MOST = 10_000
"""Beyond this many in a minute, further ones share a count: memory and queries are bounded."""
SUBJECTS_OF_A_NETWORK = 50
"""Beyond this many, further ones of the same network share a count: invented ids of one sender must not use up the counts of others."""
QUERIES_AT_ONCE = 2
"""In a flood of refusals the threads and connections are for messages and pages; this process's own count goes on."""
_NETWORK_CHARACTERS = 60
_KEY_CHARACTERS = 120
"""What the table takes."""
_OTHERS = "others"


def network(address: str) -> str:
    """What counts as one sender: an IPv4 address, or the /64 of an IPv6 address, of which a household has at least one."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:_NETWORK_CHARACTERS]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, 64), strict=False))


def is_private(address: str) -> bool:
    """Whether it is an address of this host or of a private network."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_private
    except ValueError:
        return False


class RefusalLimit:
    """Counts refusals by network, and by what it sends about (a client), in whole minutes of Unix time.

    For the event loop's thread. A database that is away leaves the count of this process.
    """

    def __init__(self, database: Database, name: str, *, shared: bool, per_minute: int = REFUSALS_A_MINUTE) -> None:
        """`name` separates this limit's subjects from those of others. `shared`: the count is that of all processes, in the database."""
        self._database = database
        self._name = name
        self._shared = shared
        self._per_minute = per_minute
        self._minute = 0
        self._counts: Counter[str] = Counter()
        self._subjects_of: Counter[str] = Counter()
        self._queries = 0

    async def reached(self, sender: str, about: str = "") -> bool:
        """Whether the subject has had as many refusals this minute as it may. Counts nothing. `sender` is a `network`."""
        subject = self._subject(sender, about)
        number = self._counts[subject]
        if number < self._per_minute and self._shared:
            minute = self._minute
            number = max(number, await self._ask(subject, add=False))
            if number >= self._per_minute and minute == self._minute:
                self._counts[subject] = max(self._counts[subject], number)
        return number >= self._per_minute

    async def count(self, sender: str, about: str = "") -> bool:
        """Counts a refusal. Whether it is one too many."""
        subject = self._subject(sender, about)
        self._subjects_of[sender] += subject not in self._counts
        self._counts[subject] += 1
        if self._counts[subject] <= self._per_minute and self._shared:
            minute = self._minute
            found = await self._ask(subject, add=True)
            # Others can have been counted meanwhile, and a new minute can have begun.
            if minute == self._minute:
                self._counts[subject] = max(self._counts[subject], found)
        return self._counts[subject] > self._per_minute

    def _subject(self, sender: str, about: str) -> str:
        """What is counted: the network with what it sends about, or with all the rest of it, or all the networks that are too many."""
        minute = time.time_ns() // (60 * 10**9)
        if minute != self._minute:
            self._minute = minute
            self._counts.clear()
            self._subjects_of.clear()
        subject = self._key(f"{sender} {about}" if about else sender)
        if subject not in self._counts and self._subjects_of[sender] >= SUBJECTS_OF_A_NETWORK:
            subject = self._key(f"{sender} {_OTHERS}")
        if subject not in self._counts and len(self._counts) >= SUBJECTS_AT_MOST:
            subject = self._key(_OTHERS)
        return subject

    def _key(self, subject: str) -> str:
        return f"{self._name} {subject}"[:_KEY_CHARACTERS]

    async def _ask(self, subject: str, *, add: bool) -> int:
        if self._queries >= QUERIES_AT_ONCE:
            return 0
        self._queries += 1
        try:
            return await asyncio.to_thread(self._query, subject, self._minute, add)
        except (UnavailableError, StorageError):
            return 0
        finally:
            self._queries -= 1

    def _query(self, subject: str, minute: int, add: bool) -> int:
        if add:
            with self._database.writing() as connection:
                return count_refusal(connection, subject, minute)
        with self._database.reading() as connection:
            return refusals(connection, subject, minute)
