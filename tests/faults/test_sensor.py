"""Whatever the probe answers, or does not, pours are sent, and no temperature is sent that was not measured."""

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
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults.conftest import FaultCounts
from faults.faulty_server import STOPPED_WITHIN_S
from faults.fuse_probe import FuseProbe
from faults.local_fault import WITHOUT_PRIVILEGES, LocalFaultCase, fifo_with_a_writer, runs_under
from kegnet.server.demo import w1_slave
from support.keg import PROBE, Keg
from support.scripted_server import ScriptedServer
from support.wait import stays, wait_for

FIRST = "10-000000000001"
"""A probe that sorts before the usual one."""
LINES_AN_HOUR = 10
READ_WITHIN_S = 60
"""The time limit of a reading is 20 s; a busy machine adds to it."""

SHORTED = "00 00 00 00 00 00 00 00 00 : crc=00 YES\n00 00 00 00 00 00 00 00 00 t=0\n"
POWER_ON = "50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 4b 46 7f ff 0c 10 1c t=85000\n"
STARVED = "ff 07 4b 46 7f ff 0c 10 a1 : crc=a1 YES\nff 07 4b 46 7f ff 0c 10 a1 t=127937\n"
CRC_ERROR = "43 01 4b 46 7f ff 0c 10 97 : crc=9a NO\n43 01 4b 46 7f ff 0c 10 97 t=20187\n"
NOBODY = "ff ff ff ff ff ff ff ff ff : crc=c9 NO\nff ff ff ff ff ff ff ff ff t=-62\n"
TOO_HOT = "43 01 4b 46 7f ff 0c 10 97 : crc=97 YES\n43 01 4b 46 7f ff 0c 10 97 t=125001\n"
TOO_COLD = "43 01 4b 46 7f ff 0c 10 97 : crc=97 YES\n43 01 4b 46 7f ff 0c 10 97 t=-55001\n"
TRANSIENT = {"power-on": POWER_ON, "starved": STARVED, "CRC": CRC_ERROR, "nobody": NOBODY, "empty": ""}
LASTING = {"shorted": SHORTED, "too hot": TOO_HOT, "too cold": TOO_COLD, "rubbish": "t=4187\n"}


@pytest.fixture
def case(scripted_keg: Keg, scripted_server: ScriptedServer, counts: FaultCounts) -> LocalFaultCase:
    return LocalFaultCase(scripted_keg, scripted_server, counts)


def temperatures(case: LocalFaultCase) -> list[int]:
    """The temperatures that the server has got."""
    return [int(ping.fields["temp"]) for ping in case.server.paths("/ping")]


def fails(number: int) -> str:
    """A read that fails."""
    raise OSError(number, os.strerror(number))


