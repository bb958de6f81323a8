"""The demo, as a person starts it: its pours go from the edges through the real meter and the real client to the page."""

from __future__ import annotations

import itertools
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kegnet.server.demo import PASSWORD
from support.daemon import PYTHON
from support.keg import REPOSITORY
from support.ports import free_port
from support.wait import wait_for
from support.web_requests import Visitor

DAY_MS = 86_400_000


class Demo:
    """The process of the demo, below `folder`, with the programs in `lib`."""

    def __init__(self, folder: Path, lib: Path, *words: str, stdout: int | None = None) -> None:
        """`stdout`: a descriptor to write to instead of a file."""
        self._output = folder / "output"
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [PYTHON, "-B", "-m", "kegnet.server.demo", *words], cwd=lib,
                stdin=subprocess.DEVNULL, stdout=output if stdout is None else stdout, stderr=output,
                env={"PATH": os.environ["PATH"], "TMPDIR": str(self.temporary)},
            )  # fmt: skip

    @property
    def output(self) -> str:
        """What it has shown so far."""
        return self._output.read_text()

    def wait_for(self, pattern: str, limit_s: float = 90.0) -> list[str]:
        """The groups of the first line that matches the pattern."""
        match = wait_for(lambda: re.search(pattern, self.output) or self._dead(), limit_s)
        return list(match.groups())

    def _dead(self) -> Any:
        assert self.process.poll() is None, self.output
        return None

    def get(self, path: str) -> Any:
        """A JSON answer of its server."""
        page = self.wait_for(r"The page is at (http://127\.0\.0\.1:\d+/) ")[0]
        with urllib.request.urlopen(page + path, timeout=30) as answer:
            return json.load(answer)

    def processes(self) -> list[int]:
        """The processes that its folder belongs to."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if str(self.temporary).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def ended(self) -> int:
        """The exit status; nothing may be left behind, and nobody has seen a traceback."""
        status = self.process.wait(60)
        assert self.processes() == []
        assert list(self.temporary.iterdir()) == []
        assert "Traceback" not in self.output
        return status


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    demos: list[Demo] = []

    def begin(lib: Path, *words: str) -> Demo:
        demos.append(Demo(tmp_path, lib, *words))
        return demos[-1]

    yield begin
    for demo in demos:
        demo.process.terminate()
        demo.process.wait()


def parts_of(made: int, pours: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The first of the pours, which have `made` pulses together; none while there are fewer."""
    sums = list(itertools.accumulate(int(pulses) for pulses, *_ in pours))
    return pours[: sums.index(made) + 1] if made in sums else []


def test_every_pulse_goes_through_the_meter_and_the_client_to_the_page(start: Callable[..., Demo]) -> None:
    demo = start(REPOSITORY / "lib")
    pin, made = demo.wait_for(r"tap    \| pin (\d+): somebody pours 0\.[3-5]\d litres, (\d+) pulses")
    counted = rf"meter  \| .*: pin {pin}: (\d+) pulses \(0\.\d+ l\) in (\d+\.\d) s: ({pin}(\d+)\.pour)"
    # A guest who is held up for longer than the meter's idle time makes two pours, and a later one can pour at the same tap.
    found = wait_for(lambda: parts_of(int(made), re.findall(counted, demo.output)) or demo._dead(), 90)
    if len(found) == 1:
        assert 5 <= float(found[0][1]) < 9
    for _, _, name, _ in found:
        demo.wait_for(rf"client \| .*: pour accepted: {name} ")
    client = demo.get("api/clients")[0]["id"]
    stored = {(pour["pulses"], pour["at_ms"]) for pour in demo.get(f"api/clients/{client}/taps/{pin}/pours?limit=9")}
    assert {(int(pulses), int(ts)) for pulses, _, _, ts in found} <= stored
    assert [line for line in demo.output.splitlines() if re.match("(client|server) .*(warning|insecure|not encrypted)", line)] == []
    # A glass runs when the demo ends.
    before = demo.output.count("somebody pours")
    wait_for(lambda: demo.output.count("somebody pours") > before, limit_s=60)
    demo.process.send_signal(signal.SIGINT)
    assert demo.ended() == 0


