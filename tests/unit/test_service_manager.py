"""Notifications to the service manager, received by a real socket in its place."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from kegnet.core.systemd import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[ServiceManager, socket.socket]]:
    """A program's side, and the service manager's."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@kegnet-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + name[1:] if name.startswith("@") else name)
        receiver.settimeout(5)
        yield ServiceManager({"NOTIFY_SOCKET": name}), receiver


def test_a_stored_descriptor_arrives_with_its_name(manager: tuple[ServiceManager, socket.socket]) -> None:
    program, receiver = manager
    reader, writer = os.pipe()
    program.store("gpio-17", reader)
    message, received, _, _ = socket.recv_fds(receiver, 1000, 4)
    assert message == b"FDSTORE=1\nFDNAME=gpio-17\nFDPOLL=0"
    os.write(writer, b"edges")
    assert os.read(received[0], 100) == b"edges"
    for descriptor in (reader, writer, *received):
        os.close(descriptor)


def test_messages_without_a_descriptor_arrive(manager: tuple[ServiceManager, socket.socket]) -> None:
    program, receiver = manager
    program.ready()
    program.remove("gpio-17")
    assert [receiver.recv(1000) for _ in range(2)] == [b"READY=1", b"FDSTOREREMOVE=1\nFDNAME=gpio-17"]
