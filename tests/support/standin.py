"""The stand-in KegNet as a process: the real other side."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from pathlib import Path

from .keg import PYTHON, REPOSITORY, Keg
from .pki import Certificate, openssl
from .wait import wait_for


class StandIn:
    """lib/server.py over HTTPS, with its clients and its database in `folder`."""

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        self.clients = folder / "clients"
        self.clients.mkdir(parents=True)
        self._database = folder / "kegnet.sqlite"
        with (folder / "out").open("w") as out:
            self._process = subprocess.Popen(
                [PYTHON, "-B", REPOSITORY / "lib/server.py", "--clients", self.clients, "--database", self._database,
                 "--listen", "127.0.0.1:0", "--certificate", certificate.certificate, "--key", certificate.key],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.base_url = wait_for(lambda: re.findall(r"https://\S+", (folder / "out").read_text()))[0]
        wait_for(self._database.exists)

    def register(self, keg: Keg) -> None:
        """Makes `keg` known: its UUID and its public key."""
        openssl("rsa", "-in", keg.key, "-pubout", "-out", self.clients / f"{keg.client_id}.pem")

    def messages(self, kind: str, keg: Keg) -> list[dict[str, object]]:
        """The pings or pours kept from `keg`, in the order of their coming."""
        return self.messages_of(kind, keg.client_id)

    def messages_of(self, kind: str, client_id: str) -> list[dict[str, object]]:
        """The same for a client of that UUID."""
        with sqlite3.connect(f"file:{self._database}?mode=ro", uri=True) as database:
            database.row_factory = sqlite3.Row
            rows = database.execute(f"SELECT * FROM {kind} WHERE id = ? ORDER BY rowid", (client_id,)).fetchall()
        database.close()
        return [dict(row) for row in rows]

    def wait_for_messages(self, kind: str, keg: Keg, number: int = 1, limit_s: float = 15.0) -> list[dict[str, object]]:
        """As `messages()`, once there are `number` of them."""
        wait_for(lambda: len(self.messages(kind, keg)) >= number, limit_s)
        return self.messages(kind, keg)

    def stop(self) -> None:
        """Ends the server."""
        self._process.terminate()
        self._process.wait()
