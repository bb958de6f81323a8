"""SIGKILL at any instruction: every pour is delivered, and none is gone that was not accepted."""

from __future__ import annotations

import random
import signal
import time

import pytest
from faults.conftest import FaultCounts
from support.keg import Keg
from support.ledger import Ledger
from support.moody import Connection, Moody, Request
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


def kill_at_a_random_moment(keg: Keg, source: random.Random) -> None:
    """Starts the client, and kills it somewhere between its first instruction and well into its work."""
    keg.launch()
    time.sleep(source.uniform(0.0, 1.5))
    keg.signal(signal.SIGKILL)
    keg.ended()


@pytest.mark.parametrize("part", range(PARTS))
def test_a_drain_that_is_killed_over_and_over_loses_nothing(
    moody_keg: Keg, moody: Moody, counts: FaultCounts, source: random.Random, part: int, request: pytest.FixtureRequest
) -> None:
    ledger, chance = Ledger(), random.Random(source.random())

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

    moody.mood = sometimes_cuts
    moody_keg.write_config()
    made: set[str] = set()
    kills = range(part, int(request.config.getoption("--kills")), PARTS)
    while counts.kills < len(kills):
        if not moody_keg.waiting():
            made |= fill(moody_keg, len(made))
        kill_at_a_random_moment(moody_keg, source)
        counts.kills += 1
        gone = made - {name.removesuffix(".pour") for name in moody_keg.waiting()}
        assert gone <= ledger.accepted.keys(), "a pour is gone that the server has not accepted"
    moody.mood = ledger.answer
    moody_keg.start()
    wait_for(lambda: not moody_keg.waiting(), limit_s=120)
    assert moody_keg.failed() == []
    counts.check_delivery(made, ledger)