@pytest.mark.parametrize("make", [pty.openpty, os.pipe])
def test_all_its_programs_end_when_nobody_reads_its_output(tmp_path: Path, make: Callable[[], tuple[int, int]]) -> None:
    ours, theirs = make()
    demo = Demo(tmp_path, REPOSITORY / "lib", stdout=theirs)
    os.close(theirs)
    text = b""
    while b"somebody pours" not in text:
        text += os.read(ours, 4096)
    os.close(ours)
    assert demo.ended() == 128 + signal.SIGPIPE


def test_it_shows_six_taps_a_month_and_an_outage_to_the_whole_house_and_can_be_changed(start: Callable[..., Demo]) -> None:
    port = free_port()
    demo = start(REPOSITORY / "lib", "--listen", f"0.0.0.0:{port}")
    demo.wait_for(rf"The page is at http://127\.0\.0\.1:{port}/ .*{PASSWORD}")
    address = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split()[0]
    demo.wait_for(rf"For other devices in your network: http://{re.escape(address)}:{port}/")
    [client] = demo.get("api/clients")
    taps = client["taps"]
    assert len(taps) == 6
    left = [tap["left_ml"] / tap["keg"]["volume_ml"] for tap in taps]
    assert [part < 0.01 for part in left] == [False, False, False, False, True, False]
    assert [part < 0.1 for part in left] == [False, False, False, True, True, False]
    assert all(tap["keg"]["beer"][name] for tap in taps for name in ("brewery", "style", "abv_percent", "ibu", "srm"))
    assert max(len(tap["keg"]["beer"]["name"]) for tap in taps) > 60
    bins = demo.get(f"api/clients/{client['id']}/temperatures?over=30d")
    assert sum(each["gap"] for each in bins) == 1
    assert max(each["most"] for each in bins) > 9000
    kinds = {"silent", "too warm", "keg low", "keg empty"}
    wait_for(lambda: kinds <= {alarm["kind"] for alarm in demo.get(f"api/clients/{client['id']}/alarms")})
    assert demo.get(f"api/clients/{client['id']}/taps/{taps[0]['pin']}/pours?limit=1000")[-1]["at_ms"] < client["at_ms"] - 20 * DAY_MS
    visitor = Visitor(f"http://{address}:{port}/").log_in(PASSWORD)
    assert PASSWORD in visitor.get().text, "the notice"
    visitor.get(f"clients/{client['id']}")
    assert visitor.post(f"clients/{client['id']}/name", {"name": "Cellar"}).status == 303
    assert demo.get("api/clients")[0]["name"] == "Cellar"
    demo.process.send_signal(signal.SIGTERM)
    assert demo.ended() == 0


def test_a_meter_that_cannot_start_ends_the_demo_with_its_reason(start: Callable[..., Demo], tmp_path: Path) -> None:
    lib = tmp_path / "installed" / "lib"
    shutil.copytree(REPOSITORY / "lib", lib, ignore=shutil.ignore_patterns("__pycache__"))
    (lib / "meter.py").unlink()
    demo = start(lib)
    assert demo.ended() == 1
    assert re.search(r"meter  \| .*can't open file '.*/lib/meter\.py'", demo.output)
    assert "\nThe demo ends, because the meter has ended with status 2.\n" in demo.output


def test_a_meter_that_is_killed_ends_the_demo(start: Callable[..., Demo]) -> None:
    demo = start(REPOSITORY / "lib")
    demo.wait_for("somebody pours")
    [meter] = [process for process in demo.processes() if b"meter.py" in Path(f"/proc/{process}/cmdline").read_bytes()]
    os.kill(meter, signal.SIGKILL)
    assert demo.ended() == 1
    assert "\nThe demo ends, because the meter has ended with status -9.\n" in demo.output
