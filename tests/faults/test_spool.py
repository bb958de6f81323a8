"""Whatever is in the spool, or happens to it or to its disk, pours are sent, and none is lost or torn."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from faults.conftest import FaultCounts
from faults.faulty_server import GROWTH_KB, STOPPED_WITHIN_S, peak_kb
from faults.local_fault import WITHOUT_PRIVILEGES, LocalFaultCase, ext4, fifo_with_a_writer, mounted, runs_under
from support.keg import Keg
from support.pki import Certificate
from support.scripted_server import Connection, Request, ScriptedServer
from support.wait import is_quick, stays, wait_for

AT_ONCE_S = 60
"""What takes no longer is noticed by an event: a directory that is watched is read again every 10 minutes."""
WITHOUT_A_WATCH_S = 5
"""A directory that cannot be watched is read again so often."""
UNCHANGED_S = 60
"""How long a file that may be incomplete must be unchanged if inotify did not report it."""
A_FEW_LINES = 12
TOO_MANY = 12_000
"""More names than the client keeps in memory."""


def ticks(keg: Keg) -> int:
    """The processor time of the client, in clock ticks."""
    fields = Path(f"/proc/{keg.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@pytest.fixture
def case(scripted_keg: Keg, scripted_server: ScriptedServer, counts: FaultCounts) -> LocalFaultCase:
    return LocalFaultCase(scripted_keg, scripted_server, counts)


# What is in it.


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
def test_what_is_not_a_regular_file_is_ignored_and_holds_no_pour(
    case: LocalFaultCase, key: Path, trap: Callable[[Path, Path], None]
) -> None:
    keg = case.keg
    (keg.spool / "real.txt").write_text("0,9,9,9\n")
    trap(keg.spool / "before.pour", key)
    case.pour()
    keg.start()
    trap(keg.spool / "trap", key)
    (keg.spool / "trap").rename(keg.spool / "after.pour")
    case.pour()
    case.wait_until_all_accepted()
    before = [os.lstat(keg.spool / name) for name in ("before.pour", "after.pour")]
    case.check_survived()
    assert [os.lstat(keg.spool / name) for name in ("before.pour", "after.pour")] == before
    assert keg.failed() == []


def test_a_hard_link_to_the_key_is_neither_logged_nor_sent_nor_changed(case: LocalFaultCase, key: Path) -> None:
    keg = case.keg
    private = keg.folder / "privkey.pem"
    private.write_bytes(key.read_bytes())
    private.chmod(0o600)
    keg.start(privateKey=private)
    os.link(private, keg.spool / "link.tmp")
    (keg.spool / "link.tmp").rename(keg.spool / "link.pour")
    keg.syslog.wait("link.pour is set aside as link.pour.fail: the file is longer than any pour", limit_s=60)
    case.check_survived()
    assert private.read_bytes() == key.read_bytes()
    assert private.stat().st_mode & 0o777 == 0o600
    public = [*keg.syslog.datagrams, *(value for request in case.server.requests for value in request.fields.values())]
    assert not [line for line in key.read_text().split("\n") if line and any(line in text for text in public)]


def test_a_hard_link_to_a_pour_is_a_pour_and_the_other_name_remains(case: LocalFaultCase) -> None:
    keg = case.keg
    keg.start()
    (keg.folder / "kept").write_text(case.line())
    for name in ("one", "two"):
        os.link(keg.folder / "kept", keg.spool / name)
        (keg.spool / name).rename(keg.spool / f"{name}.pour")
    wait_for(lambda: not keg.waiting())
    assert len(case.server.paths("/pour")) == 2
    case.check_survived()
    assert (keg.folder / "kept").read_text() == "0,586,8213,1\n"


def _name(source: random.Random) -> bytes:
    """A name that few programs but a file system accept."""
    alphabets = (bytes(range(1, 32)), b"\x80\xc3\xff\xed\xa0", "äß\u202e😀\u2028".encode(), b"ab %s{}\\;$`'\"\n.")
    letters = source.choice(alphabets).replace(b"/", b"")
    length = source.choice((1, 20, 250))
    return bytes(source.choice(letters) for _ in range(length)) + b".pour"


def test_random_names_are_sent_or_set_aside_and_forge_no_line(case: LocalFaultCase, source: random.Random) -> None:
    keg = case.keg
    spool = os.fsencode(keg.spool)
    names = {_name(source) for _ in range(300)}
    garbage = sorted(source.sample(sorted(names), 100))
    for running in (False, True):
        for name in sorted(names)[running::2]:
            (keg.spool / "temporary").write_bytes(name if name in garbage else case.line().encode())
            os.utime(keg.spool / "temporary", ns=(0, source.choice((-(10**18), 0, 10**18))))
            os.rename(keg.spool / "temporary", os.path.join(spool, name))
        if not running:
            keg.start()
    case.wait_until_all_accepted(limit_s=30)
    wait_for(lambda: not keg.waiting(), UNCHANGED_S + 15)
    aside = os.listdir(spool)
    assert all(name.endswith(b".pour.fail") for name in aside)
    assert sorted(Path(os.fsdecode(os.path.join(spool, name))).read_bytes() for name in aside) == garbage
    case.check_survived()
    assert all(line.isprintable() for line in keg.syslog.datagrams)


def test_long_names_that_differ_only_at_the_end_are_all_set_aside(case: LocalFaultCase) -> None:
    keg = case.keg
    keg.start()
    garbage = {f"garbage {number}" for number in range(40)}
    for number, line in enumerate(sorted(garbage)):
        (keg.spool / "temporary").write_text(line)
        (keg.spool / "temporary").rename(keg.spool / ("x" * 247 + f"{number:03}.pour"))
    wait_for(lambda: len(keg.failed()) == len(garbage), 25)
    assert {(keg.spool / name).read_text() for name in keg.failed()} == garbage
    case.check_survived()


@pytest.mark.parametrize("what", ["FIFOs", "unreadable files"])
def test_thousands_that_cannot_be_sent_hide_no_pour_and_fill_no_log(case: LocalFaultCase, what: str) -> None:
    keg = case.keg
    runs_under(keg, *WITHOUT_PRIVILEGES)
    for number in range(TOO_MANY):
        path = keg.spool / f"{number}.pour"
        if what == "FIFOs":
            os.mkfifo(path)
        else:
            path.touch(mode=0)
        os.utime(path, (number, number))
    case.pour("behind.pour")
    keg.start()
    case.wait_until_all_accepted(limit_s=30)
    case.pour("later.pour")
    case.pour("old.pour", mtime_s=1)
    case.wait_until_all_accepted(AT_ONCE_S)
    wait_for(lambda: len(keg.waiting()) == TOO_MANY)
    assert 0 < len(keg.syslog.lines("is ignored|cannot be read")) <= A_FEW_LINES
    before = ticks(keg)
    assert stays(lambda: True, 2)
    assert ticks(keg) - before < os.sysconf("SC_CLK_TCK"), "they are looked at again and again"
    case.check_survived()


def test_what_cannot_be_read_is_kept_and_sent_once_it_can_be(case: LocalFaultCase) -> None:
    keg = case.keg
    runs_under(keg, *WITHOUT_PRIVILEGES)
    locked = [case.pour() for _ in range(30)]
    for path in locked:
        path.chmod(0)
    case.pour()
    keg.start()
    keg.syslog.wait("is kept: it cannot be read .Permission denied.")
    wait_for(lambda: len(keg.waiting()) == len(locked))
    assert len(keg.syslog.lines("cannot be read")) <= A_FEW_LINES
    for line in keg.syslog.lines("cannot be read"):
        name = line.partition(" is kept")[0].split()[-1]
        assert line.endswith(f"; fix: chgrp -h root {keg.spool / name} && chmod g+r {keg.spool / name}")
    for path in locked:
        path.chmod(0o600)
        path.open("r+").close()
    case.wait_until_all_accepted()
    case.check_survived()


@pytest.mark.parametrize(("count", "others"), [(1, ""), (30, " and 29 more")])
def test_check_warns_of_pours_that_cannot_be_read_and_its_command_permits_it(case: LocalFaultCase, count: int, others: str) -> None:
    keg = case.keg
    runs_under(keg, *WITHOUT_PRIVILEGES)
    case.pour("readable.pour")
    for number in range(count):
        case.pour(f"locked {number:02}.pour").chmod(0)
    keg.write_config()
    found = [one for one in json.loads(keg.run_mode("--check", "--json").stdout)["findings"] if one["what"] == "spool"]
    assert [one["level"] for one in found] == ["ok", "warning"]
    assert found[0]["text"].endswith(f"; {count + 1} pours wait")
    assert found[1]["text"] == f"this user cannot read locked 00.pour (root:root, mode 0000){others}: kept, and not sent"
    subprocess.run(["sh", "-ec", found[1]["fix"].replace("chgrp -h kegnet", "chgrp -h root")], check=True)
    assert {stat.S_IMODE((keg.spool / name).stat().st_mode) for name in keg.waiting() if "locked" in name} == {0o040}


def permit_command(keg: Keg) -> str:
    """The command that --check prints for pours that cannot be read, for a group of this machine."""
    found = json.loads(keg.run_mode("--check", "--json").stdout)["findings"]
    (fix,) = [one["fix"] for one in found if one["what"] == "spool" and one["level"] == "warning"]
    return str(fix).replace(" kegnet ", " games ")


def test_the_command_for_pours_that_cannot_be_read_works_for_a_spool_that_is_a_link(case: LocalFaultCase) -> None:
    keg = case.keg
    runs_under(keg, *WITHOUT_PRIVILEGES)
    locked = case.pour()
    locked.chmod(0)
    (keg.folder / "link").symlink_to(keg.spool)
    keg.write_config(spool="../link")
    subprocess.run(["sh", "-ec", permit_command(keg)], check=True)
    assert (stat.S_IMODE(locked.stat().st_mode), locked.group()) == (0o040, "games")


def test_a_link_that_takes_the_name_of_a_pour_while_the_command_runs_keeps_the_group_of_its_target(
    case: LocalFaultCase, tmp_path: Path
) -> None:
    keg = case.keg
    runs_under(keg, *WITHOUT_PRIVILEGES)
    case.pour().chmod(0)
    keg.write_config()
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    chgrp = tmp_path / "bin/chgrp"
    chgrp.parent.mkdir()
    chgrp.write_text(f"""#!/bin/sh\nfor path; do :; done\nln -sfn {secret} "$path"\nexec {shutil.which("chgrp")} "$@"\n""")
    chgrp.chmod(0o755)
    subprocess.run(["sh", "-ec", permit_command(keg)], check=True, env={"PATH": f"{chgrp.parent}:{os.environ['PATH']}"})
    assert secret.group() == "root"


