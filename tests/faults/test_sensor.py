"""The sick sensor: whatever the probe says, or does not, pours go out, and no temperature is sent that nobody measured."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import signal
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest
from faults.conftest import Tally
from faults.ordeal import STOPPED_WITHIN_S
from faults.sick_probe import SickProbe
from faults.siege import WITHOUT_PRIVILEGES, Siege, fifo_with_a_writer, runs_under
from kegnet.server.demo import w1_slave
from support.keg import PROBE, Keg
from support.scripted_server import ScriptedServer
from support.wait import stays, wait_for

FIRST = "10-000000000001"
"""A probe that comes before the usual one."""
LINES_AN_HOUR = 10
READ_WITHIN_S = 25
"""The deadline of a reading, and what a busy machine may add."""

SHORTED = "00 00 00 00 00 00 00 00 00 : crc=00 YES\n00 00 00 00 00 00 00 00 00 t=0\n"
POWER_ON = "50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 4b 46 7f ff 0c 10 1c t=85000\n"
STARVED = "ff 07 4b 46 7f ff 0c 10 a1 : crc=a1 YES\nff 07 4b 46 7f ff 0c 10 a1 t=127937\n"
CRC_ERROR = "43 01 4b 46 7f ff 0c 10 97 : crc=9a NO\n43 01 4b 46 7f ff 0c 10 97 t=20187\n"
NOBODY = "ff ff ff ff ff ff ff ff ff : crc=c9 NO\nff ff ff ff ff ff ff ff ff t=-62\n"
TOO_HOT = "43 01 4b 46 7f ff 0c 10 97 : crc=97 YES\n43 01 4b 46 7f ff 0c 10 97 t=125001\n"
TOO_COLD = "43 01 4b 46 7f ff 0c 10 97 : crc=97 YES\n43 01 4b 46 7f ff 0c 10 97 t=-55001\n"
PASSING = {"power-on": POWER_ON, "starved": STARVED, "CRC": CRC_ERROR, "nobody": NOBODY, "empty": ""}
LASTING = {"shorted": SHORTED, "too hot": TOO_HOT, "too cold": TOO_COLD, "rubbish": "t=4187\n"}


@pytest.fixture
def siege(scripted_keg: Keg, scripted_server: ScriptedServer, tally: Tally) -> Siege:
    return Siege(scripted_keg, scripted_server, tally)


def temperatures(siege: Siege) -> list[int]:
    """What the server has been told."""
    return [int(ping.fields["temp"]) for ping in siege.server.paths("/ping")]


def fails(number: int) -> str:
    """A read that fails."""
    raise OSError(number, os.strerror(number))


class Status:
    """What systemd would show of the client: a socket that its status goes to."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(folder / "notify"))
        self.environment = {"NOTIFY_SOCKET": str(folder / "notify")}

    def close(self) -> None:
        self._socket.close()

    def says(self, text: str) -> bool:
        """Whether `text` is in the line that it shows now."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.lines.append(self._socket.recv(65536).decode())
        self.lines = [line for line in self.lines if line.startswith("STATUS=")]
        return bool(self.lines) and text in self.lines[-1]


@pytest.fixture
def status(tmp_path: Path) -> Iterator[Status]:
    made = Status(tmp_path)
    yield made
    made.close()


# What it answers.


@pytest.mark.parametrize("answer", PASSING.values(), ids=PASSING)
def test_a_fault_that_passes_is_read_over_and_not_worth_a_word(siege: Siege, answer: str) -> None:
    siege.keg.start(pingInterval=1)
    siege.server.wait_for_requests("/ping")
    probe = SickProbe(siege.keg, lambda _: answer if probe.reads % 3 else w1_slave(4500))
    wait_for(lambda: temperatures(siege).count(4500) >= 3)
    assert probe.reads >= 9
    assert not siege.keg.syslog.lines("no temperature")
    assert set(temperatures(siege)) == {4187, 4500}
    siege.is_survived()


@pytest.mark.parametrize("number", [errno.ENODEV, errno.EIO, errno.ENXIO, errno.EAGAIN, errno.EBUSY, errno.ENOMEM, errno.EPERM])
def test_a_read_that_fails_is_no_reading_and_says_why(siege: Siege, number: int) -> None:
    siege.keg.start(pingInterval=1)
    siege.server.wait_for_requests("/ping")
    probe = SickProbe(siege.keg, lambda _: fails(number))
    siege.keg.syslog.wait(f"no temperature, so no ping: probe {PROBE} .*(unplugged|cannot be read|empty answer)")
    siege.pour()
    siege.all_arrive()
    probe.heal()
    siege.keg.syslog.wait("thermometer found")
    siege.is_survived()


def test_of_good_and_bad_answers_by_lot_only_the_good_are_sent(siege: Siege, lots: random.Random) -> None:
    bad = [*PASSING.values(), *LASTING.values()]
    good = [w1_slave(millicelsius) for millicelsius in (-55000, -250, 0, 4250, 84500, 125000)]

    def answer(_: threading.Event) -> str:
        return lots.choice(good) if lots.random() < 0.4 else lots.choice(bad)

    siege.keg.start(pingInterval=1)
    siege.server.wait_for_requests("/ping")
    probe = SickProbe(siege.keg, answer)
    wait_for(lambda: probe.reads >= 30, limit_s=60)
    assert set(temperatures(siege)) <= {4187, -55000, -250, 0, 4250, 84500, 125000}
    siege.is_survived()


def test_a_probe_that_comes_and_goes_fills_no_log_and_the_status_tells_the_truth(siege: Siege, status: Status) -> None:
    keg, more = siege.keg, LINES_AN_HOUR + 3
    keg.start(env=status.environment, pingInterval=1)
    siege.server.wait_for_requests("/ping")
    probe = SickProbe(keg, lambda _: SHORTED if probe.reads % 2 else w1_slave(4500))
    wait_for(lambda: temperatures(siege).count(4500) >= more, limit_s=READ_WITHIN_S * 4)
    probe.answer = lambda _: SHORTED
    wait_for(lambda: status.says("no temperature: the 1-Wire data line is shorted"))
    assert sum("no temperature" in line for line in status.lines) >= more, "each loss is seen in the status"
    lost, found = keg.syslog.lines("no temperature, so no ping"), keg.syslog.lines("thermometer found")
    assert (len(lost), len(found)) == (LINES_AN_HOUR, LINES_AN_HOUR), "whose loss was not said is not found"
    probe.heal()
    wait_for(lambda: status.says("4.187 °C"))
    siege.is_survived()
    assert len(keg.syslog.lines("no temperature|thermometer found")) == 2 * LINES_AN_HOUR


# When it does not answer.


def stalls(seconds: float, then: str = "") -> Callable[[threading.Event], str]:
    def answer(called_away: threading.Event) -> str:
        called_away.wait(seconds)
        return then

    return answer


@pytest.mark.parametrize("interruptible", [True, False])
def test_a_read_that_stalls_for_5_s_delays_pours_and_loses_none(siege: Siege, interruptible: bool) -> None:
    siege.keg.start(pingInterval=1)
    siege.server.wait_for_requests("/ping")
    probe = SickProbe(siege.keg, stalls(5, w1_slave(4500)), interruptible)
    wait_for(lambda: probe.reads >= 1)
    for _ in range(5):
        siege.pour()
    siege.all_arrive()
    wait_for(lambda: 4500 in temperatures(siege))
    assert not siege.keg.syslog.lines("no temperature")
    siege.is_survived()


@pytest.mark.parametrize(("seconds", "interruptible"), [(3600, True), (5, False)])
def test_sigterm_is_obeyed_while_a_read_stalls(siege: Siege, seconds: float, interruptible: bool) -> None:
    siege.keg.start(pingInterval=1)
    siege.server.wait_for_requests("/ping")
    probe = SickProbe(siege.keg, stalls(seconds, w1_slave(4500)), interruptible)
    wait_for(lambda: probe.reads >= 1)
    siege.pour()
    siege.keg.signal(signal.SIGTERM)
    assert siege.keg.wait_for_end(STOPPED_WITHIN_S) == 0
    siege.keg.start()
    siege.is_survived()


def test_a_read_that_never_ends_is_left_and_pours_go_out_between_two(siege: Siege, status: Status) -> None:
    siege.keg.start(env=status.environment, pingInterval=1)
    siege.server.wait_for_requests("/ping")
    probe = SickProbe(siege.keg, stalls(3600))
    wait_for(lambda: probe.reads >= 1)
    siege.pour()
    siege.keg.syslog.wait("no temperature, so no ping: the thermometer does not answer in time", READ_WITHIN_S)
    wait_for(lambda: status.says("no temperature: the thermometer does not answer in time"))
    siege.all_arrive()
    wait_for(lambda: probe.reads >= 2)
    siege.pour()
    siege.all_arrive(READ_WITHIN_S)
    probe.heal()
    siege.keg.syslog.wait("thermometer found", READ_WITHIN_S)
    siege.is_survived()


# Which one it is.


def test_of_two_probes_the_one_that_is_named_is_read_whatever_becomes_of_the_other(siege: Siege) -> None:
    keg = siege.keg
    keg.answer(w1_slave(20500), FIRST)
    keg.start(pingInterval=1, sensor=PROBE)
    siege.server.wait_for_requests("/ping")
    keg.unplug(FIRST)
    siege.server.wait_for_requests("/ping", len(temperatures(siege)) + 2)
    assert not keg.syslog.lines("no temperature|another thermometer")
    keg.answer(w1_slave(20500), FIRST)
    keg.unplug()
    keg.syslog.wait(f"no temperature, so no ping: probe {PROBE} is not on the 1-Wire bus; there: {FIRST}")
    sent = len(temperatures(siege))
    assert stays(lambda: len(temperatures(siege)) == sent, 3)
    siege.pour()
    siege.all_arrive()
    keg.temperature(4250)
    wait_for(lambda: 4250 in temperatures(siege))
    assert set(temperatures(siege)) == {4187, 4250}
    siege.is_survived()


def test_where_none_is_named_and_the_first_is_gone_the_next_is_read_and_that_is_said(siege: Siege) -> None:
    keg = siege.keg
    keg.answer(w1_slave(20500), FIRST)
    keg.start(pingInterval=1)
    wait_for(lambda: 20500 in temperatures(siege))
    assert not keg.syslog.lines("another thermometer")
    keg.unplug(FIRST)
    wait_for(lambda: 4187 in temperatures(siege))
    said = keg.syslog.wait("another thermometer is read now")
    assert f"{PROBE} instead of {FIRST}; the parameter sensor pins one" in said
    siege.server.wait_for_requests("/ping", len(temperatures(siege)) + 2)
    assert len(keg.syslog.lines("another thermometer")) == 1
    siege.is_survived()


# What lies where it should be.


INSTEAD: dict[str, Callable[[Path], object]] = {
    "directory": lambda path: path.mkdir(),
    "FIFO": os.mkfifo,
    "FIFO with a writer": fifo_with_a_writer,
    "socket": lambda path: os.mknod(path, stat.S_IFSOCK | 0o600),
    "link to nothing": lambda path: path.symlink_to("nothing"),
    "link to itself": lambda path: path.symlink_to(path),
    "endless device": lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5)),
    "10 MB": lambda path: path.write_bytes(w1_slave(4500).encode() * (10 * 2**20 // 75)),
    "two answers": lambda path: path.write_text(w1_slave(4500) * 2),
    "binary": lambda path: path.write_bytes(bytes(range(256)) * 4),
    "unreadable": lambda path: path.touch(0),
}


@pytest.mark.parametrize("lay", INSTEAD.values(), ids=INSTEAD)
def test_what_is_no_answer_of_the_driver_is_no_reading(
    siege: Siege, monkeypatch: pytest.MonkeyPatch, lay: Callable[[Path], object]
) -> None:
    keg = siege.keg
    runs_under(keg, monkeypatch, *WITHOUT_PRIVILEGES)
    file = keg.devices / PROBE / "w1_slave"
    file.unlink()
    lay(file)
    keg.start(pingInterval=1)
    keg.syslog.wait(f"no temperature, so no ping: probe {PROBE}")
    siege.pour()
    siege.all_arrive()
    assert temperatures(siege) == []
    shutil.rmtree(keg.devices / PROBE)
    keg.temperature(4250)
    keg.syslog.wait("thermometer found")
    siege.is_survived()


def test_a_probe_is_found_among_rubbish(siege: Siege) -> None:
    devices = siege.keg.devices
    (devices / FIRST).mkdir()
    (devices / "10-000000000002").write_text(w1_slave(20500))
    (devices / "10-000000000003").symlink_to("10-000000000003")
    (devices / "10-000000000004").symlink_to("nowhere")
    os.mkfifo(devices / "10-000000000005")
    for name in (b"28-" + b"0" * 252, b"28-\xff\xfe\n", b"28-00000000000G", b"w1_bus_master1", b"\n28-0000054c9f10", b"28-0000054c9f10\n"):
        os.mkdir(os.path.join(os.fsencode(devices), name))
        (Path(os.fsdecode(os.path.join(os.fsencode(devices), name))) / "w1_slave").write_text(w1_slave(20500))
    siege.keg.answer(SHORTED, "00-400000000000")
    siege.keg.start(pingInterval=1)
    siege.server.wait_for_requests("/ping", 2)
    assert set(temperatures(siege)) == {4187}
    assert not siege.keg.syslog.lines("no temperature|another")
    siege.is_survived()


@pytest.mark.parametrize("what", ["a file", "a link to itself", "nothing"])
def test_what_is_no_bus_is_named_and_once_it_is_one_it_is_read(siege: Siege, what: str) -> None:
    keg = siege.keg
    elsewhere = keg.devices.rename(keg.folder / "elsewhere")
    if what == "a file":
        keg.devices.write_text("")
    elif what == "a link to itself":
        keg.devices.symlink_to(keg.devices)
    keg.start(pingInterval=1)
    keg.syslog.wait("no temperature, so no ping: no 1-Wire bus at .*/w1 ")
    siege.pour()
    siege.all_arrive()
    if what != "nothing":
        keg.devices.unlink()
    elsewhere.rename(keg.devices)
    siege.server.wait_for_requests("/ping")
    siege.is_survived()
