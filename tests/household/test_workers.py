"""Several processes of one server at one address."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.kegnet_server import KegnetServer
from support.pki import openssl, signature
from support.wait import wait_for, within_a_minute

CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
POURS = 40


@pytest.fixture
def server(tmp_path: Path, key: Path) -> Iterator[KegnetServer]:
    made = KegnetServer(tmp_path / "server", None, "--workers", "2")
    made.add_client(CLIENT, openssl("rsa", "-in", key, "-pubout").decode())
    yield made
    made.stop()


def others(server: KegnetServer) -> list[int]:
    pid = server.process.pid
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def connections(pid: int) -> int:
    """How many TCP connections a process has accepted and not closed."""
    found = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += os.readlink(descriptor).startswith("socket:")
        except FileNotFoundError:
            continue
    return found


def pour(server: KegnetServer, key: Path, number: int) -> int:
    """Sends a pour over a connection of its own."""
    fields = {"id": CLIENT, "pin": "4", "pulses": "560", "et": "8", "ts": str(time.time_ns() // 10**6 - number)}
    with requests.Session() as session:
        answer = session.post(f"{server.base_url}/pour", data={**fields, "sig": signature(key, ",".join(fields.values()))}, timeout=20)
    return answer.status_code


def running(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_both_processes_answer_and_count_together(server: KegnetServer, key: Path) -> None:
    (other,) = others(server)
    before = connections(server.process.pid), connections(other)
    sessions = [requests.Session() for _ in range(POURS)]
    assert {session.get(f"{server.page_url}healthz", timeout=20).status_code for session in sessions} == {200}
    assert connections(server.process.pid) > before[0]
    assert connections(other) > before[1]
    assert {pour(server, key, number) for number in range(POURS)} == {200}
    # Whichever process answers.
    for session in sessions:
        text = session.get(f"{server.page_url}metrics", timeout=20).text
        assert re.search(rf'kegnet_messages_total{{endpoint="pour",result="accepted"}} {POURS}\.0', text), text
        session.close()


def test_a_new_k_factor_leaves_the_litres_the_same_in_both_processes(server: KegnetServer, key: Path) -> None:
    def litres() -> set[tuple[str, float]]:
        """The name of the tap and its litres in twenty answers, so many that each process has made some."""
        found = set()
        for _ in range(20):
            with requests.Session() as session:
                text = session.get(f"{server.page_url}metrics", timeout=20).text
            ((tap, number),) = re.findall(r'kegnet_poured_litres_total{[^}]*tap="([^"]*)"[^}]*} (\S+)', text)
            found.add((tap, round(float(number), 6)))
        return found

    assert pour(server, key, 1) == 200
    # The first answer of a process costs it most, and can be kept for seconds. Once it has the new name, it has the new k-factor.
    server.set_tap(CLIENT, 4, "Left", pulses_per_litre=5600)
    wait_for(lambda: {tap for tap, _ in litres()} == {"Left"}, limit_s=90)
    server.set_tap(CLIENT, 4, "Right", pulses_per_litre=2800)
    wait_for(lambda: {tap for tap, _ in litres()} == {"Right"}, limit_s=90)
    assert pour(server, key, 2) == 200
    # 560 pulses by each k-factor.
    assert litres() == {("Right", 0.3)}


def test_refusals_are_counted_together(server: KegnetServer, key: Path) -> None:
    def refusals() -> list[int]:
        statuses = []
        for _ in range(70):
            with requests.Session() as session:
                statuses.append(session.post(f"{server.base_url}/pour", data={"id": CLIENT}, timeout=20).status_code)
        return statuses

    statuses = within_a_minute(refusals)
    assert set(statuses) == {400, 429}
    assert statuses.count(400) <= 61


def test_sigterm_ends_all_of_them(server: KegnetServer) -> None:
    pids = others(server)
    server.process.terminate()
    assert server.process.wait(60) == 0
    assert running(pids) == []


def test_where_one_ends_all_end_so_that_systemd_starts_them_again(server: KegnetServer) -> None:
    pids = others(server)
    os.kill(pids[0], signal.SIGKILL)
    assert server.process.wait(60) == os.EX_TEMPFAIL
    assert "one of the 2 processes has ended" in server.log()


def test_the_others_end_when_the_first_is_killed(server: KegnetServer) -> None:
    pids = others(server)
    server.process.kill()
    server.process.wait()
    wait_for(lambda: running(pids) == [])


def test_a_database_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    (tmp_path / "server/kegnet.sqlite").write_text("this is no database, but a text that is longer than a header of SQLite" * 20)
    server = KegnetServer(tmp_path / "server", None, "--workers", "2", wait=False)
    assert server.process.wait(60) == os.EX_CONFIG
    assert server.log().count("\n") == 1, server.log()
