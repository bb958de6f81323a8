"""service/share_spool.py against a user who replaces files in the spool while it runs."""

from __future__ import annotations

import contextlib
import grp
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.keg import REPOSITORY

SCRIPT = REPOSITORY / "service/share_spool.py"
NOBODY = 65534
GROUP = "games"
"""A group of this machine that has no member; it stands in for kegnet."""
RUNS = 150

ATTACK = """
import ctypes, os, sys
own, spool, secret = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
EXCHANGE, AT_FDCWD = 2, -100
pairs = []
for number in range(20):
    bait, link = f"{spool}/{number}.pour", f"{own}/{number}"
    with open(link, "w") as file:
        file.write("0,1,1,1")
    os.rename(link, bait)
    os.symlink(secret, link)
    pairs.append((bait.encode(), link.encode()))
print("ready", flush=True)
for turn in range(10**9):
    for bait, link in pairs:
        libc.renameat2(AT_FDCWD, bait, AT_FDCWD, link, EXCHANGE)
    if turn % 1000 == 999:
        for path in (path for pair in pairs for path in pair if not os.path.islink(path)):
            os.chown(path, -1, os.getgid())  # A file of the group is not changed again.
"""


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Path]:
    """A spool that every user can write to, as one of 2013 can be, in a directory that every user can reach."""
    home = Path("/var/tmp") / f"share-spool-{tmp_path.name}-{os.getpid()}"
    home.mkdir()
    (home / "spool").mkdir()
    (home / "spool").chmod(0o777)
    yield home / "spool"
    shutil.rmtree(home)


def share(spool: Path) -> str:
    """Runs the script as service/install does; what it prints."""
    command: list[str | Path] = ["/usr/bin/python3", "-I", SCRIPT, spool, GROUP]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20).stdout


def modes(path: Path) -> tuple[int, str, str]:
    """Owner, group and mode."""
    found = path.lstat()
    return found.st_uid, grp.getgrgid(found.st_gid).gr_name, oct(found.st_mode & 0o7777)


def root_only(path: Path, text: str) -> Path:
    """A file that only root can read."""
    path.write_text(text)
    path.chmod(0o600)
    return path


@contextlib.contextmanager
def attacker(spool: Path, secret: Path) -> Iterator[None]:
    """A user of the group who exchanges pours for links to `secret` in a loop."""
    own = spool.parent / "own"
    own.mkdir()
    os.chown(own, NOBODY, NOBODY)
    group = grp.getgrnam(GROUP).gr_gid
    command: list[str | Path] = [sys.executable, "-c", ATTACK, own, spool, secret]
    process = subprocess.Popen(command, user=NOBODY, group=NOBODY, extra_groups=[group], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield
        assert process.poll() is None, "the attack runs until the end"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_user_who_replaces_pours_by_links_gets_no_access_to_a_file_of_root(spool: Path) -> None:
    secret = root_only(spool.parent / "secret", "0,0,0,0\n")
    before = secret.stat()
    shared = 0
    with attacker(spool, secret):
        for _ in range(RUNS):
            share(spool)
            shared += any(modes(path)[1] == GROUP for path in spool.parent.glob("*/*"))
            # The time of the last change of the inode: no owner, group or mode was changed even for a moment.
            assert secret.stat().st_ctime_ns == before.st_ctime_ns, modes(secret)
    assert modes(secret) == (0, "root", "0o600")
    assert shared > RUNS / 10, "the script shares the pours that it gets hold of"


def test_the_group_can_write_to_the_spool_and_read_its_pours_and_others_cannot_write(spool: Path) -> None:
    pour = root_only(spool / "0.pour", "0,586,8213,1372686435017")
    refused = root_only(spool / "1.pour.fail", "0,1,8,1372686435\r\n")
    empty = root_only(spool / "2.pour", "")
    assert f"{spool} was writable by every user" in share(spool)
    assert modes(spool) == (0, GROUP, "0o2775")
    assert {modes(path) for path in (pour, refused, empty)} == {(0, GROUP, "0o640")}
    assert share(spool) == ""


def test_a_file_that_can_be_another_file_of_root_is_not_changed(spool: Path) -> None:
    secret = root_only(spool.parent / "secret", "0,0,0,0\n")
    os.link(secret, spool / "hard.pour")
    (spool / "symbolic.pour").symlink_to(secret)
    moved = root_only(spool / "history.pour", "password\n")
    other = root_only(spool / "notes.txt", "0,0,0,0\n")
    share(spool)
    assert {modes(path) for path in (secret, moved, other)} == {(0, "root", "0o600")}


def test_what_is_not_a_file_is_not_changed_and_does_not_block(spool: Path) -> None:
    os.mkfifo(spool / "fifo.pour", 0o600)
    (spool / "directory.pour").mkdir(0o700)
    share(spool)
    assert modes(spool / "fifo.pour")[1:] == ("root", "0o600")
    assert modes(spool / "directory.pour")[1:] == ("root", "0o700")


def test_a_spool_that_is_a_link_is_not_followed(spool: Path) -> None:
    target = spool.parent / "elsewhere"
    target.mkdir(0o700)
    link = spool.parent / "link"
    link.symlink_to(target)
    assert "if it is a link, give the group access yourself" in share(link)
    assert modes(target) == (0, "root", "0o700")
