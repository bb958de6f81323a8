"""The hostile spool: whatever lies in it, happens to it or becomes of its disk, pours go out, and none is lost or torn."""

from __future__ import annotations

import ctypes
import errno
import os
import random
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path
from typing import Callable

import pytest
from faults.conftest import Tally
from faults.ordeal import GROWTH_KB, STOPPED_WITHIN_S, peak_kb
from faults.siege import WITHOUT_PRIVILEGES, Siege, ext4, fifo_with_a_writer, mounted, runs_under
from support.keg import Keg
from support.scripted_server import Connection, Request, ScriptedServer
from support.wait import stays, wait_for

AT_ONCE_S = 5
"""What takes no longer was not found by the look at the directory that comes every ten minutes."""
A_FEW_LINES = 12
TOO_MANY = 12_000
"""More names than the client keeps in mind."""


def ticks(keg: Keg) -> int:
    """How much the client has worked so far, in clock ticks."""
    fields = Path(f"/proc/{keg.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@pytest.fixture
def siege(scripted_keg: Keg, scripted_server: ScriptedServer, tally: Tally) -> Siege:
    return Siege(scripted_keg, scripted_server, tally)


# What lies in it.


TRAPS: dict[str, Callable[[Path, Path], None]] = {
    "FIFO": lambda path, _: fifo_with_a_writer(path),
    "socket": lambda path, _: os.mknod(path, stat.S_IFSOCK | 0o600),
    "endless device": lambda path, _: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5)),
    "terminal": lambda path, _: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(5, 0)),
    "disk": lambda path, _: os.mknod(path, stat.S_IFBLK | 0o666, os.makedev(7, 0)),
    "directory": lambda path, _: path.mkdir(),
    "link to the key": lambda path, key: path.symlink_to(key),
    "link to a device": lambda path, _: path.symlink_to("/dev/zero"),
    "link to itself": lambda path, _: path.symlink_to(path),
    "link to nothing": lambda path, _: path.symlink_to("nothing"),
    "link to a pour": lambda path, _: path.symlink_to("real.txt"),
}


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS)
def test_what_is_no_file_stays_as_it_is_wherever_it_comes_from_and_takes_turns_with_pours(
    siege: Siege, key: Path, trap: Callable[[Path, Path], None]
) -> None:
    keg = siege.keg
    (keg.spool / "real.txt").write_text("0,9,9,9\n")
    trap(keg.spool / "before.pour", key)
    siege.pour()
    keg.start()
    trap(keg.spool / "trap", key)
    (keg.spool / "trap").rename(keg.spool / "after.pour")
    siege.pour()
    siege.all_arrive()
    before = [os.lstat(keg.spool / name) for name in ("before.pour", "after.pour")]
    siege.is_survived()
    assert [os.lstat(keg.spool / name) for name in ("before.pour", "after.pour")] == before
    assert keg.failed() == []


def test_a_hard_link_to_the_key_is_neither_told_nor_sent_nor_harmed(siege: Siege, key: Path) -> None:
    keg = siege.keg
    private = keg.folder / "privkey.pem"
    private.write_bytes(key.read_bytes())
    private.chmod(0o600)
    keg.start(privateKey=private)
    os.link(private, keg.spool / "link.tmp")
    (keg.spool / "link.tmp").rename(keg.spool / "link.pour")
    keg.syslog.wait("link.pour is set aside as link.pour.fail: it is longer than any pour", limit_s=20)
    siege.is_survived()
    assert private.read_bytes() == key.read_bytes()
    assert private.stat().st_mode & 0o777 == 0o600
    told = [*keg.syslog.datagrams, *(value for request in siege.server.requests for value in request.fields.values())]
    assert not [line for line in key.read_text().split("\n") if line and any(line in text for text in told)]


def test_a_hard_link_to_a_pour_is_a_pour_and_what_is_linked_elsewhere_stays(siege: Siege) -> None:
    keg = siege.keg
    keg.start()
    (keg.folder / "kept").write_text(siege.line())
    for name in ("one", "two"):
        os.link(keg.folder / "kept", keg.spool / name)
        (keg.spool / name).rename(keg.spool / f"{name}.pour")
    wait_for(lambda: not keg.waiting())
    assert len(siege.server.paths("/pour")) == 2
    siege.is_survived()
    assert (keg.folder / "kept").read_text() == "0,586,8213,1\n"


