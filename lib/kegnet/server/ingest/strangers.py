"""Lists clients on the page `/clients` whose messages are refused because they or their keys are not registered.

A flood of invented ids costs only a few transactions a minute. Each network has its own share of them.
"""

from __future__ import annotations

import asyncio
import logging
import time

from kegnet.core.syslog_handler import escape_name

from ..limits import is_private, network
from ..model.waiting import Waiting
from ..storage import Database, StorageError, UnavailableError
from ..storage.clients import find_client
from ..storage.waiting import remember_waiting
from .row_budget import RowBudget

_ADDRESS_CHARACTERS = 60

log = logging.getLogger(__name__)


class Strangers:
    """Lists refused clients, without a delay for the answer. For the event loop's thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._budget = RowBudget()
        self._tasks: set[asyncio.Task[None]] = set()

    def refused(self, uuid: str, address: str, *, wrong_key: bool) -> None:
        """A message of the client `uuid` was refused."""
        now_ms = time.time_ns() // 10**6
        sender, local = network(address), is_private(address)
        if self._budget.may_write(uuid, sender, local=local):
            each = Waiting(uuid, address[:_ADDRESS_CHARACTERS], sender, local, now_ms, now_ms, wrong_key)
            task = asyncio.create_task(self._remember(each))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _remember(self, each: Waiting) -> None:
        try:
            new = await asyncio.to_thread(_remember, self._database, each)
        except (UnavailableError, StorageError):
            return
        if new:
            log.info("the client %s asks to be accepted, from %s; do that on the page /clients", each.uuid, escape_name(each.address))


def _remember(database: Database, each: Waiting) -> bool:
    with database.writing() as c:
        # It can have been accepted since its message was refused.
        if not each.wrong_key and find_client(c, each.uuid) is not None:
            return False
        return remember_waiting(c, each)
