"""Measures the client beside a shell loop and a bare sender, and checks its limits. Ends with a table of ratios.

usage: tests/bench/run [--quick] [--against DIR] [--raw FILE]
"""

from __future__ import annotations

import argparse
import compileall
import json
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench import fleet, picture
from bench.measure import BARE, CLIENT, OTHER, POST, SHELL, Lab, backlog, drain, idle, latency, start
from support.pki import authority, issue, openssl

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DRAWN = 4
"""The first so many scenarios of the fleet are in the picture."""
Figures = dict[str, float]


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure, that of the other client if there is one, and the limit.

    `most`: whether the limit is the most or the least that the figure may be.
    """

    what: str
    figure: float
    other: float | None = None
    limit: float | None = None
    most: bool = True
    unit: str = ""

    @property
    def kept(self) -> bool:
        """Whether the figure is within its limit."""
        return self.limit is None or (self.figure <= self.limit if self.most else self.figure >= self.limit)

    def text(self, compared: bool) -> str:
        """The line, with a column for the other client if there is one."""
        other = "" if not compared else f"{'-' if self.other is None else format(self.other, '.3f'):>11}"
        line = f"{self.what:<74}{self.figure:>11.3f}{other} {self.unit:<4}"
        if self.limit is None:
            return line.rstrip()
        return f"{line}{'at most' if self.most else 'at least':>9} {self.limit:<7g} {'kept' if self.kept else 'NOT KEPT'}"


class Bench:
    """One run: the figures so far, and the rows of the table."""

    def __init__(self, lab: Lab, quick: bool) -> None:
        self._lab = lab
        self._quick = quick
        self._clients = tuple(lab.programs)
        self.raw: dict[str, list[Figures]] = {}
        self.rows: list[Row] = []

    def _keep(self, name: str, kind: str, figures: Figures) -> None:
        self.raw.setdefault(f"{name}: {kind}", []).append(figures)
        print(f"{name}: {kind}: " + ", ".join(f"{key} {value:.4g}" for key, value in figures.items()), file=sys.stderr, flush=True)

    def _median(self, name: str, kind: str, key: str) -> float:
        return statistics.median(figures[key] for figures in self.raw[f"{name}: {kind}"])

    def _row(self, what: str, figures: Figures, limit: float | None = None, most: bool = True, unit: str = "") -> None:
        """A row of figures by client."""
        self.rows.append(Row(what, figures[CLIENT], figures.get(OTHER), limit, most, unit))

    def _medians(self, name: str, key: str, what: str, limit: float | None = None, unit: str = "") -> None:
        self._row(what, {kind: self._median(name, kind, key) for kind in self._clients}, limit, unit=unit)

    def _ratio(self, name: str, key: str, to: str, what: str, limit: float | None = None, most: bool = True) -> None:
        """Of medians to those of `to`, over rounds that measured all in turns: a machine's speed changes by the minute."""
        base = self._median(name, to, key)
        self._row(f"{name}: {what}", {kind: self._median(name, kind, key) / base for kind in self._clients}, limit, most)

    def drains(self) -> None:
        """Backlogs, in turns with the bare sender and Session.post, and with the bare sender and the shell loop."""
        plans = [("https", 0, 2000, 5), ("http", 0, 2000, 3), ("https", 20, 2000, 1), ("http", 20, 2000, 1)]
        if not self._quick:
            plans += [("https", 0, 10_000, 1), ("http", 0, 10_000, 1)]
        limits = {("https", 0): (0.6, 1.6), ("https", 20): (0.97, None)}
        for scheme, delay_ms, pours, rounds in plans:
            plan = f"{scheme}, {delay_ms} ms, {pours} pours"
            for _ in range(1 if self._quick else rounds):
                for kind in (BARE, POST, *self._clients):
                    self._keep(plan, kind, drain(self._lab, kind, scheme, delay_ms / 1000, pours))
            rate, cpu = limits.get((scheme, delay_ms), (None, None))
            self._ratio(plan, "pours_per_s", BARE, "pours/s, of the bare sender's", rate, most=False)
            self._ratio(plan, "cpu_ms_per_pour", BARE, "CPU per pour, of the bare sender's", cpu)
            for key, what in (("pours_per_s", "pours/s"), ("cpu_ms_per_pour", "CPU per pour")):
                ratio = self._median(plan, POST, key) / self._median(plan, BARE, key)
                self.rows.append(Row(f"{plan}: {what} of Session.post, of the bare sender's", ratio))
        plan = "https, 0 ms, in turns"
        for _ in range(1 if self._quick else 3):
            self._keep(plan, SHELL, drain(self._lab, SHELL, "https", 0, 200))
            for kind in (*self._clients, BARE):
                self._keep(plan, kind, drain(self._lab, kind, "https", 0, 2000))
        self._ratio(plan, "pours_per_s", SHELL, "pours/s, of the shell loop's", 20, most=False)
        self._ratio(plan, "cpu_ms_per_pour", SHELL, "CPU per pour, of the shell loop's", 0.05)
        for key, what in (("pours_per_s", "pours/s"), ("cpu_ms_per_pour", "CPU per pour")):
            ratio = self._median(plan, BARE, key) / self._median(plan, SHELL, key)
            self.rows.append(Row(f"{plan}: the bare sender's {what}, of the shell loop's", ratio))

    def latencies(self) -> None:
        """From the rename to the server."""
        for scheme in ("https", "http"):
            name = f"delay, {scheme}"
            for kind in (BARE, *self._clients):
                self._keep(name, kind, latency(self._lab, kind, scheme))
            bare_ms = self._median(name, BARE, "median_ms")
            over_ms = {kind: self._median(name, kind, "median_ms") - bare_ms for kind in self._clients}
            self._row(f"{name}: median over the bare sender's", over_ms, 2 if scheme == "https" else None, unit="ms")
            self._ratio(name, "p99_ms", BARE, "99th percentile, of the bare sender's")

    def rest(self) -> None:
        """Idling and starts."""
        for kind in self._clients:
            self._keep("idle", kind, idle(self._lab, kind, 20 if self._quick else 60))
        self._medians("idle", "switches_per_minute", "idle: context switches per minute", 2)
        self._medians("idle", "cpu_ms_per_minute", "idle: CPU per minute", 1, "ms")
        self._medians("idle", "pss_mb", "idle: memory (PSS)", 28, "MB")
        self._medians("idle", "growth_kb", "idle: growth of memory", 0, "kB")
        for _ in range(3):
            for kind in self._clients:
                self._keep("start", kind, start(self._lab, kind))
        self._medians("start", "first_ping_cpu_s", "start: CPU to the first ping", 0.4, "s")
        self._medians("start", "first_pour_cpu_s", "start: CPU to the first waiting pour", unit="s")

    def backlogs(self) -> None:
        """Memory and CPU per pour must not grow with the number that waits."""
        for pours, rounds in ((10_000, 4), (100_000, 10)):
            large, small = f"backlog of {pours}", f"backlog of 1000, beside that of {pours}"
            for kind in self._clients:
                whole, others = backlog(self._lab, kind, pours, 1000, rounds)
                self._keep(large, kind, whole)
                for other in others:
                    self._keep(small, kind, other)
            peaks_mb = {kind: [self._median(name, kind, "peak_kb") / 1024 for name in (large, small)] for kind in self._clients}
            self._row(f"{large}: peak memory over that of 1000", {kind: a - b for kind, (a, b) in peaks_mb.items()}, 5, unit="MB")
            for key, what, limit, most in (("cpu_ms_per_pour", "CPU per pour", 1.1, True), ("pours_per_s", "pours/s", 0.9, False)):
                ratios = {kind: self._median(large, kind, key) / self._median(small, kind, key) for kind in self._clients}
                self._row(f"{large}: {what}, of that with 1000", ratios, limit, most)

    def fleets(self) -> None:
        """Simulated, so independent of this machine's speed."""
        courses = []
        for scenario in fleet.scenarios(20_000 if self._quick else 100_000):
            course = fleet.simulate(scenario)
            courses.append(course)
            figures = {"peak_pings": course.peak_pings, "peak_messages": course.peak_messages}
            self._keep("fleet", scenario.name, figures)
            self.rows.append(Row(f"fleet, {scenario.name}: pings", course.peak_pings, limit=scenario.limit))
            self.rows.append(Row(f"fleet, {scenario.name}: all messages", course.peak_messages))
        if not self._quick:
            picture.draw(courses[:DRAWN], HERE / "fleet.png")