def _name(lots: random.Random) -> bytes:
    """A name that a file system takes, and hardly anybody else."""
    alphabets = (bytes(range(1, 32)), b"\x80\xc3\xff\xed\xa0", "äß\u202e😀\u2028".encode(), b"ab %s{}\\;$`'\"\n.")
    letters = lots.choice(alphabets).replace(b"/", b"")
    length = lots.choice((1, 20, 250))
    return bytes(lots.choice(letters) for _ in range(length)) + b".pour"


def test_names_by_lot_are_sent_or_set_aside_and_forge_no_line(siege: Siege, lots: random.Random) -> None:
    keg = siege.keg
    spool = os.fsencode(keg.spool)
    names = {_name(lots) for _ in range(300)}
    rubbish = sorted(lots.sample(sorted(names), 100))
    for running in (False, True):
        for name in sorted(names)[running::2]:
            (keg.spool / "temporary").write_bytes(name if name in rubbish else siege.line().encode())
            os.utime(keg.spool / "temporary", ns=(0, lots.choice((-(10**18), 0, 10**18))))
            os.rename(keg.spool / "temporary", os.path.join(spool, name))
        if not running:
            keg.start()
    siege.all_arrive(limit_s=30)
    wait_for(lambda: not keg.waiting())
    aside = os.listdir(spool)
    assert all(name.endswith(b".pour.fail") for name in aside)
    assert sorted(Path(os.fsdecode(os.path.join(spool, name))).read_bytes() for name in aside) == rubbish
    siege.is_survived()
    assert all(line.isprintable() for line in keg.syslog.datagrams)


def test_names_that_only_differ_where_fail_must_stand_are_all_set_aside(siege: Siege) -> None:
    keg = siege.keg
    keg.start()
    rubbish = {f"rubbish {lot}" for lot in range(40)}
    for lot, line in enumerate(sorted(rubbish)):
        (keg.spool / "temporary").write_text(line)
        os.utime(keg.spool / "temporary", (1, 1))
        (keg.spool / "temporary").rename(keg.spool / ("x" * 247 + f"{lot:03}.pour"))
    wait_for(lambda: len(keg.failed()) == len(rubbish))
    assert {(keg.spool / name).read_text() for name in keg.failed()} == rubbish
    siege.is_survived()


