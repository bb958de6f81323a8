"""What test_gpio.py does in the guest: each scenario prints what it saw, as JSON.

PYTHONPATH=lib:tests python3 -B -m system.gpio_scenarios SCENARIO      as root
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

from kegnet.meter.gpio import Bias, Edge, EdgeDirection, GpioError, Line, LineSettings, adopt_line, find_line, line_info, request_line
from system.lab.gpio_sim import SimulatedChip, SimulatedLine, line_of, remove_chip

LABEL = "pinctrl-bcm2711"
FIRST_OF_SYSTEMD = 3
"""SD_LISTEN_FDS_START of sd_listen_fds(3)."""
SETTLE_S = 1.0
"""After this time the kernel has counted a single edge."""
COUNTS = LineSettings(EdgeDirection.FALLING, Bias.PULL_UP)


@contextlib.contextmanager
def header() -> Iterator[SimulatedChip]:
    """The chip of the header, behind another one, so that its number is not 0."""
    other = SimulatedChip("other", "an expander", 8, {3: "GPIO60"})
    chip = SimulatedChip("header", LABEL, 54)
    yield chip
    chip.remove()
    other.remove()


@contextlib.contextmanager
def requested(*pins: int, settings: LineSettings = COUNTS) -> Iterator[list[tuple[Line, SimulatedLine]]]:
    """Lines that count, and what is connected to each."""
    with header() as chip:
        made = [(request_line(find_line(pin), settings), chip.line(pin)) for pin in pins]
        yield made
        for line, connected in made:
            line.close()
            connected.close()


def make_pulses(lines: list[SimulatedLine], number: int, hertz: float = 0.0) -> None:
    """So many pulses on each line at once. Without a rate, as fast as possible."""
    for line in lines:
        line.prepare()
    for _ in range(number):
        for line in lines:
            line.pulse()
        if hertz:
            time.sleep(1 / hertz)


def problem_of(action: object, *words: object) -> dict[str, str]:
    """The error of a call that must fail."""
    try:
        action(*words)  # type: ignore[operator]
    except GpioError as error:
        return {"problem": error.problem, "fix": error.fix}
    return {}


def found() -> object:
    """Where pin 17 and pin 60 are, and what is said of a pin that no chip has."""
    with header() as chip:
        by_label, by_name = find_line(17), find_line(60)
        return {
            "by_label": [by_label.chip.label, by_label.chip.name == chip.number, by_label.line.offset],
            "by_name": [by_name.chip.label, by_name.line.name, by_name.line.offset],
            "device": by_label.path.name,
            "missing": problem_of(find_line, 61),
        }


def found_by_name_only() -> object:
    """Where pin 17 is on a chip with an unknown label, whose lines have names."""
    chip = SimulatedChip("unknown", "pinctrl-of-2031", 54, {20: "GPIO17"})
    place = find_line(17)
    chip.remove()
    return [place.chip.label, place.line.name, place.line.offset]


def denied() -> object:
    """The error that a user without permission gets."""
    with header():
        os.seteuid(65534)
        problem = problem_of(find_line, 17)
        os.seteuid(0)
        return problem


def unread() -> object:
    """3000 pulses that nobody reads."""
    with requested(17) as [(line, connected)]:
        make_pulses([connected], 3000)
        return list(map(astuple, line.read_edges())), len(line.read_edges())


def busy() -> object:
    """What is said of a line in use, and whether it can be requested afterwards."""
    with header():
        place = find_line(17)
        first = request_line(place, COUNTS)
        problem = problem_of(request_line, place, COUNTS)
        first.close()
        request_line(place, COUNTS).close()
        return problem


def settings() -> object:
    """For each setting: the level of the open line, and the edges counted after pulling it down, up and down."""
    seen = {}
    for edge in EdgeDirection:
        for bias in (Bias.PULL_UP, Bias.PULL_DOWN):
            with requested(17, settings=LineSettings(edge, bias)) as [(line, connected)]:
                levels = [connected.level]
                for level in (0, 1, 0):
                    connected.set(level)
                    time.sleep(SETTLE_S)
                    levels.append(len(line.read_edges()))
                seen[f"{edge.value} {bias.value}"] = levels
    return seen


def adopted() -> object:
    """A descriptor that outlives its process: queued edges, numbers, other settings, and descriptors that are not it."""
    with requested(17, 22) as [(line, connected), (other, _)]:
        kept = os.dup(line.descriptor)
        make_pulses([connected], 5)
        numbers = [edge.line_seqno for edge in line.read_edges()]
        line.close()
        make_pulses([connected], 5)
        place = find_line(17)
        wrong = [problem_of(adopt_line, descriptor, place, COUNTS) for descriptor in (other.descriptor, 0)]
        line.descriptor = adopt_line(kept, place, LineSettings(EdgeDirection.RISING, Bias.PULL_UP)).descriptor
        make_pulses([connected], 5)
        numbers += [edge.line_seqno for edge in line.read_edges()]
        return {"numbers": numbers, "flags": int(line_info(place.path, 17).flags), "wrong": wrong}


def kept() -> object:
    """Run by systemd: dies with unread edges, its descriptor in systemd; the next start goes on with it, and prints all numbers.

    The first five pulses are read, five are not, and five happen while the meter is dead.
    """
    if "LISTEN_FDS" not in os.environ:
        die_with_unread_edges()
    numbers = Path("/run/numbers").read_text().split()
    place = find_line(17)
    make_pulses([line_of("kept", 17)], 5)
    line = adopt_line(FIRST_OF_SYSTEMD, place, COUNTS)
    numbers += [str(edge.line_seqno) for edge in line.read_edges()]
    remove_chip("kept")
    return numbers


def die_with_unread_edges() -> None:
    """Leaves the descriptor with systemd, see FDSTORE in sd_notify(3), and is killed."""
    connected = SimulatedChip("kept", LABEL, 54).line(17)
    line = request_line(find_line(17), COUNTS)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.connect(os.environ["NOTIFY_SOCKET"])
        socket.send_fds(manager, [b"FDSTORE=1\nFDNAME=pin17"], [line.descriptor])
    make_pulses([connected], 5)
    Path("/run/numbers").write_text(" ".join(str(edge.line_seqno) for edge in line.read_edges()))
    make_pulses([connected], 5)
    os.kill(os.getpid(), signal.SIGKILL)


def two_lines() -> object:
    """10,000 pulses on each of two lines at once, as fast as the guest makes them, read four times a second."""
    with requested(17, 22) as both:
        began = time.monotonic()
        maker = threading.Thread(target=make_pulses, args=([connected for _, connected in both], 10_000))
        maker.start()
        edges: list[list[Edge]] = [[], []]
        while maker.is_alive():
            maker.join(0.25)
            for read, (line, _) in zip(edges, both, strict=True):
                read += line.read_edges()
        took_s = time.monotonic() - began
        return {
            "counted": [read[-1].line_seqno for read in edges],
            "read": [len(read) for read in edges],
            "in_order": all(read == sorted(read, key=lambda edge: edge.timestamp_ns) for read in edges),
            "hertz": round(10_000 / took_s),
        }


def flow() -> object:
    """900 pulses at about 300 Hz, read at the end: stamps and the clock they belong to."""
    with requested(17) as [(line, connected)]:
        began_ns = time.monotonic_ns()
        make_pulses([connected], 900, hertz=300)
        ended_ns = time.monotonic_ns()
        edges = line.read_edges()
        return {
            "numbers": [edges[0].line_seqno, edges[-1].line_seqno, len(edges)],
            "within": began_ns <= edges[0].timestamp_ns < edges[-1].timestamp_ns <= ended_ns,
            "hertz": round(899e9 / (edges[-1].timestamp_ns - edges[0].timestamp_ns)),
        }


def removed() -> object:
    """What a line reports whose chip is removed."""
    chip = SimulatedChip("removed", LABEL, 54)
    line = request_line(find_line(17), COUNTS)
    chip.remove()
    problem = problem_of(line.read_edges)
    line.close()
    return problem


SCENARIOS = (found, found_by_name_only, denied, unread, busy, settings, adopted, kept, two_lines, flow, removed)

if __name__ == "__main__":
    print(json.dumps(next(scenario for scenario in SCENARIOS if scenario.__name__ == sys.argv[1])()))
