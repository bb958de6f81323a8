"""Who uses the server while a host is lost: clients that send their pours until each is accepted, or readers of the event stream.

usage: failover_client.py send URL AUTHORITY FORMS LOG [GO-ON]  writes a line per answer: number of the form, status (0: none)
       failover_client.py read URL AUTHORITY READERS LOG        writes a line per event: number of the reader, of its connection, what came

The second half of the forms is sent once there is a file GO-ON.
"""

from __future__ import annotations

import http.client
import ssl
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

SENDERS = 8
AGAIN_S = 0.2
SILENT_S = 60
"""A reader opens the stream again after so long without a sign of life."""
HEAD = {"Content-Type": "application/x-www-form-urlencoded"}


class User:
    """Connections to the server, and the log."""

    def __init__(self, url: str, authority: str, log: Path) -> None:
        self.url = urlsplit(url)
        self._context = ssl.create_default_context(cafile=authority)
        self._log = log.open("w", buffering=1)
        self._lock = threading.Lock()

    def connection(self, limit_s: float) -> http.client.HTTPSConnection:
        """A new connection, made with the first request."""
        assert self.url.hostname
        return http.client.HTTPSConnection(self.url.hostname, self.url.port, timeout=limit_s, context=self._context)

    def write(self, *values: object) -> None:
        """Logs a line."""
        with self._lock:
            print(*values, file=self._log)

    def send(self, forms: list[tuple[int, str]], go_on: Path | None) -> None:
        """Sends each until it is accepted. The second half is sent once there is the file `go_on`."""
        connection = self.connection(30)
        for sent, (number, form) in enumerate(forms):
            while go_on and sent >= len(forms) // 2 and not go_on.exists():
                time.sleep(AGAIN_S)
            while (status := self._post(connection, form)) not in range(200, 300):
                self.write(number, status)
                time.sleep(AGAIN_S)
            self.write(number, status)

    def _post(self, connection: http.client.HTTPSConnection, form: str) -> int:
        try:
            connection.request("POST", self.url.path, form, HEAD)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return 0
        return answer.status

    def read(self, number: int) -> None:
        """Reads events for ever, and opens the stream again where it ends."""
        connections = 0
        while True:
            connection = self.connection(SILENT_S)
            try:
                connection.request("GET", self.url.path)
                answer = connection.getresponse()
                connections += answer.status == 200
                while answer.status == 200 and (line := answer.readline()):
                    if not line.isspace():
                        self.write(number, connections, line.decode().rstrip())
            except (OSError, http.client.HTTPException):
                pass
            connection.close()
            time.sleep(AGAIN_S)


def main(what: str, url: str, authority: str, given: str, log: str, go_on: str = "") -> None:
    """Starts the threads, and waits for their end."""
    user = User(url, authority, Path(log))
    if what == "send":
        forms = list(enumerate(Path(given).read_text().splitlines()))
        file = Path(go_on) if go_on else None
        threads = [threading.Thread(target=user.send, args=(forms[first::SENDERS], file)) for first in range(SENDERS)]
    else:
        threads = [threading.Thread(target=user.read, args=(number,)) for number in range(int(given))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
