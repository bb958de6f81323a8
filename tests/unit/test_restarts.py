"""Work that goes on for as long as the process runs."""

from __future__ import annotations

import asyncio

from kegnet.server.outage import Outage
from kegnet.server.restarts import always
from support import loop


def test_work_that_fails_as_it_is_cancelled_ends() -> None:
    async def run() -> None:
        begun = asyncio.Event()

        async def work() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                raise ValueError("a mistake at the end")

        task = asyncio.create_task(always("work", work, Outage(away=False)))
        await begun.wait()
        task.cancel()
        await asyncio.wait([task], timeout=30)
        cancelled = task.cancelled()
        # Otherwise the loop could wait for it for ever.
        task.cancel()
        await asyncio.sleep(0)
        assert cancelled

    loop.run(run())
