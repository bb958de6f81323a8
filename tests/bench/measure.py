"""How a sender is measured: sending a backlog, delay of one pour, idling, starting."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.daemon import PYTHON
from support.keg import Keg
from support.pki import Certificate
from support.wait import wait_for

HERE = Path(__file__).resolve().parent
CLIENT, OTHER, BARE, POST, SHELL = "client", "other client", "bare sender", "Session.post", "shell loop"
"""What is measured. The other client is that of `--against`."""
_MODULES = {BARE: "bench.bare", POST: "bench.session_post"}


@dataclass(frozen=True)
class Lab:
    """What every measurement needs."""

    folder: Path
    key: Path
    ca: Certificate
    certificate: Certificate
    programs: dict[str, Path]
    """The executables of the client and of the other client, their modules compiled, as service/install leaves them."""


class Sink:
    """The server of the benchmarks as a process."""

    def __init__(self, lab: Lab, scheme: str, delay_s: float = 0.0) -> None:
        self._times = Path(tempfile.mkdtemp(dir=lab.folder)) / "times"
        files = [lab.certificate.certificate, lab.certificate.key] if scheme == "https" else []
        self._process = subprocess.Popen(
            [PYTHON, "-B", HERE / "sink.py", self._times, str(delay_s), *files], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.scheme = scheme
        self.port = int(self._process.stdout.readline())
        self.base_url = f"{scheme}://127.0.0.1:{self.port}/rest/v2"

    def pours(self) -> int:
        """How many have arrived."""
        return self._times.read_bytes().count(b"pour") if self._times.exists() else 0

    def times(self, kind: str = "pour") -> list[float]:
        """When the messages of a kind arrived."""
        lines = self._times.read_text().splitlines() if self._times.exists() else []
        return [float(when) for name, when in map(str.split, lines) if name == kind]

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


class Sender:
    """One of those that are measured, with a spool of its own, not yet started."""

    def __init__(self, lab: Lab, kind: str, sink: Sink) -> None:
        self.kind = kind
        self._lab = lab
        self._sink = sink
        self.keg = Keg(Path(tempfile.mkdtemp(dir=lab.folder)) / "keg", lab.key, sink.base_url, lab.ca.certificate)
        self.spool = self.keg.spool
        self._number = 0
        self._process: subprocess.Popen[bytes] | None = None

    def fill(self, pours: int) -> None:
        """Adds so many pours to the spool."""
        for _ in range(pours):
            self._number += 1
            name = self.spool / f"{self._number:06d}"
            name.with_suffix(".tmp").write_text(f"0,586,8213,{1372686435017 + self._number}\n")
            name.with_suffix(".tmp").rename(name.with_suffix(".pour"))

    def start(self) -> None:
        """Starts it."""
        lab, sink = self._lab, self._sink
        if self.kind in lab.programs:
            self.keg.write_config(pingInterval=86_400)
            self.keg.program = lab.programs[self.kind]
            # As service/kegnet-client.service does.
            self.keg.launch({"SETUPTOOLS_USE_DISTUTILS": "stdlib"})
            return
        tls = sink.scheme == "https"
        if self.kind in _MODULES:
            command = [PYTHON, "-B", "-m", _MODULES[self.kind], str(self.spool), str(lab.key), str(uuid.uuid4()), str(sink.port)]
            command += [str(lab.ca.certificate)] if tls else []
        else:
            command = [str(HERE / "shell-loop"), str(self.spool), str(lab.key), str(uuid.uuid4()), f"{sink.base_url}/pour"]
            command += ["--cacert", str(lab.ca.certificate)] if tls else []
        self._process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)

    @property
    def pid(self) -> int:
        return self.keg.pid if self._process is None else self._process.pid

    def cpu_s(self) -> float:
        """Processor time so far, from schedstat (proc(5)); for the shell loop without that of its children."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9

    def peak_kb(self) -> int:
        """Peak resident memory."""
        return int(Path(f"/proc/{self.pid}/status").read_text().split("VmHWM:")[1].split()[0])

    def stop(self) -> float:
        """Ends it, and returns the processor time that it and its children used."""
        before = os.times()
        if self._process is not None:
            # The shell ends last: its own times include those of the children that it has waited for.
            subprocess.run(["pkill", "--parent", str(self._process.pid)], check=False)
            time.sleep(0.05)
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()
        self.keg.close()
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system


@contextmanager
def sender(lab: Lab, kind: str, scheme: str, delay_s: float = 0.0) -> Iterator[tuple[Sender, Sink]]:
    """A sender and its sink; both end with the block."""
    sink = Sink(lab, scheme, delay_s)
    made = Sender(lab, kind, sink)
    try:
        yield made, sink
    finally:
        made.stop()
        sink.close()


