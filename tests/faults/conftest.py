"""What the fault tests share: how much of each, and the table at the end of what was tried and what it cost."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import pytest
from faults.hosts import Hosts
from support.ledger import Ledger
from support.pki import Certificate

PREFIX = "tally_"
COLUMNS = ("tried", "survived", "sent", "lost", "doubled", "kills", "inputs", "growth_kb")
HEADS = ("tried", "survived", "pours sent", "lost", "doubled", "kills", "inputs", "growth (kB)")


@dataclass
class Tally:
    """What one test adds to the table: faults tried, pours made, of these lost and delivered more than once, and so on."""

    tried: int = 1
    sent: int = 0
    lost: int = 0
    doubled: int = 0
    kills: int = 0
    inputs: int = 0
    growth_kb: int = 0

    def settle(self, made: set[str], ledger: Ledger, kept: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        """Closes the books: each pour of `made`, told by its `ts`, was accepted or is `kept`; a repeat is the same to the letter."""
        self.sent += len(made)
        self.lost += len(made - ledger.accepted.keys() - kept)
        self.doubled += ledger.doubled
        assert made <= ledger.accepted.keys() | kept, f"lost: {sorted(made - ledger.accepted.keys() - kept)}"
        assert ledger.accepted.keys() <= made, "the server has pours that nobody poured"
        assert ledger.repeats_are_identical


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=200, help="how often the client is killed in the drain test (%(default)s)")
    parser.addoption("--hours", type=float, default=2 / 60, help="how long the soak test takes, in hours (two minutes)")
    parser.addoption("--minutes", type=float, default=1.0, help="how long the cable is pulled, in minutes (%(default)s)")
    parser.addoption("--inputs", type=int, default=50_000, help="how many inputs the fuzzer gives to each parser (%(default)s)")
    parser.addoption("--seed", type=int, default=None, help="the lots of an earlier run, as it printed them")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first."""
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory, ca: Certificate) -> Iterator[Hosts]:
    """Two hosts in a guest of QEMU. It boots slowly, so it is one for all tests."""
    made = Hosts(tmp_path_factory.mktemp("hosts"), ca)
    yield made
    made.guest.close()


@pytest.fixture
def lots(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers; their seed is printed where a test fails, and --seed gives the same again."""
    seed = request.config.getoption("--seed")
    seed = random.randrange(10**6) if seed is None else seed
    print(f"the lots were drawn with --seed {seed}")
    return random.Random(seed)


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """This test's part of the table."""
    made = Tally()
    yield made
    for name, value in asdict(made).items():
        request.node.user_properties.append((PREFIX + name, value))


@dataclass
class Book:
    """The table as it grows: a row of `COLUMNS` for each file of tests."""

    rows: dict[str, dict[str, int]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    def enter(self, report: pytest.TestReport) -> None:
        """Enters what a test's last report says."""
        if report.failed:
            self.failed.add(report.nodeid)
        entries = {str(name)[len(PREFIX) :]: int(str(value)) for name, value in report.user_properties if str(name).startswith(PREFIX)}
        if report.when != "teardown" or not entries:
            return
        file = report.nodeid.partition("::")[0].rpartition("/")[2]
        row = self.rows.setdefault(file.removeprefix("test_").removesuffix(".py"), dict.fromkeys(COLUMNS, 0))
        entries["survived"] = 0 if report.nodeid in self.failed else entries["tried"]
        for name in COLUMNS:
            row[name] += entries[name]


BOOK = Book()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    BOOK.enter(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not BOOK.rows:
        return
    terminalreporter.section("what was tried, and what it cost")
    terminalreporter.write_line("".join(f"{head:>12}" for head in ("faults", *HEADS)))
    total = {name: sum(row[name] for row in BOOK.rows.values()) for name in COLUMNS}
    for what, row in (*sorted(BOOK.rows.items()), ("in all", total)):
        terminalreporter.write_line(f"{what:>12}" + "".join(f"{row[name]:>12}" for name in COLUMNS))
