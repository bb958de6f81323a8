"""The database's absence in the log."""

from __future__ import annotations

import logging
import time

import pytest
from kegnet.server.outage import Outage


def test_an_outage_is_a_line_at_its_begin_and_one_at_its_end(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    outage = Outage(away=False)
    outage.over()
    for _ in range(100):
        outage.began("no route to host")
    now[0] += 7
    for _ in range(100):
        outage.over()
    assert caplog.messages == ["no route to host; clients are asked to try again until it answers", "the database answers again, after 7 s"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]


def test_an_outage_at_the_start_is_logged_only_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage(away=True)
    outage.began("no route to host")
    outage.over()
    assert caplog.messages == ["the database answers again, after 0 s"]


def test_a_database_that_comes_and_goes_is_logged_ten_times_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage(away=False)
    for _ in range(1000):
        outage.began("the disk is full")
        outage.over()
    assert len(caplog.messages) == 20