def lab(folder: Path, against: Path | None) -> Lab:
    """Keys, certificates, and compiled copies of the clients."""
    ca = authority(folder)
    openssl("genrsa", "-out", folder / "key.pem", "2048")
    programs = {}
    for kind, source in ((CLIENT, ROOT), (OTHER, against)):
        if source is not None:
            lib = folder / kind.replace(" ", "-") / "lib"
            shutil.copytree(source / "lib", lib, ignore=shutil.ignore_patterns("__pycache__"))
            compileall.compile_dir(lib, quiet=1)
            programs[kind] = lib / "client.py"
    return Lab(folder, folder / "key.pem", ca, issue(ca, folder, "sink"), programs)


def main() -> int:
    """Measures everything. Returns 1 if a limit is not kept."""
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller backlogs, no picture")
    parser.add_argument(
        "--against", type=Path, metavar="DIR", help="also measure the client of the checkout in DIR, in the same rounds, as another column"
    )
    parser.add_argument("--only", nargs="+", metavar="PART", choices=PARTS, help=f"only these parts: {', '.join(PARTS)}")
    parser.add_argument("--raw", type=Path, default=HERE / "raw.json", help="where all raw figures are written (%(default)s)")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        bench = Bench(lab(folder, arguments.against), arguments.quick)
        for part in arguments.only or [part for part in PARTS if not (arguments.quick and part == "backlogs")]:
            getattr(bench, part)()
    finally:
        shutil.rmtree(folder)
    arguments.raw.write_text(json.dumps(bench.raw, indent=1))
    compared = arguments.against is not None
    print(f"{'':<74}{'figure':>11}{'against' if compared else '':>{11 if compared else 0}}")
    print(*(row.text(compared) for row in bench.rows), sep="\n")
    return int(not all(row.kept for row in bench.rows))


PARTS = ["drains", "latencies", "rest", "backlogs", "fleets"]

if __name__ == "__main__":
    sys.exit(main())
