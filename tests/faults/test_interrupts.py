"""The time limit of a request interrupts it anywhere: nothing hangs because of that, and the log always gives the same reason."""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.conftest import FaultCounts
from support.daemon import PYTHON
from support.pki import Certificate
from support.scripted_server import ScriptedServer
from system.container import built_once

HERE = Path(__file__).resolve().parent
NEWEST = "requests-2.34.2"


def library(name: str) -> Path:
    """Where to import requests from: Debian's, or the newest one."""
    return Path() if name == "debian" else built_once(NEWEST, str(HERE / "build-requests"))


@pytest.mark.parametrize("requests_release", ["debian", "newest"])
@pytest.mark.parametrize("connection", ["cold", "kept"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_request_interrupted_at_any_instruction_hangs_nothing_and_gives_the_same_reason(
    scheme: str, connection: str, requests_release: str, certificate: Certificate, ca: Certificate, key: Path,
    counts: FaultCounts, source: random.Random, request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    server = ScriptedServer(certificate if scheme == "https" else None)
    path = library(requests_release)
    command: list[str | Path] = [
        PYTHON, "-B", HERE / "interrupts.py", server.base_url, key, ca.certificate, connection,
        str(request.config.getoption("--interrupts")), str(source.randrange(10**6)),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(path)})
    server.close()
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    counts.inputs += report["tried"]
    assert report["problems"] == {}, f"with requests {report['requests']} and urllib3 {report['urllib3']}"


@pytest.mark.parametrize("part", range(4))
def test_no_signal_is_lost_while_time_limits_expire(counts: FaultCounts, source: random.Random, part: int) -> None:
    """Each burst of SIGHUP at a random moment has an effect, and so has SIGTERM; a limit expires about every millisecond."""
    for _ in range(5):
        command: list[str | Path] = [PYTHON, "-B", HERE / "expiring_limits.py", str(source.randrange(10**6))]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process, _killed_at_the_end(process):
            output = Lines(process)
            assert output.wait_for("ready")
            for _ in range(100):
                counts.inputs += 1
                output.seen.clear()
                _send_burst(process, signal.SIGHUP, source)
                assert output.wait_for("reload"), "SIGHUP was lost"
            _send_burst(process, signal.SIGTERM, source)
            assert output.wait_for("stop"), "SIGTERM was lost"
            assert process.wait(30) == 0


class Lines:
    """The lines that a process prints."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self.seen: set[str] = set()
        self._descriptor = process.stdout.fileno()

    def wait_for(self, line: str) -> bool:
        """Whether `line` is printed within 30 s."""
        end = time.monotonic() + 30
        while line not in self.seen and time.monotonic() < end:
            if not select.select([self._descriptor], [], [], 1)[0]:
                continue
            data = os.read(self._descriptor, 65536)
            if not data:
                break
            self.seen.update(data.decode().split())
        return line in self.seen


@contextlib.contextmanager
def _killed_at_the_end(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()


def _send_burst(process: subprocess.Popen[bytes], number: signal.Signals, source: random.Random) -> None:
    time.sleep(source.uniform(0, 0.005))
    for _ in range(source.choice((1, 1, 2, 20))):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
