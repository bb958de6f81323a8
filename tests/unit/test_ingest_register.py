"""Registrations that are refused, in one process: a real database, no sockets."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from kegnet.server.context import Context
from kegnet.server.counters import Counters
from kegnet.server.ingest.register import REFUSALS_A_MINUTE, Registrar
from kegnet.server.options import ServeOptions
from kegnet.server.outage import Outage
from kegnet.server.storage import Database, open_database
from kegnet.server.storage.boards import accept_board, board_uuid
from kegnet.server.storage.clients import set_client
from kegnet.server.storage.codes import new_code
from kegnet.server.storage.feed import Feed
from kegnet.server.storage.writer import Writer
from support.pki import openssl, signature

CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
DEVICE = "kegboard-1"
NOW_MS = 1_790_000_000_000


@pytest.fixture
def database(tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """With a client that has `key`, and a board."""
    monkeypatch.setattr(time, "time_ns", lambda: NOW_MS * 10**6)
    made = open_database(f"sqlite:///{tmp_path / 'kegnet.sqlite'}")
    with made.writing() as c:
        set_client(c, CLIENT, now_ms=NOW_MS, public_key=openssl("rsa", "-in", key, "-pubout").decode())
        accept_board(c, DEVICE, NOW_MS)
    yield made
    made.close()


def answers(database: Database, *bodies: bytes) -> list[tuple[int, str]]:
    """The answers to registrations that come from one address at the same time."""

    async def run() -> list[tuple[int, str]]:
        context = Context(database, Writer(database), Feed(database), ServeOptions("x"), Counters(), Outage(away=False), asyncio.Event())
        registrar = Registrar(context)
        return await asyncio.gather(*(registrar.answer(body, "192.0.2.7") for body in bodies))

    return asyncio.run(run())


def body(key: Path, client_id: str, *, code: str = "11111111", sig: str | None = None) -> bytes:
    text = f"register,{client_id},{code},{NOW_MS}"
    public = openssl("rsa", "-in", key, "-pubout").decode()
    return urlencode({"id": client_id, "public_key": public, "code": code, "ts": NOW_MS, "sig": sig or signature(key, text)}).encode()


@pytest.mark.parametrize("code_is_open", [False, True])
def test_many_wrong_tries_at_the_same_moment_are_limited(database: Database, key: Path, *, code_is_open: bool) -> None:
    if code_is_open:
        with database.writing() as c:
            new_code(c, NOW_MS)
    wrong = body(key, str(uuid.uuid4()), sig="AAAA")
    statuses = Counter(status for status, _ in answers(database, *[wrong] * 150))
    assert statuses == {403: REFUSALS_A_MINUTE, 429: 150 - REFUSALS_A_MINUTE}


def test_without_an_open_code_known_and_unknown_ids_get_the_same_answer(database: Database, key: Path, tmp_path: Path) -> None:
    openssl("genrsa", "-out", tmp_path / "other.pem", "2048")
    ids = (CLIENT, board_uuid(DEVICE), str(uuid.uuid4()))
    forged = answers(database, *(body(key, client_id, sig="AAAA") for client_id in ids))
    assert forged == [forged[0]] * 3
    proven = answers(database, *(body(tmp_path / "other.pem", client_id) for client_id in ids))
    assert proven == [(401, proven[0][1])] * 3
    assert answers(database, body(key, CLIENT)) == [(200, "registered before")]
