#!/usr/bin/env python3
"""Works under time limits that expire all the time, and prints a line for each signal that it reads: `reload`, `stop`.

usage: expiring_limits.py SEED
"""

from __future__ import annotations

import contextlib
import random
import select
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lib"))

from kegnet.client import deadline
from kegnet.client.deadline import DeadlineExceeded, time_limit
from kegnet.core.signals import Signals


def work(source: random.Random) -> None:
    """Computes, and waits for nothing, for longer than its time limit."""
    with contextlib.suppress(DeadlineExceeded), time_limit(source.uniform(0.0001, 0.002)):
        while True:
            sum(range(100))
            select.select([], [], [], 0.0002)


def main() -> None:
    """Works until SIGTERM."""
    source = random.Random(int(sys.argv[1]))
    deadline.install()
    signals = Signals(deadline.end_soon)
    print("ready", flush=True)
    while True:
        work(source)
        received = signals.read()
        if signal.SIGHUP in received:
            print("reload", flush=True)
        if signal.SIGTERM in received:
            print("stop", flush=True)
            return


if __name__ == "__main__":
    main()
