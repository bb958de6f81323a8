"""What the home page and /metrics cost with 1 and 1,000 clients, with a week and five years of history. Prints ratios.

It exits with 1 if five years cost more than LONGER_AT_MOST times as much as a week.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from bench.server import signed
from bench.server.burst import register
from bench.server.processes import kegnet_server
from kegnet.server.storage import schema
from support.services import PostgreSQL

DAY_MS = 86_400_000
WEEK_DAYS, FIVE_YEARS_DAYS = 7, 5 * 365
PINGS_A_DAY = {1: 144, 1000: 2}
"""By the number of clients. With 1,000 fewer, so that five years fit; a week and five years have the same rate."""
POURS_A_DAY = 2
ROUNDS = 30
LONGER_AT_MOST = 1.5
PAGES = ("/", "/metrics")


def rows(client: int, days: int, pings_a_day: int, now_ms: int) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """The pings and pours of a client until now."""
    first_ms = now_ms - days * DAY_MS

    def times(a_day: int) -> Iterator[tuple[int, dict[str, object]]]:
        for number in range(days * a_day):
            at_ms = first_ms + number * (DAY_MS // a_day)
            common = {"client": client, "ts_ms": at_ms, "digest": os.urandom(32), "ts_seconds": False, "at_ms": at_ms, "received_ms": at_ms}
            yield number, common

    pings = [{**common, "temp": 4000 + number % 500} for number, common in times(pings_a_day)]
    pours = [{**common, "pin": number % 2, "pulses": 2800, "et_ms": 8000} for number, common in times(POURS_A_DAY)]
    return pings, pours


def fill(url: str, clients: int, days: int) -> None:
    """Registers the clients and gives each its history."""
    register(url, signed.senders(clients, 1))
    now_ms = time.time_ns() // 10**6
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.update(schema.client).values(added_ms=now_ms - days * DAY_MS))
        for client in connection.execute(sa.select(schema.client.c.key)).scalars().all():
            pings, pours = rows(client, days, PINGS_A_DAY[clients], now_ms)
            connection.execute(sa.insert(schema.ping), pings)
            connection.execute(sa.insert(schema.pour), pours)
            taps = [{"client": client, "pin": pin, "name": f"Tap {pin}", "hidden": False} for pin in (0, 1)]
            connection.execute(sa.insert(schema.tap), taps)
        kegs = [
            {"tap": tap, "on_ms": now_ms - 2 * DAY_MS, "volume_ml": 19000, "start_ml": 19000}
            for tap in connection.execute(sa.select(schema.tap.c.key)).scalars()
        ]
        connection.execute(sa.insert(schema.keg), kegs)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("ANALYZE"))
    engine.dispose()


def costs_s(url: str, folder: Path) -> dict[str, float]:
    """The median time of each page, in seconds."""
    server = kegnet_server(folder, url)
    took: dict[str, list[float]] = {page: [] for page in PAGES}
    try:
        for _ in range(ROUNDS):
            for page in PAGES:
                start = time.perf_counter()
                with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{page}", timeout=60) as answer:
                    answer.read()
                took[page].append(time.perf_counter() - start)
    finally:
        server.stop()
    return {page: statistics.median(times) for page, times in took.items()}


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, nargs="*", choices=list(PINGS_A_DAY), default=list(PINGS_A_DAY))
    arguments = parser.parse_args()
    worst = 0.0
    print("| database | clients | page | a week: ms | five years: ms | ratio |\n| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        postgresql = PostgreSQL(folder / "postgresql")
        try:
            for database in ("SQLite", "PostgreSQL"):
                for clients in arguments.clients:
                    found = []
                    for days in (WEEK_DAYS, FIVE_YEARS_DAYS):
                        url = postgresql.database() if database == "PostgreSQL" else f"sqlite:///{folder}/{clients}-{days}.sqlite"
                        fill(url, clients, days)
                        found.append(costs_s(url, folder))
                    for page in PAGES:
                        week, years = found[0][page], found[1][page]
                        cells = (database, str(clients), page, f"{week * 1e3:.1f}", f"{years * 1e3:.1f}", f"{years / week:.2f}")
                        print(f"| {' | '.join(cells)} |", flush=True)
                        worst = max(worst, years / week)
        finally:
            postgresql.stop()
    if worst > LONGER_AT_MOST:
        print(f"NOT KEPT: at most {LONGER_AT_MOST} times a week's")
    return 1 if worst > LONGER_AT_MOST else 0


if __name__ == "__main__":
    sys.exit(main())