# What is not complete.


def test_a_pour_without_a_newline_found_at_the_start_is_sent_once_its_writer_closes_it(case: LocalFaultCase) -> None:
    keg = case.keg
    with (keg.spool / "x.pour").open("w") as file:
        for _ in range(12):
            line = case.line()
        case.made = {"12"}
        file.write(line.removesuffix("2\n"))
        file.flush()
        keg.start()
        assert stays(lambda: not case.server.paths("/pour") and keg.failed() == [], 3), "its last digit is missing"
        file.write("2")
    case.wait_until_all_accepted()
    case.check_survived()


def test_a_pour_without_a_newline_that_nobody_closes_is_sent_after_a_minute(case: LocalFaultCase) -> None:
    keg = case.keg
    (keg.spool / "x.pour").write_text(case.line().removesuffix("\n"))
    os.utime(keg.spool / "x.pour", (1, 1))
    keg.start()
    assert stays(lambda: not case.ledger.accepted, UNCHANGED_S - 10), "its modification time decides nothing"
    case.wait_until_all_accepted(25)
    case.check_survived()


def test_a_pour_with_windows_line_end_is_sent(case: LocalFaultCase) -> None:
    case.keg.start()
    (case.keg.spool / "x.pour").write_bytes(case.line().encode().replace(b"\n", b"\r\n"))
    case.wait_until_all_accepted()
    case.check_survived()


