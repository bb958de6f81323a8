"""Readers of a server's event stream, many at a time in one thread: when each event arrived, and its bytes."""

from __future__ import annotations

import json
import selectors
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from .http import Wire
from .kegnet_server import KegnetServer


@dataclass(frozen=True)
class Arrival:
    """An event at one reader: its name (empty: a change), its data, when it arrived (Unix time in seconds), and its size on the wire."""

    reader: int
    name: str
    data: dict[str, Any]
    at_s: float
    size: int


@dataclass
class _Buffer:
    reader: int
    received: bytes = b""


@dataclass
class StreamReaders:
    """So many readers, until the end of the `with`. `arrivals` grows while they read."""

    server: KegnetServer
    number: int
    arrivals: list[Arrival] = field(default_factory=list)

    def __enter__(self) -> StreamReaders:
        self._selector = selectors.DefaultSelector()
        self._wires = [Wire(self.server.page_url) for _ in range(self.number)]
        for reader, wire in enumerate(self._wires):
            wire.head("GET", "/events")
            self._selector.register(wire.sock, selectors.EVENT_READ, _Buffer(reader))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        for wire in self._wires:
            wire.close()
        self._selector.close()

    def who_got(self, matches: Callable[[Arrival], bool]) -> set[int]:
        """The readers that got an event of that kind."""
        return {arrival.reader for arrival in list(self.arrivals) if matches(arrival)}

    def _read(self) -> None:
        while not self._over.is_set():
            for key, _ in self._selector.select(0.05):
                self._receive(key.data, key.fileobj.recv(65536))  # type: ignore[union-attr]

    def _receive(self, buffer: _Buffer, part: bytes) -> None:
        at_s = time.time()
        buffer.received += part
        while b"\n\n" in buffer.received:
            event, _, buffer.received = buffer.received.partition(b"\n\n")
            lines = event.split(b"\n")
            data = [line for line in lines if line.startswith(b"data: ")]
            name = b"".join(line.removeprefix(b"event: ") for line in lines if line.startswith(b"event: "))
            if data:
                value = json.loads(data[0].removeprefix(b"data: "))
                self.arrivals.append(Arrival(buffer.reader, name.decode(), value, at_s, len(event) + 2))
