"""Counts since the start of this process, for Prometheus."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Counts:
    """A copy of the counters. The keys are (endpoint, result) and (UUID of the client, pin)."""

    messages: dict[tuple[str, str], int]
    poured_pulses: dict[tuple[str, int], int]


@dataclass(frozen=True)
class Counters:
    """Counts what this process has accepted and refused. For several threads."""

    _messages: Counter[tuple[str, str]] = field(default_factory=Counter)
    _pulses: Counter[tuple[str, int]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def message(self, endpoint: str, result: str) -> None:
        """Counts a message; `result` is `accepted`, `repeated`, or the reason why it was refused."""
        with self._lock:
            self._messages[endpoint, result] += 1

    def poured(self, client: str, pin: int, pulses: int) -> None:
        """Counts the pulses of a new pour."""
        with self._lock:
            self._pulses[client, pin] += pulses

    def copy(self) -> Counts:
        """All counts of one moment."""
        with self._lock:
            return Counts(dict(self._messages), dict(self._pulses))
