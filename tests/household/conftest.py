"""What the server's tests share: a browser, a PostgreSQL and an MQTT broker, each a real one."""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import shutil
import socket
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from kegnet.server.storage import open_database
from support.browsers import Browsers
from support.ports import free_port
from support.stored_history import History
from support.wait import wait_for


def answers(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def browsers() -> Iterator[Browsers]:
    made = Browsers()
    yield made
    made.close()


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty database in a PostgreSQL of the tests' own."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    folder = tmp_path_factory.mktemp("postgresql")
    data, port = folder / "data", free_port()
    # It does not run as root; and what it is to reach lies below a folder of root's.
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres")
        for parent in folder.parents:
            if parent.stat().st_uid != pwd.getpwnam("postgres").pw_uid and parent != Path("/tmp") and Path("/tmp") in parent.parents:
                parent.chmod(0o711)
    subprocess.run([*as_user, programs / "initdb", "-D", data, "-A", "trust", "-U", "kegnet"], check=True, stdout=subprocess.DEVNULL)
    command: list[str | Path] = [*as_user, programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ready: list[str | Path] = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    wait_for(lambda: subprocess.run(ready).returncode == 0, limit_s=30, every_s=0.2)
    yield f"postgresql://kegnet@127.0.0.1:{port}/postgres"
    process.terminate()
    process.wait()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Mosquitto."""
    port, folder = free_port(), tmp_path_factory.mktemp("mosquitto")
    (folder / "conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", folder / "conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: answers(port))
    yield port
    process.terminate()
    process.wait()


@pytest.fixture
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Makes the URL of an empty database, of `sqlite` or `postgresql`."""
    return lambda kind: _new_sqlite(tmp_path) if kind == "sqlite" else _new_postgresql(request.getfixturevalue("postgresql"), "template1")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, new_url: Callable[[str], str]) -> str:
    """The URL of an empty database, once of each kind."""
    return new_url(request.param)


@pytest.fixture(scope="session")
def templates(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The URL of a database with all tables and no rows, of which others are copies: that is faster than to migrate each."""

    @functools.cache
    def template(kind: str) -> str:
        new = _new_sqlite(tmp_path_factory.mktemp("template")) if kind == "sqlite" else ""
        made = new or _new_postgresql(request.getfixturevalue("postgresql"), "template1")
        open_database(made).close()
        return made

    return template


@pytest.fixture
def new_history(request: pytest.FixtureRequest, tmp_path: Path, templates: Callable[[str], str]) -> Iterator[Callable[[str], History]]:
    """Makes a database without clients, of `sqlite` or `postgresql`."""
    with contextlib.ExitStack() as stack:

        def make(kind: str) -> History:
            template = templates(kind)
            if kind == "sqlite":
                url = _new_sqlite(tmp_path)
                shutil.copyfile(template.removeprefix("sqlite:///"), url.removeprefix("sqlite:///"))
            else:
                url = _new_postgresql(request.getfixturevalue("postgresql"), template.rpartition("/")[2])
            made = History(url)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture(params=["sqlite", "postgresql"])
def history(request: pytest.FixtureRequest, new_history: Callable[[str], History]) -> History:
    """A database without clients, once of each kind."""
    return new_history(request.param)


def _new_sqlite(folder: Path) -> str:
    return f"sqlite:///{folder}/k{uuid.uuid4().hex}.sqlite"


def _new_postgresql(postgresql: str, template: str) -> str:
    name = f"k{uuid.uuid4().hex}"
    engine = sa.create_engine(postgresql, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine.dispose()
    return postgresql.rpartition("/")[0] + f"/{name}"
