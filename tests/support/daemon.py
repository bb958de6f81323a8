"""A real daemon as a process: started with its own syslog socket and mounts, signalled, waited for."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from .syslog_socket import SyslogSocket
from .wait import wait_for

PYTHON = os.environ.get("KEGNET_TEST_PYTHON", "/usr/bin/python3")


class Daemon:
    """The process of one program; its log goes to `syslog`. A subclass starts it, under the interpreter `python`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.python = PYTHON
        self.syslog = SyslogSocket(folder / "log")
        self.process: subprocess.Popen[str] | None = None

    def launch_program(
        self, command: Sequence[str | Path], resolv_conf: Path, env: Mapping[str, str] | None = None, pass_fds: Collection[int] = ()
    ) -> None:
        """Starts `command` with `/dev/log` and `/etc/resolv.conf` of its own, and does not wait."""
        if self.process is not None and self.process.stderr is not None:
            self.process.stderr.close()
        namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
        helper = Path(__file__).with_name("with_private_log")
        self.process = subprocess.Popen(
            [*namespace, helper, self.syslog.path, self.folder / "dev", resolv_conf, *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, pass_fds=pass_fds,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **(env or {})},
        )  # fmt: skip

    def wait_for_log(self, text: str, before: int) -> None:
        """Waits until it has logged `text` after the first `before` lines; fails if it ends."""
        wait_for(lambda: any(text in line for line in self.syslog.datagrams[before:]) or self._dead())

    def _dead(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the daemon ended: {self.stderr()}"
        return False

    def stderr(self) -> str:
        """What the daemon wrote on stderr; waits for its end."""
        assert self.process is not None
        assert self.process.stderr is not None
        return self.process.stderr.read()

    @property
    def pid(self) -> int:
        """The daemon's process number."""
        assert self.process is not None
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        """Sends the daemon a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self) -> bool:
        """Whether the daemon has ended."""
        assert self.process is not None
        return self.process.poll() is not None

    def wait_for_end(self, limit_s: float = 30.0) -> int:
        """Waits for the end. The exit status, negative for a signal."""
        assert self.process is not None
        return self.process.wait(limit_s)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait_for_end()

    def kill(self) -> None:
        """SIGKILL, and the end."""
        self.signal(signal.SIGKILL)
        self.wait_for_end()

    def close(self) -> None:
        """Kills the daemon, and closes the syslog socket."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stderr is not None
            self.process.stderr.close()
        self.syslog.close()
