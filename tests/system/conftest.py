"""What the system tests share: fresh and installed Debian machines, and a KegNet whose certificate they trust."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pki import Certificate
from support.standin import StandIn
from system.container import CLIENT_PACKAGES, Machine, root_file_system
from system.kegerator import Site

HERE = Path(__file__).parent
SUITES = ("bookworm", "trixie")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests that share a machine run one after the other, in one process; and never two guests beside each other."""
    for item in (item for item in items if HERE in item.path.parents and not item.get_closest_marker("xdist_group")):
        parameters = getattr(item, "callspec", None)
        suite = parameters.params.get("suite", "") if parameters else ""
        item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}-{suite}"))


@pytest.fixture(scope="module", params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def fresh(suite: str, tmp_path: Path, kegnet: StandIn, ca: Certificate) -> Iterator[Site]:
    """A fresh Debian: nothing of what the client needs is there."""
    machine = Machine(root_file_system(suite, name="fresh"), tmp_path)
    yield Site(machine, kegnet, ca)
    machine.scrap()


@pytest.fixture(scope="module")
def site(suite: str, tmp_path_factory: pytest.TempPathFactory, kegnet: StandIn, ca: Certificate) -> Iterator[Site]:
    """A Debian with the client installed, configured and running; shared by the tests of a module."""
    machine = Machine(root_file_system(suite, *CLIENT_PACKAGES, name="ready"), tmp_path_factory.mktemp(suite))
    made = Site(machine, kegnet, ca)
    made.install()
    made.edit_two_lines()
    made.register()
    machine.run("systemctl", "start", "kegnet-client")
    yield made
    machine.scrap()
