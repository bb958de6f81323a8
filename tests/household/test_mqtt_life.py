"""How publishing to a real MQTT broker ends: nothing of it goes on in this process, whatever the broker does."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kegnet.server.context import Context
from kegnet.server.counters import Counters
from kegnet.server.integrations.mqtt_connection import Connection, check_url
from kegnet.server.leader_work import leader_work
from kegnet.server.options import ServeOptions
from kegnet.server.outage import Outage
from kegnet.server.storage.feed import Feed
from kegnet.server.storage.leader import Leader
from kegnet.server.storage.writer import Writer
from support import loop
from support.fridge import UUID, Fridge
from support.mqtt_listener import retained_topics
from support.services import Broker
from support.wait import wait_for


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path / "broker")
    yield made
    made.stop()


def test_a_connection_stops_just_after_the_broker_has_gone(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        before = set(threading.enumerate())
        connection = Connection(check_url(f"mqtt://127.0.0.1:{broker.port}"), "kegnet-test", "kegnet/test/online")
        connection.start()
        await connection.changed.wait()
        broker.process.kill()
        wait_for(lambda: "connecting again" in caplog.text)
        connection.stop()
        assert set(threading.enumerate()) == before

    loop.run(run())


def test_the_leadership_ends_after_the_last_message_to_the_broker(broker: Broker, tmp_path: Path) -> None:
    fridge = Fridge(f"sqlite:///{tmp_path}/kegnet.sqlite")
    database, options = fridge.database, ServeOptions("", mqtt=f"mqtt://127.0.0.1:{broker.port}")

    async def run() -> None:
        before = asyncio.all_tasks()
        context = Context(database, Writer(database), Feed(database), options, Counters(), Outage(away=False), asyncio.Event())
        leading = asyncio.create_task(Leader(database, every_s=0.1).run(lambda: leader_work(context)))
        await asyncio.to_thread(wait_for, lambda: retained_topics(broker.port, f"kegnet/{UUID}/silent"))
        # The publisher waits for 2 s then that its last message is acknowledged.
        broker.process.send_signal(signal.SIGSTOP)
        try:
            leading.cancel()
            await asyncio.wait([leading])
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == before
        finally:
            broker.process.send_signal(signal.SIGCONT)

    try:
        loop.run(run(), limit_s=120)
    finally:
        database.close()
