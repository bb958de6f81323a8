"""The SQLite file: durable commits, a copy before a migration, and what happens when it is replaced, full or somebody else's."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from kegnet.server.storage import Database, StorageError, UnavailableError, clients, open_database
from kegnet.server.storage.insert import Inserter, select_known
from kegnet.server.storage.leader import Leader
from kegnet.server.storage.messages import VerifiedPing, VerifiedPour
from kegnet.server.storage.migrate import HEAD, known_revisions
from kegnet.server.storage.ranges import MOST_MS
from kegnet.server.storage.readings import heard
from kegnet.server.storage.writer import Writer
from support import loop
from support.old_database import add, make_old_tables

LIB = Path(__file__).resolve().parents[2] / "lib"
CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
NOW = 1_796_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kegnet.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    made = open_database(f"sqlite:///{path}")
    yield made
    made.close()


def add_client(database: Database) -> int:
    with database.writing() as connection:
        return clients.set_client(connection, CLIENT, now_ms=NOW, public_key="x").key


def ping(client: int, number: int) -> VerifiedPing:
    return VerifiedPing(client, NOW + number, hashlib.sha256(b"%d" % number).digest(), False, 4187, NOW, NOW)


def pour(client: int, number: int) -> VerifiedPour:
    return VerifiedPour(client, NOW + number, hashlib.sha256(b"pour %d" % number).digest(), False, 7, 1000, 8000, NOW, NOW)


def make_old_file(path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{path}", future=True, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        make_old_tables(connection)
        add(connection, "client", {"id": CLIENT, "name": "Garage", "public_key": "PEM", "added_ms": NOW})


# Opening.


def test_the_head_is_the_last_migration() -> None:
    assert max(known_revisions()) == HEAD


def test_a_url_that_cannot_work_has_a_fix(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is not a database, however long it is " * 50)
    (tmp_path / "file").write_text("")
    for url, problem in (
        ("nonsense", "not one"),
        ("mysql://user:secret@host/name", "neither SQLite nor PostgreSQL"),
        ("postgresql+asyncpg://user:secret@host/name", "neither SQLite nor PostgreSQL"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        (f"sqlite:///{tmp_path}/no/where.sqlite", "no directory"),
        (f"sqlite:///{tmp_path}", "is a directory"),
        (f"sqlite:///{tmp_path}/text", "not a database"),
        (f"sqlite:///{tmp_path}/k.sqlite?mode=ro", "no options"),
    ):
        with pytest.raises(StorageError) as error:
            open_database(url)
        assert problem in error.value.problem
        assert error.value.fix
        assert "\n" not in str(error.value)
        assert "secret" not in str(error.value)


def test_the_password_is_not_shown() -> None:
    with pytest.raises(UnavailableError) as error:
        open_database("postgresql://kegnet:secret@127.0.0.1:9/x")
    assert "secret" not in str(error.value)
    assert "kegnet:***@127.0.0.1:9" in str(error.value)


def test_the_passwords_among_the_parameters_of_the_url_are_not_shown() -> None:
    with pytest.raises(UnavailableError) as error:
        open_database("postgresql://127.0.0.1:9/x?user=kegnet&password=secret&sslpassword=secret&sslmode=prefer")
    assert "secret" not in str(error.value)
    assert str(error.value).startswith("postgresql://127.0.0.1:9/x?sslmode=prefer&user=kegnet: ")


def test_a_file_with_other_tables_is_not_touched(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE client (name TEXT)")
    connection.close()
    with pytest.raises(StorageError) as error:
        open_database(f"sqlite:///{path}")
    assert "already exists" in error.value.problem
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("client",)]
    connection.close()


def test_an_awkward_path_is_a_path(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40) / "50% full #1 and more"
    folder.mkdir(parents=True)
    url = sa.engine.URL.create("sqlite", database=str(folder / "k.sqlite"))
    open_database(url.render_as_string()).close()
    assert [each.name for each in folder.iterdir()] == ["k.sqlite"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_belongs_to_the_owner_of_the_directory(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    make_old_file(folder / "kegnet.sqlite")
    shutil.copy(folder / "kegnet.sqlite", folder / "second.sqlite")
    (folder / "kegnet.sqlite").unlink()
    os.chown(folder, 12345, 54321)
    for name in ("kegnet.sqlite", "second.sqlite"):
        database = open_database(f"sqlite:///{folder}/{name}")
        add_client(database)
        for made in folder.glob("kegnet.sqlite*"):
            assert (made.stat().st_uid, made.stat().st_gid) == (12345, 54321), made
        database.close()
    copy = (folder / f"second.sqlite.before-{HEAD}").stat()
    assert (copy.st_uid, copy.st_gid, copy.st_mode & 0o777) == (12345, 54321, 0o640)


# The copy before a migration.


def test_the_file_is_copied_before_it_is_migrated(path: Path) -> None:
    make_old_file(path)
    open_database(f"sqlite:///{path}").close()
    open_database(f"sqlite:///{path}").close()
    copies = [each.name for each in path.parent.iterdir() if ".before" in each.name]
    assert copies == [f"{path.name}.before-{HEAD}"]
    connection = sqlite3.connect(path.parent / copies[0])
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
    assert connection.execute("SELECT id, name FROM client").fetchall() == [(CLIENT, "Garage")]
    connection.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA freelist_count").fetchall() == [(0,)], "the space of the old tables is given back"
    connection.close()


def test_a_copy_that_a_kill_left_unfinished_is_made_again(path: Path) -> None:
    make_old_file(path)
    unfinished = path.with_name(f"{path.name}.before-{HEAD}.part")
    unfinished.write_text("half")
    open_database(f"sqlite:///{path}").close()
    assert not unfinished.exists()
    assert path.with_name(f"{path.name}.before-{HEAD}").stat().st_size > 4096


def test_a_new_file_is_not_copied(path: Path) -> None:
    open_database(f"sqlite:///{path}").close()
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_migration_is_one_line_of_the_log(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "kegnet")
    open_database(f"sqlite:///{path}").close()
    open_database(f"sqlite:///{path}").close()
    assert caplog.messages == [f"sqlite:///{path}: migrated from no tables to {HEAD}"]
    path.unlink()
    caplog.clear()
    make_old_file(path)
    open_database(f"sqlite:///{path}").close()
    copied, migrated = caplog.messages
    assert copied.endswith("before its migration")
    assert migrated == f"sqlite:///{path}: migrated from 0001 to {HEAD}"


def test_a_current_database_is_not_rewritten_at_a_start(path: Path) -> None:
    database = open_database(f"sqlite:///{path}")
    client = add_client(database)
    Inserter(database).insert([ping(client, number) for number in range(2000)])
    with database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM ping")
    database.close()
    open_database(f"sqlite:///{path}").close()
    file = sqlite3.connect(path)
    assert file.execute("PRAGMA freelist_count").fetchone()[0] > 10
    file.close()


def test_without_space_for_the_copy_nothing_is_migrated(path: Path) -> None:
    make_old_file(path)
    (path.parent / f"{path.name}.before-{HEAD}").mkdir()
    with pytest.raises(UnavailableError) as error:
        open_database(f"sqlite:///{path}")
    assert "the copy before the migration failed" in str(error.value)
    assert sorted(each.name for each in path.parent.iterdir() if ".part" in each.name) == []
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
    connection.close()


# Durability.


def test_a_message_by_itself_costs_one_synchronisation(path: Path, database: Database, tmp_path: Path) -> None:
    client = add_client(database)
    program = (
        "import sys; sys.path.insert(0, sys.argv[2] + '/../tests'); from kegnet.server.storage import open_database; "
        "from kegnet.server.storage.insert import Inserter; from kegnet.server.storage.messages import VerifiedPour; "
        "inserter = Inserter(open_database('sqlite:///' + sys.argv[1])); "
        "[inserter.insert([VerifiedPour(int(sys.argv[3]), n, b'%032d' % n, False, 7, 1, 1, 1, 1)]) for n in range(100)]"
    )
    trace = tmp_path / "trace"
    strace: list[str | Path] = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", trace]
    command: list[str | Path] = [*strace, sys.executable, "-B", "-c", program, path, str(LIB), str(client)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(LIB)})
    assert 100 <= len(re.findall(r"sync\(", trace.read_text())) <= 110


def test_a_file_that_was_deleted_accepts_nothing(path: Path, database: Database) -> None:
    client = add_client(database)
    moved = path.with_name("moved")
    path.rename(moved)
    with pytest.raises(UnavailableError) as error:
        Inserter(database).insert([ping(client, 1)])
    assert "replaced or deleted" in str(error.value)
    assert not path.exists()
    moved.rename(path)
    assert Inserter(database).insert([ping(client, 1)]) == [True]


def test_no_connection_makes_an_empty_file_in_place_of_a_deleted_one(path: Path, database: Database) -> None:
    client = add_client(database)
    with database.reading() as connection:
        path.rename(path.with_name("moved"))
        # The pooled connection is in use, so this needs a new one.
        with pytest.raises(UnavailableError):
            Inserter(database).insert([ping(client, 1)])
        assert clients.count_clients(connection) == 1
    assert not path.exists()


def test_a_file_that_was_replaced_accepts_nothing(path: Path, database: Database) -> None:
    client = add_client(database)
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").replace(path)
    with pytest.raises(UnavailableError):
        Inserter(database).insert([ping(client, 1)])


def test_a_file_that_is_deleted_during_a_transaction_is_noticed(path: Path, database: Database) -> None:
    client = add_client(database)
    with pytest.raises(UnavailableError), database.writing() as connection:
        clients.set_limits(connection, client, 1, 2)
        path.rename(path.with_name("moved"))


def test_a_full_disk_is_unavailable_until_there_is_space(path: Path, database: Database) -> None:
    client = add_client(database)
    program = (
        "import asyncio, resource, sys\n"
        "from kegnet.server.storage import UnavailableError, open_database\n"
        "from kegnet.server.storage.insert import Inserter\n"
        "from kegnet.server.storage.messages import VerifiedPour\n"
        "inserter = Inserter(open_database('sqlite:///' + sys.argv[1]))\n"
        "pours = [VerifiedPour(int(sys.argv[2]), n, b'%032d' % n, False, 7, 1, 1, 1, 1) for n in range(2000)]\n"
        "inserter.insert(pours[:1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    inserter.insert(pours)\n"
        "except UnavailableError as error:\n"
        "    print(error)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "print(sum(inserter.insert(pours)))\n"
    )
    command: list[str | Path] = [sys.executable, "-B", "-c", program, path, str(client)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(LIB)})
    assert done.stderr == ""
    problem, added = done.stdout.splitlines()
    assert "full" in problem or "disk" in problem
    assert added == "1999"


def test_a_writer_waits_for_another_programs_lock(path: Path, database: Database) -> None:
    client = add_client(database)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, other.execute, ("COMMIT",)).start()
    assert Inserter(database).insert([ping(client, 1)]) == [True]
    other.close()


def test_readers_and_a_writer_do_not_wait_for_each_other(database: Database) -> None:
    client = add_client(database)
    with database.reading() as connection:
        assert clients.count_clients(connection) == 1
        assert Inserter(database).insert([ping(client, 1)]) == [True]


# The leader.


def test_where_the_file_of_the_lock_cannot_be_made_nobody_leads(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    assert database.file is not None
    database.file.leader.mkdir()

    async def run() -> None:
        work = asyncio.Event()

        async def lead() -> None:
            work.set()

        leading = asyncio.create_task(Leader(database, every_s=0.01).run(lead))
        while not caplog.messages:
            await asyncio.sleep(0.01)
        assert not work.is_set()
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)

    loop.run(run())
    assert caplog.messages[0] == f"{database.file.leader}: Is a directory"


def test_work_that_fails_or_ends_is_started_again(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        starts = 0

        async def work() -> None:
            nonlocal starts
            starts += 1
            if starts == 1:
                raise ValueError("a mistake")

        leading = asyncio.create_task(Leader(database, every_s=0.01).run(work))
        while starts < 3:
            await asyncio.sleep(0.01)
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)

    loop.run(run())
    assert "the leader's work failed and starts again: a mistake" in caplog.messages


def test_only_one_leads_and_the_next_one_after_it_has_stopped(database: Database) -> None:
    async def run() -> None:
        leading: list[int] = []

        async def lead(number: int) -> None:
            leading.append(number)
            try:
                await asyncio.Event().wait()
            finally:
                leading.remove(number)

        tasks = {number: asyncio.create_task(Leader(database, every_s=0.01).run(partial(lead, number))) for number in (1, 2)}
        while not leading:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        assert len(leading) == 1
        before = leading[0]
        tasks[before].cancel()
        await asyncio.gather(tasks[before], return_exceptions=True)
        async with asyncio.timeout(30):
            while leading != [3 - before]:
                await asyncio.sleep(0.01)
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)

    loop.run(run())


@pytest.mark.parametrize("turns", range(8))
def test_a_leader_that_is_cancelled_as_its_check_is_answered_ends(database: Database, monkeypatch: pytest.MonkeyPatch, turns: int) -> None:
    async def run() -> None:
        running, leading, fstat = asyncio.get_running_loop(), asyncio.Event(), os.fstat

        async def lead() -> None:
            leading.set()
            await asyncio.Event().wait()

        def cancel(after: int) -> None:
            """Cancels it so many turns of the loop later: in one of them, the answer is there and not read yet."""
            if after:
                running.call_soon(cancel, after - 1)
            else:
                task.cancel()

        def answer(descriptor: int) -> os.stat_result:
            if leading.is_set():
                leading.clear()
                running.call_soon_threadsafe(cancel, turns)
            return fstat(descriptor)

        monkeypatch.setattr(os, "fstat", answer)
        task = asyncio.create_task(Leader(database, every_s=0.01).run(lead))
        done, _ = await asyncio.wait([task], timeout=30)
        task.cancel()
        assert done

    loop.run(run())


# The writer.


def test_messages_that_arrive_together_share_a_transaction(database: Database) -> None:
    client = add_client(database)
    commits: list[object] = []
    note = commits.append
    sa.event.listen(sa.engine.Engine, "commit", note)
    try:
        loop.run(kept_together(database, client, 500))
    finally:
        sa.event.remove(sa.engine.Engine, "commit", note)
    assert 1 <= len(commits) <= 3


async def kept_together(database: Database, client: int, number: int) -> list[bool]:
    writer = Writer(database)
    writer.start()
    try:
        return list(await asyncio.gather(*(writer.keep(pour(client, each)) for each in range(number))))
    finally:
        await writer.stop()


@pytest.mark.parametrize("table", ["ping", "pour"])
def test_repeated_messages_are_looked_up_whatever_the_size_of_the_table(database: Database, table: str) -> None:
    with database.reading() as connection:
        key = (1, NOW, bytes(32))
        plan = [row[3] for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + select_known(table, 2, False), (*key, *key))]
    assert [step for step in plan if step.startswith("SEARCH k USING") and "client=? AND ts_ms=? AND digest=?" in step]
    assert not [step for step in plan if step.startswith("SCAN k")]


def test_what_was_heard_is_looked_up_whatever_the_size_of_the_tables(database: Database) -> None:
    client = add_client(database)
    Inserter(database).insert([make(client, number) for number in range(2000) for make in (ping, pour)])
    with database.writing() as connection:
        connection.exec_driver_sql("ANALYZE")
    queries: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, query: str, values: Any, *_: object) -> None:
        queries.append((query, values))

    with database.reading() as connection:
        sa.event.listen(sa.engine.Engine, "before_cursor_execute", note)
        try:
            heard(connection, [client], MOST_MS)
        finally:
            sa.event.remove(sa.engine.Engine, "before_cursor_execute", note)
        plans = [[row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values)] for query, values in queries]
    steps = [step for plan in plans for step in plan]
    assert len([step for step in steps if re.match("SEARCH (ping|pour) USING", step)]) >= 4, steps
    assert not [step for step in steps if re.match("SCAN (ping|pour)", step)], steps


def test_a_stopped_writer_has_stored_what_it_took(database: Database) -> None:
    client = add_client(database)

    async def run() -> list[bool]:
        writer = Writer(database)
        writer.start()
        futures = [writer.keep(ping(client, number)) for number in range(3000)]
        await writer.stop()
        with pytest.raises(UnavailableError):
            writer.keep(ping(client, 9999))
        return list(await asyncio.gather(*futures))

    assert loop.run(run()) == [True] * 3000


def test_a_full_queue_refuses_at_once(database: Database) -> None:
    client = add_client(database)

    async def run() -> None:
        writer = Writer(database, queue_limit=10)
        writer.start()
        futures = [writer.keep(ping(client, number)) for number in range(10)]
        with pytest.raises(UnavailableError):
            writer.keep(ping(client, 10))
        assert await asyncio.gather(*futures) == [True] * 10
        assert await writer.keep(ping(client, 10))
        await writer.stop()

    loop.run(run())


def test_a_sender_that_has_gone_disturbs_nobody(database: Database) -> None:
    client = add_client(database)

    async def run() -> list[bool | BaseException]:
        writer = Writer(database)
        writer.start()
        futures = [asyncio.ensure_future(writer.keep(ping(client, number))) for number in range(3)]
        futures[1].cancel()
        results = await asyncio.gather(*futures, return_exceptions=True)
        await writer.stop()
        return results

    first, second, third = loop.run(run())
    assert (first, third) == (True, True)
    assert isinstance(second, asyncio.CancelledError)


def test_while_the_database_is_away_messages_are_refused_and_then_stored(path: Path, database: Database) -> None:
    client = add_client(database)
    moved = path.with_name("moved")

    async def run() -> None:
        writer = Writer(database)
        writer.start()
        path.rename(moved)
        for result in await asyncio.gather(*(writer.keep(ping(client, number)) for number in range(5)), return_exceptions=True):
            assert isinstance(result, UnavailableError)
        moved.rename(path)
        assert await writer.keep(ping(client, 1))
        await writer.stop()

    loop.run(run())


def test_what_only_a_person_can_fix_is_unavailable_for_the_sender(database: Database) -> None:
    client = add_client(database)
    with database.writing() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")

    async def run() -> None:
        writer = Writer(database)
        writer.start()
        results = await asyncio.gather(*(writer.keep(ping(client, number)) for number in range(3)), return_exceptions=True)
        assert [type(result) for result in results] == [UnavailableError] * 3
        assert "readonly database" in str(results[0])
        await writer.stop()

    loop.run(run())
    with pytest.raises(StorageError):
        Inserter(database).insert([ping(client, 1)])
