"""Measures the client beside a shell loop and a bare sender, and against its limits; a table of ratios at the end.

usage: tests/bench/run [--quick] [--raw FILE]      FILE gets all raw figures, as JSON (tests/bench/raw.json)
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
from bench.measure import BARE, CLIENT, SHELL, Lab, backlog, drain, idle, latency, start
from support.pki import authority, issue, openssl

HERE = Path(__file__).resolve().parent
Figures = dict[str, float]


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure, and its limit; `most`: whether the limit is the most or the least that it may be."""

    what: str
    figure: float
    limit: float | None = None
    most: bool = True
    unit: str = ""

    def __str__(self) -> str:
        figure = f"{self.what:<66}{self.figure:>9.3f} {self.unit:<4}"
        if self.limit is None:
            return figure
        kept = self.figure <= self.limit if self.most else self.figure >= self.limit
        return f"{figure}{'at most' if self.most else 'at least':>9} {self.limit:<7g} {'kept' if kept else 'NOT KEPT'}"


class Bench:
    """One run: what it has measured, and the table that grows."""

    def __init__(self, lab: Lab, quick: bool) -> None:
        self._lab = lab
        self._quick = quick
        self.raw: dict[str, list[Figures]] = {}
        self.rows: list[Row] = []

    def _keep(self, name: str, figures: Figures) -> None:
        self.raw.setdefault(name, []).append(figures)
        print(f"{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in figures.items()), file=sys.stderr, flush=True)

    def _median(self, name: str, key: str) -> float:
        return statistics.median(figures[key] for figures in self.raw[name])

    def _ratio(self, what: str, key: str, mine: str, other: str, limit: float | None = None, most: bool = True) -> None:
        """Of medians over rounds in which both were measured in turns, for a machine's pace changes by the minute."""
        self.rows.append(Row(what, self._median(mine, key) / self._median(other, key), limit, most))

    def drains(self) -> None:
        """The client in turns with the bare sender, and with both it and the shell loop."""
        plans = [("https", 0, 2000, 5), ("http", 0, 2000, 3), ("https", 20, 2000, 1), ("http", 20, 2000, 1)]
        if not self._quick:
            plans += [("https", 0, 10_000, 1), ("http", 0, 10_000, 1)]
        limits = {("https", 0): (0.6, 1.6), ("https", 20): (0.97, None)}
        for scheme, delay_ms, pours, rounds in plans:
            plan = f"{scheme}, {delay_ms} ms, {pours} pours"
            for _ in range(1 if self._quick else rounds):
                for kind in (BARE, CLIENT):
                    self._keep(f"{plan}: {kind}", drain(self._lab, kind, scheme, delay_ms / 1000, pours))
            rate, cpu = limits.get((scheme, delay_ms), (None, None))
            self._ratio(f"{plan}: pours/s, of the bare sender's", "pours_per_s", f"{plan}: {CLIENT}", f"{plan}: {BARE}", rate, False)
            self._ratio(f"{plan}: CPU a pour, of the bare sender's", "cpu_ms_per_pour", f"{plan}: {CLIENT}", f"{plan}: {BARE}", cpu)
        mine, bare, shell = (f"https, 0 ms, in turns: {kind}" for kind in (CLIENT, BARE, SHELL))
        for _ in range(1 if self._quick else 3):
            self._keep(shell, drain(self._lab, SHELL, "https", 0, 200))
            self._keep(mine, drain(self._lab, CLIENT, "https", 0, 2000))
            self._keep(bare, drain(self._lab, BARE, "https", 0, 2000))
        self._ratio("https, 0 ms: pours/s, of the shell loop's", "pours_per_s", mine, shell, 20, False)
        self._ratio("https, 0 ms: CPU a pour, of the shell loop's", "cpu_ms_per_pour", mine, shell, 0.05)
        self._ratio("https, 0 ms: the bare sender's pours/s, of the shell loop's", "pours_per_s", bare, shell)
        self._ratio("https, 0 ms: the bare sender's CPU a pour, of the shell loop's", "cpu_ms_per_pour", bare, shell)

    def latencies(self) -> None:
        """From the rename to acceptance."""
        for scheme in ("https", "http"):
            for kind in (BARE, CLIENT):
                self._keep(f"latency, {scheme}: {kind}", latency(self._lab, kind, scheme))
            mine, bare = (f"latency, {scheme}: {kind}" for kind in (CLIENT, BARE))
            over_ms = self._median(mine, "median_ms") - self._median(bare, "median_ms")
            self.rows.append(Row(f"latency, {scheme}: median over the bare sender's", over_ms, 2 if scheme == "https" else None, unit="ms"))
            self._ratio(f"latency, {scheme}: 99th percentile, of the bare sender's", "p99_ms", mine, bare)

    def rest(self) -> None:
        """Idling and starts."""
        self._keep("idle", idle(self._lab, 20 if self._quick else 60))
        self.rows += [
            Row("idle: context switches a minute", self._median("idle", "switches_per_minute"), 2),
            Row("idle: CPU a minute", self._median("idle", "cpu_ms_per_minute"), 1, unit="ms"),
            Row("idle: PSS", self._median("idle", "pss_mb"), 28, unit="MB"),
            Row("idle: growth", self._median("idle", "growth_kb"), 0, unit="kB"),
        ]
        for _ in range(3):
            self._keep("start", start(self._lab))
        self.rows += [
            Row("start: CPU to the first ping", self._median("start", "first_ping_cpu_s"), 0.4, unit="s"),
            Row("start: CPU to the first waiting pour", self._median("start", "first_pour_cpu_s"), unit="s"),
        ]

    def backlogs(self) -> None:
        """Memory and time a pour must not grow with what waits."""
        for pours, rounds in ((10_000, 4), (100_000, 10)):
            mine, least = f"backlog of {pours}", f"backlog of 1000, beside that of {pours}"
            whole, others = backlog(self._lab, pours, 1000, rounds)
            self._keep(mine, whole)
            for other in others:
                self._keep(least, other)
            grown_mb = (self._median(mine, "peak_kb") - self._median(least, "peak_kb")) / 1024
            self.rows.append(Row(f"{mine}: peak memory over that of 1000", grown_mb, 5, unit="MB"))
            self._ratio(f"{mine}: CPU a pour, of that with 1000", "cpu_ms_per_pour", mine, least, 1.1)
            self._ratio(f"{mine}: pours/s, of that with 1000", "pours_per_s", mine, least, 0.9, False)

    def fleets(self) -> None:
        """Simulated: not of this machine's pace."""
        clients = 20_000 if self._quick else 100_000
        courses = fleet.courses(clients)
        for course in courses:
            self.raw[f"fleet, {course.name}"] = [{"peak_per_s": course.peak, "steady_per_s": course.steady}]
            limit = course.limit / course.steady if course.limit else None
            self.rows.append(Row(f"fleet, {course.name}: peak, of the steady rate", course.peak / course.steady, limit))
            self.rows.append(Row(f"fleet, {course.name}: peak over mean", course.peak_over_mean))
        if not self._quick:
            picture.draw(courses, HERE / "fleet.png")


def lab(folder: Path) -> Lab:
    """Keys, certificates, and the client's modules compiled."""
    ca = authority(folder)
    openssl("genrsa", "-out", folder / "key.pem", "2048")
    shutil.copytree(HERE.parents[1] / "lib", folder / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(folder / "lib", quiet=1)
    return Lab(folder, folder / "key.pem", ca, issue(ca, folder, "sink"), folder / "lib" / "client.py")


def main() -> int:
    """Measures everything; 1 if a limit is not kept."""
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller backlogs, no picture")
    parser.add_argument("--raw", type=Path, default=HERE / "raw.json", help="gets all raw figures (%(default)s)")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        bench = Bench(lab(folder), arguments.quick)
        parts = [bench.drains, bench.latencies, bench.rest, bench.fleets]
        if not arguments.quick:
            parts.insert(3, bench.backlogs)
        for part in parts:
            part()
    finally:
        shutil.rmtree(folder)
    arguments.raw.write_text(json.dumps(bench.raw, indent=1))
    print(*bench.rows, sep="\n")
    return int(any(str(row).endswith("NOT KEPT") for row in bench.rows))


if __name__ == "__main__":
    sys.exit(main())
