"""Datagram sockets that are always read: the other end of /dev/log, or of sd_notify(3)."""

from __future__ import annotations

import re
import socket
import threading
from pathlib import Path

from .wait import wait_for


class DatagramSocket:
    """Listens at `path`, and keeps the datagrams as text. A thread reads them: a full queue stops the sender (net.unix.max_dgram_qlen)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.datagrams: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                datagram = self._socket.recv(65536)
            except OSError:
                return
            if datagram == b"end":
                return
            self.datagrams.append(datagram.decode("utf-8"))

    def close(self) -> None:
        """Stops listening."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"end", str(self.path))
        self._thread.join()
        self._socket.close()


class SyslogSocket(DatagramSocket):
    """A datagram socket like that of rsyslogd."""

    def lines(self, pattern: str) -> list[str]:
        """The lines so far that contain `pattern`, a regular expression."""
        return [line for line in self.datagrams if re.search(pattern, line)]

    def wait(self, pattern: str, limit_s: float = 30.0) -> str:
        """The first line that contains `pattern`; waits for it."""
        return wait_for(lambda: self.lines(pattern), limit_s)[0]
