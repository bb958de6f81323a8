"""The spool on a real directory with real inotify."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path

import pytest
from kegnet import spool as spool_module
from kegnet.pourfile import Fate, GoneError, NotAFileError, SpoolError
from kegnet.spool import Spool


def drop(folder: Path, name: str, line: str = "0,1,2,3\n") -> Path:
    (folder / "temporary").write_text(line)
    return (folder / "temporary").rename(folder / name)


def heard(spool: Spool) -> None:
    """Takes what inotify says, which it says at once."""
    poll = select.poll()
    for descriptor, events in spool.descriptors().items():
        poll.register(descriptor, events)
    for descriptor, _ in poll.poll(2000):
        spool.take_events(descriptor, time.monotonic())


def test_more_than_is_remembered_is_handed_out_oldest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "BATCH", 10)
    for number in range(35):
        os.utime(drop(tmp_path, f"{number:02}.pour"), (number, number))
    spool = Spool(tmp_path, now=0)
    assert (spool.waiting, len(spool._line)) == (35, 10)
    order = []
    while True:
        spool.tend(now=1)
        name = spool.oldest(now=1)
        if name is None:
            break
        order.append(name)
        spool.settle(name, spool.read(name, 100), Fate.REMOVE, now=1)
    assert order == [f"{number:02}.pour" for number in range(35)]
    assert (spool.waiting, os.listdir(tmp_path)) == (0, [])
    spool.close()


def test_with_nothing_to_do_nothing_is_due_for_minutes(tmp_path: Path) -> None:
    spool = Spool(tmp_path, now=1000)
    assert spool.oldest(now=1000) is None
    assert spool.tend_due(now=1000) == 1600
    assert spool.oldest_due(now=1000) == float("inf")
    spool.close()


def test_what_is_put_off_and_fills_the_line_keeps_the_others_out_only_until_it_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "BATCH", 2)
    monkeypatch.setattr(spool_module, "REMEMBERED", 3)
    for number in range(6):
        os.utime(drop(tmp_path, f"{number}.pour"), (number, number))
    spool = Spool(tmp_path, now=0)
    while (name := spool.oldest(now=0)) is not None:
        spool.put_off(name, until=10)
        spool.tend(now=0)
    assert (len(spool._line), spool.waiting) == (3, 6)
    assert (spool.tend_due(now=0), spool.oldest_due(now=0)) == (spool_module.LOOK_AGAIN_S, 10), "it does not spin"
    spool.close()


def test_what_cannot_be_sent_hides_nothing_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "BATCH", 2)
    monkeypatch.setattr(spool_module, "REMEMBERED", 5)
    for number in range(20):
        os.utime(drop(tmp_path, f"{number:02}.pour"), (number, number))
    spool = Spool(tmp_path, now=0)
    met = []
    while (name := spool.oldest(now=0)) is not None:
        met.append(name)
        spool.leave_alone(name, until=60)
        spool.tend(now=0)
    assert met == [f"{number:02}.pour" for number in range(20)]
    assert len(spool._line) <= 5
    assert spool.tend_due(now=0) == 60, "those that were not kept in line are met again"
    spool.close()


def test_put_off_is_handed_out_again_when_due_or_when_inotify_speaks_of_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path, now=0)
    drop(tmp_path, "x.pour")
    heard(spool)
    spool.put_off("x.pour", until=100)
    assert (spool.oldest(now=99), spool.oldest_due(now=99), spool.oldest(now=100)) == (None, 100, "x.pour")
    drop(tmp_path, "x.pour")
    heard(spool)
    assert spool.oldest(now=99) == "x.pour"
    spool.close()


def test_what_cannot_be_read_as_a_file_says_so(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.pour")
    (tmp_path / "link.pour").symlink_to("/etc/hostname")
    spool = Spool(tmp_path, now=0)
    for name in ("fifo.pour", "link.pour"):
        with pytest.raises(NotAFileError):
            spool.read(name, 10)
    with pytest.raises(GoneError):
        spool.read("gone.pour", 10)
    spool.close()


def test_only_the_unlink_is_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(tmp_path, "x.pour")
    spool = Spool(tmp_path, now=0)
    content = spool.read("x.pour", 10)
    spool.path = tmp_path / ("x" * 300)  # ENAMETOOLONG: the directory lets nothing be done to it.
    spool.settle("x.pour", content, Fate.REMOVE, now=0)
    spool.path = tmp_path
    assert (spool.oldest(now=1), spool.tend_due(now=1)) == (None, spool_module.SETTLE_AGAIN_S)
    spool.tend(now=spool_module.SETTLE_AGAIN_S)
    assert os.listdir(tmp_path) == []
    spool.close()


def test_a_directory_full_of_what_cannot_be_let_go_stops_the_handing_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "UNSETTLED", 3)
    for number in range(5):
        drop(tmp_path, f"{number}.pour")
    spool = Spool(tmp_path, now=0)
    contents = {name: spool.read(name, 10) for name in os.listdir(tmp_path)}
    spool.path = tmp_path / ("x" * 300)
    for _ in range(3):
        name = spool.oldest(now=0)
        assert name is not None
        spool.settle(name, contents[name], Fate.REMOVE, now=0)
    assert spool.oldest(now=0) is None
    assert spool.tend_due(now=0) > 0
    spool.path = tmp_path
    spool.tend(now=spool_module.SETTLE_AGAIN_S)
    assert spool.oldest(now=spool_module.SETTLE_AGAIN_S) is not None
    spool.close()


def test_a_name_as_long_as_a_name_can_be_is_set_aside_under_a_shorter_one(tmp_path: Path) -> None:
    name = "é" * 125 + ".pour"
    drop(tmp_path, name)
    spool = Spool(tmp_path, now=0)
    spool.settle(name, spool.read(name, 10), Fate.SET_ASIDE, now=0)
    (aside,) = os.listdir(os.fsencode(tmp_path))
    assert aside.endswith(b".pour.fail")
    assert len(aside) == 255
    spool.close()


def test_a_modification_time_in_the_future_makes_no_file_young_for_ever(tmp_path: Path) -> None:
    os.utime(drop(tmp_path, "x.pour"), (time.time() + 10**6,) * 2)
    spool = Spool(tmp_path, now=0)
    stamp = spool.read("x.pour", 10).stamp
    assert spool.unchanged_s("x.pour", stamp, now=50) == 0
    assert spool.unchanged_s("x.pour", stamp, now=61) == 11
    spool.close()


def test_a_spool_that_is_no_directory_is_refused_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="mkdir -p"):
        Spool(tmp_path / "missing", now=0)
