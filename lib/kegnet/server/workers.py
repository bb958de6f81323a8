"""Several processes of one server that share its address, so that a burst is not bound to one processor.

Process 0 is the one that was started. It forks the others before it has threads, passes signals on to them, and ends when one of
them ends: systemd then starts all of them again. The others end when process 0 ends, however it ends.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

WAIT_EVERY_S = 0.02


class Workers:
    """A process and its links to the others. `number` is 0 for the one that was started."""

    def __init__(self, number: int, links: Mapping[int, socket.socket]) -> None:
        """Each link is readable when the process with its pid has ended."""
        self.number = number
        self._links = dict(links)

    def descriptors(self) -> list[int]:
        """The descriptors to poll: one is readable when a process has ended without which this one must not go on."""
        return [link.fileno() for link in self._links.values()]

    def signal(self, number: int) -> None:
        """Sends a signal to the others, if this is process 0."""
        for pid in self._links if self.number == 0 else ():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def wait(self, limit_s: float) -> None:
        """Waits for the others, if this is process 0, and kills them after `limit_s` seconds."""
        deadline = time.monotonic() + limit_s
        while self.number == 0 and self._links:
            if time.monotonic() >= deadline:
                self.signal(signal.SIGKILL)
            for pid in list(self._links):
                if os.waitpid(pid, os.WNOHANG) != (0, 0):
                    self._links.pop(pid).close()
            time.sleep(WAIT_EVERY_S if self._links else 0)


def fork(count: int) -> Workers:
    """Makes `count` processes out of this one. Returns in each of them."""
    links: dict[int, socket.socket] = {}
    parent = os.getpid()
    for number in range(1, count):
        here, there = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            for other in (here, *links.values()):
                other.close()
            # Only process 0 notifies systemd.
            os.environ.pop("NOTIFY_SOCKET", None)
            return Workers(number, {parent: there})
        there.close()
        links[pid] = here
    return Workers(0, links)
