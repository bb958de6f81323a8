#!/usr/bin/env python3
"""10,000 clients at their natural rate, and what they have saved up in an outage, on SQLite and PostgreSQL.

usage: load.py [--pours N] [--seconds N] [--url URL]    after tests/household/run; another database than SQLite by its URL
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import statistics
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "lib")]

import requests  # noqa: E402
import sqlalchemy as sa  # noqa: E402
from kegnet.server import schema  # noqa: E402
from M2Crypto import RSA  # noqa: E402
from support.kegnet_server import KegnetServer  # noqa: E402
from support.pki import openssl  # noqa: E402

CLIENTS = 10_000
PING_INTERVAL_S = 600
SENDERS = 16


class Load:
    """The clients, all with one key, for it is the server that is measured; and what it has accepted."""

    def __init__(self, folder: Path, url: str) -> None:
        openssl("genrsa", "-out", folder / "key.pem", "2048")
        self._key = RSA.load_key(str(folder / "key.pem"))
        self.server = KegnetServer(folder / "server", None, url=url)
        public = openssl("rsa", "-in", folder / "key.pem", "-pubout").decode()
        self.clients = [str(uuid.uuid4()) for _ in range(CLIENTS)]
        rows = [{"id": each, "name": each[:8], "public_key": public, "added_ms": 0} for each in self.clients]
        with sa.create_engine(self.server.url).begin() as connection:
            connection.execute(sa.insert(schema.client), rows)
        self.accepted = {"ping": 0, "pour": 0}
        self._lock = threading.Lock()

    def signed(self, client: str, **fields: int) -> dict[str, str]:
        """A message."""
        whole = {"id": client, **{name: str(value) for name, value in fields.items()}}
        signature = self._key.sign(hashlib.sha256(",".join(whole.values()).encode()).digest(), "sha256")
        return {**whole, "sig": base64.b64encode(signature).decode()}

    def send(self, kind: str, messages: list[dict[str, str]], session: requests.Session) -> None:
        """Sends them one after the other, each until it is accepted."""
        for message in messages:
            while session.post(f"{self.server.base_url}/{kind}", data=message).status_code != 200:
                time.sleep(0.5)
            with self._lock:
                self.accepted[kind] += 1

    def kept(self, table: sa.Table) -> int:
        """How many are in the database."""
        with self.server.store.reading() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def looked_at(load: Load, over: threading.Event, waits_s: list[float]) -> None:
    """The page, again and again, as a reader sees it."""
    while not over.wait(0.5):
        start = time.monotonic()
        answer = requests.get(load.server.page_url, timeout=60)
        assert answer.status_code == 200
        waits_s.append(time.monotonic() - start)


def phase(load: Load, kind: str, messages: list[dict[str, str]], senders: int, rate: float | None = None) -> None:
    """Sends all, at `rate` a second or as fast as it goes, while the page is looked at; prints how it went."""
    over, waits_s = threading.Event(), list[float]()
    reader = threading.Thread(target=looked_at, args=(load, over, waits_s))
    reader.start()
    start = time.monotonic()
    if rate is None:
        threads = [threading.Thread(target=load.send, args=(kind, messages[n::senders], requests.Session())) for n in range(senders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    else:
        session = requests.Session()
        for number, message in enumerate(messages):
            time.sleep(max(0.0, start + number / rate - time.monotonic()))
            load.send(kind, [message], session)
    took_s = time.monotonic() - start
    over.set()
    reader.join()
    page = f"page: median {statistics.median(waits_s):.3f} s, longest {max(waits_s):.3f} s of {len(waits_s)}"
    table = schema.ping if kind == "ping" else schema.pour
    print(f"{len(messages)} {kind}s: {len(messages) / took_s:.0f} a second; kept {load.kept(table)}; {page}", flush=True)
    assert load.kept(table) == load.accepted[kind] == len(messages)


def main() -> None:
    """Both phases on one database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pours", type=int, default=50_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--url", default="")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        load = Load(Path(folder), arguments.url)
        now_ms = time.time_ns() // 10**6
        rate = CLIENTS / PING_INTERVAL_S
        pings = [load.signed(load.clients[n % CLIENTS], temp=4187, ts=now_ms + n) for n in range(round(rate * arguments.seconds))]
        pours = [load.signed(load.clients[n % CLIENTS], pin=0, pulses=586, et=8213, ts=now_ms + n) for n in range(arguments.pours)]
        phase(load, "ping", pings, 1, rate)
        phase(load, "pour", pours, SENDERS)
        load.server.stop()


if __name__ == "__main__":
    main()
