"""Fixtures of the system tests: fresh and installed Debian machines, and a KegNet server whose certificate they trust."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kegnet import __version__
from support.keg import REPOSITORY
from support.kegnet_server import KegnetServer
from support.pki import Certificate
from system.container import CLIENT_PACKAGES, Machine, copy_source, root_file_system
from system.kegerator import Site

HERE = Path(__file__).parent
SUITES = ("bookworm", "trixie")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a machine run one after the other, in one process; two guests never run at the same time."""
    for item in (item for item in items if HERE in item.path.parents and not item.get_closest_marker("xdist_group")):
        parameters = getattr(item, "callspec", None)
        suite = parameters.params.get("suite", "") if parameters else ""
        item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}-{suite}"))


def build_package(source: Path, folder: Path) -> Path:
    """The Debian package of the project in `source`."""
    output = subprocess.run([source / "service/build-deb", folder], check=True, capture_output=True, text=True).stdout
    return Path(output.splitlines()[-1])


def newer_package(folder: Path) -> Path:
    """The package of a later version, with another client.conf."""
    source = folder / "source"
    copy_source(source)
    changelog = source / "service/debian/changelog"
    changelog.write_text(changelog.read_text().replace(f"({__version__})", f"({__version__}+later)"))
    template = source / "conf/client.conf"
    template.write_text(template.read_text() + "\n# Something new.\n")
    return build_package(source, folder)


@pytest.fixture(scope="module", params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package."""
    return build_package(REPOSITORY, tmp_path_factory.mktemp("package"))


@pytest.fixture
def ready(suite: str, tmp_path: Path, kegnet: KegnetServer, ca: Certificate) -> Iterator[Site]:
    """A Debian with the packages that the client needs, but without the client."""
    machine = Machine(root_file_system(suite, *CLIENT_PACKAGES, name="ready"), tmp_path)
    yield Site(machine, kegnet, ca)
    machine.scrap()


@pytest.fixture
def fresh(suite: str, tmp_path: Path, kegnet: KegnetServer, ca: Certificate) -> Iterator[Site]:
    """A fresh Debian, without the packages that the client needs."""
    machine = Machine(root_file_system(suite, name="fresh"), tmp_path)
    yield Site(machine, kegnet, ca)
    machine.scrap()


@pytest.fixture(scope="module")
def site(suite: str, tmp_path_factory: pytest.TempPathFactory, kegnet: KegnetServer, ca: Certificate) -> Iterator[Site]:
    """A Debian with the client installed, configured and running; shared by the tests of a module."""
    machine = Machine(root_file_system(suite, *CLIENT_PACKAGES, name="ready"), tmp_path_factory.mktemp(suite))
    made = Site(machine, kegnet, ca)
    made.install()
    made.set_up()
    machine.run("systemctl", "start", "kegnet-client")
    yield made
    machine.scrap()
