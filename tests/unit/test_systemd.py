"""Descriptors that outlive the process: stored with the service manager, and received from it. The sockets are real."""

from __future__ import annotations

import array
import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kegnet.core.systemd import ServiceManager, received_descriptors

LIB = Path(__file__).resolve().parents[2] / "lib"
SUPPORT = Path(__file__).resolve().parents[1] / "support"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        yield sock


def test_a_descriptor_is_stored_with_its_name_and_removed(tmp_path: Path, manager: socket.socket) -> None:
    read_end, write_end = os.pipe()
    service = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    service.store("gpio-17", read_end)
    text, descriptors, _, _ = socket.recv_fds(manager, 1000, 5)
    assert (text, len(descriptors)) == (b"FDSTORE=1\nFDNAME=gpio-17\nFDPOLL=0", 1)
    os.write(write_end, b"edge")
    assert os.read(descriptors[0], 100) == b"edge"
    for descriptor in (read_end, write_end, *descriptors):
        os.close(descriptor)
    service.remove("gpio-17")
    assert manager.recv(1000) == b"FDSTOREREMOVE=1\nFDNAME=gpio-17"


def test_a_notification_has_no_descriptor(tmp_path: Path, manager: socket.socket) -> None:
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")}).ready()
    text, ancillary, _, _ = manager.recvmsg(1000, socket.CMSG_SPACE(array.array("i").itemsize))
    assert (text, ancillary) == (b"READY=1", [])


def test_descriptors_are_received_with_their_names_and_not_inherited() -> None:
    read_end, write_end = os.pipe()
    program = (
        f"import sys, os; sys.path.insert(0, {str(LIB)!r})\n"
        "from kegnet.core.systemd import received_descriptors\n"
        "print(received_descriptors(), [os.get_inheritable(fd) for _, fd in received_descriptors()])"
    )
    activate: list[str | Path] = [sys.executable, SUPPORT / "activate.py", f"gpio-17={read_end}", f"edges-4={write_end}"]
    answer = subprocess.run(
        [*activate, "--", sys.executable, "-c", program], pass_fds=[read_end, write_end], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "[('gpio-17', 3), ('edges-4', 4)] [False, False]\n"
    os.close(read_end)
    os.close(write_end)


@pytest.mark.parametrize("environment", [{}, {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "gpio-17"}, {"LISTEN_FDS": "x"}])
def test_descriptors_of_another_process_are_ignored(environment: dict[str, str]) -> None:
    before = fcntl.fcntl(2, fcntl.F_GETFD)
    assert received_descriptors(environment) == []
    assert received_descriptors({**environment, "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"}) == []
    assert fcntl.fcntl(2, fcntl.F_GETFD) == before
