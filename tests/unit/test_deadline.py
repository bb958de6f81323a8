"""The deadline over blocking work: real signals, real sockets."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from typing import Callable

import pytest
from kegnet import deadline
from kegnet.deadline import DeadlineExceeded, within


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGALRM)
    deadline.install()
    yield
    signal.signal(signal.SIGALRM, before)


def _sleep() -> None:
    time.sleep(60)


def _receive() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(60)
        ours.recv(1)


def _read_fifo() -> None:
    read_end, write_end = os.pipe()
    try:
        os.read(read_end, 1)
    finally:
        os.close(read_end)
        os.close(write_end)


def _swallow() -> None:
    while True:
        try:
            time.sleep(60)
        except Exception:
            continue


@pytest.mark.parametrize("work", [_sleep, _receive, _read_fifo, _swallow])
def test_blocking_work_is_left_at_the_deadline(work: Callable[[], None]) -> None:
    with pytest.raises(DeadlineExceeded):
        within(0.05, work)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_work_in_time_gives_its_value_and_nothing_rings_after_it() -> None:
    assert within(0.05, lambda: 42) == 42
    time.sleep(0.1)


def test_an_error_of_the_work_passes_through_and_nothing_rings_after_it() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        within(0.05, lambda: int("x"))
    time.sleep(0.1)


def test_a_signal_handler_can_shorten_the_work_in_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "_hurry_until", float("inf"))

    def work() -> None:
        deadline.shorten(0.05)
        time.sleep(60)

    with pytest.raises(DeadlineExceeded):
        within(60, work)
    with pytest.raises(DeadlineExceeded):
        within(60, _sleep)
