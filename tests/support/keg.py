"""A keg: a client's home in a folder (configuration, key, spool, thermometer tree), and the real daemon in it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from kegnet.server.demo import w1_slave

from .syslog_socket import SyslogSocket
from .wait import wait_for

REPOSITORY = Path(__file__).resolve().parents[2]
CLIENT = REPOSITORY / "lib" / "client.py"
PYTHON = os.environ.get("KEGNET_TEST_PYTHON", "/usr/bin/python3")
PROBE = "28-0000054c9f11"


class Keg:
    """What a client needs, in `folder`. Nothing runs before `start()`."""

    def __init__(self, folder: Path, key: Path, base_url: str = "https://127.0.0.1:9/rest/v2", ca_bundle: Path | None = None) -> None:
        self.folder = folder
        self.key = key
        self.program = CLIENT
        self.client_id = str(uuid.uuid4())
        self.spool = folder / "spool"
        self.devices = folder / "w1"
        self.config = folder / "conf" / "client.conf"
        self.resolv_conf = folder / "resolv.conf"
        self.parameters = {"uuid": self.client_id, "serviceBaseURL": base_url, "privateKey": str(key), "w1Devices": "../w1"}
        if ca_bundle:
            self.parameters["caBundle"] = str(ca_bundle)
        self.spool.mkdir(parents=True)
        self.devices.mkdir()
        self.config.parent.mkdir()
        self.syslog = SyslogSocket(folder / "log")
        self.process: subprocess.Popen[str] | None = None
        self.temperature(4187)

    # Hardware, and what people put into the spool.

    def temperature(self, millicelsius: int) -> None:
        """The probe shows `millicelsius` (in steps of a 16th of a degree)."""
        self.answer(w1_slave(millicelsius))

    def answer(self, text: str, probe: str = PROBE) -> None:
        """The probe's `w1_slave` answers `text`."""
        (self.devices / probe).mkdir(exist_ok=True)
        fresh = self.devices / probe / "fresh"
        fresh.write_text(text)
        fresh.rename(self.devices / probe / "w1_slave")

    def unplug(self, probe: str = PROBE) -> None:
        """The probe's directory goes away."""
        (self.devices / probe).rename(self.folder / f"unplugged-{time.monotonic_ns()}")

    def pour(self, line: str = "0,586,8213,1372686435017\n", name: str | None = None) -> Path:
        """Hands over a pour as a flow-meter daemon does: written under a temporary name, then renamed."""
        name = name or f"0{time.time_ns()}.pour"
        temporary = self.spool / f"{name}.tmp"
        temporary.write_text(line)
        return temporary.rename(self.spool / name)

    def waiting(self) -> list[str]:
        """The names in the spool that end in `.pour`."""
        return sorted(name for name in os.listdir(self.spool) if name.endswith(".pour"))

    def failed(self) -> list[str]:
        """The names in the spool that end in `.fail`."""
        return sorted(name for name in os.listdir(self.spool) if name.endswith(".fail"))

    # The daemon.

    def write_config(self, **parameters: object) -> None:
        """Writes client.conf with the usual parameters and these."""
        self.parameters.update({name: str(value) for name, value in parameters.items()})
        lines = [f"{name} = {value}\n" for name, value in self.parameters.items()]
        self.config.write_text("[KegNet]\n" + "".join(lines))

    def start(self, env: Mapping[str, str] | None = None, until: str | None = "started: ", **parameters: object) -> None:
        """Starts the daemon, and waits until its log has a line with `until`."""
        self.write_config(**parameters)
        heard = len(self.syslog.datagrams)
        self.launch(env)
        if until:
            wait_for(lambda: any(until in line for line in self.syslog.datagrams[heard:]) or self._dead())

    def launch(self, env: Mapping[str, str] | None = None) -> None:
        """Starts the daemon, again if it has ended, with whatever configuration there is, and does not wait."""
        if self.process is not None and self.process.stderr is not None:
            self.process.stderr.close()
        namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
        helper = Path(__file__).with_name("with_private_log")
        self.process = subprocess.Popen(
            [*namespace, helper, self.syslog.path, self.folder / "dev", self.resolv_conf,
             PYTHON, "-B", self.program, "--config", self.config],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **(env or {})},
        )  # fmt: skip

    def run_mode(self, *words: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs the client with a mode, to its end, with `given` as its input or none."""
        source = {"stdin": subprocess.DEVNULL} if given is None else {"input": given}
        command = [PYTHON, "-B", self.program, "--config", self.config, *words]
        return subprocess.run(command, capture_output=True, text=True, env={"PATH": os.environ["PATH"]}, **source)

    def _dead(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the client ended: {self.stderr()}"
        return False

    def stderr(self) -> str:
        """What the daemon, which has ended, wrote on stderr."""
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

    def wait_for_end(self, limit_s: float = 15.0) -> int:
        """The exit status, negative for a signal; waits for the end."""
        assert self.process is not None
        return self.process.wait(limit_s)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait_for_end()

    def run_in_namespace(self, *command: str | Path) -> None:
        """Runs a command among the daemon's own mounts."""
        enter = ["--mount"] if os.geteuid() == 0 else ["--user", "--preserve-credentials", "--mount"]
        subprocess.run(["nsenter", "--target", str(self.pid), "--root", *enter, *command], check=True)

    def close(self) -> None:
        """Ends the daemon, however it is, and the syslog."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stderr is not None
            self.process.stderr.close()
        self.syslog.close()
