"""Waiting for an event, with a limit instead of a sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def wait_for(what: Callable[[], Value], limit_s: float = 30.0, every_s: float = 0.02) -> Value:
    """The first true value of `what()`; fails if there is none within `limit_s` seconds."""
    end = time.monotonic() + limit_s
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < end, f"not within {limit_s:g} s: {getattr(what, '__qualname__', what)}"
        time.sleep(every_s)


def wait_until_same(what: Callable[[], object], for_s: float) -> None:
    """Waits until `what()` is the same all through `for_s` seconds."""

    def is_same() -> bool:
        before = what()
        return stays(lambda: what() == before, for_s)

    wait_for(is_same)


def within_a_minute(work: Callable[[], Value]) -> Value:
    """The result of `work`, which ran within one minute of Unix time. Refusals are counted by minutes. Repeats `work` if one began."""
    for _ in range(5):
        minute = time.time() // 60
        value = work()
        ended = time.time() // 60
        if ended == minute:
            return value
        # The minute in which it ended has counts already.
        wait_for(lambda: time.time() // 60 > ended, limit_s=70)  # noqa: B023
    raise AssertionError("never within a minute")


def is_quick(attempt: Callable[[], float], limit_s: float, tries: int = 5) -> bool:
    """Whether an attempt takes less than `limit_s` at least once; it returns how long it took. A busy machine can hold up some."""
    return any(attempt() < limit_s for _ in range(tries))


def stays(what: Callable[[], bool], for_s: float) -> bool:
    """Whether `what()` is true now and all through the next `for_s` seconds."""
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        if not what():
            return False
        time.sleep(0.02)
    return what()
