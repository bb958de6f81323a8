"""When the wall clock is believed, on the real clock: only the files and the limits are the test's."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from kegnet.core import clock
from kegnet.meter import wall_clock
from kegnet.meter.wall_clock import WallClock

BOOT = "0e7e1a4c-5d1f-4a3e-9d2c-111111111111"
NEVER_NS = 2**62


@pytest.fixture
def flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a time synchronisation, at a boot that is not five minutes old."""
    monkeypatch.setattr(wall_clock, "SETTLED_NS", NEVER_NS)
    monkeypatch.setattr(clock, "RELEASE_MONTH_S", 1)
    return tmp_path / "synchronized"


def test_it_is_not_believed_before_something_has_set_it(flag: Path) -> None:
    clock_ = WallClock(BOOT, flag)
    assert clock_.read() is None
    flag.touch()
    found = clock_.read()
    assert found is not None
    assert found.boot_id == BOOT
    before_ms = found.unix_ms(time.monotonic_ns())
    assert before_ms - 15 <= time.time_ns() // 10**6 <= found.unix_ms(time.monotonic_ns()) + 15


def test_it_is_read_again_if_the_process_was_held_up_between_its_two_clocks(flag: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flag.touch()
    real, readings = time.time_ns, 0

    def held_up() -> int:
        nonlocal readings
        readings += 1
        if readings < 3:
            time.sleep(0.2)
        return real()

    monkeypatch.setattr(time, "time_ns", held_up)
    found = WallClock(BOOT, flag).read()
    assert found is not None
    assert found.unix_ms(time.monotonic_ns()) <= real() // 10**6 + 15
    assert readings == 3


def test_once_believed_it_stays_so(flag: Path) -> None:
    flag.touch()
    clock_ = WallClock(BOOT, flag)
    assert clock_.read()
    flag.unlink()
    assert clock_.read()


def test_five_minutes_after_boot_it_is_believed_without_the_file(flag: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wall_clock, "SETTLED_NS", time.monotonic_ns() - 1)
    assert WallClock(BOOT, flag).read()


def test_before_the_release_it_is_never_believed(flag: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flag.touch()
    clock_ = WallClock(BOOT, flag)
    assert clock_.read()
    monkeypatch.setattr(clock, "RELEASE_MONTH_S", int(time.time()) + 3600)
    assert clock_.read() is None


def test_the_boot_has_an_identity() -> None:
    assert len(wall_clock.boot_id()) == 36