def drain(lab: Lab, kind: str, scheme: str, delay_s: float, pours: int) -> dict[str, float]:
    """Sends a backlog of `pours`. Pours per second, CPU ms per pour after the start, peak memory."""
    sink = Sink(lab, scheme, delay_s)
    made = Sender(lab, kind, sink)
    made.fill(pours)
    os.sync()
    made.start()
    wait_for(lambda: sink.pours() > pours // 20, 60, every_s=0.05)
    done, cpu_s = sink.pours(), made.cpu_s()
    wait_for(lambda: not any(os.scandir(made.spool)), 3600, every_s=0.2)
    cpu_s = made.cpu_s() - cpu_s
    peak_kb = made.peak_kb() if kind != SHELL else 0
    whole_cpu_s = made.stop()
    times = sink.times()
    sink.close()
    return {
        "pours_per_s": (pours - 1) / (times[-1] - times[0]),
        "cpu_ms_per_pour": 1000 * (whole_cpu_s / pours if kind == SHELL else cpu_s / (pours - done)),
        "peak_kb": peak_kb,
    }


def backlog(lab: Lab, kind: str, pours: int, small: int, rounds: int) -> tuple[dict[str, float], list[dict[str, float]]]:
    """As `drain()` over HTTPS, for one backlog of `pours`, and for `rounds` backlogs of `small` pours that are sent while it is paused.

    A machine's speed changes by the minute, and a large backlog takes several minutes.
    """
    beside = []
    held_s = 0.0
    with sender(lab, kind, "https") as (made, sink):
        made.fill(pours)
        os.sync()
        made.start()
        wait_for(lambda: sink.pours() > pours // 20, 600, every_s=0.05)
        done, cpu_s = sink.pours(), made.cpu_s()
        for number in range(rounds):
            wait_for(lambda number=number: sink.pours() > pours * (2 * number + 1) // (2 * rounds), 600, every_s=0.05)  # type: ignore[misc]
            held = time.monotonic()
            os.kill(made.pid, signal.SIGSTOP)
            beside.append(drain(lab, kind, "https", 0, small))
            os.kill(made.pid, signal.SIGCONT)
            held_s += time.monotonic() - held
        wait_for(lambda: not any(os.scandir(made.spool)), 600, every_s=0.2)
        cpu_s, peak_kb = made.cpu_s() - cpu_s, made.peak_kb()
        times = sink.times()
    whole = {
        "pours_per_s": (pours - 1) / (times[-1] - times[0] - held_s),
        "cpu_ms_per_pour": 1000 * cpu_s / (pours - done),
        "peak_kb": peak_kb,
    }
    return whole, beside


def latency(lab: Lab, kind: str, scheme: str, pours: int = 300) -> dict[str, float]:
    """Milliseconds from the rename to acceptance."""
    with sender(lab, kind, scheme) as (made, sink):
        made.fill(1)
        made.start()
        wait_for(lambda: len(sink.times()) == 1, 20)
        waits_ms = []
        for number in range(pours):
            made.fill(1)
            renamed_s = time.monotonic()
            wait_for(lambda number=number: len(sink.times()) == number + 2, every_s=0.005)  # type: ignore[misc]
            waits_ms.append(1000 * (sink.times()[-1] - renamed_s))
        return {"median_ms": statistics.median(waits_ms), "p99_ms": statistics.quantiles(waits_ms, n=100)[98]}


def idle(lab: Lab, kind: str, seconds: float = 60) -> dict[str, float]:
    """What a client uses while nothing happens: memory (PSS) and its growth, context switches and CPU ms per minute."""

    def look(pid: int) -> dict[str, int]:
        status = Path(f"/proc/{pid}/status").read_text()
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return {
            "switches": sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line),
            "pss_kb": int(rollup.split("\nPss:")[1].split()[0]),
            "cpu_ns": int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]),
        }

    with sender(lab, kind, "https") as (made, sink):
        made.start()
        wait_for(lambda: sink.times("ping"))
        time.sleep(2)
        before = look(made.pid)
        time.sleep(seconds)
        after = look(made.pid)
        minutes = seconds / 60
        return {
            "pss_mb": after["pss_kb"] / 1024,
            "growth_kb": after["pss_kb"] - before["pss_kb"],
            "switches_per_minute": (after["switches"] - before["switches"]) / minutes,
            "cpu_ms_per_minute": (after["cpu_ns"] - before["cpu_ns"]) / 1e6 / minutes,
        }


def start(lab: Lab, kind: str) -> dict[str, float]:
    """CPU seconds from the start of the process to the first ping and to the first waiting pour, over HTTPS."""
    with sender(lab, kind, "https") as (made, sink):
        made.fill(1)
        made.start()
        wait_for(lambda: sink.times("ping"), every_s=0.0005)
        ping_cpu_s = made.cpu_s()
        wait_for(lambda: sink.times("pour"), every_s=0.0005)
        return {"first_ping_cpu_s": ping_cpu_s, "first_pour_cpu_s": made.cpu_s()}
