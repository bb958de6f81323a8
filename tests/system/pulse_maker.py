"""Pours in the guest: makes pulses on a line of a simulated chip, and tells how many.

PYTHONPATH=lib:tests python3 -B -m system.pulse_maker CHIP PIN OUT [--pours N,N...] [--hertz H] [--pause S] [--console] [--at UNIX_S]

OUT.progress always has the number of pulses made so far. A file OUT.stop ends the pour that runs, and is its last. OUT is written at the
end as JSON: the pulses of each pour, when each began (CLOCK_MONOTONIC, seconds), the longest time between two pulses of a pour, and the
rate of the last one.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from system.lab.gpio_sim import SimulatedLine, line_of

PROGRESS_EVERY = 10
CLOSEST_S = 0.001
"""Twice the meter's `debounce`."""
LATE_S = 0.05
"""A machine that was held up for longer does not make up for all of it: the wheel would turn too fast."""
SHORTEST_SLEEP_S = 0.002
"""A shorter sleep takes longer than requested in the guest."""


def pour(line: SimulatedLine, pulses: int, hertz: float, report: Callable[[int], bool]) -> tuple[int, float]:
    """So many pulses on a schedule, unless `report()` says that it is enough. Those that are a little late follow each other faster.

    Returns the number of pulses, and the longest time between two of them, in seconds.
    """
    due_s = last_s = time.monotonic()
    gap_s = 0.0
    for number in range(1, pulses + 1):
        line.pulse()
        now_s = time.monotonic()
        gap_s, last_s = max(gap_s, now_s - last_s), now_s
        earliest_s = now_s + CLOSEST_S
        if (number % PROGRESS_EVERY == 0 or number == pulses) and report(number):
            return number, gap_s
        due_s = max(due_s + 1 / hertz, now_s - LATE_S)
        if (rest_s := due_s - time.monotonic()) > SHORTEST_SLEEP_S:
            time.sleep(rest_s)
        while time.monotonic() < earliest_s:
            pass
    return pulses, gap_s


def main() -> None:
    """Pours as the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("chip")
    parser.add_argument("pin", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pours", default="1000", help="pulses of each pour, separated by commas")
    parser.add_argument("--hertz", type=float, default=300.0)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two pours")
    parser.add_argument("--console", action="store_true", help="write the progress to the console, too")
    parser.add_argument("--at", type=float, help="set the clock to this Unix time before each pour")
    options = parser.parse_args()
    out: Path = options.out
    line = line_of(options.chip, options.pin)
    line.prepare()
    stop = out.with_name(out.name + ".stop")
    progress = out.with_name(out.name + ".progress").open("w", buffering=1)
    console = os.open("/dev/ttyS0", os.O_WRONLY | os.O_NOCTTY) if options.console else None
    made: list[int] = []
    began_s: list[float] = []
    gaps_s: list[float] = []
    hertz = 0.0

    def report(pulses: int) -> bool:
        """Writes the progress. Returns whether to stop."""
        progress.seek(0)
        progress.write(f"{sum(made) + pulses}\n")
        if console is not None:
            os.write(console, f"\nmade {options.pin} {sum(made) + pulses}\n".encode())
        return stop.exists()

    for index, pulses in enumerate(map(int, options.pours.split(","))):
        time.sleep(options.pause if index else 0.0)
        if stop.exists():
            break
        if options.at is not None:
            time.clock_settime(time.CLOCK_REALTIME, options.at)
        began_s.append(time.monotonic())
        count, gap_s = pour(line, pulses, options.hertz, report)
        made.append(count)
        gaps_s.append(gap_s)
        hertz = made[-1] / (time.monotonic() - began_s[-1])
    new = out.with_name(out.name + ".new")
    new.write_text(json.dumps({"pours": made, "began_s": began_s, "longest_gap_s": max(gaps_s), "hertz": round(hertz)}))
    new.rename(out)


if __name__ == "__main__":
    main()
