"""The processes that are measured: our server and the bare endpoint; and who uses them meanwhile."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from support.ports import free_port
from support.services import is_listening
from support.wait import wait_for

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]


class Process:
    """A process that listens to a port, from its first connection until `stop()`. Its output is in `log`."""

    def __init__(self, log: Path, command: list[str | Path], port: int) -> None:
        self.log, self.port = log, port
        env = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'lib'}:{REPOSITORY / 'tests'}"}
        with log.open("w") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env)
        wait_for(lambda: is_listening(port) or self.process.poll() is not None, 60)
        assert self.process.poll() is None, log.read_text()

    def cpu_s(self) -> float:
        """The processor time that it and its workers have used, in seconds."""
        stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split() for pid in self._pids()]
        return sum(int(fields[11]) + int(fields[12]) for fields in stats) / os.sysconf("SC_CLK_TCK")

    def peak_mb(self) -> float:
        """The most memory that it and its workers have used, in MB."""
        return sum(int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) for pid in self._pids()) / 1024

    def _pids(self) -> list[int]:
        pid = self.process.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def stop(self) -> None:
        """Ends it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def bare(folder: Path) -> Process:
    """The bare endpoint."""
    port = free_port()
    return Process(folder / "bare.log", [sys.executable, "-B", HERE / "bare.py", str(port)], port)


def kegnet_server(folder: Path, url: str, *words: str) -> Process:
    """Our server on the database at `url`."""
    port = free_port()
    command: list[str | Path] = [REPOSITORY / "lib/server.py", "--database", url, "serve", "--listen", f"127.0.0.1:{port}", *words]
    return Process(folder / "server.log", [sys.executable, "-B", *command], port)
