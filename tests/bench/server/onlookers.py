"""Who looks at the server while it is measured: 100 readers of the event stream, a home page, a Prometheus. Prints what they saw.

usage: onlookers.py PORT READERS    until SIGTERM. Prints "ready" once all readers are connected, and one line of JSON at the end.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time

READER = b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"


class Onlookers:
    """What they have seen so far. Times in seconds."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connected = 0
        self.events = 0
        self.lost = 0
        self.page_s: list[float] = []
        self.metrics_s: list[float] = []
        self.failed: list[str] = []

    async def read_events(self) -> None:
        """One reader. A stream that ends counts as lost."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(READER)
        if b" 200 " not in await reader.readline():
            self.failed.append("/events is refused")
            return
        self.connected += 1
        while line := await reader.readline():
            self.events += b'"kinds"' in line
        self.lost += 1

    async def get(self, path: str, took_s: list[float], every_s: float) -> None:
        """Asks for a page again and again, over a new connection each time."""
        while True:
            start = time.monotonic()
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read(-1)
            writer.close()
            took_s.append(time.monotonic() - start)
            if not answer.startswith(b"HTTP/1.1 200 "):
                self.failed.append(f"{path}: {answer[:60]!r}")
            await asyncio.sleep(max(0.0, every_s - (time.monotonic() - start)))


async def main(port: int, readers: int) -> None:
    """Looks until SIGTERM."""
    seen = Onlookers(port)
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    tasks = [asyncio.create_task(seen.read_events()) for _ in range(readers)]
    while seen.connected < readers and not seen.failed:
        await asyncio.sleep(0.02)
    tasks += [asyncio.create_task(seen.get("/", seen.page_s, 0.5)), asyncio.create_task(seen.get("/metrics", seen.metrics_s, 1))]
    print("ready", flush=True)
    await over.wait()
    # This process can have been held up until the load was over.
    while not (seen.page_s and seen.metrics_s and seen.events) and not seen.failed:
        await asyncio.sleep(0.02)
    seen.failed += [repr(task.exception()) for task in tasks if task.done() and task.exception()]
    print(json.dumps({name: value for name, value in vars(seen).items() if name != "port"}))


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