@pytest.mark.parametrize("what", ["FIFOs", "unreadable files"])
def test_thousands_that_cannot_be_sent_hide_no_pour_behind_them_and_fill_no_log(
    siege: Siege, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    keg = siege.keg
    runs_under(keg, monkeypatch, *WITHOUT_PRIVILEGES)
    for number in range(TOO_MANY):
        path = keg.spool / f"{number}.pour"
        if what == "FIFOs":
            os.mkfifo(path)
        else:
            path.touch(mode=0)
        os.utime(path, (number, number))
    siege.pour("behind.pour")
    keg.start()
    siege.all_arrive(limit_s=30)
    siege.pour("later.pour")
    siege.pour("old.pour", mtime_s=1)
    siege.all_arrive(AT_ONCE_S)
    wait_for(lambda: len(keg.waiting()) == TOO_MANY)
    assert 0 < len(keg.syslog.lines("left alone|cannot be read")) <= A_FEW_LINES
    before = ticks(keg)
    assert stays(lambda: True, 2)
    assert ticks(keg) - before < os.sysconf("SC_CLK_TCK"), "it does not look at them again and again"
    siege.is_survived()


def test_what_cannot_be_read_is_kept_and_sent_once_it_can_be(siege: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    keg = siege.keg
    runs_under(keg, monkeypatch, *WITHOUT_PRIVILEGES)
    locked = [siege.pour() for _ in range(30)]
    for path in locked:
        path.chmod(0)
    siege.pour()
    keg.start()
    keg.syslog.wait("is kept: it cannot be read .Permission denied.; trying again")
    wait_for(lambda: len(keg.waiting()) == len(locked))
    assert len(keg.syslog.lines("cannot be read")) == 1
    for path in locked:
        path.chmod(0o600)
        path.open("r+").close()
    siege.all_arrive()
    siege.is_survived()


# What happens to it while the client works.

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
RENAME_EXCHANGE = 2


def exchange(one: Path, other: Path) -> bool:
    """Lets two names change places, in one step; whether both were there. What one has then has certainly been overwritten."""
    done: int = LIBC.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE)
    assert done == 0 or ctypes.get_errno() == errno.ENOENT
    return done == 0


def spin(seconds: float) -> None:
    """Passes a time that is too short to sleep."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def ts_of(line: str) -> str:
    return line.strip().rpartition(",")[2]


def test_a_pour_that_takes_anothers_name_at_the_last_moment_is_sent(siege: Siege, lots: random.Random) -> None:
    keg = siege.keg
    path, fresh = keg.spool / "x.pour", keg.spool / "fresh"
    overwritten: set[str] = set()

    def accept_and_replace(connection: Connection, request: Request) -> None:
        if len(siege.made) == 1000:
            siege.ledger.answer(connection, request)
            return
        fresh.write_text(siege.line())
        siege.ledger.answer(connection, request)
        spin(lots.uniform(0, 0.001))
        if exchange(fresh, path):
            overwritten.add(ts_of(fresh.read_text()))
        else:
            fresh.rename(path)

    siege.server.pour_answer = accept_and_replace
    keg.start()
    siege.pour("x.pour")
    wait_for(lambda: len(siege.made) == 1000 and not keg.waiting(), limit_s=90)
    siege.server.pour_answer = siege.ledger.answer
    siege.is_survived(kept=overwritten)


def test_a_pour_that_is_withdrawn_at_any_moment_is_sent_or_was_withdrawn(siege: Siege, lots: random.Random) -> None:
    keg = siege.keg
    keg.start()
    withdrawn: set[str] = set()
    for _ in range(500):
        path = siege.pour("x.pour")
        ts = str(len(siege.made))
        spin(lots.uniform(0, 0.01))
        try:
            path.unlink()
            withdrawn.add(ts)
        except FileNotFoundError:
            continue
    wait_for(lambda: not keg.waiting())
    assert keg.failed() == []
    assert siege.ledger.accepted, "the client was quicker now and then"
    siege.is_survived(kept=withdrawn)


def test_a_pour_written_over_another_of_its_size_and_time_while_that_is_sent_is_sent_too(siege: Siege) -> None:
    keg = siege.keg
    path = keg.spool / "x.pour"

    def accept_and_write_over(connection: Connection, request: Request) -> None:
        siege.server.pour_answer = siege.ledger.answer
        before = path.stat()
        with path.open("r+") as file:
            file.write(siege.line())
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        siege.ledger.answer(connection, request)

    siege.server.pour_answer = accept_and_write_over
    keg.start()
    siege.pour("x.pour")
    wait_for(lambda: len(siege.made) == 2)
    siege.all_arrive()
    siege.is_survived()


@pytest.mark.parametrize("mode", ["w", "r+"])
def test_a_pour_that_is_written_anew_in_pieces_over_and_over_is_never_sent_torn(siege: Siege, lots: random.Random, mode: str) -> None:
    keg = siege.keg
    path = keg.spool / "x.pour"
    keg.start()
    path.touch()
    for number in range(10**6, 10**6 + 500):
        line = f"{number},{2 * number},{3 * number},{5 * number}" + lots.choice(("", "\n"))
        siege.made.add(str(5 * number))
        with open(path, mode, opener=lambda name, flags: os.open(name, flags | os.O_CREAT)) as file:
            cut = lots.randrange(len(line))
            file.write(line[:cut])
            file.flush()
            spin(lots.choice((0, 0.001, 0.01)))
            file.write(line[cut:])
            file.truncate()
    last = str(5 * number)
    wait_for(lambda: last in siege.ledger.accepted)
    sent = [[int(request.fields[name]) for name in ("pin", "pulses", "et", "ts")] for request in siege.server.paths("/pour")]
    assert [numbers for numbers in sent if numbers != [numbers[0] * factor for factor in (1, 2, 3, 5)]] == [], "torn"
    siege.is_survived(kept=siege.made - {last})


# What becomes of it.


def test_a_hundred_thousand_at_once_go_out_oldest_first_and_cost_no_memory(siege: Siege, lots: random.Random) -> None:
    keg = siege.keg
    ages, copies = 100, 1000
    sibling = keg.folder / "sibling"
    sibling.mkdir()
    for age in range(1, ages + 1):
        first = siege.pour(f"{lots.getrandbits(64):016x}.pour", into=sibling, mtime_s=age)
        for _ in range(copies - 1):
            os.link(first, sibling / f"{lots.getrandbits(64):016x}.pour")
    keg.start()
    before_kb = peak_kb(keg)
    sibling.rename(keg.spool)
    order = [int(request.fields["ts"]) for request in siege.server.wait_for_requests("/pour", 2500, limit_s=60)]
    assert order == sorted(order)
    siege.pour("older.pour", mtime_s=0)
    wait_for(lambda: str(ages + 1) in siege.ledger.accepted, limit_s=60)
    siege.tally.growth_kb = peak_kb(keg) - before_kb
    assert siege.tally.growth_kb < GROWTH_KB
    keg.signal(signal.SIGTERM)
    assert keg.wait_for_end(STOPPED_WITHIN_S) == 0
    siege.tally.sent = ages * copies + 1
    assert len(siege.server.paths("/pour")) + len(keg.waiting()) == siege.tally.sent


def test_nothing_is_missed_where_the_kernel_had_too_much_to_tell(siege: Siege) -> None:
    keg = siege.keg
    keg.start()
    events = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    keg.signal(signal.SIGSTOP)
    litter, other = keg.spool / "litter", keg.spool / "other"
    litter.write_text("")
    for _ in range(events // 2 + 100):
        litter.rename(other)
        other.rename(litter)
    # Of this the kernel tells nothing any more, and the new directory often bears the old one's inode number.
    shutil.rmtree(keg.spool)
    keg.spool.mkdir()
    for mtime_s in (3, 2, 1):
        siege.pour(mtime_s=mtime_s)
    keg.signal(signal.SIGCONT)
    siege.all_arrive(AT_ONCE_S)
    siege.pour()
    siege.all_arrive(AT_ONCE_S)
    siege.is_survived(limit_s=AT_ONCE_S)


@pytest.mark.parametrize("limit", ["max_inotify_watches", "max_inotify_instances"])
def test_without_a_watch_to_be_had_it_looks_every_few_seconds_and_says_so_once(
    siege: Siege, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    keg = siege.keg
    runs_under(keg, monkeypatch, "unshare", "--user", "--map-root-user", "sh", "-c", f'echo 0 >/proc/sys/user/{limit}; exec "$@"', "sh")
    keg.start()
    keg.syslog.wait("spool .* cannot be watched .*: looking every 5 s")
    for _ in range(2):
        siege.pour()
        siege.all_arrive()
    assert len(keg.syslog.lines("cannot be watched")) == 1
    enter = ["nsenter", "--target", str(keg.pid), "--user", "--preserve-credentials"]
    subprocess.run([*enter, "sh", "-c", f"echo 100 >/proc/sys/user/{limit}"], check=True)
    keg.syslog.wait("spool .* is watched again")
    siege.is_survived(limit_s=AT_ONCE_S)


PROCS = {
    "as it is": "",
    "as a confined service has it": "mount -t proc -o hidepid=invisible,subset=pid proc /proc; ",
}


@pytest.mark.parametrize("proc", PROCS.values(), ids=PROCS)
def test_another_directory_mounted_over_it_and_taken_away_is_noticed_at_once(
    siege: Siege, monkeypatch: pytest.MonkeyPatch, proc: str
) -> None:
    keg = siege.keg
    runs_under(keg, monkeypatch, "sh", "-c", f'{proc}exec "$@"', "sh")
    keg.start()
    siege.pour()
    siege.all_arrive()
    over = keg.folder / "over"
    over.mkdir()
    siege.pour(into=over)
    for _ in range(2):
        keg.run_in_namespace("mount", "--bind", over, keg.spool)
        siege.all_arrive(AT_ONCE_S)
        siege.pour(into=over)
        siege.all_arrive(AT_ONCE_S)
        siege.pour()
        wait_for(lambda: not list(over.iterdir()))  # The client is at nothing there that would keep it busy.
        keg.run_in_namespace("umount", keg.spool)
        siege.all_arrive(AT_ONCE_S)
        siege.pour(into=over)
    keg.run_in_namespace("mount", "--bind", over, keg.spool)
    keg.run_in_namespace("umount", "--lazy", keg.spool)
    siege.pour()
    siege.is_survived(kept={str(len(siege.made) - 1)})


def test_without_proc_it_works_all_the_same(siege: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    runs_under(siege.keg, monkeypatch, "sh", "-c", 'mount -t tmpfs tmpfs /proc; exec "$@"', "sh")
    siege.keg.start()
    siege.is_survived(limit_s=AT_ONCE_S)


# What becomes of its disk.


def drop_all_sorts(siege: Siege) -> int:
    """Pours that the server accepts, pours that it refuses, and rubbish; how many of them are to be set aside."""

    def picky(connection: Connection, request: Request) -> None:
        if request.fields["pulses"] == "400":
            connection.answer(400)
        else:
            siege.ledger.answer(connection, request)

    siege.server.pour_answer = picky
    for number in range(5):
        siege.keg.pour("0,400,0,0\n", f"refused-{number}.pour")
        os.utime(siege.keg.pour("rubbish\n", f"rubbish-{number}.pour"), (1, 1))
    for _ in range(20):
        siege.pour()
    return 10


def fill(folder: Path, bytes_each: int) -> None:
    """Makes files in `folder` until there is no room for another."""
    with pytest.raises(OSError, match="No space left"):
        for number in range(10**6):
            (folder / f"{number:x}").write_bytes(b"x" * bytes_each)


DISKS = {"no bytes left": ("size=400k", 4096), "no inodes left": ("size=4m,nr_inodes=60", 0)}


@pytest.mark.parametrize(("options", "bytes_each"), DISKS.values(), ids=DISKS)
def test_a_full_disk_keeps_no_pour_from_leaving(siege: Siege, options: str, bytes_each: int) -> None:
    keg = siege.keg
    with mounted(keg.spool, "-t", "tmpfs", "-o", options, "tmpfs"):
        aside = drop_all_sorts(siege)
        fill(keg.spool, bytes_each)
        keg.start()
        siege.all_arrive()
        wait_for(lambda: not keg.waiting())
        assert len(keg.failed()) == aside
        assert not keg.syslog.lines("does not let it go|Traceback")
        siege.is_survived()


def test_a_directory_without_room_for_another_name_lets_pours_go(siege: Siege) -> None:
    keg = siege.keg
    with mounted(keg.spool, "-o", "loop", ext4(keg.folder / "image", kilobytes=1500, inodes=1600)):
        aside = drop_all_sorts(siege)
        with pytest.raises(OSError, match="No space left"):
            while True:
                siege.pour()
        siege.made.remove(str(len(siege.made)))
        fill(keg.spool, bytes_each=0)
        keg.start()
        siege.all_arrive(limit_s=60)
        wait_for(lambda: not set(keg.waiting()) & {f"{ts}.pour" for ts in siege.made})
        for name in keg.waiting():
            (keg.spool / name).open("r+").close()
        wait_for(lambda: len(keg.failed()) == aside)
        assert keg.waiting() == []
        siege.is_survived()


def test_a_file_of_which_a_tired_disk_knows_nothing_hides_no_other(siege: Siege) -> None:
    keg = siege.keg
    image = ext4(keg.folder / "image", kilobytes=4096, inodes=100)
    with mounted(keg.spool, "-o", "loop", image):
        for name in ("a.pour", "sick.pour", "z.pour"):
            siege.pour(name)
    subprocess.run(["debugfs", "-w", "-R", "clri /sick.pour", image], check=True, capture_output=True)
    with mounted(keg.spool, "-o", "loop", image):
        keg.start()
        wait_for(lambda: siege.ledger.accepted.keys() == {"1", "3"})
        (keg.spool / "touched.pour").symlink_to("sick.pour")
        siege.is_survived(kept={"2"})
        assert "sick.pour" in keg.waiting()


def immutable(path: Path) -> Callable[[], object]:
    subprocess.run(["chattr", "+i", path], check=True)
    return lambda: subprocess.run(["chattr", "-i", path], check=True)


def another_users_in_a_sticky_directory(path: Path) -> Callable[[], object]:
    for what in (path, path.parent):
        os.chown(what, 65534, 65534)
    path.parent.chmod(0o1777)
    return lambda: path.parent.chmod(0o777)


@pytest.mark.parametrize("hold", [immutable, another_users_in_a_sticky_directory])
def test_a_pour_that_cannot_be_removed_is_sent_once_and_holds_up_no_other(
    siege: Siege, monkeypatch: pytest.MonkeyPatch, hold: Callable[[Path], Callable[[], object]]
) -> None:
    keg = siege.keg
    runs_under(keg, monkeypatch, *WITHOUT_PRIVILEGES)
    with mounted(keg.spool, "-o", "loop", ext4(keg.folder / "image", kilobytes=4096, inodes=100)):
        held = siege.pour("held.pour")
        let_go = hold(held)
        keg.start()
        keg.syslog.wait("held.pour was to be removed, but the spool does not let it go")
        siege.pour()
        siege.all_arrive()
        wait_for(lambda: keg.waiting() == ["held.pour"])
        let_go()
        held.open("r+").close()
        wait_for(lambda: not held.exists())
        assert siege.ledger.doubled == 0
        siege.is_survived()
