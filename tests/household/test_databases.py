"""SQLite and PostgreSQL: the same answers, and what was said to be kept is kept, whatever becomes of the server."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa
from kegnet.server import schema, views
from kegnet.server.store import Store, StoreError
from support.kegnet_server import KegnetServer
from support.pki import openssl, signature
from support.wait import wait_for

LIB = Path(__file__).resolve().parents[2] / "lib"
CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/kegnet.sqlite"
        return
    found: str = request.getfixturevalue("postgresql")
    name = f"k{uuid.uuid4().hex}"
    with sa.create_engine(found, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield found.rpartition("/")[0] + f"/{name}"


def ping(number: int, millicelsius: int = 4187, ts: int = 1_700_000_000_000) -> dict[str, str]:
    return {"id": CLIENT, "temp": str(millicelsius), "ts": str(ts), "sig": f"ping {number}"}


def test_the_tables_are_what_the_schema_says(url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    Store(url).close()
    Store(url).close()
    with sa.create_engine(url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


def test_programs_that_open_an_empty_database_together_make_its_tables_once(url: str) -> None:
    program = "import sys; from kegnet.server.store import Store; print(end='x', flush=True); sys.stdin.read(); Store(sys.argv[1]).close()"
    command = [sys.executable, "-B", "-c", program, url]
    env, pipe = {**os.environ, "PYTHONPATH": str(LIB)}, subprocess.PIPE
    running = [subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, stderr=pipe) for _ in range(6)]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"x"
    for process in running:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    errors = [process.communicate()[1].decode() for process in running]
    assert [process.returncode for process in running] == [0] * 6, errors


def test_a_message_is_kept_once(url: str) -> None:
    store = Store(url)
    assert [store.keep("ping", "v2", ping(1)), store.keep("ping", "v2", ping(1)), store.keep("ping", "v2", ping(2))] == [True, False, True]
    with store.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.ping)).scalar_one() == 2
    store.close()


def test_what_the_page_shows_is_the_same(url: str) -> None:
    now = 1_700_000_000_000
    store = Store(url, clock_ms=lambda: now)
    store.set_client(CLIENT.upper(), public_key="x", warmest=4000)
    store.set_tap(CLIENT, 7, name="IPA", pulses_per_litre=5000, keg_ml=10_000, tapped_ms=now - 86_400_000)
    for number in range(10):
        store.keep("ping", "v2", ping(number, 4000 + number, now - number * 60_000))
        pour = {"id": CLIENT, "pin": "7", "pulses": "1000", "et": "8", "ts": str(now // 1000 - number), "sig": f"pour {number}"}
        store.keep("pour", "v1", pour)
    (client,) = views.overview(store, now)
    assert (client.millicelsius, client.alarms) == (4000, [])
    (tap,) = client.taps
    assert (tap.left_ml, tap.lasts_ms, len(tap.last), tap.last[0].duration_ms) == (8000, 4 * 86_400_000, 5, 8000)
    points = views.course(store, CLIENT, now - 86_400_000, now + 1)
    assert sum(point.most >= point.mean >= point.least for point in points) == len(points) > 1
    assert [(client.silent, client.alarms) for client in views.overview(store, now + 3_600_000)] == [(True, ["silent"])]
    store.remove_client(CLIENT)
    assert (store.taps(), store.clients()) == ([], [])
    store.close()


def test_everyone_is_told_of_though_a_page_has_fifty(url: str) -> None:
    store = Store(url)
    for number in range(120):
        store.set_client(str(uuid.UUID(int=number)), public_key="x", name=f"{number:03}")
    assert [client.name for client in views.everyone(store, 0)] == [f"{number:03}" for number in range(120)]
    assert [client.name for client in views.overview(store, 0, 2)] == [f"{number:03}" for number in range(100, 120)]
    store.close()


def test_no_message_that_was_accepted_is_lost_when_the_server_is_killed(url: str, key: Path, tmp_path: Path) -> None:
    accepted: list[str] = []
    for life in range(3):
        server = KegnetServer(tmp_path / f"life{life}", None, url=url)
        server.add_client(CLIENT, openssl("rsa", "-in", key, "-pubout").decode())
        fields = [{"id": CLIENT, "temp": "4187", "ts": str(1_700_000_000_000 + 1000 * life + number)} for number in range(200)]
        signed = [{**each, "sig": signature(key, ",".join(each.values()))} for each in fields]

        def send(messages: list[dict[str, str]], address: str = server.base_url) -> None:
            for message in messages:
                try:
                    if requests.post(f"{address}/ping", data=message).status_code == 200:
                        accepted.append(message["sig"])
                except requests.ConnectionError:
                    return

        threads = [threading.Thread(target=send, args=(signed[start::4],)) for start in range(4)]
        before = len(accepted)
        for thread in threads:
            thread.start()
        wait_for(lambda before=before: len(accepted) >= before + 50)  # type: ignore[misc]
        server.process.kill()
        for thread in threads:
            thread.join()
        server.stop()
    store = Store(url)
    with store.reading() as connection:
        kept = set(connection.execute(sa.select(schema.ping.c.sig)).scalars())
    store.close()
    assert len(accepted) >= 150
    assert set(accepted) <= kept


def test_a_database_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    for bad in ("postgresql://kegnet@127.0.0.1:9/x", "nonsense", f"sqlite:///{tmp_path}/no/where.sqlite"):
        with pytest.raises(StoreError) as told:
            Store(bad)
        assert "\n" not in str(told.value)
