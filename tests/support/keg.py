"""A keg: a client's files in a folder (configuration, key, spool, thermometer), and the real daemon."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from kegnet.server.demo import w1_slave

from .daemon import Daemon

REPOSITORY = Path(__file__).resolve().parents[2]
CLIENT = REPOSITORY / "lib" / "client.py"
PROBE = "28-0000054c9f11"


class Keg(Daemon):
    """What a client needs, in `folder`. `start()` starts the daemon."""

    def __init__(self, folder: Path, key: Path, base_url: str = "https://127.0.0.1:9/rest/v2", ca_bundle: Path | None = None) -> None:
        super().__init__(folder)
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
        self.temperature(4187)

    # The thermometer and the spool.

    def temperature(self, millicelsius: int) -> None:
        """The probe measures `millicelsius` (in steps of 1/16 °C)."""
        self.answer(w1_slave(millicelsius))

    def answer(self, text: str, probe: str = PROBE) -> None:
        """The probe's `w1_slave` contains `text`."""
        (self.devices / probe).mkdir(exist_ok=True)
        fresh = self.devices / probe / "fresh"
        fresh.write_text(text)
        fresh.rename(self.devices / probe / "w1_slave")

    def unplug(self, probe: str = PROBE) -> None:
        """The probe's directory disappears."""
        (self.devices / probe).rename(self.folder / f"unplugged-{time.monotonic_ns()}")

    def pour(self, line: str = "0,586,8213,1372686435017\n", name: str | None = None) -> Path:
        """Adds a pour as a flow-meter daemon does: written under a temporary name, then renamed."""
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
        """Starts the daemon, and waits until it has logged `until`."""
        self.write_config(**parameters)
        before = len(self.syslog.datagrams)
        self.launch(env)
        if until:
            self.wait_for_log(until, before)

    def launch(self, env: Mapping[str, str] | None = None) -> None:
        """Starts the daemon with the configuration that there is, and does not wait."""
        self.launch_program([self.python, "-B", self.program, "--config", self.config], self.resolv_conf, env)

    def run_mode(self, *words: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a mode of the command line to its end, with `given` as its input."""
        source = {"stdin": subprocess.DEVNULL} if given is None else {"input": given}
        command = [self.python, "-B", self.program, "--config", self.config, *words]
        return subprocess.run(command, capture_output=True, text=True, env={"PATH": os.environ["PATH"]}, **source)

    def run_in_namespace(self, *command: str | Path) -> None:
        """Runs a command in the daemon's mount namespace."""
        enter = ["--mount"] if os.geteuid() == 0 else ["--user", "--preserve-credentials", "--mount"]
        subprocess.run(["nsenter", "--target", str(self.pid), "--root", *enter, *command], check=True)
