"""A host is lost in the middle of a burst: the standby takes over, and nothing that was accepted is lost."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bench.server import signed
from household.cluster import Cluster
from support.daemon import PYTHON
from support.pki import Certificate, issue
from support.wait import stays, wait_for

CLIENT = Path(__file__).with_name("failover_client.py")
READERS = 10
pytestmark = pytest.mark.xdist_group("failover")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, ca: Certificate) -> Iterator[Cluster]:
    """One for both tests, for it takes long to make; the second one leaves a host of it."""
    folder = tmp_path_factory.mktemp("failover")
    made = Cluster(folder / "cluster", issue(ca, folder, "balancer", "IP:10.0.0.10"))
    yield made
    made.close()


class Users:
    """Senders and readers, as programs on the balancer's host."""

    def __init__(self, cluster: Cluster, authority: Path) -> None:
        self._cluster, self._authority = cluster, authority

    def start(self, what: str, path: str, given: str, *more: str | Path) -> tuple[subprocess.Popen[bytes], Path]:
        """Starts them; gives the program and its log."""
        log = self._cluster.folder / f"{what}.log"
        log.touch()
        words = [what, f"https://10.0.0.10{path}", str(self._authority), given, str(log), *map(str, more)]
        return self._cluster.balancer.start(f"{what}.err", PYTHON, "-B", CLIENT, *words), log


def lines(log: Path) -> list[list[str]]:
    """The complete lines of a log, as words."""
    return [line.split(" ", 2) for line in log.read_text().rpartition("\n")[0].splitlines()]


def accepted(log: Path) -> set[int]:
    """The numbers of the pours that were accepted."""
    return {int(number) for number, status in lines(log) if status.startswith("2")}


def readers_of(log: Path, has: Callable[[str], bool]) -> set[str]:
    """The readers that have got such a line."""
    return {reader for reader, _, text in lines(log) if has(text)}


def test_a_pour_is_not_accepted_before_the_standby_has_it(cluster: Cluster, ca: Certificate, tmp_path: Path) -> None:
    senders = signed.senders(1, 1)
    cluster.register(senders)
    signed.write(tmp_path / "forms", signed.pours(senders, 1, time.time_ns() // 10**6))
    cluster.two.sh("pkill -STOP -f walreceiver")
    try:
        _, answers = Users(cluster, ca.certificate).start("send", "/rest/v2/pour", str(tmp_path / "forms"))
        # The pour is written on host one, and waits for host two.
        wait_for(lambda: cluster.query(cluster.one, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") != "0")
        assert stays(lambda: not accepted(answers), 1)
    finally:
        cluster.two.sh("pkill -CONT -f walreceiver")
    wait_for(lambda: accepted(answers), 60)


def test_no_accepted_pour_is_lost_when_a_host_is_lost_in_a_burst(
    cluster: Cluster, ca: Certificate, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    number = pytestconfig.getoption("failover_pours")
    senders = signed.senders(4, 2)
    now_ms = time.time_ns() // 10**6
    cluster.register(senders)
    signed.write(tmp_path / "forms", signed.pours(senders, number, now_ms))
    users = Users(cluster, ca.certificate)
    _, events = users.start("read", "/events", str(READERS))
    wait_for(lambda: len(readers_of(events, lambda text: True)) == READERS)
    # However late this process is, the burst is not over when the host is lost.
    lost = tmp_path / "lost"
    pouring, answers = users.start("send", "/rest/v2/pour", str(tmp_path / "forms"), lost)

    wait_for(lambda: len(accepted(answers)) >= number // 50, 300)
    cluster.one.cut_power()
    lost.touch()
    events_before = len(lines(events))
    cluster.promote()

    assert pouring.wait(600) == 0
    assert accepted(answers) == set(range(number))
    statuses = {status for _, status in lines(answers)}
    assert statuses <= {"200", "0", "502", "503", "504"}, statuses
    uuids = ", ".join(f"'{each.uuid}'" for each in senders)
    query = f"SELECT ts_ms FROM pour JOIN client ON client.key = client WHERE uuid IN ({uuids})"
    kept = cluster.query(cluster.two, query, "kegnet").split()
    assert sorted(map(int, kept)) == [now_ms - number + each for each in range(number)]
    wait_for(
        lambda: {reader for reader, _, text in lines(events)[events_before:] if '"kinds"' in text} == set(map(str, range(READERS))),
        60,
    )
