"""The life of a pour's file: each transition, a crash before each system call, a full disk."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kegnet.client.spool import Spool
from kegnet.core.messages import Pour
from kegnet.meter import leftovers
from kegnet.meter.checkpoint import LIMIT_BYTES, Checkpoint, CheckpointError, Clock
from kegnet.meter.flow import Flow
from kegnet.meter.leftovers import Completed
from kegnet.meter.recorder import Recorder
from kegnet.meter.state import Unwritten
from kegnet.meter.wall_clock import WallClock
from kegnet.meter.writer import UNWRITTEN_LIMIT, PourWriter

S = 10**9
PIN = 17
BOOT, OTHER_BOOT = "0e7e1a4c-5d1f-4a3e-9d2c-111111111111", "0e7e1a4c-5d1f-4a3e-9d2c-222222222222"
CLOCK = Clock(BOOT, 1_800_000_000_000)
RUNNING = Checkpoint(pin=0, flow=Flow(50 * S, 54 * S, 400, 3), seqno=1400, boot_id=BOOT, ts=1_800_000_050_000)
ENDED = replace(RUNNING, flow=Flow(50 * S, 58 * S, 586, 3), seqno=1586)
LINE = "0,586,8000,1800000050000\n"
RUNNING_LINE = "0,400,4000,1800000050000\n"
NAME = "01800000050000"
NUMBERS = st.integers(0, 10**19 - 1)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def checkpoint(writer: PourWriter, directory: int, running: Checkpoint, pin: int = PIN) -> None:
    """Writes the checkpoint of a running pour."""
    writer.reserve(directory, pin, running)
    writer.checkpoint(directory, pin, running)


def write(writer: PourWriter, directory: int, clock: Clock | None = CLOCK) -> str | None:
    """Does all steps for the oldest pour. The name of its `.pour` file, or None if it has none."""
    while writer.pending:
        if published := writer.publish_next(directory):
            return published.name
        writer.name_next(directory)
        if writer.write_next(directory, clock):
            return None
    return None


def complete(directory: int, clock: Clock | None = CLOCK, writer: PourWriter | None = None) -> Completed:
    """What the next start does, or a writer that is given."""
    completed = Completed()
    leftovers.complete(directory, clock, writer.names if writer else (), completed)
    return completed


def names(completed: Completed) -> list[str]:
    return [name for name, _ in completed.pours]


def contents(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text() for name in os.listdir(folder)}


def written(directory: int, *pours: Checkpoint, clock: Clock | None = CLOCK) -> list[str | None]:
    """The names of the files of `pours`, written by a new writer."""
    writer = PourWriter()
    assert all(writer.end(PIN, pour) for pour in pours)
    return [write(writer, directory, clock) for _ in pours]


# The values.


@given(st.builds(Checkpoint, NUMBERS, st.builds(Flow, NUMBERS, NUMBERS, NUMBERS, NUMBERS), NUMBERS, st.just(BOOT), NUMBERS | st.none()))
def test_a_checkpoint_is_read_as_it_was_written(checkpoint: Checkpoint) -> None:
    for state in (checkpoint, replace(checkpoint, has_ended=True)):
        assert Checkpoint.parse(state.line()) == state
        assert len(state.line()) <= LIMIT_BYTES


@given(st.integers(0, len(RUNNING.line()) - 1))
def test_a_checkpoint_that_was_cut_off_is_not_read(length: int) -> None:
    with pytest.raises(CheckpointError):
        Checkpoint.parse(RUNNING.line()[:length])


def test_the_time_of_a_pour_is_computed_back_once_the_clock_is_set() -> None:
    timeless = replace(ENDED, ts=None)
    assert timeless.pour(None) is None
    assert timeless.pour(CLOCK) == Pour(0, 586, 8000, 1_800_000_050_000)


def test_a_pour_of_an_earlier_boot_without_a_time_ended_when_this_boot_began() -> None:
    assert replace(ENDED, ts=None, boot_id=OTHER_BOOT).pour(CLOCK) == Pour(0, 586, 8000, 1_799_999_992_000)


# The transitions, in the order of the writer's table.


def test_nothing_becomes_a_running_file_at_a_checkpoint(tmp_path: Path, directory: int) -> None:
    checkpoint(PourWriter(), directory, RUNNING)
    assert contents(tmp_path) == {f"{NAME}.running": RUNNING.line().decode()}


def test_nothing_becomes_a_pour_when_a_short_pour_ends(tmp_path: Path, directory: int) -> None:
    assert written(directory, ENDED) == [f"{NAME}.pour"]
    assert contents(tmp_path) == {f"{NAME}.pour": LINE}


def test_another_checkpoint_rewrites_the_running_file(tmp_path: Path, directory: int) -> None:
    writer = PourWriter()
    checkpoint(writer, directory, RUNNING)
    checkpoint(writer, directory, ENDED)
    assert contents(tmp_path) == {f"{NAME}.running": ENDED.line().decode()}


def test_a_pour_that_turns_out_to_be_a_leak_leaves_nothing(tmp_path: Path, directory: int) -> None:
    writer = PourWriter()
    checkpoint(writer, directory, RUNNING)
    writer.discard(PIN)
    writer.discard(PIN)
    assert write(writer, directory) is None
    assert contents(tmp_path) == {}


def test_the_removal_of_a_leaks_file_waits_for_the_disk(tmp_path: Path, directory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = PourWriter()
    checkpoint(writer, directory, RUNNING)
    synchronised: list[tuple[int, list[str]]] = []

    def fail_once(descriptor: int) -> None:
        synchronised.append((descriptor, os.listdir(tmp_path)))
        if len(synchronised) == 1:
            raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(os, "fsync", fail_once)
    writer.discard(PIN)
    with pytest.raises(OSError, match="I/O error"):
        write(writer, directory)
    write(writer, directory)
    assert synchronised == [(directory, [])] * 2


def test_a_running_pour_that_ends_becomes_a_pour(tmp_path: Path, directory: int) -> None:
    writer = PourWriter()
    checkpoint(writer, directory, RUNNING)
    writer.end(PIN, ENDED)
    assert (write(writer, directory), writer.unwritten) == (f"{NAME}.pour", 0)
    assert contents(tmp_path) == {f"{NAME}.pour": LINE}


def test_a_pour_that_ends_before_the_clock_is_set_stays_a_running_file(tmp_path: Path, directory: int) -> None:
    timeless = replace(ENDED, ts=None)
    assert written(directory, timeless, clock=None) == [None]
    assert contents(tmp_path) == {"050000.running": replace(timeless, has_ended=True).line().decode()}
    assert names(complete(directory, None)) == []
    assert leftovers.running(directory, BOOT) == {}


def test_a_finished_running_file_becomes_a_pour_when_the_clock_is_set(tmp_path: Path, directory: int) -> None:
    writer = PourWriter()
    writer.end(PIN, replace(ENDED, ts=None))
    write(writer, directory, None)
    assert names(complete(directory, writer=writer)) == [f"{NAME}.pour"]
    assert contents(tmp_path) == {f"{NAME}.pour": LINE}


def test_the_next_start_completes_what_ran_at_a_crash(tmp_path: Path, directory: int) -> None:
    checkpoint(PourWriter(), directory, RUNNING)
    assert names(complete(directory, None)) == [f"{NAME}.pour"]
    assert contents(tmp_path) == {f"{NAME}.pour": RUNNING_LINE}


def test_the_next_start_removes_temporary_files(tmp_path: Path, directory: int) -> None:
    (tmp_path / "01.running.tmp").write_text("pouring")
    (tmp_path / "others.running.tmp").write_text("")
    complete(directory)
    assert set(contents(tmp_path)) == {"others.running.tmp"}


def test_a_temporary_name_that_cannot_be_removed_holds_nothing_up(tmp_path: Path, directory: int) -> None:
    (tmp_path / "01.running.tmp").mkdir()
    checkpoint(PourWriter(), directory, RUNNING)
    assert list(leftovers.running(directory, BOOT)) == [f"{NAME}.running"]
    assert names(complete(directory)) == [f"{NAME}.pour"]


def test_completing_stops_in_time_and_goes_on_later(tmp_path: Path, directory: int) -> None:
    for pin in range(3):
        checkpoint(PourWriter(), directory, replace(RUNNING, pin=pin))
    completed = Completed()
    leftovers.complete(directory, CLOCK, (), completed, time.monotonic())
    assert (completed.pours, completed.is_all, len(contents(tmp_path))) == ([], False, 3)
    completed = complete(directory)
    assert (len(completed.pours), completed.is_all) == (3, True)


# What must never happen.


def test_a_clock_that_repeats_itself_overwrites_no_pour(tmp_path: Path, directory: int) -> None:
    assert written(directory, ENDED, ENDED, ENDED) == [f"{NAME}.pour", f"{NAME}.2.pour", f"{NAME}.3.pour"]
    assert contents(tmp_path) == {f"{NAME}.pour": LINE, f"{NAME}.2.pour": LINE, f"{NAME}.3.pour": LINE}


def test_two_running_pours_of_the_same_name_are_two_files(tmp_path: Path, directory: int) -> None:
    checkpoint(PourWriter(), directory, RUNNING)
    checkpoint(PourWriter(), directory, RUNNING)
    assert set(contents(tmp_path)) == {f"{NAME}.running", f"{NAME}.2.running"}
    assert names(complete(directory)) == [f"{NAME}.pour", f"{NAME}.2.pour"]


def test_a_pour_that_still_runs_is_not_completed(directory: int) -> None:
    writer = PourWriter()
    checkpoint(writer, directory, RUNNING)
    assert names(complete(directory, writer=writer)) == []


def test_a_pour_that_runs_over_a_restart_goes_on_in_the_same_file(tmp_path: Path, directory: int) -> None:
    checkpoint(PourWriter(), directory, RUNNING)
    writer = PourWriter()
    assert leftovers.running(directory, BOOT) == {f"{NAME}.running": RUNNING}
    writer.restore(PIN, f"{NAME}.running", ())
    assert names(complete(directory, writer=writer)) == []
    writer.end(PIN, ENDED)
    write(writer, directory)
    assert contents(tmp_path) == {f"{NAME}.pour": LINE}


def test_a_pour_of_another_boot_does_not_go_on(directory: int) -> None:
    checkpoint(PourWriter(), directory, RUNNING)
    assert leftovers.running(directory, OTHER_BOOT) == {}


def test_a_running_file_that_is_damaged_is_kept_and_reported(tmp_path: Path, directory: int) -> None:
    (tmp_path / "01.running").write_text("")
    (tmp_path / "02.running").write_text("pouring," + "x" * LIMIT_BYTES)
    (tmp_path / "03.running").mkdir()
    (tmp_path / "04.running").symlink_to("/etc/passwd")
    checkpoint(PourWriter(), directory, RUNNING)
    completed = complete(directory)
    assert (names(completed), completed.unreadable) == ([f"{NAME}.pour"], ["01.running", "02.running", "03.running", "04.running"])
    assert len(os.listdir(tmp_path)) == 5


def test_the_client_sends_finished_pours_only(tmp_path: Path, directory: int) -> None:
    writer = PourWriter()
    checkpoint(writer, directory, replace(RUNNING, pin=1), 1)
    (tmp_path / "01.running.tmp").write_text(LINE)
    written(directory, ENDED)
    spool = Spool(tmp_path, now=0)
    entry = spool.next(now=0)
    assert entry is not None
    assert (entry.name, spool.read(entry.name, 100).head) == (f"{NAME}.pour", LINE.encode())
    spool.drop(entry.name)
    assert spool.next(now=0) is None
    spool.close()


# A crash before each system call.


class CrashError(BaseException):
    """The process ends here: not an Exception, so that nothing handles it."""


def broken_at(call: int, work: Callable[[], object], error: BaseException) -> bool:
    """Does `work`, whose system call number `call` fails with `error`. Returns whether there was such a call."""
    calls = count()

    def failing(real: Callable[..., Any]) -> Callable[..., Any]:
        def function(*arguments: Any, **options: Any) -> Any:
            if next(calls) == call:
                raise error
            return real(*arguments, **options)

        return function

    with pytest.MonkeyPatch.context() as patch:
        for name in ("open", "write", "fsync", "rename", "unlink"):
            patch.setattr(os, name, failing(getattr(os, name)))
        try:
            work()
        except type(error):
            return True
    return next(calls) > call


CALLS = {"checkpoint": 5, "end": 7, "complete": 8}
"""How many system calls the work below makes."""


@pytest.mark.parametrize("call", range(CALLS["checkpoint"]))
def test_a_crash_in_a_checkpoint_leaves_the_checkpoint_before_it_or_the_new_one(tmp_path: Path, directory: int, call: int) -> None:
    writer = PourWriter()
    checkpoint(writer, directory, RUNNING)
    assert broken_at(call, lambda: checkpoint(writer, directory, ENDED), CrashError())
    assert names(complete(directory)) == [f"{NAME}.pour"]
    assert contents(tmp_path) == {f"{NAME}.pour": RUNNING_LINE if call < 4 else LINE}


@pytest.mark.parametrize("call", range(CALLS["checkpoint"]))
def test_a_crash_in_the_first_checkpoint_leaves_nothing_or_the_pour(tmp_path: Path, directory: int, call: int) -> None:
    assert broken_at(call, lambda: checkpoint(PourWriter(), directory, RUNNING), CrashError())
    complete(directory)
    assert contents(tmp_path) == ({} if call < 4 else {f"{NAME}.pour": RUNNING_LINE})


@pytest.mark.parametrize("call", range(CALLS["end"]))
def test_a_crash_at_the_end_of_a_pour_leaves_one_pour(tmp_path: Path, directory: int, call: int) -> None:
    writer = PourWriter()
    checkpoint(writer, directory, RUNNING)
    writer.end(PIN, ENDED)
    assert broken_at(call, lambda: write(writer, directory), CrashError())
    complete(directory)
    assert contents(tmp_path) == {f"{NAME}.pour": RUNNING_LINE if call < 4 else LINE}


@pytest.mark.parametrize("call", range(CALLS["complete"]))
def test_a_crash_in_the_next_start_leaves_one_pour(tmp_path: Path, directory: int, call: int) -> None:
    checkpoint(PourWriter(), directory, RUNNING)
    assert broken_at(call, lambda: complete(directory), CrashError())
    complete(directory)
    assert contents(tmp_path) == {f"{NAME}.pour": RUNNING_LINE}


@pytest.mark.parametrize("call", range(20))
def test_a_disk_that_fails_at_any_moment_leaves_one_pour(tmp_path: Path, directory: int, call: int) -> None:
    writer = PourWriter()
    checkpoint(writer, directory, RUNNING)
    writer.end(PIN, ENDED)
    broken_at(call, lambda: write(writer, directory), OSError(errno.ENOSPC, "No space left on device"))
    assert len(os.listdir(tmp_path)) == 1
    while writer.pending:
        write(writer, directory)
    assert contents(tmp_path) == {f"{NAME}.pour": LINE}


# What a kill leaves in the state file, before and after each step.

STEPS: list[Callable[[PourWriter, int], object]] = [
    lambda writer, directory: writer.name_next(directory),
    lambda writer, directory: writer.write_next(directory, CLOCK),
    lambda writer, directory: writer.publish_next(directory),
]


@pytest.mark.parametrize("has_checkpoint", [False, True])
@pytest.mark.parametrize("is_saved", [False, True])
@pytest.mark.parametrize("steps", range(len(STEPS) + 1))
def test_a_kill_between_two_steps_leaves_one_pour(tmp_path: Path, directory: int, steps: int, is_saved: bool, has_checkpoint: bool) -> None:
    writer = PourWriter()
    if has_checkpoint:
        checkpoint(writer, directory, RUNNING)
    writer.end(PIN, ENDED)
    held = writer.held(PIN)
    for number, step in enumerate(STEPS[:steps], 1):
        step(writer, directory)
        if number < steps or is_saved:
            held = writer.held(PIN)
    after = PourWriter()
    after.restore(PIN, *held)
    complete(directory, writer=after)
    while after.pending:
        write(after, directory)
    assert contents(tmp_path) == {f"{NAME}.pour": LINE}


@pytest.mark.parametrize("is_saved", [False, True])
def test_a_kill_while_a_leak_is_removed_leaves_nothing(tmp_path: Path, directory: int, is_saved: bool) -> None:
    writer = PourWriter()
    checkpoint(writer, directory, RUNNING)
    writer.discard(PIN)
    held = writer.held(PIN)
    assert held == ("", (Unwritten(f"{NAME}.running", None),))
    if is_saved:
        writer.write_next(directory, CLOCK)
    after = PourWriter()
    after.restore(PIN, *held)
    complete(directory, writer=after)
    write(after, directory)
    assert (contents(tmp_path), after.pending, after.held(PIN)) == ({}, False, ("", ()))


def test_two_pours_that_begin_alike_have_two_names_before_they_have_files(directory: int, tmp_path: Path) -> None:
    writer = PourWriter()
    assert writer.reserve(directory, PIN, RUNNING)
    assert not writer.reserve(directory, PIN, RUNNING)
    assert writer.reserve(directory, PIN + 1, RUNNING)
    assert (writer.held(PIN)[0], writer.held(PIN + 1)[0]) == (f"{NAME}.running", f"{NAME}.2.running")


def test_a_spool_that_is_replaced_between_two_steps_has_the_pour(tmp_path: Path, directory: int) -> None:
    writer = PourWriter()
    writer.end(PIN, ENDED)
    writer.name_next(directory)
    writer.write_next(directory, CLOCK)
    (tmp_path / "new").mkdir()
    other = os.open(tmp_path / "new", os.O_RDONLY)
    assert write(writer, other) == f"{NAME}.pour"
    os.close(other)


def test_unfinished_pours_leave_a_spool_that_is_no_longer_used(tmp_path: Path, directory: int) -> None:
    writer = PourWriter()
    checkpoint(writer, directory, RUNNING)
    writer.leave(directory)
    assert contents(tmp_path) == {}


def test_content_is_on_the_disk_before_it_has_a_name_and_each_name_before_the_next_step(directory: int) -> None:
    writer = PourWriter()
    checkpoint(writer, directory, RUNNING)
    writer.end(PIN, ENDED)
    steps = []
    fsync, rename = os.fsync, os.rename

    def recorded_fsync(descriptor: int) -> None:
        steps.append("fsync directory" if descriptor == directory else "fsync file")
        fsync(descriptor)

    def recorded_rename(old: str, new: str, **options: int) -> None:
        steps.append(f"{old.removeprefix(NAME)} to {new.removeprefix(NAME)}")
        rename(old, new, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", recorded_fsync)
        patch.setattr(os, "rename", recorded_rename)
        write(writer, directory)
    assert steps == ["fsync file", ".running.tmp to .running", "fsync directory", ".running to .pour", "fsync directory"]


# A full disk.


def full_disk(patch: pytest.MonkeyPatch) -> None:
    def write(descriptor: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    patch.setattr(os, "write", write)


def test_a_full_disk_keeps_pours_in_memory_and_they_are_written_later(tmp_path: Path, directory: int) -> None:
    writer = PourWriter()
    pours = [replace(ENDED, pin=pin) for pin in range(5)]
    with pytest.MonkeyPatch.context() as patch:
        full_disk(patch)
        for pour in pours:
            assert writer.end(PIN, pour)
            with pytest.raises(OSError, match="No space left"):
                write(writer, directory)
    assert (writer.unwritten, contents(tmp_path)) == (5, {})
    assert [write(writer, directory) for _ in pours] == [f"{pin}1800000050000.pour" for pin in range(5)]
    assert len(contents(tmp_path)) == 5


def test_a_line_that_was_written_in_part_is_not_a_pour(tmp_path: Path, directory: int) -> None:
    writer = PourWriter()
    writer.end(PIN, ENDED)
    real = os.write
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, content: real(descriptor, content[:5]))
        with pytest.raises(OSError, match="No space left"):
            write(writer, directory)
    assert (writer.unwritten, contents(tmp_path)) == (1, {})


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before_it(tmp_path: Path, directory: int) -> None:
    writer = PourWriter()
    checkpoint(writer, directory, RUNNING)
    with pytest.MonkeyPatch.context() as patch:
        full_disk(patch)
        with pytest.raises(OSError, match="No space left"):
            checkpoint(writer, directory, ENDED)
    assert contents(tmp_path) == {f"{NAME}.running": RUNNING.line().decode()}


def test_memory_is_bounded_and_a_pour_without_room_is_reported() -> None:
    writer = PourWriter()
    assert all(writer.end(PIN, ENDED) for _ in range(UNWRITTEN_LIMIT))
    assert not writer.end(PIN, ENDED)
    assert writer.unwritten == UNWRITTEN_LIMIT == 1000


def test_a_spool_that_comes_and_goes_does_not_fill_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    spool = tmp_path / "spool"
    recorder = Recorder(spool, None, WallClock(BOOT))
    for now_s in range(0, 60, 2):
        recorder.write([], now_s)
        assert recorder.problem
        spool.mkdir()
        recorder.write([], now_s + 1)
        assert not recorder.problem
        spool.rmdir()
    assert [caplog.text.count("cannot be written"), caplog.text.count("can be written again")] == [10, 10]
