"""Counts since the start of the server, for Prometheus. Where several processes share the address, they share the counts.

prometheus_client does the sharing: with PROMETHEUS_MULTIPROC_DIR in the environment before its import, each process counts in a
mapped file of its own there, and the reader adds them up. See "Multiprocess Mode" in its documentation.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from .options import SHARED_COUNTS_IN

_MESSAGES, _PULSES = "messages", "pulses"


@dataclass(frozen=True)
class Counts:
    """A copy of the counters. The keys are (endpoint, result) and (UUID of the client, pin)."""

    messages: dict[tuple[str, str], int]
    poured_pulses: dict[tuple[str, int], int]


class Counters:
    """Counts what was accepted and refused. For several threads."""

    def __init__(self) -> None:
        registry = CollectorRegistry(auto_describe=False)
        self._messages = Counter(_MESSAGES, "Messages.", ("endpoint", "result"), registry=registry)
        self._pulses = Counter(_PULSES, "Pulses.", ("client", "pin"), registry=registry)
        self._registry = registry

    def message(self, endpoint: str, result: str) -> None:
        """Counts a message; `result` is `accepted`, `repeated`, or the reason why it was refused."""
        self._messages.labels(endpoint, result).inc()

    def poured(self, client: str, pin: int, pulses: int) -> None:
        """Counts the pulses of a new pour."""
        self._pulses.labels(client, str(pin)).inc(pulses)

    def copy(self) -> Counts:
        """All counts of one moment."""
        samples = [sample for metric in self._collect() for sample in metric.samples if sample.name.endswith("_total")]
        return Counts(
            {(s.labels["endpoint"], s.labels["result"]): int(s.value) for s in samples if s.name == f"{_MESSAGES}_total"},
            {(s.labels["client"], int(s.labels["pin"])): int(s.value) for s in samples if s.name == f"{_PULSES}_total"},
        )

    def _collect(self) -> Iterable[Metric]:
        directory = os.environ.get(SHARED_COUNTS_IN)
        if directory is None:
            return self._registry.collect()
        found: Iterable[Metric] = MultiProcessCollector(CollectorRegistry(auto_describe=False), directory).collect()  # type: ignore[no-untyped-call]
        return found
