"""The watch over all clients: begins and ends their alarms. One process of all runs it, the leader.

It evaluates the clients that a change concerns, at most every two seconds; and every minute those that have become silent. It
keeps no state that matters: which alarms last is in the database, so a new leader goes on where the last one was.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence

from kegnet.core.clock import is_set

from .alarm_rounds import end_alarms_of_removed, evaluate
from .client_directory import ClientDirectory
from .context import Context
from .storage import Change, Database, StorageError, UnavailableError
from .storage.notifications import OUTBOX_MS, drop_notifications
from .storage.receiving import receiving_since_ms
from .storage.records import Client

SHORTEST_S = 2.0
"""The shortest time between two evaluations: changes in between go into the next one."""
REST = 20
LONGEST_S = 30.0
"""A pause is `REST` times the CPU time of the evaluation before it, up to `LONGEST_S`: a burst of 10,000 clients must not occupy a core."""
SILENCE_S = 60.0
"""How often silence is looked for: it comes without a message."""
ALL_S = 600.0
"""How often all clients are evaluated, in case a change was not reported."""
RETRY_S = 10.0
_KEG_KINDS = frozenset({"pour", "tap", "client", "setting"})
_KINDS = _KEG_KINDS | {"ping"}

log = logging.getLogger(__name__)


class AlarmWatch:
    """Runs the evaluations of `Rounds`; `run()` is its only method for others."""

    def __init__(self, context: Context, receivers: Mapping[str, str]) -> None:
        """`receivers` are the names for the log of those who are notified, by their fingerprints."""
        self._feed = context.feed
        self._rounds = Rounds(context.database, receivers)

    async def run(self) -> None:
        """Watches until it is cancelled."""
        async with self._feed.subscribe() as subscription:
            coming = asyncio.ensure_future(subscription.next())
            try:
                change: Change | None = _EVERYTHING
                while True:
                    cpu_s = await self._evaluate(change)
                    await asyncio.sleep(pause_s(cpu_s))
                    await asyncio.wait({coming}, timeout=SILENCE_S)
                    change = None
                    if coming.done():
                        change = coming.result()
                        coming = asyncio.ensure_future(subscription.next())
            finally:
                coming.cancel()

    async def _evaluate(self, change: Change | None) -> float:
        """Evaluates, in a thread; its CPU time in seconds. A database that is away is asked again, and then for all clients."""
        while True:
            try:
                return await asyncio.to_thread(self._rounds.evaluate, change, time.time_ns() // 10**6, time.monotonic())
            except (UnavailableError, StorageError) as error:
                log.warning("alarms are not evaluated: %s; next try in %g s", error, RETRY_S)
                change = _EVERYTHING
                await asyncio.sleep(RETRY_S)


_EVERYTHING = Change(frozenset(), _KINDS)


def pause_s(cpu_s: float) -> float:
    """The pause after an evaluation that used `cpu_s` of CPU time."""
    return min(LONGEST_S, max(SHORTEST_S, cpu_s * REST))


class Rounds:
    """Chooses the clients to evaluate, and evaluates them. For one thread at a time."""

    def __init__(self, database: Database, receivers: Mapping[str, str]) -> None:
        self._database = database
        self._receivers = receivers
        self._directory = ClientDirectory(database)
        self._silent_from: dict[int, int] = {}
        self._all_at = 0.0
        self._receiving_since_ms = 0

    def evaluate(self, change: Change | None, now_ms: int, monotonic: float) -> float:
        """Evaluates the clients that `change` concerns (None: nothing has changed), and those that have become silent. Its CPU time."""
        if not is_set(now_ms / 1000):
            # The server receives nothing until then, so nobody is silent.
            return 0.0
        began = time.thread_time()
        self._receiving_since_ms = receiving_since_ms(self._database, now_ms)
        self._evaluate(change, now_ms, monotonic)
        return time.thread_time() - began

    def _evaluate(self, change: Change | None, now_ms: int, monotonic: float) -> None:
        if change is not None and not change.kinds & _KINDS:
            change = None
        if monotonic >= self._all_at or (change is not None and not change.clients):
            self._evaluate_all(now_ms)
            self._all_at = monotonic + ALL_S
            return
        if change is not None:
            self._evaluate_changed(change, now_ms)
        self._evaluate_some(self._just_silent(now_ms), now_ms, kegs=False)

    def _evaluate_all(self, now_ms: int) -> None:
        clients = self._directory.read()
        end_alarms_of_removed(self._database, clients, now_ms)
        self._silent_from.clear()
        self._evaluate_some(clients, now_ms, kegs=True)
        with self._database.writing() as c:
            dropped = drop_notifications(c, now_ms - OUTBOX_MS)
        for fingerprint, shown in self._receivers.items():
            # A row can be left because of a receiver that is not in the configuration any more.
            if number := sum(fingerprint not in delivered for delivered in dropped):
                log.warning("notify: %s: notifications that could not be sent for an hour are dropped: %d", shown, number)

    def _evaluate_changed(self, change: Change, now_ms: int) -> None:
        chosen = self._directory.of(change)
        if self._directory.without(change):
            end_alarms_of_removed(self._database, self._directory.all(), now_ms)
        self._evaluate_some(chosen, now_ms, kegs=bool(change.kinds & _KEG_KINDS))

    def _just_silent(self, now_ms: int) -> Sequence[Client]:
        """Those who count as silent now by what the last evaluation knew of them; each once."""
        due = {key for key, at_ms in self._silent_from.items() if at_ms <= now_ms}
        if not due:
            return []
        self._silent_from = {key: at_ms for key, at_ms in self._silent_from.items() if key not in due}
        return [client for client in self._directory.all() if client.key in due]

    def _evaluate_some(self, clients: Sequence[Client], now_ms: int, *, kegs: bool) -> None:
        if clients:
            found = evaluate(self._database, clients, now_ms, kegs=kegs, receiving_since_ms=self._receiving_since_ms)
            self._silent_from.update({key: at_ms for key, at_ms in found.silent_from.items() if at_ms > now_ms})