def test_a_negative_number_is_set_aside(case: LocalFaultCase) -> None:
    case.keg.start()
    case.keg.pour("0,-586,8213,1\n", "negative.pour")
    wait_for(lambda: case.keg.failed() == ["negative.pour.fail"], 60)
    case.check_survived()


def test_what_is_set_aside_is_never_overwritten(case: LocalFaultCase) -> None:
    keg = case.keg
    keg.start()
    (keg.spool / "x.pour.fail").write_text("kept")
    for number in (2, 3):
        keg.pour(f"garbage {number}", "x.pour")
        keg.syslog.wait(f"x.pour is set aside as x.{number}.pour.fail", 60)
    texts = {name: (keg.spool / name).read_text() for name in keg.failed()}
    assert texts == {"x.pour.fail": "kept", "x.2.pour.fail": "garbage 2", "x.3.pour.fail": "garbage 3"}
    case.check_survived()


# What happens to its files while the client works.

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
RENAME_EXCHANGE = 2


def exchange(one: Path, other: Path) -> bool:
    """Exchanges two names atomically. Returns whether both existed; the file that is `one` then is certainly overwritten."""
    done: int = LIBC.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE)
    assert done == 0 or ctypes.get_errno() == errno.ENOENT
    return done == 0


def spin(seconds: float) -> None:
    """Waits for a time that is too short to sleep."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def ts_of(line: str) -> str:
    return line.strip().rpartition(",")[2]


def test_a_pour_that_replaces_another_at_the_last_moment_is_sent(case: LocalFaultCase, source: random.Random) -> None:
    keg = case.keg
    path, fresh = keg.spool / "x.pour", keg.spool / "fresh"
    overwritten: set[str] = set()

    def accept_and_replace(connection: Connection, request: Request) -> None:
        if len(case.made) == 1000:
            case.ledger.answer(connection, request)
            return
        fresh.write_text(case.line())
        case.ledger.answer(connection, request)
        spin(source.uniform(0, 0.001))
        if exchange(fresh, path):
            overwritten.add(ts_of(fresh.read_text()))
        else:
            fresh.rename(path)

    case.server.pour_answer = accept_and_replace
    keg.start()
    case.pour("x.pour")
    wait_for(lambda: len(case.made) == 1000 and not keg.waiting(), limit_s=300)
    case.server.pour_answer = case.ledger.answer
    case.check_survived(kept=overwritten)


def test_a_pour_that_is_deleted_at_any_moment_was_sent_or_deleted(case: LocalFaultCase, source: random.Random) -> None:
    keg = case.keg
    keg.start()
    deleted: set[str] = set()
    for number in range(500):
        path = case.pour("x.pour")
        ts = str(len(case.made))
        if number % 50 == 0:
            # The client is never held up all the time.
            wait_for(lambda: not keg.waiting())
        spin(source.uniform(0, 0.01))
        try:
            path.unlink()
            deleted.add(ts)
        except FileNotFoundError:
            continue
    wait_for(lambda: not keg.waiting())
    assert keg.failed() == []
    assert case.ledger.accepted, "the client was faster now and then"
    case.check_survived(kept=deleted)


def test_a_pour_written_over_another_of_its_size_and_time_while_that_is_sent_is_sent_too(case: LocalFaultCase) -> None:
    keg = case.keg
    path = keg.spool / "x.pour"

    def accept_and_write_over(connection: Connection, request: Request) -> None:
        case.server.pour_answer = case.ledger.answer
        before = path.stat()
        with path.open("r+") as file:
            file.write(case.line())
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        case.ledger.answer(connection, request)

    case.server.pour_answer = accept_and_write_over
    keg.start()
    case.pour("x.pour")
    wait_for(lambda: len(case.made) == 2)
    case.wait_until_all_accepted()
    case.check_survived()


def test_a_pour_that_is_rewritten_in_pieces_again_and_again_is_never_sent_torn(case: LocalFaultCase, source: random.Random) -> None:
    keg = case.keg
    path = keg.spool / "x.pour"
    keg.start()
    path.touch()
    held_up = set()
    for number in range(10**6, 10**6 + 500):
        line = f"{number},{2 * number},{3 * number},{5 * number}" + source.choice(("", "\n"))
        case.made.add(str(5 * number))
        with path.open("w") as file:
            cut, begun = source.randrange(len(line)), time.monotonic()
            file.write(line[:cut])
            file.flush()
            spin(source.choice((0, 0.001, 0.01)))
            file.write(line[cut:])
            file.truncate()
        # A machine that holds the writer up for as long as the client waits after a close looks like a writer that has finished.
        if time.monotonic() - begun > 0.5:
            held_up.add(line[:cut])
            case.made.update(line[:cut].split(",")[3:])
    last = str(5 * number)
    wait_for(lambda: last in case.ledger.accepted)
    sent = [[int(request.fields[name]) for name in ("pin", "pulses", "et", "ts")] for request in case.server.paths("/pour")]
    torn = [numbers for numbers in sent if numbers != [numbers[0] * factor for factor in (1, 2, 3, 5)]]
    assert [numbers for numbers in torn if ",".join(map(str, numbers)) not in held_up] == []
    case.check_survived(kept=case.made - {last})


# What happens to the directory.


def test_a_huge_backlog_is_sent_oldest_first_without_more_memory(
    case: LocalFaultCase, source: random.Random, request: pytest.FixtureRequest
) -> None:
    keg = case.keg
    ages, copies = 100, request.config.getoption("--backlog") // 100
    sibling = keg.folder / "sibling"
    sibling.mkdir()
    for age in range(1, ages + 1):
        first = case.pour(f"{source.getrandbits(64):016x}.pour", into=sibling, mtime_s=age)
        for _ in range(copies - 1):
            os.link(first, sibling / f"{source.getrandbits(64):016x}.pour")
    keg.start()
    before_kb = peak_kb(keg)
    sibling.rename(keg.spool)
    order = [int(request.fields["ts"]) for request in case.server.wait_for_requests("/pour", 2500, limit_s=300)]
    assert order == sorted(order)
    case.pour("older.pour", mtime_s=0)
    wait_for(lambda: str(ages + 1) in case.ledger.accepted, limit_s=120)
    case.counts.growth_kb = peak_kb(keg) - before_kb
    assert case.counts.growth_kb < GROWTH_KB
    keg.signal(signal.SIGTERM)
    assert keg.wait_for_end(STOPPED_WITHIN_S) == 0
    case.counts.sent = ages * copies + 1
    assert len(case.server.paths("/pour")) + len(keg.waiting()) == case.counts.sent


def test_nothing_is_missed_after_an_event_queue_overflow(case: LocalFaultCase) -> None:
    keg = case.keg
    keg.start()
    events = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    keg.signal(signal.SIGSTOP)
    litter, other = keg.spool / "litter", keg.spool / "other"
    litter.write_text("")
    for _ in range(events // 2 + 100):
        litter.rename(other)
        other.rename(litter)
    # The kernel does not report this, and the new directory often has the inode number of the old one.
    shutil.rmtree(keg.spool)
    keg.spool.mkdir()
    for mtime_s in (3, 2, 1):
        case.pour(mtime_s=mtime_s)
    keg.signal(signal.SIGCONT)
    case.wait_until_all_accepted(AT_ONCE_S)
    case.pour()
    case.wait_until_all_accepted(AT_ONCE_S)
    case.check_survived(limit_s=AT_ONCE_S)


@pytest.mark.parametrize("limit", ["max_inotify_watches", "max_inotify_instances"])
def test_without_inotify_it_looks_every_few_seconds_and_logs_that_once(case: LocalFaultCase, limit: str) -> None:
    keg = case.keg
    runs_under(keg, "unshare", "--user", "--map-root-user", "sh", "-c", f'echo 0 >/proc/sys/user/{limit}; exec "$@"', "sh")
    keg.start()
    keg.syslog.wait("spool .* cannot be watched")
    for _ in range(2):
        case.pour()
        case.wait_until_all_accepted()
    assert len(keg.syslog.lines("cannot be watched")) == 1
    enter = ["nsenter", "--target", str(keg.pid), "--user", "--preserve-credentials"]
    subprocess.run([*enter, "sh", "-c", f"echo 100 >/proc/sys/user/{limit}"], check=True)
    keg.syslog.wait("spool .* can be used again")
    assert is_quick(case.accepted_s, WITHOUT_A_WATCH_S - 1), "it is not watched"
    case.check_survived()


def test_a_spool_that_is_not_there_at_the_start_is_waited_for(case: LocalFaultCase) -> None:
    keg = case.keg
    keg.spool.rmdir()
    keg.start()
    keg.syslog.wait(f"spool {keg.spool} does not exist; .*mkdir -p {keg.spool}")
    keg.spool.mkdir()
    case.pour()
    case.wait_until_all_accepted()
    keg.syslog.wait(f"spool {keg.spool} can be used again")
    assert is_quick(case.accepted_s, WITHOUT_A_WATCH_S - 1), "it is not watched"
    case.check_survived()


@pytest.mark.parametrize("what", ["the spool", "the directory above", "a directory further above"])
def test_a_directory_that_is_replaced_is_noticed_at_once(case: LocalFaultCase, what: str) -> None:
    keg = case.keg
    top = keg.folder / "top"
    (top / "above").mkdir(parents=True)
    keg.spool.rename(top / "above" / "spool")
    keg.spool = top / "above" / "spool"
    replaced = {"the spool": keg.spool, "the directory above": top / "above", "a directory further above": top}[what]
    keg.start(spool=keg.spool)
    case.pour()
    case.wait_until_all_accepted()
    for number in range(3):
        replaced.rename(keg.folder / f"old{number}")
        keg.spool.mkdir(parents=True)
        case.pour()
        case.wait_until_all_accepted(AT_ONCE_S)
        case.pour()
        case.wait_until_all_accepted(AT_ONCE_S)
    case.check_survived(limit_s=AT_ONCE_S)


@pytest.mark.parametrize("where", ["spool", "above"])
def test_a_symbolic_link_that_is_pointed_elsewhere_is_noticed_at_once(case: LocalFaultCase, where: str) -> None:
    keg = case.keg
    link = keg.folder / "link"
    places = [keg.folder / f"place{number}" for number in range(3)]
    for place in places:
        (place / "spool").mkdir(parents=True)
    spool = link if where == "spool" else link / "spool"
    keg.spool = spool

    def point_to(place: Path) -> None:
        fresh = keg.folder / "fresh"
        fresh.symlink_to(place / "spool" if where == "spool" else place)
        fresh.rename(link)

    point_to(places[0])
    keg.start(spool=spool)
    for place in [*places, *places]:
        point_to(place)
        case.pour()
        case.wait_until_all_accepted(AT_ONCE_S)
    case.check_survived(limit_s=AT_ONCE_S)


def test_a_directory_renamed_over_the_spool_is_noticed_at_once(case: LocalFaultCase) -> None:
    keg = case.keg
    other = keg.folder / "other"
    other.mkdir()
    case.pour(into=other)
    keg.start()
    other.rename(keg.spool)
    case.wait_until_all_accepted(AT_ONCE_S)
    case.check_survived(limit_s=AT_ONCE_S)


def test_a_second_client_on_the_spool_waits_until_the_first_ends(
    case: LocalFaultCase, tmp_path: Path, key: Path, scripted_server: ScriptedServer, ca: Certificate
) -> None:
    keg, second = case.keg, Keg(tmp_path / "second", key, scripted_server.base_url, ca.certificate)
    keg.start(sensor="none")
    second.start(sensor="none", spool=keg.spool)
    second.syslog.wait(f"spool {keg.spool} is in use by another kegnet-client")
    for _ in range(20):
        case.pour()
    case.wait_until_all_accepted()
    wait_for(lambda: not keg.waiting())
    assert {request.fields["id"] for request in scripted_server.paths("/pour")} == {keg.client_id}
    keg.signal(signal.SIGKILL)
    keg.wait_for_end()
    case.pour()
    case.wait_until_all_accepted()
    second.syslog.wait("can be used again")
    assert scripted_server.paths("/pour")[-1].fields["id"] == second.client_id
    assert second.stop() == 0
    assert len(second.syslog.lines("is in use by another")) == 1
    second.close()
    case.counts.check_delivery(case.made, case.ledger)
    assert case.ledger.doubled == 0


PROCS = {
    "whole": "",
    "of a confined service": "mount -t proc -o hidepid=invisible,subset=pid proc /proc; ",
}


@pytest.mark.parametrize("proc", PROCS.values(), ids=PROCS)
def test_a_directory_mounted_over_it_and_unmounted_is_noticed_at_once(case: LocalFaultCase, proc: str) -> None:
    keg = case.keg
    runs_under(keg, "sh", "-c", f'{proc}exec "$@"', "sh")
    keg.start()
    case.pour()
    case.wait_until_all_accepted()
    over = keg.folder / "over"
    over.mkdir()
    case.pour(into=over)
    for _ in range(2):
        keg.run_in_namespace("mount", "--bind", over, keg.spool)
        case.wait_until_all_accepted(AT_ONCE_S)
        case.pour(into=over)
        case.wait_until_all_accepted(AT_ONCE_S)
        case.pour()
        keg.run_in_namespace("umount", "--lazy", keg.spool)  # The client holds it open.
        case.wait_until_all_accepted(AT_ONCE_S)
        case.pour(into=over)
    keg.run_in_namespace("mount", "--bind", over, keg.spool)
    keg.run_in_namespace("umount", "--lazy", keg.spool)
    case.pour()
    case.check_survived(kept={str(len(case.made) - 1)})


def test_it_works_without_proc(case: LocalFaultCase) -> None:
    runs_under(case.keg, "sh", "-c", 'mount -t tmpfs tmpfs /proc; exec "$@"', "sh")
    case.keg.start()
    case.check_survived(limit_s=AT_ONCE_S)


# What happens to its disk.


def write_all_kinds(case: LocalFaultCase) -> int:
    """Writes pours that the server accepts, pours that it rejects, and garbage. Returns how many are to be set aside."""

    def accept_or_reject(connection: Connection, request: Request) -> None:
        if request.fields["pulses"] == "400":
            connection.answer(400)
        else:
            case.ledger.answer(connection, request)

    case.server.pour_answer = accept_or_reject
    for number in range(5):
        case.keg.pour("0,400,0,0\n", f"refused-{number}.pour")
        case.keg.pour("garbage\n", f"garbage-{number}.pour")
    for _ in range(20):
        case.pour()
    return 10


def fill(folder: Path, bytes_each: int) -> None:
    """Makes files in `folder` until there is no space for another."""
    with pytest.raises(OSError, match="No space left"):
        for number in range(10**6):
            (folder / f"{number:x}").write_bytes(b"x" * bytes_each)


DISKS = {"no bytes left": ("size=400k", 4096), "no inodes left": ("size=4m,nr_inodes=60", 0)}


@pytest.mark.parametrize(("options", "bytes_each"), DISKS.values(), ids=DISKS)
def test_on_a_full_disk_pours_are_sent_and_removed(case: LocalFaultCase, options: str, bytes_each: int) -> None:
    keg = case.keg
    with mounted(keg.spool, "-t", "tmpfs", "-o", options, "tmpfs"):
        aside = write_all_kinds(case)
        fill(keg.spool, bytes_each)
        keg.start()
        case.wait_until_all_accepted()
        wait_for(lambda: not keg.waiting(), UNCHANGED_S + 15)
        assert len(keg.failed()) == aside
        assert not keg.syslog.lines("does not permit it|Traceback")
        case.check_survived()


def test_in_a_directory_without_space_for_another_name_pours_are_sent_and_removed(case: LocalFaultCase) -> None:
    keg = case.keg
    with mounted(keg.spool, "-o", "loop", ext4(keg.folder / "image", kilobytes=1500, inodes=1600)):
        aside = write_all_kinds(case)
        with pytest.raises(OSError, match="No space left"):
            while True:
                case.pour()
        case.made.remove(str(len(case.made)))
        fill(keg.spool, bytes_each=0)
        keg.start()
        case.wait_until_all_accepted(limit_s=300)
        wait_for(lambda: not set(keg.waiting()) & {f"{ts}.pour" for ts in case.made})
        for name in keg.waiting():
            (keg.spool / name).open("r+").close()
        wait_for(lambda: len(keg.failed()) == aside, 60)
        assert keg.waiting() == []
        case.check_survived()


def test_a_file_with_a_damaged_inode_hides_no_other(case: LocalFaultCase) -> None:
    keg = case.keg
    content = keg.folder / "content"
    content.mkdir()
    for name in ("a.pour", "damaged.pour", "z.pour"):
        case.pour(name, into=content)
    image = ext4(keg.folder / "image", kilobytes=4096, inodes=100, content=content)
    subprocess.run(["debugfs", "-w", "-R", "clri /damaged.pour", image], check=True, capture_output=True)
    with mounted(keg.spool, "-o", "loop", image):
        keg.start()
        wait_for(lambda: case.ledger.accepted.keys() == {"1", "3"})
        (keg.spool / "touched.pour").symlink_to("damaged.pour")
        case.check_survived(kept={"2"})
        assert "damaged.pour" in keg.waiting()


def immutable(path: Path) -> Callable[[], object]:
    subprocess.run(["chattr", "+i", path], check=True)
    return lambda: subprocess.run(["chattr", "-i", path], check=True)


def another_users_in_a_sticky_directory(path: Path) -> Callable[[], object]:
    for what in (path, path.parent):
        os.chown(what, 65534, 65534)
    path.parent.chmod(0o1777)
    return lambda: path.parent.chmod(0o777)


@pytest.mark.parametrize("hold", [immutable, another_users_in_a_sticky_directory])
def test_a_pour_that_cannot_be_removed_is_sent_once_and_holds_no_other(
    case: LocalFaultCase, hold: Callable[[Path], Callable[[], object]]
) -> None:
    keg = case.keg
    runs_under(keg, *WITHOUT_PRIVILEGES)
    with mounted(keg.spool, "-o", "loop", ext4(keg.folder / "image", kilobytes=4096, inodes=100)):
        held = case.pour("held.pour")
        release = hold(held)
        keg.start()
        keg.syslog.wait("held.pour is to be deleted, but the spool does not permit it")
        case.pour()
        case.wait_until_all_accepted()
        wait_for(lambda: keg.waiting() == ["held.pour"])
        release()
        held.open("r+").close()
        wait_for(lambda: not held.exists())
        assert case.ledger.doubled == 0
        case.check_survived()
