"""The spool on a real directory with real inotify."""

from __future__ import annotations

import fcntl
import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kegnet.client.outcome import Fate
from kegnet.client.retry import Attempts
from kegnet.client.spool import NotAFileError, Report, Spool, directory, files, removals
from kegnet.client.spool import spool as spool_module
from kegnet.client.spool.watch import Watch, path_components
from kegnet.client.uploader import quiet_time_s

LINE = "0,1,2,3\n"
UNTRIED = Attempts()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "spool"
    made.mkdir()
    return made


@pytest.fixture
def spool(folder: Path) -> Iterator[Spool]:
    """The spool in `folder`, opened before anything is in it."""
    made = Spool(folder, now=0)
    yield made
    made.close()


def drop(folder: Path, name: str, line: str = LINE) -> Path:
    """Renames a pour in, as the flow-meter daemon does."""
    (folder / "temporary").write_text(line)
    return (folder / "temporary").rename(folder / name)


def read_events(spool: Spool, now: float = 0) -> None:
    """Reads what the kernel reports, which is there at once."""
    poll = select.poll()
    for descriptor, events in spool.descriptors().items():
        poll.register(descriptor, events)
    for descriptor, _ in poll.poll(2000):
        spool.read_events(descriptor, now)


def next_name(spool: Spool, now: float = 0) -> str | None:
    entry = spool.next(now)
    return None if entry is None else entry.name


def finish(spool: Spool, name: str, fate: Fate, now: float = 0) -> None:
    spool.apply(name, spool.read(name, 100), fate, UNTRIED, "because", now)


def test_more_than_is_kept_in_memory_is_handed_out_oldest_first(folder: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "BATCH_NAMES", 10)
    spool.close()
    for number in range(35):
        os.utime(drop(folder, f"{number:02}.pour"), (number, number))
    many = Spool(folder, now=0)
    assert many.waiting == 35
    order = []
    while True:
        many.maintain(now=1)
        name = next_name(many, now=1)
        if name is None:
            break
        order.append(name)
        finish(many, name, Fate.DELETE, now=1)
    assert order == [f"{number:02}.pour" for number in range(35)]
    assert (many.waiting, os.listdir(folder)) == (0, [])
    many.close()


