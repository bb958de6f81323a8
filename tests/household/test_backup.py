"""Backup while the server works, and a restore that neither a power cut nor a running server turns into a loss."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kegnet.server.storage import StorageError, open_database, schema
from kegnet.server.storage.backup import backup, restore
from kegnet.server.storage.clients import clients
from support.stored_history import NOW, History

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the database is."""
    (tmp_path / "server").mkdir()
    return tmp_path / "server" / "kegnet %41.sqlite"


@pytest.fixture
def history(file: Path) -> Iterator[History]:
    made = History(url_of(file))
    made.client("old")
    yield made
    made.close()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A backup of another database."""
    source = History(f"sqlite:///{tmp_path}/source.sqlite")
    source.client("new")
    backup(source.database, tmp_path / "saved")
    source.close()
    return tmp_path / "saved"


def url_of(file: Path) -> str:
    return f"sqlite:///{file}"


def names(file: Path) -> list[str]:
    """The clients of a database."""
    database = open_database(url_of(file))
    with database.reading() as connection:
        found = [client.name for client in clients(connection)]
    database.close()
    return found


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def refusal(url: str, path: Path) -> StorageError:
    with pytest.raises(StorageError) as refused:
        restore(url, path)
    assert refused.value.fix
    return refused.value


# Backup.


def test_a_backup_has_everything_in_one_file(history: History, file: Path, tmp_path: Path) -> None:
    client = history.client("second")
    history.pour(client, 0, NOW)
    backup(history.database, tmp_path / "copy")
    assert files(tmp_path) == {"server", "copy"}
    with closing(sqlite3.connect(tmp_path / "copy")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("PRAGMA journal_mode").fetchall() == [("delete",)]
        assert copy.execute("SELECT count(*) FROM pour").fetchall() == [(1,)]
    assert names(tmp_path / "copy") == ["old", "second"]


def test_only_its_owner_can_read_a_backup(history: History, tmp_path: Path) -> None:
    backup(history.database, tmp_path / "copy")
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600


def test_a_backup_overwrites_nothing(history: History, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("precious")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("copy", "link"):
        with pytest.raises(StorageError) as refused:
            backup(history.database, tmp_path / name)
        assert refused.value.problem == f"{tmp_path / name}: this file exists"
    assert (tmp_path / "copy").read_text() == "precious"
    assert files(tmp_path) == {"server", "copy", "link"}


def test_a_backup_that_cannot_be_written_is_one_line(history: History, tmp_path: Path) -> None:
    with pytest.raises(StorageError) as refused:
        backup(history.database, tmp_path / "no" / "copy")
    assert refused.value.problem == f"{tmp_path}/no/copy: cannot be written (No such file or directory)"


def test_a_full_disk_leaves_no_half_of_a_backup(history: History, file: Path, tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys; from pathlib import Path; from kegnet.server.storage import *;"
        "from kegnet.server.storage.backup import backup; database = open_database(sys.argv[1]);"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (20480, 20480));"
        "backup(database, Path(sys.argv[2]))"
    )
    done = python("-c", program, url_of(file), str(tmp_path / "copy"))
    assert done.returncode == 1
    assert f"{tmp_path}/copy: cannot be written (" in done.stderr.splitlines()[-1]
    assert files(tmp_path) == {"server"}


def test_a_backup_on_a_disk_without_hard_links_overwrites_nothing_either(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = tmp_path / "taken"

    def link(_source: Path, path: Path) -> None:
        if path == taken:
            taken.write_text("another program was faster")
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    backup(history.database, tmp_path / "backup")
    assert (tmp_path / "backup").stat().st_size > 4096
    with pytest.raises(StorageError):
        backup(history.database, taken)
    assert taken.read_text() == "another program was faster"
    assert not list(tmp_path.glob(".backup*")) + list(tmp_path.glob(".taken*"))


def test_a_backup_is_of_one_moment_while_messages_come(history: History, tmp_path: Path) -> None:
    client = history.client("busy")
    stop = threading.Event()

    def pours() -> None:
        number = 0
        while not stop.is_set():
            # Two at a time: half of it would be another moment.
            history.insert([history.verified_pour(client, pin, NOW + number) for pin in (0, 1)])
            number += 1

    thread = threading.Thread(target=pours)
    thread.start()
    try:
        for number in range(5):
            backup(history.database, tmp_path / f"copy{number}")
    finally:
        stop.set()
        thread.join()
    for number in range(5):
        with closing(sqlite3.connect(tmp_path / f"copy{number}")) as copy:
            assert copy.execute("SELECT count(*) % 2 FROM pour").fetchall() == [(0,)]
            assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_postgresql_has_a_program_for_backups(new_url: Any, tmp_path: Path) -> None:
    database = open_database(new_url("postgresql"))
    with pytest.raises(StorageError) as refused:
        backup(database, tmp_path / "copy")
    assert refused.value.fix.startswith("pg_dump ")
    assert refusal("postgresql://kegnet@127.0.0.1/x", tmp_path / "copy").fix.endswith("pg_restore")
    assert refusal("sqlite://", tmp_path / "copy").problem == "this restores SQLite databases only"
    database.close()
    assert files(tmp_path) == set()


# Restore.


def test_a_restore_puts_the_backup_in_place_and_keeps_the_old_database(history: History, file: Path, saved: Path) -> None:
    history.close()
    file.chmod(0o660)
    kept = restore(url_of(file), saved)
    assert kept == file.with_name("kegnet %41.sqlite.before-restore")
    assert files(file.parent) == {file.name, kept.name, f"{file.name}.leader"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o660
    assert names(file) == ["new"]
    assert names(kept) == ["old"]
    assert saved.exists()


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_to_a_database_on_another_disk_stays_a_link(exists: bool, file: Path, saved: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    file.symlink_to("../disk/k.sqlite")
    if exists:
        before = History(url_of(disk / "k.sqlite"))
        before.client("old")
        before.close()
    assert restore(url_of(file), saved) == (disk / "k.sqlite.before-restore" if exists else None)
    assert file.is_symlink()
    assert names(file) == names(disk / "k.sqlite") == ["new"]
    if exists:
        assert names(disk / "k.sqlite.before-restore") == ["old"]


def test_a_backup_can_be_restored_where_there_is_no_database(file: Path, saved: Path) -> None:
    assert restore(url_of(file), saved) is None
    assert files(file.parent) == {file.name}
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert names(file) == ["new"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_restored_database_belongs_to_the_service(history: History, file: Path, saved: Path) -> None:
    history.close()
    os.chown(file, 12345, 12346)
    restore(url_of(file), saved)
    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 12346)
    os.chown(file.parent, 12347, 12348)
    for path in file.parent.iterdir():
        path.unlink()
    restore(url_of(file), saved)
    assert (file.stat().st_uid, file.stat().st_gid) == (12347, 12348)


def test_what_the_server_committed_last_is_in_the_kept_database(history: History, file: Path, saved: Path, tmp_path: Path) -> None:
    # A server that was killed leaves its last messages in the log.
    client = history.client("in the log")
    history.pour(client, 0, NOW)
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for suffix in ("", "-wal"):
        (crashed / f"kegnet.sqlite{suffix}").write_bytes(Path(f"{file}{suffix}").read_bytes())
    assert (crashed / "kegnet.sqlite-wal").stat().st_size > 0
    kept = restore(url_of(crashed / "kegnet.sqlite"), saved)
    assert kept is not None
    assert files(crashed) == {"kegnet.sqlite", kept.name, "kegnet.sqlite.leader"}
    assert names(kept) == ["in the log", "old"]
    assert names(crashed / "kegnet.sqlite") == ["new"]


def test_a_database_that_is_in_use_is_not_replaced(history: History, file: Path, saved: Path) -> None:
    refused = refusal(url_of(file), saved)
    assert refused.problem == f"{file}: the database is in use"
    assert refused.fix == "stop the server first: systemctl stop kegnet-server"
    history.client("still works")
    assert f"{file.name}.before-restore" not in files(file.parent)
    assert names(file) == ["old", "still works"]


def test_while_a_server_leads_nothing_is_replaced(history: History, file: Path, saved: Path) -> None:
    history.close()
    with open(f"{file}.leader", "w") as leader:
        fcntl.flock(leader, fcntl.LOCK_EX)
        assert refusal(url_of(file), saved).problem == f"{file}: the database is in use"
    assert names(file) == ["old"]
    assert restore(url_of(file), saved) is not None


def test_the_database_of_an_earlier_restore_is_not_overwritten(history: History, file: Path, saved: Path) -> None:
    history.close()
    kept = restore(url_of(file), saved)
    assert kept is not None
    assert refusal(url_of(file), saved).problem == f"{kept}: this file is of an earlier restore"
    assert names(kept) == ["old"]


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"nonsense" * 1000])
def test_what_is_no_backup_is_refused(history: History, file: Path, tmp_path: Path, content: bytes) -> None:
    history.close()
    (tmp_path / "bad").write_bytes(content)
    assert refusal(url_of(file), tmp_path / "bad").problem == f"{tmp_path}/bad: this is no complete backup"
    assert names(file) == ["old"]
    assert f"{file.name}.before-restore" not in files(file.parent)


def test_a_damaged_backup_is_refused(history: History, file: Path, saved: Path) -> None:
    history.close()
    content = bytearray(saved.read_bytes())
    content[4096 * 2 : 4096 * 4] = bytes(4096 * 2)
    saved.write_bytes(content)
    assert refusal(url_of(file), saved).problem == f"{saved}: this is no complete backup"


def test_half_a_backup_is_refused(history: History, file: Path, saved: Path) -> None:
    history.close()
    saved.write_bytes(saved.read_bytes()[: saved.stat().st_size // 2])
    assert refusal(url_of(file), saved).problem == f"{saved}: this is no complete backup"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "this backup was made by a newer kegnet-server"),
        ("DELETE FROM alembic_version", "this is no complete backup"),
        ("INSERT INTO alembic_version VALUES ('0001')", "this is no complete backup"),
        ("DROP TABLE alembic_version", "this is no complete backup"),
        ("INSERT INTO tap (client, pin, name, hidden) VALUES (99, 0, 'x', 0)", "this is no complete backup"),
    ],
)
def test_another_programs_database_is_refused(file: Path, saved: Path, change: str, problem: str) -> None:
    with closing(sqlite3.connect(saved, isolation_level=None)) as copy:
        copy.execute(change)
    assert refusal(url_of(file), saved).problem == f"{saved}: {problem}"
    assert files(file.parent) == set()


def test_a_backup_that_is_missing_is_named(file: Path, tmp_path: Path) -> None:
    assert refusal(url_of(file), tmp_path / "none").problem == f"{tmp_path}/none: there is no such file"
    assert refusal(url_of(file), tmp_path).problem == f"{tmp_path}: there is no such file"
    assert files(file.parent) == set()


def test_a_directory_that_is_missing_is_named(tmp_path: Path, saved: Path) -> None:
    refused = refusal(f"sqlite:///{tmp_path}/no/kegnet.sqlite", saved)
    assert refused.problem == f"{tmp_path}/no/kegnet.sqlite: cannot be restored (No such file or directory)"


def test_the_log_of_a_database_that_is_missing_is_not_lost(file: Path, saved: Path) -> None:
    Path(f"{file}-wal").write_bytes(b"messages")
    assert refusal(url_of(file), saved).problem.startswith(f"{file}-wal: this is the log of a database that is missing")
    assert files(file.parent) == {f"{file.name}-wal"}


def test_a_damaged_database_is_replaced_and_kept_with_its_log(file: Path, saved: Path) -> None:
    file.write_bytes(b"damaged" * 1000)
    Path(f"{file}-wal").write_bytes(b"its log")
    kept = restore(url_of(file), saved)
    assert kept is not None
    assert kept.read_bytes() == b"damaged" * 1000
    assert Path(f"{kept}-wal").read_bytes() == b"its log"
    assert not Path(f"{file}-wal").exists()
    assert names(file) == ["new"]


def test_a_power_cut_at_any_step_leaves_a_whole_database(history: History, file: Path, saved: Path) -> None:
    history.close()
    before = file.read_bytes()
    for step in range(99):
        for path in file.parent.iterdir():
            path.unlink()
        file.write_bytes(before)
        status = python(str(ROOT / "tests/support/killed_restore.py"), url_of(file), str(saved), str(step)).returncode
        assert names(file) in (["old"], ["new"])
        kept = file.with_name(f"{file.name}.before-restore")
        if names(file) == ["old"]:
            assert status == 9
            # The next attempt starts again, as after a power cut.
            assert restore(url_of(file), saved) == kept
        assert (names(file), names(kept)) == (["new"], ["old"])
        if status == 0:
            break
    assert status == 0
    assert step > 8


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "lib")}
    return subprocess.run([sys.executable, *arguments], env=env, capture_output=True, text=True)


def test_a_restored_database_has_all_tables(file: Path, saved: Path) -> None:
    restore(url_of(file), saved)
    with closing(sqlite3.connect(file)) as restored:
        found = {name for (name,) in restored.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert set(schema.metadata.tables) <= found
