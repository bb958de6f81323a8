"""A fault on the way to the server, and what the client owes its owner while it lasts and after."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from faults.conftest import Tally
from support.keg import Keg
from support.ledger import Ledger
from support.scripted_server import ScriptedServer, tls
from support.wait import wait_for

SAID_WITHIN_S = 31
"""The deadline of a request, and a second for the way."""
STOPPED_WITHIN_S = 6
BACK_WITHIN_S = 13
"""Two failures at most: a backoff of 10 s, and what a busy machine may add."""
GROWTH_KB = 8192


def pours(keg: Keg, number: int = 3, first: int = 1) -> set[str]:
    """Drops so many pours, told by their `ts`."""
    for ts in range(first, first + number):
        keg.pour(f"0,586,8213,{ts}\n")
    return {str(ts) for ts in range(first, first + number)}


def peak_kb(keg: Keg) -> int:
    """The most memory that the client has had at a time."""
    return int(Path(f"/proc/{keg.pid}/status").read_text().split("VmHWM:")[1].split()[0])


class Ordeal:
    """A client whose only work is three pours, and a server that is never well until it is healed."""

    def __init__(self, keg: Keg, server: ScriptedServer, tally: Tally) -> None:
        self.keg = keg
        self.server = server
        self.tally = tally
        self.ledger = Ledger()
        keg.unplug()
        self.made = pours(keg)

    def is_endured(self, words: str) -> None:
        """The client, started amid the fault, obeys SIGTERM, says what is wrong, takes no memory, and loses nothing."""
        self.keg.start()
        wait_for(lambda: self.server.connections or self.keg.syslog.lines("server unavailable"))
        self.is_left()
        self.keg.start()
        before_kb = peak_kb(self.keg)
        assert re.search(words, self.keg.syslog.wait("server unavailable", SAID_WITHIN_S))
        assert len(self.keg.waiting()) == len(self.made)
        assert peak_kb(self.keg) < before_kb + GROWTH_KB

    def is_left(self) -> None:
        """SIGTERM, whatever the client is at, ends it in time."""
        self.keg.signal(signal.SIGTERM)
        assert self.keg.wait_for_end(STOPPED_WITHIN_S) == 0
        self.keg.syslog.datagrams.clear()

    def is_over(self) -> None:
        """The server is well: without help, and within a step of the backoff, it gets everything."""
        self.server.pour_answer, self.server.handshake = self.ledger.answer, tls
        self.is_settled()
        self.keg.syslog.wait("server available again after")
        assert len(self.keg.syslog.lines("server unavailable")) == 1, "a lasting state is said once"
        assert self.keg.stop() == 0

    def is_settled(self) -> None:
        """Every pour has gone out."""
        wait_for(lambda: not self.keg.waiting(), BACK_WITHIN_S)
        assert self.keg.failed() == []
        self.tally.settle(self.made, self.ledger)
