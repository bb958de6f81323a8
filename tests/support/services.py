"""Services that the server works with, each a real one of the test's own."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import uuid
from pathlib import Path

from .ports import free_port
from .wait import wait_for

PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/lib/postgresql"))


def is_listening(port: int, address: str = "127.0.0.1") -> bool:
    """Whether a TCP connection to the port can be made."""
    with socket.socket() as sock:
        return sock.connect_ex((address, port)) == 0


def as_postgres(folder: Path) -> list[str]:
    """The words before a command of PostgreSQL, which does not run as root. The user `postgres` can then write in `folder`."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, "postgres")
    postgres = pwd.getpwnam("postgres").pw_uid
    for parent in folder.parents:
        if parent != Path("/tmp") and Path("/tmp") in parent.parents and parent.stat().st_uid != postgres:
            parent.chmod(0o711)
    return ["runuser", "-u", "postgres", "--"]


class PostgreSQL:
    """A PostgreSQL with its data in `folder`. The user `kegnet` may do everything."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._folder, self._user = folder, as_postgres(folder)
        initdb: list[str | Path] = [PROGRAMS / "initdb", "-D", folder / "data", "-A", "trust", "-U", "kegnet", "-N"]
        subprocess.run([*self._user, *initdb], check=True, stdout=subprocess.DEVNULL)
        self.start()

    def start(self) -> None:
        """Starts it, again after `stop()`, and waits until it answers."""
        where: list[str | Path] = ["-p", str(self.port), "-h", "127.0.0.1", "-k", self._folder]
        with (self._folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [*self._user, PROGRAMS / "postgres", "-D", self._folder / "data", *where], stdout=log, stderr=log
            )
        ready: list[str | Path] = [PROGRAMS / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        wait_for(lambda: subprocess.run(ready).returncode == 0, limit_s=90, every_s=0.1)

    def database(self) -> str:
        """The URL of a new empty database."""
        name = f"k{uuid.uuid4().hex}"
        self.query("postgres", f"CREATE DATABASE {name}")
        return f"postgresql://kegnet@127.0.0.1:{self.port}/{name}"

    def query(self, name: str, query: str) -> str:
        """What psql prints for a query in the database `name`."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "kegnet", "-d", name]
        return subprocess.run(["psql", *where, "-XAtqc", query], check=True, capture_output=True, text=True).stdout.strip()

    def stop(self) -> None:
        """Ends it, and the sessions. Its data stays."""
        if self.process.poll() is not None:
            return
        command: list[str | Path] = [*self._user, PROGRAMS / "pg_ctl", "stop", "-w", "-m", "fast", "-D", self._folder / "data"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        self.process.wait()


class Broker:
    """A Mosquitto that anybody may use. `more` is added to its configuration."""

    def __init__(self, folder: Path, more: str = "", port: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        (folder / "conf").write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n{more}")
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", folder / "conf"], stdout=log, stderr=log)
        wait_for(lambda: is_listening(self.port))

    def stop(self) -> None:
        """Ends it."""
        self.process.terminate()
        self.process.wait()
