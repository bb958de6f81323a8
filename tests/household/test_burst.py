"""The short form of the benchmark's burst: all that is sent at once is kept, and the pages answer meanwhile. Its rates do not count."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.server import signed
from bench.server.burst import mistakes, register, send_burst
from support.services import Broker, PostgreSQL

POURS = 2000
DATABASES = ["SQLite", "PostgreSQL"]


@pytest.fixture
def mqtt(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path / "broker")
    yield broker
    broker.stop()


@pytest.fixture
def with_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, PostgreSQL | None]]:
    if request.param == "SQLite":
        yield f"sqlite:///{tmp_path}/kegnet.sqlite", None
        return
    postgresql = PostgreSQL(tmp_path / "postgresql")
    yield postgresql.database(), postgresql
    postgresql.stop()


@pytest.mark.parametrize("with_database", DATABASES, indirect=True)
def test_a_burst_is_kept_and_the_pages_answer_meanwhile(with_database: tuple[str, PostgreSQL | None], mqtt: Broker, tmp_path: Path) -> None:
    url, postgresql = with_database
    senders, forms = signed.senders(8, 2), tmp_path / "forms"
    signed.write(forms, signed.pours(senders, POURS, time.time_ns() // 10**6))
    register(url, senders)
    burst = send_burst(tmp_path, url, forms, mqtt, postgresql)
    assert mistakes("burst", burst, POURS, None) == []
    assert burst.seen.page_s
    assert burst.seen.metrics_s
    assert burst.seen.events > 0
