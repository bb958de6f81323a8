"""Fixtures: a certificate authority, a key and a KegNet server per run; a keg and a scripted server per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from support.keg import Keg
from support.kegnet_server import KegnetServer
from support.pki import Certificate, authority, issue, openssl
from support.scripted_server import ScriptedServer

# No test depends on the speed of the machine.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Here, because pytest reads the other conftest files after the command line if more than one directory is named."""
    parser.addoption("--pours", type=int, default=200, help="how many pours go from edge to database (%(default)s)")
    parser.addoption("--pulses", type=int, default=10_000, help="how many pulses two flow meters make at once (%(default)s)")
    parser.addoption("--failover-pours", type=int, default=1000, help="how many pours are sent while a host is lost (%(default)s)")


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="session")
def ca(run_folder: Path) -> Certificate:
    return authority(run_folder)


@pytest.fixture(scope="session")
def certificate(run_folder: Path, ca: Certificate) -> Certificate:
    # The last address is the host as a QEMU guest sees it.
    return issue(ca, run_folder, "server", "IP:127.0.0.1,DNS:localhost,IP:10.0.2.2")


@pytest.fixture(scope="session")
def key(run_folder: Path) -> Path:
    """The path of an RSA key of 2048 bits."""
    openssl("genrsa", "-out", run_folder / "client-key.pem", "2048")
    return run_folder / "client-key.pem"


@pytest.fixture(scope="session")
def kegnet(run_folder: Path, certificate: Certificate) -> Iterator[KegnetServer]:
    """The KegNet server of this project."""
    server = KegnetServer(run_folder / "kegnet", certificate)
    yield server
    server.stop()


@pytest.fixture
def scripted_server(certificate: Certificate) -> Iterator[ScriptedServer]:
    """A server that answers as the test says."""
    server = ScriptedServer(certificate)
    yield server
    server.close()


@pytest.fixture
def keg(tmp_path: Path, key: Path, kegnet: KegnetServer, ca: Certificate) -> Iterator[Keg]:
    """A keg that is registered at the KegNet server and configured for it."""
    made = Keg(tmp_path / "keg", key, kegnet.base_url, ca.certificate)
    kegnet.register(made)
    yield made
    made.close()


@pytest.fixture
def scripted_keg(tmp_path: Path, key: Path, scripted_server: ScriptedServer, ca: Certificate) -> Iterator[Keg]:
    """A keg that is configured for the scripted server."""
    made = Keg(tmp_path / "keg", key, scripted_server.base_url, ca.certificate)
    yield made
    made.close()
