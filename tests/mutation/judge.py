"""Runs pytest on a mutant. Exit status 0: the mutant survived, 1: it was killed. Its last line says why.

usage: judge.py SECONDS TEST-FILE ...
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

PYTEST = ["/usr/bin/python3", "-B", "-m", "pytest", "-x", "-q", "--no-header", "-n", "0", "--tb=line"]


def main(limit_s: float, files: list[str]) -> int:
    """A time-out counts as killed. A status of pytest other than 0 and 1 says nothing of the tests: it is `invalid`."""
    with subprocess.Popen([*PYTEST, *files], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            status = process.wait(limit_s)
            verdict = {0: "survived", 1: "killed"}.get(status, f"invalid {status}")
        except subprocess.TimeoutExpired:
            verdict = "killed by time-out"
        # Whatever a test has started and not ended.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    print(verdict)
    return 0 if verdict == "survived" else 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
