"""The service manager: sd_notify(3), its store of descriptors, sd_listen_fds(3), and the watchdog of sd_watchdog_enabled(3)."""

from __future__ import annotations

import os
import socket
import time
from array import array
from collections.abc import Mapping, Sequence

FIRST_DESCRIPTOR = 3
"""SD_LISTEN_FDS_START: the number of the first descriptor that is passed."""


class ServiceManager:
    """Notifies the service manager that started this process; does nothing if none started it."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        env = os.environ if environment is None else environment
        self._address = env.get("NOTIFY_SOCKET", "")
        self._status = ""
        self._watchdog_s = _watchdog_s(env)
        self.watchdog_due = float("inf") if self._watchdog_s is None else time.monotonic()

    def ready(self) -> None:
        """The start or the reload is finished."""
        self._notify("READY=1")

    def reloading(self) -> None:
        """SIGHUP is being handled; `ready()` follows. systemd 253 and later require the monotonic time in the message."""
        self._notify(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The process is about to end."""
        self._notify("STOPPING=1")

    def status(self, text: str) -> None:
        """The line that `systemctl status` shows; sent only if it has changed."""
        if text != self._status:
            self._status = text
            self._notify("STATUS=" + text.replace("\n", " "))

    def alive(self, now: float) -> None:
        """Resets the watchdog if that is due, twice as often as systemd requires. `now` is `time.monotonic()`."""
        if self._watchdog_s is not None and now >= self.watchdog_due:
            self.watchdog_due = now + self._watchdog_s / 2
            self._notify("WATCHDOG=1")

    def store(self, name: str, descriptor: int) -> None:
        """Keeps a copy of the descriptor for the next start of this service, whatever happens to it (`FDPOLL=0`)."""
        self._notify(f"FDSTORE=1\nFDNAME={name}\nFDPOLL=0", [descriptor])

    def remove(self, name: str) -> None:
        """Closes the stored descriptors of this name."""
        self._notify(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def _notify(self, text: str, descriptors: Sequence[int] = ()) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            try:
                # Not socket.send_fds(): Python 3.11 ignores its address.
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))] if descriptors else []
                sock.sendmsg([text.encode("utf-8", "replace")], rights, 0, address)
            except OSError:
                # The service manager is gone or restarting. Continue without it.
                return


def received_descriptors(environment: Mapping[str, str] | None = None) -> list[tuple[str, int]]:
    """The descriptors that the service manager passed to this process, with their names, see sd_listen_fds(3)."""
    env = os.environ if environment is None else environment
    count = env.get("LISTEN_FDS", "")
    if env.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal():
        return []
    names = env.get("LISTEN_FDNAMES", "").split(":")
    received = [(name, FIRST_DESCRIPTOR + index) for index, name in zip(range(int(count)), names, strict=False)]
    for _, descriptor in received:
        os.set_inheritable(descriptor, False)
    return received


def _watchdog_s(env: Mapping[str, str]) -> float | None:
    microseconds, pid = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    if pid and pid != str(os.getpid()):
        return None
    return int(microseconds) / 1e6
