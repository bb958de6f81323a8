"""Notifications, with a real database and a real address: each is sent once, also while the database refuses writes."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest
from kegnet.server.context import Context
from kegnet.server.counters import Counters
from kegnet.server.integrations import notify
from kegnet.server.options import ServeOptions
from kegnet.server.outage import Outage
from kegnet.server.storage import sqlite_file
from kegnet.server.storage.alarms import begin_alarm, end_alarm
from kegnet.server.storage.feed import Feed
from kegnet.server.storage.writer import Writer
from support import loop
from support.fridge import DAY, Fridge
from support.kegnet_server import now_ms
from support.wait import stays, wait_for
from support.webhook import Webhook

SILENT, TOO_WARM = "KegNet: Garage: silent", "KegNet: Garage: too warm"


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with Webhook() as made:
        yield made


@pytest.fixture
def fridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fridge]:
    """A write that is refused fails, and is tried again, several times a second."""
    monkeypatch.setattr(sqlite_file, "_BUSY_S", 0.05)
    monkeypatch.setattr(notify, "RETRY_S", (0.05, 0.05))
    made = Fridge(f"sqlite:///{tmp_path / 'kegnet.sqlite'}")
    yield made
    made.database.close()


@pytest.fixture
def context(fridge: Fridge, hook: Webhook) -> Context:
    options = ServeOptions(listen="", notify=(f"json://127.0.0.1:{hook.port}/",))
    return Context(
        fridge.database, Writer(fridge.database), Feed(fridge.database), options, Counters(), Outage(away=False), asyncio.Event()
    )


@pytest.fixture
def lock(fridge: Fridge, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Another program's connection. While it is in a transaction, the database can be read and not written."""
    with closing(sqlite3.connect(tmp_path / "kegnet.sqlite", isolation_level=None, check_same_thread=False)) as made:
        yield made


def begin(fridge: Fridge, kind: str, ago_ms: int = 0) -> None:
    with fridge.database.writing() as c:
        begin_alarm(c, fridge.client.key, None, kind, now_ms() - ago_ms)


@asynccontextmanager
async def notifying(context: Context) -> AsyncIterator[None]:
    """What the leader does."""
    task = asyncio.create_task(notify.Notifier(context).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(what: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_for, what)


async def sends_nothing_more(hook: Webhook) -> bool:
    before = hook.attempts
    return await asyncio.to_thread(stays, lambda: hook.attempts == before, 1.5)


def test_a_notification_is_sent_once_while_the_database_refuses_writes(
    fridge: Fridge, context: Context, hook: Webhook, lock: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, notify.__name__)

    async def run() -> None:
        begin(fridge, "silent")
        lock.execute("BEGIN IMMEDIATE")
        async with notifying(context):
            await until(lambda: hook.delivered)
            assert await sends_nothing_more(hook)
            assert len(caplog.messages) == 2, caplog.messages
            lock.execute("ROLLBACK")
            await until(lambda: not fridge.waiting())
        begin(fridge, "too warm")
        async with notifying(context):
            await until(lambda: not fridge.waiting())

    loop.run(run())
    assert hook.titles == [SILENT, TOO_WARM]


def test_what_was_sent_is_not_sent_again_by_the_next_leadership_of_the_process(
    fridge: Fridge, context: Context, hook: Webhook, lock: sqlite3.Connection
) -> None:
    async def run() -> None:
        begin(fridge, "silent")
        lock.execute("BEGIN IMMEDIATE")
        async with notifying(context):
            await until(lambda: context.sent)
        async with notifying(context):
            assert await sends_nothing_more(hook)
            lock.execute("ROLLBACK")
            await until(lambda: not fridge.waiting())

    loop.run(run())
    assert hook.titles == [SILENT]


@pytest.mark.parametrize("limit_s", [notify.LIMIT_S, 0.05])
def test_a_message_that_is_being_sent_is_not_sent_again_by_the_next_leadership_of_the_process(
    limit_s: float, fridge: Fridge, context: Context, hook: Webhook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where the first leadership has already logged that the address does not answer."""
    monkeypatch.setattr(notify, "LIMIT_S", limit_s)
    patient = replace(context, options=replace(context.options, notify=(f"json://127.0.0.1:{hook.port}/?rto=300",)))

    async def run() -> None:
        begin(fridge, "silent")
        hook.answering.clear()
        async with notifying(patient):
            await until(lambda: hook.attempts and (limit_s > 1 or "does not answer" in caplog.text))
        async with notifying(patient):
            assert await sends_nothing_more(hook)
            hook.answering.set()
            await until(lambda: not fridge.waiting())

    loop.run(run())
    assert (hook.attempts, hook.titles) == (1, [SILENT])


def test_old_news_is_not_sent_and_an_alarm_that_lasts_is_news(fridge: Fridge, context: Context, hook: Webhook) -> None:
    """As after days without power. The watch, which drops what is old, has not evaluated yet."""

    async def run() -> None:
        with fridge.database.writing() as c:
            old = begin_alarm(c, fridge.client.key, None, "silent", now_ms() - 2 * DAY)
            end_alarm(c, old.key, now_ms() - DAY)
        begin(fridge, "too warm", ago_ms=2 * DAY)
        async with notifying(context):
            await until(lambda: fridge.waiting() == [("silent", False), ("silent", True)])

    loop.run(run())
    assert hook.titles == [TOO_WARM]


def test_the_pause_after_failures_grows_to_5_minutes_and_for_an_old_alarm_that_lasts_to_half_an_hour() -> None:
    assert [notify.retry_s(failures, only_old=False) for failures in (0, 1, 2, 5, 6, 10)] == [5, 10, 20, 160, 300, 300]
    assert [notify.retry_s(failures, only_old=True) for failures in (0, 1, 6, 9, 10)] == [5, 10, 320, 1800, 1800]
