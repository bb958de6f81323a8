"""What the fault tests share: options, and the table at the end."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import pytest
from faults.hosts import Hosts
from support.ledger import Ledger
from support.pki import Certificate

PREFIX = "faults_"
COLUMNS = ("tried", "survived", "sent", "lost", "doubled", "kills", "inputs", "growth_kb")
HEADS = ("tried", "survived", "pours sent", "lost", "doubled", "kills", "inputs", "growth (kB)")


@dataclass
class FaultCounts:
    """What one test adds to the table: faults tried, pours sent, how many of them were lost or delivered more than once, and so on."""

    tried: int = 1
    sent: int = 0
    lost: int = 0
    doubled: int = 0
    kills: int = 0
    inputs: int = 0
    growth_kb: int = 0

    def check_delivery(self, made: set[str], ledger: Ledger, kept: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        """Each pour of `made`, identified by its `ts`, was accepted or is `kept`, and repeats are identical."""
        self.sent += len(made)
        self.lost += len(made - ledger.accepted.keys() - kept)
        self.doubled += ledger.doubled
        assert made <= ledger.accepted.keys() | kept, f"lost: {sorted(made - ledger.accepted.keys() - kept)}"
        assert ledger.accepted.keys() <= made, "the server has pours that were never in the spool"
        assert ledger.repeats_are_identical


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=200, help="how often the client is killed while it sends a backlog (%(default)s)")
    parser.addoption("--hours", type=float, default=2 / 60, help="how long the soak test takes, in hours (two minutes)")
    parser.addoption("--minutes", type=float, default=1.0, help="how long the cable is unplugged, in minutes (%(default)s)")
    parser.addoption("--inputs", type=int, default=50_000, help="how many inputs the fuzzer gives to each parser (%(default)s)")
    parser.addoption(
        "--interrupts", type=int, default=40, help="at how many instructions each kind of request is interrupted (%(default)s); 0: all"
    )
    parser.addoption("--backlog", type=int, default=100_000, help="how many pours the largest backlog has (%(default)s)")
    parser.addoption("--seed", type=int, default=None, help="the seed of an earlier run, as it was printed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests begin first."""
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory, ca: Certificate) -> Iterator[Hosts]:
    """Two hosts in a QEMU guest. It boots slowly, so all tests share one."""
    made = Hosts(tmp_path_factory.mktemp("hosts"), ca)
    yield made
    made.guest.close()


@pytest.fixture
def source(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers. The seed is printed if a test fails; `--seed` repeats it."""
    seed = request.config.getoption("--seed")
    seed = random.randrange(10**6) if seed is None else seed
    print(f"repeat this with --seed {seed}")
    return random.Random(seed)


@pytest.fixture
def counts(request: pytest.FixtureRequest) -> Iterator[FaultCounts]:
    """This test's part of the table."""
    made = FaultCounts()
    yield made
    for name, value in asdict(made).items():
        request.node.user_properties.append((PREFIX + name, value))


@dataclass
class Table:
    """A row of `COLUMNS` for each file of tests."""

    rows: dict[str, dict[str, int]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    def add(self, report: pytest.TestReport) -> None:
        """Adds the numbers in a test's last report."""
        if report.failed:
            self.failed.add(report.nodeid)
        numbers = {str(name)[len(PREFIX) :]: int(str(value)) for name, value in report.user_properties if str(name).startswith(PREFIX)}
        if report.when != "teardown" or not numbers:
            return
        file = report.nodeid.partition("::")[0].rpartition("/")[2]
        row = self.rows.setdefault(file.removeprefix("test_").removesuffix(".py"), dict.fromkeys(COLUMNS, 0))
        numbers["survived"] = 0 if report.nodeid in self.failed else numbers["tried"]
        for name in COLUMNS:
            row[name] += numbers[name]


TABLE = Table()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    TABLE.add(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not TABLE.rows:
        return
    terminalreporter.section("faults")
    terminalreporter.write_line("".join(f"{head:>12}" for head in ("faults", *HEADS)))
    total = {name: sum(row[name] for row in TABLE.rows.values()) for name in COLUMNS}
    for what, row in (*sorted(TABLE.rows.items()), ("in all", total)):
        terminalreporter.write_line(f"{what:>12}" + "".join(f"{row[name]:>12}" for name in COLUMNS))
