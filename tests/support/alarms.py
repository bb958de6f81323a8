"""Alarms of clients without waiting for their causes."""

from __future__ import annotations

import uuid

from kegnet.server.storage import Change, announce
from kegnet.server.storage.alarms import begin_alarm, open_alarms
from kegnet.server.storage.clients import set_client
from kegnet.server.storage.receiving import set_receiving

from .history import client_key
from .kegnet_server import KegnetServer, now_ms
from .wait import wait_for

_DAY_MS = 86_400_000


def wait_for_alarm_watch(server: KegnetServer) -> None:
    """Waits until the server has evaluated the alarms after all changes so far. Adds a client that is silent, and waits for its alarm."""
    with server.writing() as connection:
        # Otherwise the silence would count only from the start of the server on.
        set_receiving(connection, 0, now_ms())
        silent = set_client(connection, str(uuid.uuid4()), now_ms=now_ms() - _DAY_MS, public_key="x", name="Shed")

    def is_alarmed() -> bool:
        with server.database.reading() as connection:
            return bool(open_alarms(connection, [silent.key]))

    wait_for(is_alarmed)


def begin_silence(server: KegnetServer, client_id: str) -> None:
    """Begins the alarm of a silent client. The server ends it when it evaluates this client again, so there must be no other change."""
    key = client_key(server.database, client_id)
    with server.writing() as connection:
        begin_alarm(connection, key, None, "silent", now_ms())
        announce(connection, Change(frozenset({client_id}), frozenset({"alarm"})))