def test_a_directory_that_is_replaced_while_it_is_opened_is_opened_again_soon(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def replace_it(path: Path, suffix: str) -> Watch:
        monkeypatch.setattr(directory, "Watch", Watch)
        folder.rename(folder.with_name("old"))
        folder.mkdir()
        return Watch(path, suffix)

    monkeypatch.setattr(directory, "Watch", replace_it)
    spool = Spool(folder, 0)
    drop(folder, "x.pour")
    spool.maintain(1)
    assert next_name(spool, 1) == "x.pour"
    spool.close()


def test_with_nothing_to_do_nothing_is_due_for_minutes(spool: Spool) -> None:
    assert spool.next(now=0) is None
    assert spool.maintain_due(now=0) == 600
    assert spool.next_due(now=0) == float("inf")


@pytest.mark.parametrize("how", ["put off", "dropped"])
def test_what_cannot_be_sent_hides_nothing_behind_it(folder: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(spool_module, "BATCH_NAMES", 2)
    monkeypatch.setattr(spool_module, "HELD_NAMES", 3)
    monkeypatch.setattr(spool_module, "MEMORY_NAMES", 5)
    spool.close()
    for number in range(20):
        os.utime(drop(folder, f"{number:02}.pour"), (number, number))
    many = Spool(folder, now=0)
    met = []
    while (name := next_name(many)) is not None:
        met.append(name)
        if how == "put off":
            many.put_off(name, until=60)
        else:
            many.drop(name, look_at=60)
        many.maintain(now=0)
    assert met == [f"{number:02}.pour" for number in range(20)]
    assert many.maintain_due(now=0) == 60, "those that were not kept in memory are found again"
    many.close()


def test_files_that_cannot_be_read_take_no_memory_from_those_that_wait(folder: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "HELD_NAMES", 3)
    for number in range(20):
        drop(folder, f"{number:02}.pour")
    (folder / "incomplete.pour").write_text("0,1,2,3")
    read_events(spool)
    assert spool.next(now=0) is not None
    spool.put_off("incomplete.pour", until=60)
    for number in range(20):
        spool.drop(f"{number:02}.pour", look_at=60)
    assert spool.next(now=59) is None
    assert next_name(spool, now=60) == "incomplete.pour"


def test_what_is_put_off_is_handed_out_again_when_due_or_when_inotify_reports_it(folder: Path, spool: Spool) -> None:
    drop(folder, "x.pour")
    read_events(spool)
    spool.put_off("x.pour", until=100)
    assert (next_name(spool, 99), spool.next_due(now=99), next_name(spool, 100)) == (None, 100, "x.pour")
    drop(folder, "x.pour")
    read_events(spool)
    assert next_name(spool, 99) == "x.pour"


def test_what_is_not_a_file_is_named_as_what_it_is(folder: Path, spool: Spool) -> None:
    os.mkfifo(folder / "fifo.pour")
    (folder / "link.pour").symlink_to("/etc/hostname")
    for name in ("fifo.pour", "link.pour"):
        with pytest.raises(NotAFileError):
            spool.read(name, 10)
    with pytest.raises(FileNotFoundError):
        spool.read("gone.pour", 10)


def test_directories_fifos_and_links_called_fail_are_not_counted_as_set_aside(folder: Path, spool: Spool) -> None:
    spool.close()
    os.mkfifo(folder / "a.pour.fail")
    (folder / "b.pour.fail").mkdir()
    (folder / "c.pour.fail").symlink_to("/etc/hostname")
    (folder / "d.pour.fail").write_text(LINE)
    counted = Spool(folder, now=0)
    assert counted.set_aside == 1
    counted.close()


def unwritable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the kernel refuse each rename, as on a read-only file system."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "rename", refuse)


def test_only_the_unlink_is_retried(folder: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(folder, "x.pour")
    read_events(spool)
    with monkeypatch.context() as patch:
        unwritable(patch)
        finish(spool, "x.pour", Fate.DELETE)
    assert (spool.next(now=1), spool.maintain_due(now=1)) == (None, removals.REMOVE_AGAIN_S)
    assert "does not permit" in spool.problem
    spool.maintain(now=removals.REMOVE_AGAIN_S)
    assert (os.listdir(folder), spool.problem) == ([], "")


def test_when_too_many_removals_are_pending_no_more_pours_are_handed_out(
    folder: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removals, "PENDING_LIMIT", 3)
    for number in range(5):
        drop(folder, f"{number}.pour")
    read_events(spool)
    with monkeypatch.context() as patch:
        unwritable(patch)
        for _ in range(3):
            finish(spool, str(next_name(spool)), Fate.DELETE)
    assert spool.next(now=0) is None
    assert spool.maintain_due(now=0) > 0
    spool.maintain(now=removals.REMOVE_AGAIN_S)
    assert spool.next(now=removals.REMOVE_AGAIN_S) is not None


def test_a_name_as_long_as_possible_is_set_aside_under_a_shorter_one(folder: Path, spool: Spool) -> None:
    name = "é" * 125 + ".pour"
    drop(folder, name)
    finish(spool, name, Fate.SET_ASIDE)
    (failed,) = os.listdir(os.fsencode(folder))
    assert failed.endswith(b".pour.fail")
    assert len(failed) == 255


def test_a_fail_file_that_appears_at_the_last_moment_is_not_overwritten(
    folder: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(folder, "x.pour", "0,1,1,1\n")
    real_link = os.link

    def link_after_another_writer(*arguments: object, **options: object) -> None:
        if not (folder / "x.pour.fail").exists():
            (folder / "x.pour.fail").write_text("0,2,2,2\n")
        real_link(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "link", link_after_another_writer)
    finish(spool, "x.pour", Fate.SET_ASIDE)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"x.pour.fail": "0,2,2,2\n", "x.2.pour.fail": "0,1,1,1\n"}


def test_a_file_system_without_hard_links_can_set_aside(folder: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    drop(folder, "x.pour")
    monkeypatch.setattr(os, "link", refuse)
    finish(spool, "x.pour", Fate.SET_ASIDE)
    assert os.listdir(folder) == ["x.pour.fail"]


def test_the_log_names_the_file_as_it_is_called_after_the_rename(folder: Path, spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "x.pour.fail").write_text(LINE)
    drop(folder, "x.pour")
    finish(spool, "x.pour", Fate.SET_ASIDE)
    assert "x.pour is set aside as x.2.pour.fail: because" in caplog.text


def test_another_pour_that_takes_the_name_before_the_removal_waits(folder: Path, spool: Spool) -> None:
    drop(folder, "x.pour", "0,1,1,1\n")
    read_events(spool)
    content = spool.read("x.pour", 100)
    drop(folder, "x.pour", "0,2,2,2\n")
    spool.apply("x.pour", content, Fate.DELETE, UNTRIED, "", now=0)
    assert next_name(spool) == "x.pour"
    assert (folder / "x.pour").read_text() == "0,2,2,2\n"


@pytest.mark.parametrize(
    ("parses", "newline", "report", "quiet_s"),
    [
        (True, True, Report.RENAMED, 0), (True, True, Report.CLOSED, 0), (True, True, None, 0),
        (True, False, Report.RENAMED, 0), (True, False, Report.CLOSED, 1), (True, False, None, 60),
        (False, True, Report.RENAMED, 10), (False, False, Report.CLOSED, 10), (False, False, None, 60), (False, True, None, 60),
    ],
)  # fmt: skip
def test_how_long_a_file_must_be_unchanged(parses: bool, newline: bool, report: Report | None, quiet_s: float) -> None:
    assert quiet_time_s(parses, newline, report) == quiet_s


def test_waiting_times_run_on_the_monotonic_clock_from_when_the_state_was_first_seen(folder: Path, spool: Spool) -> None:
    spool.close()
    for offset_s in (-(10**6), 10**6):
        path = folder / "x.pour"
        path.write_text("0,1,2,3")
        os.utime(path, (time.time() + offset_s,) * 2)
        found = Spool(folder, now=100)
        seen = []
        for now in (100.0, 130.0, 161.0):
            entry = found.next(now)
            assert entry is not None
            seen.append(found.observe(entry, found.read("x.pour", 100), now))
        assert seen == [(None, 0.0), (None, 30.0), (None, 61.0)], "whatever the modification time says"
        found.close()


def test_inotify_reports_a_state_and_a_later_change_is_another_state(folder: Path, spool: Spool) -> None:
    drop(folder, "x.pour", "0,1,2,3")
    read_events(spool, now=5)
    entry = spool.next(5)
    assert entry is not None
    assert spool.observe(entry, spool.read("x.pour", 100), now=7) == (Report.RENAMED, 2)
    with (folder / "x.pour").open("a") as file:
        file.write("4")
        file.flush()
        assert spool.observe(entry, spool.read("x.pour", 100), now=8) == (None, 0)


def test_a_second_client_reports_the_lock_and_takes_over_when_the_first_ends(folder: Path, spool: Spool) -> None:
    drop(folder, "x.pour")
    second = Spool(folder, now=0)
    assert "is in use by another kegnet-client" in second.problem
    assert second.next(now=0) is None
    assert second.maintain_due(now=0) <= 5
    spool.close()
    second.maintain(now=5)
    assert (second.problem, next_name(second, 5)) == ("", "x.pour")
    second.close()


def test_a_file_system_without_locks_is_a_warning(folder: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    spool.close()
    drop(folder, "x.pour")
    unlocked = Spool(folder, now=0)
    assert "cannot be locked (Operation not supported)" in unlocked.problem
    assert next_name(unlocked) == "x.pour"
    unlocked.close()


def test_a_spool_that_does_not_exist_yet_is_waited_for(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "later", now=0)
    assert f"does not exist; fix: mkdir -p {tmp_path / 'later'}" in spool.problem
    assert spool.maintain_due(now=0) <= 5
    (tmp_path / "later").mkdir()
    drop(tmp_path / "later", "x.pour")
    spool.maintain(now=5)
    assert (spool.problem, next_name(spool, 5)) == ("", "x.pour")
    spool.close()


@pytest.mark.parametrize(
    "how", ["a directory above is replaced", "a link on the way is pointed elsewhere", "the spool is removed", "the spool is renamed over"]
)
def test_a_change_on_the_way_to_the_spool_is_noticed_at_once(tmp_path: Path, how: str) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "above" / "spool").mkdir(parents=True)
    (tmp_path / "link").symlink_to("one")
    spool = Spool(tmp_path / "link" / "above" / "spool", now=0)
    drop(tmp_path / "two" / "above" / "spool", "x.pour")
    if how == "a directory above is replaced":
        (tmp_path / "one" / "above").rename(tmp_path / "one" / "old")
        (tmp_path / "two" / "above").rename(tmp_path / "one" / "above")
    elif how == "a link on the way is pointed elsewhere":
        (tmp_path / "new").symlink_to("two")
        (tmp_path / "new").rename(tmp_path / "link")
    else:
        if how == "the spool is removed":
            (tmp_path / "one" / "above" / "spool").rmdir()
        (tmp_path / "two" / "above" / "spool").rename(tmp_path / "one" / "above" / "spool")
    read_events(spool, now=1)
    assert spool.maintain_due(now=1) == 1
    spool.maintain(now=1)
    assert next_name(spool, 1) == "x.pour"
    spool.close()


def test_the_components_of_a_path_contain_links_and_where_they_lead(tmp_path: Path) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    steps = path_components(tmp_path / "link" / "deep")
    assert [str(step.relative_to(tmp_path)) for step in steps if step.is_relative_to(tmp_path) and step != tmp_path] == ["link", "real"]


def test_a_pour_whose_owner_calls_it_leaving_is_sent_like_any_other(folder: Path, spool: Spool) -> None:
    drop(folder, "x.leaving.pour")
    read_events(spool)
    assert next_name(spool) == "x.leaving.pour"
    finish(spool, "x.leaving.pour", Fate.DELETE)
    assert os.listdir(folder) == []


def test_our_own_renames_add_nothing_to_the_queue(folder: Path, spool: Spool) -> None:
    drop(folder, "x.pour")
    read_events(spool)
    finish(spool, "x.pour", Fate.DELETE)
    read_events(spool)
    assert (spool.next(now=0), spool.waiting) == (None, 0)


def test_a_removal_never_leaves_the_directory(folder: Path, tmp_path: Path) -> None:
    """The functions of single files work by the directory's descriptor, wherever its path leads meanwhile."""
    drop(folder, "x.pour")
    descriptor = os.open(folder, os.O_RDONLY)
    folder.rename(tmp_path / "moved")
    folder.mkdir()
    drop(folder, "x.pour")
    files.delete(descriptor, "x.pour")
    os.close(descriptor)
    assert (os.listdir(tmp_path / "moved"), os.listdir(folder)) == ([], ["x.pour"])


def test_a_link_that_vanishes_while_the_way_is_being_watched_does_not_lock_the_client_out(
    folder: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.close()
    (folder.parent / "link").symlink_to(folder)
    real_readlink = os.readlink
    failures = [FileNotFoundError(2, "No such file or directory")]

    def readlink(path: str | Path) -> str:
        if failures:
            raise failures.pop()
        return str(real_readlink(path))

    drop(folder, "x.pour")
    monkeypatch.setattr(os, "readlink", readlink)
    found = Spool(folder.parent / "link", now=0)
    found.maintain(now=10)
    assert (found.problem, next_name(found, 10)) == ("", "x.pour")
    found.close()


def test_an_old_pour_that_arrives_while_the_memory_is_full_is_found_by_the_next_reading(
    folder: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.close()
    for number in range(3):
        os.utime(drop(folder, f"{number}.pour"), (100 + number, 100 + number))
    monkeypatch.setattr(spool_module, "MEMORY_NAMES", 3)
    full = Spool(folder, now=0)
    os.utime(drop(folder, "old.pour"), (1, 1))
    read_events(full)
    for number in range(3):
        finish(full, f"{number}.pour", Fate.DELETE, now=1)
    full.maintain(now=1)
    assert next_name(full, now=1) == "old.pour"
    full.close()
