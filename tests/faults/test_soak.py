"""Hours of mixed work and faults: memory, descriptors and threads do not grow, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from faults.conftest import FaultCounts
from faults.responses import cut, reset, sends
from kegnet.client.rest_api import SYSTEM_STORE
from support.keg import Keg
from support.ledger import Ledger
from support.pki import Certificate
from support.scripted_server import Answer, Connection, Request, ScriptedServer, answers
from support.wait import wait_for

pytestmark = pytest.mark.xdist_group("soak")

GROWTH_KB = 4096
"""The heap grows for some minutes: each connection reads the CA certificates. In an hour it grows no more than in five minutes."""
GOOD_ANSWERS = 40
"""One answer in so many is bad."""
BAD_ANSWERS: tuple[Answer, ...] = (
    answers(503, Retry_After="0"),
    answers(429),
    answers(302, Location="/welcome"),
    answers(400, b"invalid"),
    sends(b"", cut),
    sends(b"", reset),
    sends(b"HTTP/1.1 20", cut),
    sends(b"garbage\r\n\r\n", cut),
)
CUT_OFF_ANSWERS: tuple[Answer, ...] = (
    sends(b"HTTP/1.1 200 OK\r\nContent-Le", cut),
    sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", cut),
)
"""Acceptances: the status line has decided."""


class Sample(NamedTuple):
    """What the client uses at one moment."""

    memory_kb: int
    descriptors: int
    threads: int

    @classmethod
    def of(cls, keg: Keg) -> Sample:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{keg.pid}/status").read_text().splitlines())
        return cls(int(status["VmRSS"].split()[0]), len(os.listdir(f"/proc/{keg.pid}/fd")), int(status["Threads"]))


class FaultyKegerator:
    """Pours, garbage in the spool, a server that sometimes fails, and a thermometer with a loose contact."""

    def __init__(self, keg: Keg, server: ScriptedServer, source: random.Random) -> None:
        self.keg = keg
        self.source = source
        self.ledger = Ledger()
        self.made: set[str] = set()
        server.pour_answer = self.answer
        server.ping_answer = self.answer

    def answer(self, connection: Connection, request: Request) -> None:
        """Mostly accepts; sometimes fails, with or without accepting."""
        number = self.source.randrange(GOOD_ANSWERS * 5)
        answer = self.source.choice(BAD_ANSWERS if number < 5 else CUT_OFF_ANSWERS if number == 5 else (answers(200),))
        if request.path.endswith("/pour") and answer not in BAD_ANSWERS:
            self.ledger.accept(request)
        answer(connection, request)

    def do_something(self) -> None:
        """One random event."""
        self.source.choices(
            (self.pour, self.garbage, self.sensor_trouble, self.reload, self.move_spool), weights=(60, 10, 10, 1, 1)
        )[0]()  # fmt: skip

    def pour(self) -> None:
        ts = str(len(self.made))
        self.made.add(ts)
        self.keg.pour(f"0,586,8213,{ts}\n", f"{ts}.pour")

    def garbage(self) -> None:
        name = f"garbage{time.monotonic_ns()}"
        kind = self.source.randrange(4)
        if kind == 0:
            os.utime(self.keg.pour("garbage", f"{name}.pour"), (1, 1))
        elif kind == 1:
            os.mkfifo(self.keg.spool / f"{name}.pour")
        elif kind == 2:
            (self.keg.spool / f"{name}.pour").symlink_to("/dev/zero")
        else:
            (self.keg.spool / f"{name}\n\x1b.tmp").write_text("")

    def sensor_trouble(self) -> None:
        kind = self.source.randrange(4)
        if kind == 0:
            self.keg.answer("")
        elif kind == 1:
            self.keg.answer("00 " * 9 + ": crc=00 YES\n" + "00 " * 9 + "t=0\n")
        else:
            self.keg.temperature(self.source.randrange(-20_000, 20_000))

    def reload(self) -> None:
        self.keg.signal(signal.SIGHUP)

    def move_spool(self) -> None:
        aside = self.keg.spool.with_name("aside")
        self.keg.spool.rename(aside)
        aside.rename(self.keg.spool)

    def clean_up(self) -> None:
        """Removes the garbage."""
        for entry in os.scandir(self.keg.spool):
            if entry.name.startswith("garbage"):
                # The client can set it aside first.
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(entry)

    def set_aside(self) -> set[str]:
        """The pours that the server has rejected."""
        return {name.partition(".")[0] for name in self.keg.failed()}


def samples_of(kegerator: FaultyKegerator, seconds: float) -> Iterator[Sample]:
    """Yields what the client uses, each second for `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(20):
            kegerator.do_something()
            time.sleep(0.05)
        kegerator.clean_up()
        yield Sample.of(kegerator.keg)


def large_store(keg: Keg, ca: Certificate) -> Path:
    """As many CA certificates as usual, with the tests' own."""
    bundle = keg.folder / "bundle.pem"
    bundle.write_bytes(SYSTEM_STORE.read_bytes() + ca.certificate.read_bytes())
    return bundle


def test_mixed_work_and_faults_for_hours_leave_the_client_as_it_was(
    scripted_keg: Keg,
    scripted_server: ScriptedServer,
    counts: FaultCounts,
    source: random.Random,
    ca: Certificate,
    request: pytest.FixtureRequest,
) -> None:
    kegerator = FaultyKegerator(scripted_keg, scripted_server, source)
    scripted_keg.start(pingInterval=1, caBundle=large_store(scripted_keg, ca))
    samples = list(samples_of(kegerator, request.config.getoption("--hours") * 3600))
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    counts.growth_kb = int(statistics.median(s.memory_kb for s in late) - statistics.median(s.memory_kb for s in early))
    assert counts.growth_kb < GROWTH_KB
    # One more or less is a connection, or the spool while it is moved.
    assert statistics.median(s.descriptors for s in late) <= statistics.median(s.descriptors for s in early) + 1
    assert {s.threads for s in samples} == {1}
    scripted_server.pour_answer = kegerator.ledger.answer
    scripted_server.ping_answer = answers(200)
    wait_for(lambda: not scripted_keg.waiting(), limit_s=120)
    kegerator.clean_up()
    assert scripted_keg.stop() == 0
    counts.check_delivery(kegerator.made, kegerator.ledger, kegerator.set_aside())
