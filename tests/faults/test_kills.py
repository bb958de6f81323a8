"""SIGKILL at any instruction: every pour is sent, and none is deleted that was not accepted."""

from __future__ import annotations

import random
import signal
import time

import pytest
from faults.conftest import FaultCounts
from support.keg import Keg
from support.ledger import Ledger
from support.scripted_server import Connection, Request, ScriptedServer
from support.wait import wait_for

PARTS = 4
"""The kills are divided, so that several clients are killed at a time."""
BACKLOG = 1000
CUT_AFTER_ACCEPTING = 0.005
UNAVAILABLE = 0.002


def fill(keg: Keg, first: int) -> set[str]:
    """Writes another backlog of pours, identified by their `ts`."""
    for number in range(first, first + BACKLOG):
        keg.pour(f"0,586,8213,{number}\n", f"{number}.pour")
    return {str(number) for number in range(first, first + BACKLOG)}


def kill_at_a_random_moment(keg: Keg, source: random.Random) -> None:
    """Starts the client, and kills it between its first instruction and the middle of its work."""
    keg.launch()
    time.sleep(source.uniform(0.0, 1.5))
    keg.signal(signal.SIGKILL)
    keg.wait_for_end()


@pytest.mark.parametrize("part", range(PARTS))
def test_a_client_that_is_killed_again_and_again_loses_nothing(
    scripted_keg: Keg,
    scripted_server: ScriptedServer,
    counts: FaultCounts,
    source: random.Random,
    part: int,
    request: pytest.FixtureRequest,
) -> None:
    ledger, answer_source = Ledger(), random.Random(source.random())

    def sometimes_cuts(connection: Connection, request: Request) -> None:
        number = answer_source.random()
        if number < UNAVAILABLE:
            connection.answer(503)
            return
        ledger.accept(request)
        if number < UNAVAILABLE + CUT_AFTER_ACCEPTING:
            connection.cut()
        else:
            connection.answer(200)

    scripted_server.pour_answer = sometimes_cuts
    scripted_keg.write_config()
    made: set[str] = set()
    kills = range(part, int(request.config.getoption("--kills")), PARTS)
    while counts.kills < len(kills):
        if not scripted_keg.waiting():
            made |= fill(scripted_keg, len(made))
        kill_at_a_random_moment(scripted_keg, source)
        counts.kills += 1
        deleted = made - {name.removesuffix(".pour") for name in scripted_keg.waiting()}
        assert deleted <= ledger.accepted.keys(), "a pour is deleted that the server has not accepted"
    scripted_server.pour_answer = ledger.answer
    scripted_keg.start()
    wait_for(lambda: not scripted_keg.waiting(), limit_s=120)
    assert scripted_keg.failed() == []
    counts.check_delivery(made, ledger)
