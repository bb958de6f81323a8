"""How fast the server accepts a burst of pours, beside a bare endpoint, with readers, MQTT and metrics on. Prints a table.

It exits with 1 if a limit is not kept.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.server import signed
from bench.server.processes import HERE, Process, bare, kegnet_server
from bench.server.wrk import Sent, send
from kegnet.server import storage
from kegnet.server.storage.clients import set_client
from support.services import Broker, PostgreSQL

CLIENTS, KEYS = 20, 4
READERS = 100
RATE_AT_LEAST = 0.5
"""Pours a second, of the bare endpoint's requests a second."""
PAGE_AT_MOST_S = 0.5


@dataclass(frozen=True)
class Seen:
    """What the onlookers saw meanwhile. Times in seconds."""

    page_s: list[float]
    metrics_s: list[float]
    events: int
    failed: list[str]


@dataclass(frozen=True)
class Burst:
    """One burst. `kept` is counted in the database afterwards; the rest is of the server's process."""

    sent: Sent
    kept: int
    seen: Seen
    cpu_s: float
    peak_mb: float


@contextmanager
def looked_at(port: int, folder: Path, readers: int) -> Iterator[list[Seen]]:
    """Onlookers while the block runs. The list has what they saw after it."""
    seen: list[Seen] = []
    command: list[str | Path] = [sys.executable, "-B", HERE / "onlookers.py", str(port), str(readers)]
    with (folder / "onlookers.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n", (folder / "onlookers.log").read_text()
        yield seen
    finally:
        process.terminate()
        output, _ = process.communicate()
    found = json.loads(output)
    failed = found["failed"] + ["a reader was lost"] * found["lost"]
    seen.append(Seen(found["page_s"], found["metrics_s"], found["events"], failed))


def register(url: str, senders: list[signed.Sender]) -> None:
    """Registers the clients in the database at `url`."""
    database = storage.open_database(url)
    with database.writing() as connection:
        for number, sender in enumerate(senders):
            set_client(connection, sender.uuid, now_ms=time.time_ns() // 10**6, public_key=sender.public, name=f"Client {number}")
    database.close()


def kept(url: str, table: str, postgresql: PostgreSQL | None) -> int:
    """How many rows a table has."""
    query = f"SELECT count(*) FROM {table}"
    if postgresql:
        return int(postgresql.query(url.rpartition("/")[2], query))
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
        return int(database.execute(query).fetchone()[0])


def send_burst(folder: Path, url: str, forms: Path, broker: Broker, postgresql: PostgreSQL | None = None, workers: int = 1) -> Burst:
    """Sends the pours to a new server with everything on."""
    server = kegnet_server(folder, url, "--mqtt", f"mqtt://127.0.0.1:{broker.port}", "--workers", str(workers))
    try:
        with looked_at(server.port, folder, READERS) as seen:
            cpu_s = server.cpu_s()
            sent = send(f"http://127.0.0.1:{server.port}/rest/v2/pour", forms)
            cpu_s = server.cpu_s() - cpu_s
        return Burst(sent, kept(url, "pour", postgresql), seen[0], cpu_s, server.peak_mb())
    finally:
        server.stop()


def send_bare(folder: Path, forms: Path) -> tuple[Sent, float]:
    """Sends the pours to the bare endpoint; also gives its processor time in seconds."""
    server: Process = bare(folder)
    try:
        sent = send(f"http://127.0.0.1:{server.port}/rest/v2/pour", forms)
        return sent, server.cpu_s()
    finally:
        server.stop()


def row(name: str, burst: Burst, bare_rate: float) -> str:
    """A row of the table."""
    sent, seen = burst.sent, burst.seen
    cells = (
        name,
        f"{sent.rate:.0f}",
        f"{sent.rate / bare_rate:.2f}",
        f"{burst.cpu_s / sent.accepted * 1e6:.0f}",
        str(burst.kept),
        f"{statistics.median(seen.page_s):.3f}",
        f"{max(seen.page_s):.3f}",
        f"{max(seen.metrics_s):.3f}",
        str(seen.events),
        f"{burst.peak_mb:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def mistakes(name: str, burst: Burst, pours: int, bare_rate: float | None) -> list[str]:
    """What must not be. Without `bare_rate` no limit of time counts."""
    found = [f"{name}: {each}" for each in burst.seen.failed]
    if (burst.sent.accepted, burst.kept) != (pours, pours):
        found.append(f"{name}: of {pours} pours {burst.sent.accepted} were accepted and {burst.kept} kept")
    if bare_rate and burst.sent.rate < RATE_AT_LEAST * bare_rate:
        found.append(f"{name}: {burst.sent.rate:.0f} pours/s, below {RATE_AT_LEAST} of {bare_rate:.0f}/s")
    if bare_rate and max(burst.seen.page_s) > PAGE_AT_MOST_S:
        found.append(f"{name}: a home page took {max(burst.seen.page_s):.3f} s, more than {PAGE_AT_MOST_S} s")
    return found


def measure(pours: int, databases: list[str], workers: int) -> list[str]:
    """All of it. Returns what is not as it must be."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        senders, forms = signed.senders(CLIENTS, KEYS), folder / "forms"
        signed.write(forms, signed.pours(senders, pours, time.time_ns() // 10**6))
        broker, postgresql = Broker(folder / "broker"), PostgreSQL(folder / "postgresql")
        try:
            bares, bursts = [send_bare(folder, forms)], dict[str, Burst]()
            for database in databases:
                url = postgresql.database() if database == "PostgreSQL" else f"sqlite:///{folder}/kegnet.sqlite"
                register(url, senders)
                bursts[database] = send_burst(folder, url, forms, broker, postgresql if database == "PostgreSQL" else None, workers)
                bares.append(send_bare(folder, forms))
        finally:
            broker.stop()
            postgresql.stop()
    bare_rate = statistics.median(sent.rate for sent, _ in bares)
    print("| server | pours/s | of bare | CPU µs a pour | kept | page: median s | longest s | metrics: longest s | events read | peak MB |")
    print("| --- " * 10 + "|")
    bare_cpu_us = statistics.median(cpu_s / sent.accepted * 1e6 for sent, cpu_s in bares)
    print(f"| bare endpoint | {bare_rate:.0f} | 1 | {bare_cpu_us:.0f} |" + " |" * 6)
    for database, burst in bursts.items():
        print(row(database, burst, bare_rate))
    return [each for database, burst in bursts.items() for each in mistakes(database, burst, pours, bare_rate)]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pours", type=int, default=50_000)
    parser.add_argument("--only", choices=["SQLite", "PostgreSQL"])
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="processes of the server (one a processor)")
    arguments = parser.parse_args()
    found = measure(arguments.pours, [arguments.only] if arguments.only else ["SQLite", "PostgreSQL"], arguments.workers)
    for mistake in found:
        print(f"NOT KEPT: {mistake}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
