"""Counts since the start of the server, for Prometheus. Processes that share the address also share the counts.

prometheus_client shares them if PROMETHEUS_MULTIPROC_DIR is in the environment before its import: each process counts in its own
mapped file in that directory, and the reader adds them up. See "Multiprocess Mode" in its documentation.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.samples import Sample

from .options import SHARED_COUNTS_IN

_MESSAGES, _PULSES, _MEASURED, _LITRES = "messages", "pulses", "measured", "litres"
_LOCK = "measuring.lock"
_Tap = tuple[str, int]
"""The UUID of the client, and the pin."""


class Counters:
    """Counts what was accepted and refused. For several threads."""

    def __init__(self) -> None:
        registry = CollectorRegistry(auto_describe=False)
        self._messages = Counter(_MESSAGES, "Messages.", ("endpoint", "result"), registry=registry)
        self._pulses = Counter(_PULSES, "Pulses.", ("client", "pin"), registry=registry)
        self._measured = Counter(_MEASURED, "Pulses that are counted in the litres.", ("client", "pin"), registry=registry)
        self._litres = Counter(_LITRES, "Litres.", ("client", "pin"), registry=registry)
        self._registry = registry
        self._lock = threading.Lock()

    def message(self, endpoint: str, result: str) -> None:
        """Counts a message; `result` is `accepted`, `repeated`, or the reason why it was refused."""
        self._messages.labels(endpoint, result).inc()

    def poured(self, client: str, pin: int, pulses: int) -> None:
        """Counts the pulses of a new pour."""
        self._pulses.labels(client, str(pin)).inc(pulses)

    def messages(self) -> dict[tuple[str, str], int]:
        """How many messages of each endpoint had each result."""
        return {(s.labels["endpoint"], s.labels["result"]): int(s.value) for s in self._samples() if s.name == f"{_MESSAGES}_total"}

    def litres(self, k_factors: Mapping[_Tap, int]) -> dict[_Tap, float]:
        """The litres of each tap, the same in all processes. The pulses since the last call count by `k_factors`.

        So a new k-factor changes only what is poured afterwards, and the counters never go back. The pulses of a tap that is not in
        `k_factors` count in a later call, in which it is.
        """
        with self._measuring():
            samples = self._samples()
            measured = _of_taps(samples, _MEASURED)
            for (client, pin), pulses in _of_taps(samples, _PULSES).items():
                more = pulses - measured.get((client, pin), 0)
                k_factor = k_factors.get((client, pin))
                if more > 0 and k_factor is not None:
                    self._measured.labels(client, str(pin)).inc(more)
                    self._litres.labels(client, str(pin)).inc(more / k_factor)
            return _of_taps(self._samples(), _LITRES)

    @contextmanager
    def _measuring(self) -> Iterator[None]:
        """One thread of one process at a time."""
        directory = os.environ.get(SHARED_COUNTS_IN)
        with self._lock:
            if directory is None:
                yield
                return
            with Path(directory, _LOCK).open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield

    def _samples(self) -> list[Sample]:
        return [sample for metric in self._collect() for sample in metric.samples if sample.name.endswith("_total")]

    def _collect(self) -> Iterable[Metric]:
        directory = os.environ.get(SHARED_COUNTS_IN)
        if directory is None:
            return self._registry.collect()
        found: Iterable[Metric] = MultiProcessCollector(CollectorRegistry(auto_describe=False), directory).collect()  # type: ignore[no-untyped-call]
        return found


def _of_taps(samples: Iterable[Sample], name: str) -> dict[_Tap, float]:
    return {(s.labels["client"], int(s.labels["pin"])): s.value for s in samples if s.name == f"{name}_total"}
