"""wrk, which sends each message of a file once."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Sent:
    """How a file of messages was sent: so many were accepted (2xx), so many got another answer, in so many seconds."""

    accepted: int
    refused: int
    seconds: float

    @property
    def rate(self) -> float:
        """Accepted messages a second."""
        return self.accepted / self.seconds


def send(url: str, forms: Path, connections: int = 256, limit_s: int = 600) -> Sent:
    """Sends all; fails if a connection is lost, for then a message has no answer."""
    command: list[str | Path] = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{limit_s}s", "--timeout", "60s"]
    command += ["-s", HERE / "burst.lua", url, "--", forms]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        begun, other = 0.0, ""
        for line in process.stdout:
            if line == "first\n":
                begun = time.monotonic()
            elif line.startswith("last "):
                seconds = time.monotonic() - begun
                process.send_signal(signal.SIGINT)
                process.communicate()
                accepted, refused = map(int, line.split()[1:])
                return Sent(accepted, refused, seconds)
            other += line
    raise AssertionError(f"wrk has not got an answer to each message:\n{other}")
