"""Fixtures of the system tests: fresh and installed Debian machines, and a KegNet server whose certificate they trust."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from kegnet import __version__
from support.keg import REPOSITORY
from support.kegnet_server import KegnetServer
from support.pki import Certificate
from system.container import CLIENT_PACKAGES, Machine, copy_source, root_file_system
from system.flow_meters import FlowMeters
from system.kegerator import Site

HERE = Path(__file__).parent
SUITES = ("bookworm", "trixie")
MADE, COUNTED, POURS = "pulses made", "pulses counted", "pours"


@dataclass
class PulseCounts:
    """What one test adds to the table of pulses: what flow meters made, what arrived, and in how many pours."""

    made: int = 0
    counted: int = 0
    pours: int = 0

    def add(self, made: int, counted: Sequence[int]) -> None:
        """The pulses that were made, and those of each pour that arrived."""
        self.made += made
        self.counted += sum(counted)
        self.pours += len(counted)


@dataclass
class PulseTable:
    """A row for each test that counts pulses."""

    rows: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, report: pytest.TestReport) -> None:
        """Adds the numbers in a test's last report."""
        numbers = {str(name): int(str(value)) for name, value in report.user_properties if name in (MADE, COUNTED, POURS)}
        if report.when == "teardown" and numbers:
            self.rows[report.nodeid.partition("::")[2].removeprefix("test_").replace("_", " ")] = numbers


TABLE = PulseTable()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    TABLE.add(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not TABLE.rows:
        return
    terminalreporter.section("pulses")
    width = max(map(len, TABLE.rows))
    terminalreporter.write_line(" " * width + "".join(f"{head:>16}" for head in (MADE, COUNTED, POURS)))
    for what, row in TABLE.rows.items():
        terminalreporter.write_line(f"{what:{width}}" + "".join(f"{row[head]:>16}" for head in (MADE, COUNTED, POURS)))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a machine run one after the other, in one process; two guests never run at the same time."""
    for item in (item for item in items if HERE in item.path.parents and not item.get_closest_marker("xdist_group")):
        parameters = getattr(item, "callspec", None)
        suite = parameters.params.get("suite", "") if parameters else ""
        item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}-{suite}"))


@pytest.fixture(scope="session")
def flow_meters(tmp_path_factory: pytest.TempPathFactory, ca: Certificate) -> Iterator[FlowMeters]:
    """The guest for flow meters. It boots slowly, so all tests share one."""
    made = FlowMeters(tmp_path_factory.mktemp("meters"), ca)
    yield made
    made.guest.close()


@pytest.fixture
def pulses(request: pytest.FixtureRequest) -> Iterator[PulseCounts]:
    """This test's row of the table of pulses."""
    row = PulseCounts()
    yield row
    request.node.user_properties.extend([(MADE, row.made), (COUNTED, row.counted), (POURS, row.pours)])


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
