"""How much of a core 10,000 clients take that ping every 10 minutes: 17 pings a second, MQTT on. Exits with 1 over the limit."""

from __future__ import annotations

import argparse
import http.client
import sys
import tempfile
import time
from pathlib import Path

from bench.server import signed
from bench.server.burst import KEYS, register
from bench.server.processes import Process, kegnet_server
from support.services import Broker, PostgreSQL
from support.wait import wait_for

CLIENTS = 10_000
INTERVAL_S = 600
PAUSE_S = 40
"""Longer than the pause between two passes over 10,000 clients."""
CPU_AT_MOST = 0.1
HEAD = {"Content-Type": "application/x-www-form-urlencoded"}


def send(port: int, forms: list[str], a_second: float) -> int:
    """Sends the pings at an even rate, each over a connection of its own, as 10,000 clients do. Returns how many were accepted."""
    start, accepted = time.monotonic(), 0
    for number, form in enumerate(forms):
        time.sleep(max(0.0, start + number / a_second - time.monotonic()))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", "/rest/v2/ping", form, HEAD)
        accepted += connection.getresponse().status == 200
        connection.close()
    return accepted


def is_idle(server: Process) -> bool:
    """Whether it has done next to nothing for longer than its pauses: it has published all clients to MQTT."""
    before = server.cpu_s()
    time.sleep(PAUSE_S)
    return server.cpu_s() - before < 0.01 * PAUSE_S


def measure(url: str, folder: Path, broker: Broker, senders: list[signed.Sender], seconds: int) -> float:
    """The share of a core that the server uses."""
    register(url, senders)
    rate = len(senders) / INTERVAL_S
    now_ms = time.time_ns() // 10**6
    forms = signed.pings(senders, round(rate * seconds), now_ms)
    earlier = signed.pings(senders, len(senders), now_ms - 1000 * INTERVAL_S)
    server = kegnet_server(folder, url, "--mqtt", f"mqtt://127.0.0.1:{broker.port}")
    try:
        # Each client has sent a ping before, as in all intervals but the first.
        assert send(server.port, earlier, len(senders)) == len(senders)
        wait_for(lambda: is_idle(server), 900)
        start, cpu_s = time.monotonic(), server.cpu_s()
        accepted = send(server.port, forms, rate)
        share = (server.cpu_s() - cpu_s) / (time.monotonic() - start)
        assert accepted == len(forms), f"{accepted} of {len(forms)} pings accepted"
        return share
    finally:
        server.stop()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        senders = signed.senders(CLIENTS, KEYS)
        broker, postgresql = Broker(folder / "broker"), PostgreSQL(folder / "postgresql")
        try:
            for url in (f"sqlite:///{folder}/kegnet.sqlite", postgresql.database()):
                share = measure(url, folder, broker, senders, arguments.seconds)
                print(f"{url.partition(':')[0]}: {CLIENTS} clients, {CLIENTS / INTERVAL_S:.0f} pings/s: {share:.1%} of a core", flush=True)
                worst = max(worst, share)
        finally:
            broker.stop()
            postgresql.stop()
    if worst > CPU_AT_MOST:
        print(f"NOT KEPT: at most {CPU_AT_MOST:.0%}")
    return 1 if worst > CPU_AT_MOST else 0


if __name__ == "__main__":
    sys.exit(main())
