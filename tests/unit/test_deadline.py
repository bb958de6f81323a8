"""The deadline over blocking work: real signals, real sockets."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from kegnet.client import deadline
from kegnet.client.deadline import DeadlineExceeded, time_limit


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
def test_blocking_work_is_interrupted_at_the_limit(work: Callable[[], None]) -> None:
    # Long enough that the work has begun to block.
    limit = time_limit(0.5)
    with pytest.raises(DeadlineExceeded), limit:
        work()
    assert limit.expired
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_work_in_time_ends_and_no_alarm_comes_after_it() -> None:
    with time_limit(0.05) as limit:
        pass
    time.sleep(0.1)
    assert not limit.expired


def test_an_error_of_the_work_passes_through_and_no_alarm_comes_after_it() -> None:
    with pytest.raises(ValueError, match="invalid literal"), time_limit(0.05):
        int("x")
    time.sleep(0.1)


def test_an_interruption_that_a_library_wraps_in_its_own_error_is_still_one() -> None:
    def work() -> None:
        try:
            time.sleep(60)
        except DeadlineExceeded as error:
            raise ValueError("wrapped") from error

    with pytest.raises(DeadlineExceeded), time_limit(0.05):
        work()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_that_a_finalizer_drops_is_repeated() -> None:
    class Finalized:
        def __del__(self) -> None:
            time.sleep(60)

    with pytest.raises(DeadlineExceeded), time_limit(0.05):
        Finalized()
        time.sleep(60)


def test_a_signal_handler_can_shorten_the_current_limit_and_all_later_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "_end_at", float("inf"))
    with pytest.raises(DeadlineExceeded), time_limit(60):
        deadline.shorten(0.05)
        time.sleep(60)
    with pytest.raises(DeadlineExceeded), time_limit(60):
        _sleep()


def test_an_alarm_inside_the_entry_or_the_exit_of_the_block_does_not_escape_from_it() -> None:
    for number in range(300):
        try:
            with time_limit(number * 1e-6):
                pass
        except DeadlineExceeded:
            continue
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    time.sleep(0.3)