class Status:
    """The socket to which the client sends its status for systemd."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(folder / "notify"))
        self.environment = {"NOTIFY_SOCKET": str(folder / "notify")}

    def close(self) -> None:
        self._socket.close()

    def shows(self, text: str) -> bool:
        """Whether `text` is in the current status."""
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


# Answers.


@pytest.mark.parametrize("answer", TRANSIENT.values(), ids=TRANSIENT)
def test_a_transient_fault_is_read_again_and_not_logged(case: LocalFaultCase, answer: str) -> None:
    case.keg.start(pingInterval=1)
    case.server.wait_for_requests("/ping")
    probe = FuseProbe(case.keg, lambda _: answer if probe.reads % 3 else w1_slave(4500))
    wait_for(lambda: temperatures(case).count(4500) >= 3)
    assert probe.reads >= 9
    assert not case.keg.syslog.lines("no temperature")
    assert set(temperatures(case)) == {4187, 4500}
    case.check_survived()


@pytest.mark.parametrize("number", [errno.ENODEV, errno.EIO, errno.ENXIO, errno.EAGAIN, errno.EBUSY, errno.ENOMEM, errno.EPERM])
def test_a_read_that_fails_is_no_reading_and_is_logged(case: LocalFaultCase, number: int) -> None:
    case.keg.start(pingInterval=1)
    case.server.wait_for_requests("/ping")
    probe = FuseProbe(case.keg, lambda _: fails(number))
    case.keg.syslog.wait(f"no temperature, so no ping: probe {PROBE} .*(unplugged|cannot be read|empty answer)")
    case.pour()
    case.wait_until_all_accepted()
    probe.remove()
    case.keg.syslog.wait("thermometer found")
    case.check_survived()


def test_of_random_good_and_bad_answers_only_the_good_are_sent(case: LocalFaultCase, source: random.Random) -> None:
    bad = [*TRANSIENT.values(), *LASTING.values()]
    good = [w1_slave(millicelsius) for millicelsius in (-55000, -250, 0, 4250, 84500, 125000)]

    def answer(_: threading.Event) -> str:
        return source.choice(good) if source.random() < 0.4 else source.choice(bad)

    case.keg.start(pingInterval=1)
    case.server.wait_for_requests("/ping")
    probe = FuseProbe(case.keg, answer)
    wait_for(lambda: probe.reads >= 30, limit_s=60)
    assert set(temperatures(case)) <= {4187, -55000, -250, 0, 4250, 84500, 125000}
    case.check_survived()


def test_a_probe_with_a_loose_contact_does_not_fill_the_log_and_the_status_is_right(case: LocalFaultCase, status: Status) -> None:
    keg, more = case.keg, LINES_AN_HOUR + 3
    keg.start(env=status.environment, pingInterval=1)
    case.server.wait_for_requests("/ping")
    probe = FuseProbe(keg, lambda _: SHORTED if probe.reads % 2 else w1_slave(4500))
    wait_for(lambda: temperatures(case).count(4500) >= more, limit_s=READ_WITHIN_S * 4)
    probe.answer = lambda _: SHORTED
    wait_for(lambda: status.shows("no temperature: the 1-Wire data line is shorted"))
    assert sum("no temperature" in line for line in status.lines) >= more, "each loss is seen in the status"
    lost, found = keg.syslog.lines("no temperature, so no ping"), keg.syslog.lines("thermometer found")
    assert (len(lost), len(found)) == (LINES_AN_HOUR, LINES_AN_HOUR), "the end of a problem that was not logged is not logged"
    probe.remove()
    wait_for(lambda: status.shows("4.187 °C"))
    case.check_survived()
    assert len(keg.syslog.lines("no temperature|thermometer found")) == 2 * LINES_AN_HOUR


# No answer.


def stalls(seconds: float, then: str = "") -> Callable[[threading.Event], str]:
    def answer(interrupted: threading.Event) -> str:
        interrupted.wait(seconds)
        return then

    return answer


@pytest.mark.parametrize("interruptible", [True, False])
def test_a_read_that_stalls_for_5_s_delays_pours_and_loses_none(case: LocalFaultCase, interruptible: bool) -> None:
    case.keg.start(pingInterval=1)
    case.server.wait_for_requests("/ping")
    probe = FuseProbe(case.keg, stalls(5, w1_slave(4500)), interruptible)
    wait_for(lambda: probe.reads >= 1)
    for _ in range(5):
        case.pour()
    case.wait_until_all_accepted()
    wait_for(lambda: 4500 in temperatures(case))
    assert not case.keg.syslog.lines("no temperature")
    case.check_survived()


@pytest.mark.parametrize(("seconds", "interruptible"), [(3600, True), (5, False)])
def test_sigterm_ends_the_client_while_a_read_stalls(case: LocalFaultCase, seconds: float, interruptible: bool) -> None:
    case.keg.start(pingInterval=1)
    case.server.wait_for_requests("/ping")
    probe = FuseProbe(case.keg, stalls(seconds, w1_slave(4500)), interruptible)
    wait_for(lambda: probe.reads >= 1)
    case.pour()
    case.keg.signal(signal.SIGTERM)
    assert case.keg.wait_for_end(STOPPED_WITHIN_S) == 0
    case.keg.start()
    case.check_survived()


def test_a_read_that_never_ends_is_given_up_and_pours_are_sent_between_two(case: LocalFaultCase, status: Status) -> None:
    case.keg.start(env=status.environment, pingInterval=1)
    case.server.wait_for_requests("/ping")
    probe = FuseProbe(case.keg, stalls(3600))
    wait_for(lambda: probe.reads >= 1)
    case.pour()
    case.keg.syslog.wait("no temperature, so no ping: the thermometer does not answer in time", READ_WITHIN_S)
    wait_for(lambda: status.shows("no temperature: the thermometer does not answer in time"))
    case.wait_until_all_accepted()
    wait_for(lambda: probe.reads >= 2)
    case.pour()
    case.wait_until_all_accepted(READ_WITHIN_S)
    probe.remove()
    case.keg.syslog.wait("thermometer found", READ_WITHIN_S)
    case.check_survived()


# Which probe.


def test_of_two_probes_the_configured_one_is_read_whatever_happens_to_the_other(case: LocalFaultCase) -> None:
    keg = case.keg
    keg.answer(w1_slave(20500), FIRST)
    keg.start(pingInterval=1, sensor=PROBE)
    case.server.wait_for_requests("/ping")
    keg.unplug(FIRST)
    case.server.wait_for_requests("/ping", len(temperatures(case)) + 2)
    assert not keg.syslog.lines("no temperature|another thermometer")
    keg.answer(w1_slave(20500), FIRST)
    keg.unplug()
    keg.syslog.wait(f"no temperature, so no ping: probe {PROBE} is not on the 1-Wire bus; found: {FIRST}")
    sent = len(temperatures(case))
    assert stays(lambda: len(temperatures(case)) == sent, 3)
    case.pour()
    case.wait_until_all_accepted()
    keg.temperature(4250)
    wait_for(lambda: 4250 in temperatures(case))
    assert set(temperatures(case)) == {4187, 4250}
    case.check_survived()


def test_if_none_is_configured_and_the_first_is_unplugged_the_next_is_read_and_that_is_logged(case: LocalFaultCase) -> None:
    keg = case.keg
    keg.answer(w1_slave(20500), FIRST)
    keg.start(pingInterval=1)
    wait_for(lambda: 20500 in temperatures(case))
    assert not keg.syslog.lines("another thermometer")
    keg.unplug(FIRST)
    wait_for(lambda: 4187 in temperatures(case))
    line = keg.syslog.wait("another thermometer is read now")
    assert f"{PROBE} instead of {FIRST}; the parameter sensor selects one" in line
    case.server.wait_for_requests("/ping", len(temperatures(case)) + 2)
    assert len(keg.syslog.lines("another thermometer")) == 1
    case.check_survived()


@pytest.mark.parametrize("interval_s", [600, 86_400])
def test_a_probe_that_is_plugged_in_is_read_within_15_s(case: LocalFaultCase, interval_s: int) -> None:
    case.keg.unplug()
    case.keg.start(pingInterval=interval_s)
    case.keg.syslog.wait("no temperature, so no ping: no thermometer on the 1-Wire bus")
    assert stays(lambda: not case.server.paths("/ping"), 11)
    case.keg.temperature(4250)
    case.server.wait_for_requests("/ping", limit_s=40)
    assert temperatures(case) == [4250]
    case.keg.syslog.wait("thermometer found")
    case.check_survived()


# What is there instead of a probe.


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


@pytest.mark.parametrize("make", INSTEAD.values(), ids=INSTEAD)
def test_what_the_driver_does_not_answer_is_no_reading(case: LocalFaultCase, make: Callable[[Path], object]) -> None:
    keg = case.keg
    runs_under(keg, *WITHOUT_PRIVILEGES)
    file = keg.devices / PROBE / "w1_slave"
    file.unlink()
    make(file)
    keg.start(pingInterval=1)
    keg.syslog.wait(f"no temperature, so no ping: probe {PROBE}")
    case.pour()
    case.wait_until_all_accepted()
    assert temperatures(case) == []
    shutil.rmtree(keg.devices / PROBE)
    keg.temperature(4250)
    keg.syslog.wait("thermometer found")
    case.check_survived()


def test_a_probe_is_found_among_garbage(case: LocalFaultCase) -> None:
    devices = case.keg.devices
    (devices / FIRST).mkdir()
    (devices / "10-000000000002").write_text(w1_slave(20500))
    (devices / "10-000000000003").symlink_to("10-000000000003")
    (devices / "10-000000000004").symlink_to("nowhere")
    os.mkfifo(devices / "10-000000000005")
    for name in (b"28-" + b"0" * 252, b"28-\xff\xfe\n", b"28-00000000000G", b"w1_bus_master1", b"\n28-0000054c9f10", b"28-0000054c9f10\n"):
        os.mkdir(os.path.join(os.fsencode(devices), name))
        (Path(os.fsdecode(os.path.join(os.fsencode(devices), name))) / "w1_slave").write_text(w1_slave(20500))
    case.keg.answer(SHORTED, "00-400000000000")
    case.keg.start(pingInterval=1)
    case.server.wait_for_requests("/ping", 2)
    assert set(temperatures(case)) == {4187}
    assert not case.keg.syslog.lines("no temperature|another")
    case.check_survived()


@pytest.mark.parametrize("what", ["a file", "a link to itself", "nothing"])
def test_what_is_no_bus_is_logged_and_a_bus_that_appears_is_read(case: LocalFaultCase, what: str) -> None:
    keg = case.keg
    elsewhere = keg.devices.rename(keg.folder / "elsewhere")
    if what == "a file":
        keg.devices.write_text("")
    elif what == "a link to itself":
        keg.devices.symlink_to(keg.devices)
    keg.start(pingInterval=1)
    keg.syslog.wait("no temperature, so no ping: no 1-Wire bus at .*/w1 ")
    case.pour()
    case.wait_until_all_accepted()
    if what != "nothing":
        keg.devices.unlink()
    elsewhere.rename(keg.devices)
    case.server.wait_for_requests("/ping")
    case.check_survived()
