"""What the tests share: one certificate authority, one key and one stand-in KegNet a run; a keg and a scripted server a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.keg import Keg
from support.kegnet_server import KegnetServer
from support.pki import Certificate, authority, issue, openssl
from support.scripted_server import ScriptedServer


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="session")
def ca(run_folder: Path) -> Certificate:
    return authority(run_folder)


@pytest.fixture(scope="session")
def certificate(run_folder: Path, ca: Certificate) -> Certificate:
    # The last address is this machine as a guest of QEMU sees it.
    return issue(ca, run_folder, "server", "IP:127.0.0.1,DNS:localhost,IP:10.0.2.2")


@pytest.fixture(scope="session")
def key(run_folder: Path) -> Path:
    """The path of an RSA key of 2048 bits."""
    openssl("genrsa", "-out", run_folder / "client-key.pem", "2048")
    return run_folder / "client-key.pem"


@pytest.fixture(scope="session")
def kegnet(run_folder: Path, certificate: Certificate) -> Iterator[KegnetServer]:
    """The stand-in KegNet."""
    server = KegnetServer(run_folder / "kegnet", certificate)
    yield server
    server.stop()


@pytest.fixture
def scripted_server(certificate: Certificate) -> Iterator[ScriptedServer]:
    """A server that behaves as the test says."""
    server = ScriptedServer(certificate)
    yield server
    server.close()


@pytest.fixture
def keg(tmp_path: Path, key: Path, kegnet: KegnetServer, ca: Certificate) -> Iterator[Keg]:
    """A keg that is known to the stand-in KegNet and configured for it."""
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
