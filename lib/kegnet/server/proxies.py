"""Reverse proxies in front: whose word on a request's sender is believed."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
UNIX = "unix"
"""Stands for the peers of a UNIX socket."""
_MAPPED = "::ffff:"
"""An IPv4 peer of a socket that listens at all addresses of both kinds."""


class Proxies:
    """Rewrites the scope of a request that came through a trusted proxy: `client` and `scheme` are then those of the sender.

    `X-Forwarded-For` and `X-Forwarded-Proto` of anybody else are ignored. A proxy that does not send the first is not believed on the
    second: it may pass on what its sender wrote. The port of a sender that a proxy named is 0.
    """

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self._trusted = frozenset(addresses)

    def apply(self, scope: Scope) -> None:
        """Rewrites `scope` if its peer is trusted."""
        client = scope["client"]
        if client is not None and client[0].startswith(_MAPPED):
            client = scope["client"] = (client[0].removeprefix(_MAPPED), client[1])
        if not self._trusted or (client[0] if client else UNIX) not in self._trusted:
            return
        forwarded = {b"x-forwarded-for": "", b"x-forwarded-proto": ""}
        for name, value in scope["headers"]:
            if name in forwarded:
                # A header that is there twice is one list, see RFC 9110 §5.3.
                forwarded[name] = f"{forwarded[name]},{value.decode('latin-1')}"
        sender = self._sender(forwarded[b"x-forwarded-for"])
        if not sender:
            return
        scope["client"] = (sender, 0)
        scheme = forwarded[b"x-forwarded-proto"].rpartition(",")[2].strip()
        if scheme in ("http", "https"):
            scope["scheme"] = scheme

    def _sender(self, forwarded: str) -> str:
        """The rightmost address that is no proxy of ours: what stands left of it, its sender can have written."""
        addresses = [address.strip() for address in forwarded.split(",") if address.strip()]
        for address in reversed(addresses):
            if address not in self._trusted:
                return address
        return addresses[0] if addresses else ""
