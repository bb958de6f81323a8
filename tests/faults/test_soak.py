"""Hours of mixed work and faults: memory, descriptors and threads do not grow, and nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from faults.conftest import Tally
from faults.wreckage import cut, reset, says
from kegnet.transport import SYSTEM_CA_BUNDLE
from support.keg import Keg
from support.ledger import Ledger
from support.pki import Certificate
from support.scripted_server import Answer, Connection, Request, ScriptedServer, answers
from support.wait import wait_for

pytestmark = pytest.mark.xdist_group("soak")

GROWTH_KB = 2048
"""What Python's heap may still be settling by; an hour of it shows the same as a minute."""
GOOD_ANSWERS = 40
"""One answer in so many is bad."""
BAD_ANSWERS: tuple[Answer, ...] = (
    answers(503, Retry_After="0"),
    answers(429),
    answers(302, Location="/welcome"),
    answers(400, b"no, thank you"),
    says(b"", cut),
    says(b"", reset),
    says(b"HTTP/1.1 200 OK\r\nContent-Le", cut),
    says(b"garbage\r\n\r\n", cut),
)
HALF_AN_ANSWER = says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", cut)


class Sample(NamedTuple):
    """What the client holds at one moment."""

    memory_kb: int
    descriptors: int
    threads: int

    @classmethod
    def of(cls, keg: Keg) -> Sample:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{keg.pid}/status").read_text().splitlines())
        return cls(int(status["VmRSS"].split()[0]), len(os.listdir(f"/proc/{keg.pid}/fd")), int(status["Threads"]))


class Bar:
    """People who pour, a server with moods, a flow meter with a bad day, and a thermometer with a loose contact."""

    def __init__(self, keg: Keg, server: ScriptedServer, lots: random.Random) -> None:
        self.keg = keg
        self.lots = lots
        self.ledger = Ledger()
        self.made: set[str] = set()
        server.pour_answer = self.answer
        server.ping_answer = self.answer

    def answer(self, connection: Connection, request: Request) -> None:
        """Mostly well; else badly, sometimes when the message has been taken already."""
        first_answer = self.lots.choice(BAD_ANSWERS) if self.lots.randrange(GOOD_ANSWERS) == 0 else answers(200)
        if self.lots.randrange(GOOD_ANSWERS * 5) == 0:
            first_answer = HALF_AN_ANSWER
        if request.path.endswith("/pour") and (first_answer is HALF_AN_ANSWER or first_answer not in BAD_ANSWERS):
            self.ledger.accept(request)
        first_answer(connection, request)

    def something_happens(self) -> None:
        """One of the things that happen in a bar."""
        self.lots.choices(
            (self.pour, self.litter, self.sensor_trouble, self.reload, self.move_spool), weights=(60, 10, 10, 1, 1)
        )[0]()  # fmt: skip

    def pour(self) -> None:
        ts = str(len(self.made))
        self.made.add(ts)
        self.keg.pour(f"0,586,8213,{ts}\n", f"{ts}.pour")

    def litter(self) -> None:
        name = f"litter{time.monotonic_ns()}"
        kind = self.lots.randrange(4)
        if kind == 0:
            os.utime(self.keg.pour("no pour", f"{name}.pour"), (1, 1))
        elif kind == 1:
            os.mkfifo(self.keg.spool / f"{name}.pour")
        elif kind == 2:
            (self.keg.spool / f"{name}.pour").symlink_to("/dev/zero")
        else:
            (self.keg.spool / f"{name}\n\x1b.tmp").write_text("")

    def sensor_trouble(self) -> None:
        kind = self.lots.randrange(4)
        if kind == 0:
            self.keg.answer("")
        elif kind == 1:
            self.keg.answer("00 " * 9 + ": crc=00 YES\n" + "00 " * 9 + "t=0\n")
        else:
            self.keg.temperature(self.lots.randrange(-20_000, 20_000))

    def reload(self) -> None:
        self.keg.signal(signal.SIGHUP)

    def move_spool(self) -> None:
        aside = self.keg.spool.with_name("aside")
        self.keg.spool.rename(aside)
        aside.rename(self.keg.spool)

    def clean_up(self) -> None:
        """What somebody clears away now and then."""
        for entry in os.scandir(self.keg.spool):
            if entry.name.startswith("litter"):
                os.unlink(entry)

    def set_aside(self) -> set[str]:
        """The good pours that the server has refused."""
        return {name.partition(".")[0] for name in self.keg.failed()}


def soaked(bar: Bar, seconds: float) -> Iterator[Sample]:
    """Lives through `seconds`, and looks at the client each second."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(20):
            bar.something_happens()
            time.sleep(0.05)
        bar.clean_up()
        yield Sample.of(bar.keg)


def as_large_as_the_systems(keg: Keg, ca: Certificate) -> Path:
    """A store of certificates of the usual size, the tests' own among them."""
    bundle = keg.folder / "bundle.pem"
    bundle.write_bytes(SYSTEM_CA_BUNDLE.read_bytes() + ca.certificate.read_bytes())
    return bundle


def test_mixed_work_and_faults_for_hours_leave_the_client_as_it_was(
    scripted_keg: Keg, scripted_server: ScriptedServer, tally: Tally, lots: random.Random, ca: Certificate, request: pytest.FixtureRequest
) -> None:
    bar = Bar(scripted_keg, scripted_server, lots)
    scripted_keg.start(pingInterval=1, caBundle=as_large_as_the_systems(scripted_keg, ca))
    samples = list(soaked(bar, request.config.getoption("--hours") * 3600))
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    tally.growth_kb = int(statistics.median(s.memory_kb for s in late) - statistics.median(s.memory_kb for s in early))
    assert tally.growth_kb < GROWTH_KB
    # One more or less is a connection; one that is lost for good raises the fewest.
    assert min(s.descriptors for s in late) <= min(s.descriptors for s in early)
    assert {s.threads for s in samples} == {1}
    scripted_server.pour_answer = bar.ledger.answer
    scripted_server.ping_answer = answers(200)
    wait_for(lambda: not scripted_keg.waiting(), limit_s=120)
    bar.clean_up()
    assert scripted_keg.stop() == 0
    tally.settle(bar.made, bar.ledger, bar.set_aside())
