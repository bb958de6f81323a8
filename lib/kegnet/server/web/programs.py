"""The paths that programs use, against pages of other sites: a browser in this network would send and read there what they like.

Clients and boards send neither `Origin` nor `Sec-Fetch-Site`, and need no name of this server; so what they may is decided by these
headers alone. What Prometheus reads needs a name of this server over HTTP, as the pages do, see `hosts.py`.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from ..options import ServeOptions
from .hosts import Hosts, host_of

ORIGIN, SITE = b"origin", b"sec-fetch-site"
OWN_SITES = (b"none", b"same-origin")
Refusal = tuple[int, str]


class Programs:
    """Refuses requests that a page of another site makes. `posted` are the paths to which programs post, `read` those that they read."""

    def __init__(self, options: ServeOptions, posted: frozenset[str], read: frozenset[str]) -> None:
        self._hosts = Hosts(options)
        self._posted = posted
        self._read = read

    def refusal(self, scope: MutableMapping[str, Any]) -> Refusal | None:
        """The status and the text for a request that is refused. `scope` has the scheme that a proxy has named."""
        if scope["path"] in self._posted and not _is_program(scope["headers"]):
            return 403, "this path is for clients and boards, not for pages"
        if scope["path"] in self._read:
            host = host_of(scope["headers"])
            if not self._hosts.allow(scope["scheme"], host):
                return 421, Hosts.unknown(host or "")
        return None


def _is_program(headers: list[tuple[bytes, bytes]]) -> bool:
    return not any(name == ORIGIN or (name == SITE and value not in OWN_SITES) for name, value in headers)
