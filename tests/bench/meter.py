"""The CPU time of the flow-meter daemon while two taps pour at 300 Hz, beside a loop that only reads and unpacks; and its memory.

Both get the same records at the same times, in one run, in turns. Nothing else should run on the machine.

usage, in the repository: PYTHONPATH=lib:tests /usr/bin/python3 -B -m bench.meter [SECONDS [ROUNDS]]
"""

from __future__ import annotations

import os
import re
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from support.daemon import PYTHON
from support.flow_meter import FlowMeter, Wheel
from support.wait import wait_for

HERTZ = 300
PINS = (17, 18)
REST_S = 0.25
EVENT = struct.Struct("=Q4x4x4xI24x")


def bare(descriptors: Sequence[int]) -> None:
    """Reads four times a second and unpacks, for ever."""
    poll = select.poll()
    for descriptor in descriptors:
        os.set_blocking(descriptor, False)
        poll.register(descriptor, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            for _timestamp_ns, _line_seqno in EVENT.iter_unpack(os.read(descriptor, 1024 * EVENT.size)):
                pass
        time.sleep(REST_S)


def cpu_ms(pid: int) -> float:
    """The CPU time of a process so far, from schedstat: nanoseconds."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def switches(pid: int) -> int:
    """The context switches of a process so far."""
    return sum(int(number) for number in re.findall(r"ctxt_switches:\t(\d+)", Path(f"/proc/{pid}/status").read_text()))


def pss_kb(pid: int) -> int:
    """The memory of a process, shared pages divided."""
    match = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(match[1]) if match else 0


def pour(pid: int, wheels: Sequence[Wheel], for_s: float) -> float:
    """Turns the wheels at their times. Returns the CPU time of the process in milliseconds a second."""
    for wheel in wheels:
        wheel.turn(1)
    time.sleep(2 * REST_S)
    before, started = cpu_ms(pid), time.monotonic()
    for number in range(int(for_s * HERTZ)):
        time.sleep(max(0.0, started + number / HERTZ - time.monotonic()))
        for wheel in wheels:
            wheel.turn(1)
    return (cpu_ms(pid) - before) / (time.monotonic() - started)


def main() -> None:
    """Measures, and prints a table."""
    for_s = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory(dir="/run") as runtime:
        meter = FlowMeter(Path(name) / "meter", *PINS)
        meter.runtime = Path(runtime)
        meter.write_config("", dict.fromkeys(PINS, "pulsesPerLitre = 5600"))
        meter.start()
        others = [Wheel(pin) for pin in PINS]
        ends = [wheel.read_end for wheel in others]
        loop = subprocess.Popen([PYTHON, "-B", "-m", "bench.meter", "bare", *map(str, ends)], pass_fds=ends)
        ours, theirs = [], []
        for _ in range(rounds):
            theirs.append(pour(loop.pid, others, for_s))
            ours.append(pour(meter.pid, list(meter.wheels.values()), for_s))
            wait_for(lambda: meter.sent() == meter.made())
        time.sleep(1)
        meter.status  # noqa: B018 - empties the socket
        before, idle_ms = switches(meter.pid), cpu_ms(meter.pid)
        time.sleep(for_s)
        print(f"{len(PINS)} pins at {HERTZ} Hz, median of {rounds} rounds of {for_s:g} s, in turns")
        bare_ms, our_ms = statistics.median(theirs), statistics.median(ours)
        print(f"  bare loop   {bare_ms:6.2f} ms of CPU a second")
        print(f"  the daemon  {our_ms:6.2f} ms of CPU a second, {our_ms / bare_ms:.1f} times as much")
        print(f"  pulses made {meter.made()}, pulses in .pour files {meter.sent()}")
        print(f"  idle for {for_s:g} s: {switches(meter.pid) - before} context switches, {cpu_ms(meter.pid) - idle_ms:.2f} ms of CPU")
        print(f"  memory (PSS): {pss_kb(meter.pid) / 1024:.1f} MB")
        loop.kill()
        loop.wait()
        meter.close()
        for wheel in others:
            wheel.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        bare([int(word) for word in sys.argv[2:]])
    main()
