"""Decides which unaccepted clients and boards are listed: a bounded number, with a share for each network.

Everybody can send invented ids. Networks share the places of the list, so a flood from one network displaces only its own clients.
Addresses of the internet displace no client of the local network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

WAITING_AT_MOST = 20
DECLINED_AT_MOST = 20
SILENT_MS = 60 * 60 * 1000
"""A client that is not authorised sends at least once in 10 minutes. After this long without a message, it can be displaced."""
FORGET_MS = 24 * 60 * 60 * 1000
"""After this long without a message it is not listed any more."""


class Sender(Protocol):
    """What counts for a place in a list: of a client, or of a board."""

    @property
    def uuid(self) -> str: ...  # noqa: D102
    @property
    def network(self) -> str: ...  # noqa: D102
    @property
    def local(self) -> bool: ...  # noqa: D102
    @property
    def first_ms(self) -> int: ...  # noqa: D102
    @property
    def last_ms(self) -> int: ...  # noqa: D102


_Sender = TypeVar("_Sender", bound=Sender)


@dataclass(frozen=True)
class Waiting:
    """A client whose messages are refused. `address` is the source of its last message; `network` counts as one sender.

    `local`: the address is of a private network. `wrong_key`: a client of this UUID is registered, with another key. `declined`: it was
    declined, so it is not listed.
    """

    uuid: str
    address: str
    network: str
    local: bool
    first_ms: int
    last_ms: int
    wrong_key: bool = False
    declined: bool = False


def forgotten(known: Sequence[Waiting], now_ms: int) -> list[Waiting]:
    """The clients to remove after a long silence. Declined ones are kept, because they would be listed again."""
    return [each for each in known if not each.declined and now_ms - each.last_ms > FORGET_MS]


def displaced(listed: Sequence[_Sender], newcomer: _Sender, now_ms: int) -> _Sender | None:
    """The sender of `listed`, which is full, that `newcomer` replaces. None: the newcomer is not listed.

    First one that was silent for an hour. Else, for a local newcomer, a remote one. Else the newest one of the network with the most
    places, if the newcomer's network would have fewer.
    """
    silent = min(listed, key=lambda each: each.last_ms)
    if now_ms - silent.last_ms > SILENT_MS:
        return silent
    remote = [each for each in listed if not each.local]
    if newcomer.local and remote:
        return _last_of_the_largest(remote)[0]
    rivals = listed if newcomer.local else remote
    if not rivals:
        return None
    last, places = _last_of_the_largest(rivals)
    own = sum(each.network == newcomer.network for each in rivals)
    return last if places > own + 1 else None


def _last_of_the_largest(rivals: Sequence[_Sender]) -> tuple[_Sender, int]:
    """The newest sender of the network with the most places, and the number of those places."""
    places = Counter(each.network for each in rivals)
    last = max(rivals, key=lambda each: (places[each.network], each.first_ms, each.uuid))
    return last, places[last.network]
