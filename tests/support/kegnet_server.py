"""The KegNet server of this project, as a process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from kegnet.server.storage import Connection, Database, open_database
from kegnet.server.storage.beers import set_beer
from kegnet.server.storage.clients import find_client, set_client
from kegnet.server.storage.kegs import kegs_on, put_on
from kegnet.server.storage.records import Client, Tap
from kegnet.server.storage.records import Keg as KegOnTap
from kegnet.server.storage.taps import find_tap, set_meter, set_tap
from kegnet.server.web.password import set_password

from .daemon import PYTHON
from .keg import REPOSITORY, Keg
from .pki import Certificate, openssl
from .wait import wait_for

SERVER = REPOSITORY / "lib/server.py"
_COLUMNS = {
    "ping": "temp",
    "pour": "pin, pulses, et_ms, CASE WHEN ts_seconds THEN et_ms / 1000 ELSE et_ms END AS et",
}
_TIMES = "CASE WHEN ts_seconds THEN ts_ms / 1000 ELSE ts_ms END AS ts, ts_ms, ts_seconds, at_ms, received_ms"


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 10**6


class KegnetServer:
    """lib/server.py over HTTPS, or over HTTP without a certificate, with its database in `folder` or at `url`.

    `page_url` ends in a slash, `base_url` is what clients are configured with. `wait` = False: do not wait until it listens.
    """

    def __init__(
        self, folder: Path, certificate: Certificate | None = None, *words: str | Path, url: str = "", listen: str = "127.0.0.1:0",
        env: Mapping[str, str] | None = None, wait: bool = True, before: tuple[str, ...] = (), config: Path | None = None,
    ) -> None:  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.url = url or f"sqlite:///{folder / 'kegnet.sqlite'}"
        self._database: Database | None = None
        self._out = folder / "out"
        files: list[str | Path] = ["--certificate", certificate.certificate, "--key", certificate.key] if certificate else []
        with_config: list[str | Path] = ["--config", config] if config else []
        command: list[str | Path] = [
            *before,
            PYTHON,
            "-B",
            SERVER,
            *with_config,
            "--database",
            self.url,
            "serve",
            "--listen",
            listen,
            *files,
            *words,
        ]
        with self._out.open("w") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}
            )
        if wait:
            self.wait_until_it_listens()

    def wait_until_it_listens(self) -> None:
        """Sets `base_url` and `page_url`; fails if the process ends. A busy machine can need a minute."""
        try:
            self.base_url = wait_for(self._listening, limit_s=240)[0]
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.page_url = self.base_url.removesuffix("rest/v2")

    def _listening(self) -> list[str]:
        assert self.process.poll() is None, f"the server ended: {self.log()}"
        return re.findall(r"listening at (\S+)", self.log())

    def log(self) -> str:
        """What it has written so far."""
        return self._out.read_text()

    # What the household sets, through storage.

    @property
    def database(self) -> Database:
        """The same database, opened by the test."""
        if self._database is None:
            self._database = open_database(self.url)
        return self._database

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction of the test."""
        with self.database.writing() as connection:
            yield connection

    def register(self, keg: Keg) -> None:
        """Registers `keg`: its UUID and its public key."""
        self.add_client(keg.client_id, openssl("rsa", "-in", keg.key, "-pubout").decode())

    def add_client(self, client_id: str, public_key: str, name: str | None = None) -> Client:
        """Registers a client, or changes it."""
        with self.database.writing() as connection:
            return set_client(connection, client_id, now_ms=now_ms(), public_key=public_key, name=name)

    def set_tap(
        self, client_id: str, pin: int, name: str | None = None, *, pulses_per_litre: int | None = None, hidden: bool | None = None
    ) -> Tap:
        """Adds a tap, or changes it; `pulses_per_litre` counts since ever."""
        with self.database.writing() as connection:
            client = find_client(connection, client_id)
            assert client is not None
            tap = set_tap(connection, client.key, pin, name=name, hidden=hidden)
            if pulses_per_litre is not None:
                set_meter(connection, tap.key, 0, pulses_per_litre)
            found = find_tap(connection, client.key, pin)
            assert found is not None
            return found

    def set_password(self, password: str) -> None:
        """Sets the administrator's password."""
        with self.database.writing() as connection:
            set_password(connection, password)

    def put_on(self, client_id: str, pin: int, beer: str, litres: float = 19.0, on_ms: int | None = None) -> None:
        """Puts a full keg of a new beer on a tap, which is added."""
        tap = self.set_tap(client_id, pin)
        with self.database.writing() as connection:
            added = set_beer(connection, None, name=beer)
            assert added is not None
            millilitres = round(1000 * litres)
            put_on(connection, tap.key, beer=added.key, on_ms=on_ms or now_ms(), volume_ml=millilitres, start_ml=millilitres)

    def tap(self, client_id: str, pin: int = 0) -> Tap:
        """A tap as it is now."""
        with self.database.reading() as connection:
            client = find_client(connection, client_id)
            assert client is not None
            tap = find_tap(connection, client.key, pin)
        assert tap is not None
        return tap

    def keg_on(self, client_id: str, pin: int = 0) -> KegOnTap | None:
        """The keg that is on a tap."""
        key = self.tap(client_id, pin).key
        with self.database.reading() as connection:
            return kegs_on(connection, [key]).get(key)

    # What it has accepted.

    def messages(self, kind: str, keg: Keg) -> list[dict[str, object]]:
        """The pings or pours that it has accepted from `keg`, in the order of their receipt. `ts` and `et` are as they were sent."""
        return self.messages_of(kind, keg.client_id)

    def messages_of(self, kind: str, client_id: str) -> list[dict[str, object]]:
        """The same for a client with this UUID."""
        # Read by the tables' own names: the queries of the product are what other tests are about.
        client = f"(SELECT key FROM client WHERE uuid = '{client_id.lower()}')"
        order = "key" if kind == "pour" else "received_ms, ts_ms"
        query = f"SELECT {_TIMES}, digest, {_COLUMNS[kind]} FROM {kind} WHERE client = {client} ORDER BY {order}"
        with self.database.reading() as connection:
            return [dict(row._mapping) for row in connection.exec_driver_sql(query)]

    def wait_for_messages(self, kind: str, keg: Keg, number: int = 1, limit_s: float = 30.0) -> list[dict[str, object]]:
        """The same as `messages()`, once there are `number` of them."""
        wait_for(lambda: len(self.messages(kind, keg)) >= number, limit_s)
        return self.messages(kind, keg)

    # Its end.

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        self.process.send_signal(number)

    def stop(self, limit_s: float = 30.0) -> int:
        """Ends the server; its exit status."""
        if self._database is not None:
            self._database.close()
            self._database = None
        self.process.terminate()
        try:
            return self.process.wait(limit_s)
        finally:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> KegnetServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
