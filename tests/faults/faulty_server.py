"""A client, and a server or a network with a fault: what the client does during the fault and after it."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faults.conftest import FaultCounts
from support.keg import Keg
from support.ledger import Ledger
from support.scripted_server import ScriptedServer, tls
from support.wait import wait_for

LOGGED_WITHIN_S = 60
"""The time limit of a request is 30 s; a busy machine adds to it."""
STOPPED_WITHIN_S = 30
"""It gives up after 5 s, and systemd would kill it after 15 s."""
SENT_WITHIN_S = 90
"""A request in hand, which the fault may hold for 30 s, and backoffs of 5 s and 10 s; a busy machine adds to them."""
GROWTH_KB = 8192

NO_CONNECTION = "server unavailable: "
NOT_ACCEPTED = "pours are not accepted: "
NOT_AUTHORISED = "not authorised, the server refuses this client: "
ENDED = {
    NO_CONNECTION: "server available again after",
    NOT_ACCEPTED: "pours are accepted again after",
    NOT_AUTHORISED: "authorised again after",
}
"""What the log says of a fault, and of its end."""


def pours(keg: Keg, number: int = 3, first: int = 1) -> set[str]:
    """Writes so many pours, identified by their `ts`."""
    for ts in range(first, first + number):
        keg.pour(f"0,586,8213,{ts}\n")
    return {str(ts) for ts in range(first, first + number)}


def peak_kb(keg: Keg) -> int:
    """The most memory that the client has used."""
    return int(Path(f"/proc/{keg.pid}/status").read_text().split("VmHWM:")[1].split()[0])


@contextmanager
def full_backlog(address: tuple[str, int]) -> Iterator[None]:
    """Listens at `address` with a full queue of connections, so that the kernel drops others, as a firewall does."""
    with socket.create_server(address, backlog=0) as listener:
        connections = [socket.socket() for _ in range(4)]
        for connection in connections:
            connection.setblocking(False)
            connection.connect_ex(listener.getsockname())
        yield
        for connection in connections:
            connection.close()


class FaultyServerCase:
    """A client without a sensor and with three pours, and a server that has the fault `kind`, a line of the log."""

    def __init__(self, keg: Keg, server: ScriptedServer, counts: FaultCounts, kind: str = NOT_ACCEPTED) -> None:
        self.keg = keg
        self.server = server
        self.counts = counts
        self.kind = kind
        self.ledger = Ledger()
        keg.parameters["sensor"] = "none"
        self.made = pours(keg)

    def check_during_fault(self, pattern: str) -> None:
        """The client, started during the fault, obeys SIGTERM, logs `pattern`, needs no more memory, and keeps all pours."""
        self.keg.start()
        wait_for(lambda: self.server.connections or self.keg.syslog.lines(self.kind))
        self.stop_in_time()
        self.keg.start()
        before_kb = peak_kb(self.keg)
        line = self.keg.syslog.wait(self.kind, LOGGED_WITHIN_S)
        assert re.search(f"{self.kind}.*({pattern}).*; retrying; {len(self.made)} pours wait", line), line
        assert len(self.keg.waiting()) == len(self.made)
        assert peak_kb(self.keg) < before_kb + GROWTH_KB

    def stop_in_time(self) -> None:
        """SIGTERM ends the client in time."""
        self.keg.signal(signal.SIGTERM)
        assert self.keg.wait_for_end(STOPPED_WITHIN_S) == 0
        self.keg.syslog.wait("stopped; ")
        self.keg.syslog.datagrams.clear()

    def check_recovery(self) -> None:
        """The fault has ended: the server gets all pours within a few steps of the backoff."""
        self.server.pour_answer, self.server.handshake = self.ledger.answer, tls
        self.check_all_sent()
        self.keg.syslog.wait(ENDED[self.kind])
        assert len(self.keg.syslog.lines(self.kind)) == 1, "a lasting state is logged once"
        assert self.keg.stop() == 0

    def check_all_sent(self, limit_s: float = SENT_WITHIN_S) -> None:
        """Every pour has been sent."""
        wait_for(lambda: not self.keg.waiting(), limit_s)
        assert self.keg.failed() == []
        self.counts.check_delivery(self.made, self.ledger)
