"""What the server keeps, in SQLite. A message is accepted once it is committed, and kept once however often it comes."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Mapping
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ping (
    sig TEXT PRIMARY KEY, api TEXT NOT NULL, received_ms INTEGER NOT NULL,
    id TEXT NOT NULL, temp INTEGER NOT NULL, ts INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS pour (
    sig TEXT PRIMARY KEY, api TEXT NOT NULL, received_ms INTEGER NOT NULL,
    id TEXT NOT NULL, pin INTEGER NOT NULL, pulses INTEGER NOT NULL, et INTEGER NOT NULL, ts INTEGER NOT NULL);
"""

_INSERT = {
    "ping": "INSERT INTO ping VALUES (:sig, :api, :received_ms, :id, :temp, :ts) ON CONFLICT DO NOTHING",
    "pour": "INSERT INTO pour VALUES (:sig, :api, :received_ms, :id, :pin, :pulses, :et, :ts) ON CONFLICT DO NOTHING",
}


class Store:
    """The database at `path`; made if there is none. For several threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Closes the database."""
        self._database.close()

    def keep(self, endpoint: str, api: str, fields: Mapping[str, str]) -> bool:
        """Commits a message; whether it was new. `endpoint` is `ping` or `pour`, `fields` its form fields with `sig`."""
        values = {"api": api, "received_ms": time.time_ns() // 10**6, **fields}
        with self._lock, self._database:
            return self._database.execute(_INSERT[endpoint], values).rowcount == 1
