"""Log-ins at the same moment: whose password is checked first, and how many wait."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from kegnet.server.context import Context
from kegnet.server.counters import Counters
from kegnet.server.options import ServeOptions
from kegnet.server.outage import Outage
from kegnet.server.storage import Database
from kegnet.server.storage.feed import Feed
from kegnet.server.storage.writer import Writer
from kegnet.server.web.access import Reader, RefusedError
from kegnet.server.web.passwords import Passwords
from kegnet.server.web.turns import BusyError, Turns
from support.loop import run

HASHES = {Reader.ADMINISTRATOR: "pbkdf2:sha256:1000$XlIwduwXdW3pVJz2$eae90fab9b04c7be15dad14b4c0cd2e3f324ef0b6e766e59425141771390bd55"}
RIGHT = "open sesame"


class LogIns:
    """The results of log-ins in the order in which they ended: an address with its status, 200 for the right password."""

    def __init__(self, database: Database) -> None:
        context = Context(database, Writer(database), Feed(database), ServeOptions("x"), Counters(), Outage(away=False), asyncio.Event())
        self._passwords = Passwords(context)
        self.ended: list[tuple[str, int]] = []

    async def log_in(self, address: str, given: str) -> None:
        try:
            assert await self._passwords.reader_with(HASHES, given, address) is Reader.ADMINISTRATOR
            self.ended.append((address, 200))
        except RefusedError as error:
            assert error.status != 429 or int(error.headers["Retry-After"]) > 0
            self.ended.append((address, error.status))


def test_500_wrong_passwords_from_the_internet_do_not_delay_the_owner(database: Database) -> None:
    async def test() -> list[tuple[str, int]]:
        log_ins = LogIns(database)
        guesses = [asyncio.create_task(log_ins.log_in(f"8.8.8.{number % 250}", f"wrong {number}")) for number in range(500)]
        await asyncio.sleep(0)
        await asyncio.gather(*guesses, log_ins.log_in("192.168.1.2", RIGHT))
        return log_ins.ended

    ended = run(test())
    statuses = Counter(status for _, status in ended)
    assert statuses[200] == 1
    assert statuses[429] >= 470, "one is checked, 20 wait"
    checked = [status for _, status in ended if status != 429]
    assert checked.index(200) <= 2


def test_a_page_that_sends_its_requests_at_the_same_moment_is_served(database: Database) -> None:
    async def test() -> list[tuple[str, int]]:
        log_ins = LogIns(database)
        await asyncio.gather(*(log_ins.log_in("192.168.1.2", RIGHT) for _ in range(30)))
        return log_ins.ended

    assert run(test()) == [("192.168.1.2", 200)] * 30


async def order_of(*senders: str, cancelled: tuple[int, ...] = ()) -> list[str]:
    """The order in which those get their turn who come while somebody has it; `home…` are private addresses."""
    turns, order, free = Turns(), list[str](), asyncio.Event()

    async def come(sender: str) -> None:
        try:
            async with turns.turn(sender, local=sender.startswith("home")):
                order.append(sender)
                await (free.wait() if sender == "first" else asyncio.sleep(0))
        except BusyError:
            order.append(f"not {sender}")

    tasks = [asyncio.create_task(come(sender)) for sender in ("first", *senders)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    free.set()
    for number in cancelled:
        tasks[number].cancel()
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    return order


def test_two_of_a_network_wait_and_private_addresses_come_first() -> None:
    assert run(order_of("a", "a", "a", "b", "home", "home", "home")) == ["first", "not a", "not home", "home", "home", "a", "a", "b"]


def test_twenty_wait_and_a_private_address_takes_the_place_of_the_last_other_one() -> None:
    order = run(order_of(*(f"{number}" for number in range(22)), "home"))
    assert order == ["first", "not 20", "not 21", "not 19", "home", *(f"{number}" for number in range(19))]
    local = run(order_of(*(f"home-{number}" for number in range(21)), "1"))
    assert local == ["first", "not home-20", "not 1", *(f"home-{number}" for number in range(20))]


@pytest.mark.parametrize("cancelled", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)])
def test_who_leaves_holds_nobody_up(cancelled: tuple[int, ...]) -> None:
    left = [sender for number, sender in enumerate(("first", "a", "b", "c")) if number not in cancelled or number == 0]
    assert run(order_of("a", "b", "c", cancelled=cancelled)) == left


def test_who_leaves_at_the_moment_of_its_turn_passes_it_on() -> None:
    async def test() -> None:
        turns = Turns()

        async def come() -> None:
            async with turns.turn("a", local=False):
                pass

        async with turns.turn("first", local=False):
            leaving = asyncio.create_task(come())
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await asyncio.wait_for(come(), 10)

    run(test())
