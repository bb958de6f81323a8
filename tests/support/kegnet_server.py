"""The KegNet server of this project, as a process."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from pathlib import Path

from kegnet.server.store import Store

from .daemon import PYTHON
from .keg import REPOSITORY, Keg
from .pki import Certificate, openssl
from .wait import wait_for

SERVER = REPOSITORY / "lib/server.py"


class KegnetServer:
    """lib/server.py over HTTPS, or over HTTP without a certificate, with its database in `folder` or at `url`."""

    def __init__(self, folder: Path, certificate: Certificate | None, *words: str | Path, url: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._database = folder / "kegnet.sqlite"
        self.url = url or f"sqlite:///{self._database}"
        self.store = Store(self.url)
        files: list[str | Path] = ["--certificate", certificate.certificate, "--key", certificate.key] if certificate else []
        command: list[str | Path] = [PYTHON, "-B", SERVER, "--database", self.url, "serve", "--listen", "127.0.0.1:0", *files, *words]
        with (folder / "out").open("w") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        self.base_url = wait_for(lambda: re.findall(r"https?://\S+", (folder / "out").read_text()))[0]
        self.page_url = self.base_url.removesuffix("rest/v2")

    def register(self, keg: Keg) -> None:
        """Registers `keg`: its UUID and its public key."""
        self.add_client(keg.client_id, openssl("rsa", "-in", keg.key, "-pubout").decode())

    def add_client(self, client_id: str, public_key: str) -> None:
        """Registers a client."""
        self.store.set_client(client_id, public_key=public_key)

    def messages(self, kind: str, keg: Keg) -> list[dict[str, object]]:
        """The pings or pours that it has accepted from `keg`, oldest first."""
        return self.messages_of(kind, keg.client_id)

    def messages_of(self, kind: str, client_id: str) -> list[dict[str, object]]:
        """The same for a client with this UUID."""
        with sqlite3.connect(f"file:{self._database}?mode=ro", uri=True) as database:
            database.row_factory = sqlite3.Row
            rows = database.execute(f"SELECT * FROM {kind} WHERE id = ? ORDER BY rowid", (client_id,)).fetchall()
        database.close()
        return [dict(row) for row in rows]

    def wait_for_messages(self, kind: str, keg: Keg, number: int = 1, limit_s: float = 15.0) -> list[dict[str, object]]:
        """The same as `messages()`, once there are `number` of them."""
        wait_for(lambda: len(self.messages(kind, keg)) >= number, limit_s)
        return self.messages(kind, keg)

    def stop(self) -> None:
        """Ends the server."""
        self.process.terminate()
        self.process.wait()
        self.store.close()
