"""Fixtures: an empty database per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kegnet.server.storage import Database, open_database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = open_database(f"sqlite:///{tmp_path / 'kegnet.sqlite'}")
    yield made
    made.close()
