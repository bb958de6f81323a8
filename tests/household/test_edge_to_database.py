"""From the edges of flow meters to the database of the server, while meter, client and server are killed."""

from __future__ import annotations

import fcntl
import random
import signal
import struct
import termios
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kegnet.meter import state
from support.flow_meter import MS, RECORD, FlowMeter, Wheel
from support.keg import Keg
from support.kegnet_server import KegnetServer
from support.pki import Certificate
from support.ports import free_port
from support.wait import wait_for

PINS = range(20)
VICTIMS = ("meter", "client", "server")
IDLE_S = 6.0
FEWEST, MOST = 160, 260
"""Pulses of a pour, at 1000 Hz."""


@dataclass
class Chain:
    """A meter, a client and a server; `kills` counts the kills of each."""

    meter: FlowMeter
    keg: Keg
    server: KegnetServer
    folder: Path
    certificate: Certificate
    listen: str
    kills: Counter[str]

    def kill(self, victim: str) -> None:
        """SIGKILL."""
        if victim == "meter":
            self._kill_meter()
        elif victim == "client":
            self.keg.signal(signal.SIGKILL)
            self.keg.wait_for_end()
        else:
            self.server.signal(signal.SIGKILL)
            self.server.stop()
        self.kills[victim] += 1

    def start(self, victim: str) -> None:
        """Another start, of the server at the same address."""
        if victim == "meter":
            self.meter.start(until=None)
        elif victim == "client":
            self.keg.launch()
        else:
            self.server = KegnetServer(self.folder, self.certificate, listen=self.listen)

    def _kill_meter(self) -> None:
        """Not between a read of the queue and the save that follows: that leaves the count to the next edge."""
        while True:
            self.meter.signal(signal.SIGSTOP)
            wait_for(lambda: "T (stopped)" in Path(f"/proc/{self.meter.pid}/status").read_text())
            if all(self._is_saved(wheel) for wheel in self.meter.wheels.values()):
                break
            self.meter.signal(signal.SIGCONT)
            time.sleep(0.01)
        self.meter.kill()

    def _is_saved(self, wheel: Wheel) -> bool:
        (unread,) = struct.unpack("i", fcntl.ioctl(wheel.read_end, termios.FIONREAD, bytes(4)))
        found = state.read(self.meter.runtime, wheel.pin)
        counted = found.seqno if found else 0
        return bool(counted == wheel.seqno - unread // RECORD.size)


@dataclass(frozen=True)
class Halves:
    """The pulses of a pour, which are made in two halves; `may_part`: with so long a pause that each half can be a pour."""

    first: int
    second: int
    may_part: bool


def joined(found: list[int], made: list[Halves]) -> list[int]:
    """The pulses of the pours that were found, with the two halves of one as one."""
    rest, pours = list(found), []
    for halves in made:
        number = 2 if halves.may_part and rest[:2] == [halves.first, halves.second] else 1
        if rest:
            pours.append(sum(rest[:number]))
        del rest[:number]
    return pours + rest


@pytest.fixture
def chain(tmp_path: Path, key: Path, certificate: Certificate, ca: Certificate) -> Iterator[Chain]:
    """Twenty flow meters whose pours the client sends to a server."""
    listen = f"127.0.0.1:{free_port()}"
    server = KegnetServer(tmp_path / "server", certificate, listen=listen)
    keg = Keg(tmp_path / "keg", key, server.base_url, ca.certificate)
    server.register(keg)
    meter = FlowMeter(tmp_path / "meter", *PINS)
    # Half a pour is enough for one.
    meter.write_config(f"idle = {IDLE_S * 1000:.0f}\nminimumPulses = {FEWEST // 2}\nspool = {keg.spool}")
    made = Chain(meter, keg, server, tmp_path / "server", certificate, listen, Counter())
    keg.start(sensor="none")
    meter.start()
    yield made
    meter.close()
    keg.close()
    made.server.stop()


def test_every_pour_is_in_the_database_once_though_meter_client_and_server_are_killed(chain: Chain, request: pytest.FixtureRequest) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    source = random.Random(seed)
    rounds: int = request.config.getoption("--pours") // len(PINS)
    halves: dict[int, list[Halves]] = {pin: [] for pin in PINS}
    for number in range(rounds):
        pulses = {pin: source.randint(FEWEST, MOST) for pin in PINS}
        began = time.monotonic()
        for pin, wheel in chain.meter.wheels.items():
            wheel.turn(pulses[pin] // 2, interval_ns=MS)
        time.sleep(MOST / 1000 / 2)
        victim = VICTIMS[number % len(VICTIMS)]
        in_the_middle = source.random() < 0.5
        if in_the_middle:
            time.sleep(source.uniform(0, 0.2))
            chain.kill(victim)
        for pin, wheel in chain.meter.wheels.items():
            wheel.turn(pulses[pin] - pulses[pin] // 2, interval_ns=MS)
        # A busy machine can hold up this process.
        may_part = time.monotonic() - began > IDLE_S
        for pin in PINS:
            halves[pin].append(Halves(pulses[pin] // 2, pulses[pin] - pulses[pin] // 2, may_part))
        if not in_the_middle:
            time.sleep(source.uniform(0, IDLE_S + 0.2))
            chain.kill(victim)
        chain.start(victim)
        time.sleep(IDLE_S + MOST / 1000)

    def arrived() -> dict[int, list[int]]:
        messages = sorted(chain.server.messages("pour", chain.keg), key=lambda message: int(str(message["ts"])))
        return {pin: joined([int(str(message["pulses"])) for message in messages if message["pin"] == pin], halves[pin]) for pin in PINS}

    def complete() -> int:
        if chain.keg.waiting():
            # It forgets the backoff that the last kill of the server has left.
            chain.keg.signal(signal.SIGHUP)
        number = sum(map(len, arrived().values()))
        return number if number >= rounds * len(PINS) else 0

    wait_for(complete, 90, every_s=1)
    made = {pin: [each.first + each.second for each in halves[pin]] for pin in PINS}
    # For the table of tests/system.
    numbers = {"pulses made": sum(map(sum, made.values())), "pulses counted": sum(map(sum, arrived().values())), "pours": complete()}
    request.node.user_properties.extend(numbers.items())
    assert arrived() == made
    print(f"{rounds * len(PINS)} pours with {sum(map(sum, made.values()))} pulses; kills: {dict(chain.kills)}")
    assert chain.keg.waiting() == chain.keg.failed() == []
