"""SIGKILL at any instruction: every pour is delivered, and none is gone that was not accepted."""

from __future__ import annotations

import random
import signal
import time

import pytest
from faults.conftest import Tally
from support.keg import Keg
from support.ledger import Ledger
from support.scripted_server import Connection, Request, ScriptedServer
from support.wait import wait_for

PARTS = 4
"""The kills are shared out, so that several clients are killed at a time."""
BACKLOG = 1000
CUT_AFTER_ACCEPTING = 0.005
UNAVAILABLE = 0.002


def fill(keg: Keg, first: int) -> set[str]:
    """Another backlog of pours; `ts` says which is which."""
    for number in range(first, first + BACKLOG):
        keg.pour(f"0,586,8213,{number}\n", f"{number}.pour")
    return {str(number) for number in range(first, first + BACKLOG)}


def kill_at_a_random_moment(keg: Keg, lots: random.Random) -> None:
    """Starts the client, and kills it somewhere between its first instruction and well into its work."""
    keg.launch()
    time.sleep(lots.uniform(0.0, 1.5))
    keg.signal(signal.SIGKILL)
    keg.wait_for_end()


@pytest.mark.parametrize("part", range(PARTS))
def test_a_drain_that_is_killed_over_and_over_loses_nothing(
    scripted_keg: Keg, scripted_server: ScriptedServer, tally: Tally, lots: random.Random, part: int, request: pytest.FixtureRequest
) -> None:
    ledger, chance = Ledger(), random.Random(lots.random())

    def sometimes_cuts(connection: Connection, request: Request) -> None:
        drawn = chance.random()
        if drawn < UNAVAILABLE:
            connection.answer(503)
            return
        ledger.accept(request)
        if drawn < UNAVAILABLE + CUT_AFTER_ACCEPTING:
            connection.cut()
        else:
            connection.answer(200)

    scripted_server.pour_answer = sometimes_cuts
    scripted_keg.write_config()
    made: set[str] = set()
    kills = range(part, int(request.config.getoption("--kills")), PARTS)
    while tally.kills < len(kills):
        if not scripted_keg.waiting():
            made |= fill(scripted_keg, len(made))
        kill_at_a_random_moment(scripted_keg, lots)
        tally.kills += 1
        gone = made - {name.removesuffix(".pour") for name in scripted_keg.waiting()}
        assert gone <= ledger.accepted.keys(), "a pour is gone that the server has not accepted"
    scripted_server.pour_answer = ledger.answer
    scripted_keg.start()
    wait_for(lambda: not scripted_keg.waiting(), limit_s=120)
    assert scripted_keg.failed() == []
    tally.settle(made, ledger)
