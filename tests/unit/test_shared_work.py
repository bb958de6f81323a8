"""What many readers want at the same moment is done once."""

from __future__ import annotations

import asyncio

import pytest
from kegnet.server.shared_work import SharedWork


class Counter:
    """A work that ends when the test says, and returns which call of it this was."""

    def __init__(self) -> None:
        self.calls = 0
        self.go_on = asyncio.Event()

    async def __call__(self) -> int:
        self.calls += 1
        call = self.calls
        await self.go_on.wait()
        return call


def test_all_who_come_before_it_begins_share_one_work() -> None:
    async def scenario() -> None:
        shared, work = SharedWork(), Counter()
        work.go_on.set()
        assert await asyncio.gather(*(shared.result("key", work) for _ in range(100))) == [1] * 100

    asyncio.run(scenario())


def test_who_comes_while_it_runs_gets_a_result_that_begins_later() -> None:
    async def scenario() -> None:
        shared, work = SharedWork(), Counter()
        first = asyncio.create_task(shared.result("key", work))
        while not work.calls:
            await asyncio.sleep(0)
        later = [asyncio.create_task(shared.result("key", work)) for _ in range(100)]
        await asyncio.sleep(0)
        assert work.calls == 1, "two never run at once"
        work.go_on.set()
        assert await first == 1
        assert await asyncio.gather(*later) == [2] * 100

    asyncio.run(scenario())


def test_different_keys_do_not_wait_for_each_other() -> None:
    async def scenario() -> None:
        shared, slow, quick = SharedWork(), Counter(), Counter()
        quick.go_on.set()
        waiting = asyncio.create_task(shared.result("slow", slow))
        assert await shared.result("quick", quick) == 1
        slow.go_on.set()
        assert await waiting == 1

    asyncio.run(scenario())


def test_one_who_leaves_does_not_end_the_work_of_the_others() -> None:
    async def scenario() -> None:
        shared, work = SharedWork(), Counter()
        leaves, stays = (asyncio.create_task(shared.result("key", work)) for _ in range(2))
        await asyncio.sleep(0)
        leaves.cancel()
        work.go_on.set()
        assert await stays == 1

    asyncio.run(scenario())


def test_an_error_reaches_all_and_the_next_request_tries_again() -> None:
    async def fails() -> int:
        raise ValueError("away")

    async def scenario() -> None:
        shared, work = SharedWork(), Counter()
        results = await asyncio.gather(*(shared.result("key", fails) for _ in range(3)), return_exceptions=True)
        assert [str(result) for result in results] == ["away"] * 3
        work.go_on.set()
        assert await shared.result("key", work) == 1
        with pytest.raises(ValueError, match="away"):
            await shared.result("key", fails)

    asyncio.run(scenario())
