"""Work that goes on for as long as the process runs, whatever happens to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from .outage import Outage
from .storage import StorageError, UnavailableError

PAUSE_S = 5.0

log = logging.getLogger(__name__)


async def always(name: str, run: Callable[[], Awaitable[None]], outage: Outage) -> None:
    """Runs `run` again `PAUSE_S` after it has ended or failed, until it is cancelled. `name` is for the log."""
    task = asyncio.current_task()
    while True:
        try:
            await run()
        except (UnavailableError, StorageError) as error:
            outage.began(str(error))
        except Exception as error:
            log.error("%s failed and is started again: %s: %s", name, type(error).__name__, error, exc_info=error)
        if task is not None and task.cancelling():
            # An error at the end of `run` has replaced it.
            raise asyncio.CancelledError
        await asyncio.sleep(PAUSE_S)
