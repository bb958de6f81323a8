"""Notifies people when an alarm begins and when it ends. One process of all runs it, the leader.

What is to be sent is in the database, see `storage/notifications.py`: it survives a restart and a change of leader. Each
address has a task of its own, so that one that does not answer holds up no other one. What waits together is sent together.
If a message was sent and this cannot be stored, only the storing is tried again, and nothing else is sent to that address.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import time
from collections.abc import Sequence

from kegnet.core.syslog_handler import HourlyLimit

from ..context import Context, Sending
from ..model.days import find_zone
from ..storage import Database, StorageError, UnavailableError
from ..storage.notifications import OUTBOX_MS, Notification, set_delivered, waiting_notifications
from ..storage.settings import household
from .apprise_sender import Sender, check_urls

__all__ = ["Notifier", "check_urls"]

LIMIT_S = 30.0
"""After this long the log says that an address does not answer. Nothing more is sent to it until it has."""
RETRY_S = (5.0, 300.0)
"""The first and the longest pause after a failure; it doubles in between."""
OLD_RETRY_S = 1800.0
"""The longest pause while only alarms wait that have lasted for more than `OUTBOX_MS`. They can wait for days."""
LOOK_S = 60.0
AT_ONCE = 1000
LINES = 20
"""Alarms that one message lists; more are counted."""

log = logging.getLogger(__name__)


class Notifier:
    """Sends to the addresses of the options; `run()` is its only method for others. Raises ProblemError, see `check_urls`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._senders = [Sender(url) for url in dict.fromkeys(context.options.notify)]

    async def run(self) -> None:
        """Sends until it is cancelled."""
        everyone = frozenset(sender.fingerprint for sender in self._senders)
        await asyncio.gather(*(_Address(self._context, sender, everyone).run() for sender in self._senders))


class _Address:
    """The task of one address."""

    def __init__(self, context: Context, sender: Sender, everyone: frozenset[str]) -> None:
        self._context = context
        self._sender = sender
        self._everyone = everyone
        self._failures = 0
        self._limit = HourlyLimit()

    async def run(self) -> None:
        async with self._context.feed.subscribe() as subscription:
            coming = asyncio.ensure_future(subscription.next())
            try:
                while True:
                    await self._send_waiting()
                    await asyncio.wait({coming}, timeout=LOOK_S)
                    if coming.done():
                        coming = asyncio.ensure_future(subscription.next())
            finally:
                coming.cancel()

    async def _send_waiting(self) -> None:
        """Sends until nothing waits for this address."""
        while True:
            try:
                await self._finish_sending()
                await self._store_sent()
                waiting = await asyncio.to_thread(_waiting, self._context.database, self._sender.fingerprint)
                if not waiting:
                    self._limit.end()
                    return
                await self._begin_sending(waiting)
            except (UnavailableError, StorageError) as error:
                if self._limit.allows(str(error), time.monotonic()):
                    log.warning("notifications wait: %s; tried again every %g s", error, RETRY_S[0])
                await asyncio.sleep(RETRY_S[0])

    async def _store_sent(self) -> None:
        """Stores what was sent. Until that has succeeded nothing more is read: in the database, it still waits."""
        sent = self._context.sent.get(self._sender.fingerprint)
        if sent is not None:
            await asyncio.to_thread(_store, self._context.database, sent, self._sender.fingerprint, self._everyone)
            del self._context.sent[self._sender.fingerprint]

    async def _begin_sending(self, waiting: Sequence[Notification]) -> None:
        """Begins to send one message for all of them."""
        zone = await asyncio.to_thread(_zone, self._context.database)
        title, body = message(waiting, zone, self._context.options.url)
        answer = asyncio.ensure_future(self._sender.send(title, body))
        self._context.sending[self._sender.fingerprint] = Sending(waiting, title, answer)

    async def _finish_sending(self) -> None:
        """Waits for the message that is being sent, perhaps since an earlier leadership. After a failure it pauses."""
        sending = self._context.sending.get(self._sender.fingerprint)
        if sending is None:
            return
        # Awaited itself, it would be cancelled with this task.
        done, _ = await asyncio.wait({sending.answer}, timeout=LIMIT_S)
        if not done:
            if self._limit.allows("no answer", time.monotonic()):
                log.warning("notify: %s does not answer within %g s", self._sender.shown, LIMIT_S)
            await asyncio.wait({sending.answer})
        del self._context.sending[self._sender.fingerprint]
        reason = sending.answer.result()
        if reason is None:
            log.info("notified %s: %s", self._sender.shown, sending.title)
            self._context.sent[self._sender.fingerprint] = sending.notifications
            self._failures = 0
            return
        pause_s = retry_s(self._failures, only_old=all(each.made_ms < _old_ms() for each in sending.notifications))
        self._failures = min(self._failures + 1, 10)
        if self._limit.allows(reason, time.monotonic()):
            log.warning("notify: %s: %s; next try in %g s", self._sender.shown, reason, pause_s)
        await asyncio.sleep(pause_s)


def retry_s(failures: int, *, only_old: bool) -> float:
    """The pause after a failure, when there were `failures` in a row before it. `only_old`: see `OLD_RETRY_S`."""
    return min(OLD_RETRY_S if only_old else RETRY_S[1], RETRY_S[0] * 2.0**failures)


def message(waiting: Sequence[Notification], zone: datetime.tzinfo, url: str | None) -> tuple[str, str]:
    """The title and the text for one notification or several."""
    lines = [_line(each, zone) for each in waiting[:LINES]]
    title = f"KegNet: {_subject(waiting[0])}" if len(waiting) == 1 else f"KegNet: {len(waiting)} alarms began or ended"
    if len(waiting) > LINES:
        lines.append(f"and {len(waiting) - LINES} more")
    if url is not None:
        lines.append(url)
    return title, "\n".join(lines)


def _subject(notification: Notification) -> str:
    where = notification.client_name
    if notification.tap_name is not None:
        where += f", {notification.tap_name}"
    return f"{where}: {notification.alarm.kind}{' is over' if notification.ending else ''}"


def _line(notification: Notification, zone: datetime.tzinfo) -> str:
    began = _time(notification.alarm.began_ms, zone)
    if not notification.ending:
        return f"{_subject(notification)} since {began}"
    return f"{_subject(notification)}, it lasted from {began} to {_time(notification.alarm.ended_ms or notification.made_ms, zone)}"


def _time(at_ms: int, zone: datetime.tzinfo) -> str:
    return datetime.datetime.fromtimestamp(at_ms / 1000, zone).strftime("%Y-%m-%d %H:%M")


def _old_ms() -> int:
    return time.time_ns() // 10**6 - OUTBOX_MS


def _waiting(database: Database, fingerprint: str) -> list[Notification]:
    with database.reading() as c:
        return waiting_notifications(c, fingerprint, AT_ONCE, _old_ms())


def _store(database: Database, sent: Sequence[Notification], fingerprint: str, everyone: frozenset[str]) -> None:
    with database.writing() as c:
        for each in sent:
            set_delivered(c, each, fingerprint, everyone)


def _zone(database: Database) -> datetime.tzinfo:
    with database.reading() as c:
        return find_zone(household(c).time_zone) or datetime.UTC
