"""A client that becomes silent at once. Its alarm is the server's own."""

from __future__ import annotations

from kegnet.server.storage import Change, announce
from kegnet.server.storage.clients import set_client
from kegnet.server.storage.receiving import set_receiving
from kegnet.server.storage.records import Client

from .kegnet_server import KegnetServer, now_ms

_DAY_MS = 86_400_000


def add_quiet_client(server: KegnetServer, client_id: str, name: str) -> Client:
    """Adds a client that has sent nothing for a day. That is no alarm yet, because the server has received only since its start."""
    with server.writing() as connection:
        return set_client(connection, client_id, now_ms=now_ms() - _DAY_MS, public_key="x", name=name)


def begin_silence(server: KegnetServer, client_id: str) -> None:
    """Lets the silence of a client of `add_quiet_client()` count. The server begins the alarm when it next evaluates this client."""
    with server.writing() as connection:
        set_receiving(connection, 0, now_ms())
        announce(connection, Change(frozenset({client_id}), frozenset({"ping"})))
