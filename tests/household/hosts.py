"""Hosts in namespaces of their own: network, processes, mounts. They are connected by Ethernet, and each can lose its power."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from support.wait import wait_for

SUDO = 'sudo() { if [ "$1" = -u ]; then runuser -u "$2" -- "${@:3}"; else "$@"; fi; }\n'
"""On these hosts everything runs as root already, and Debian's `sudo` may be missing."""


class Host:
    """A host with an address in 10.0.0.0/24, and with folders of its own in place of some of the machine's."""

    def __init__(self, folder: Path, name: str, address: str, own: list[str]) -> None:
        self.folder, self.name, self.address = folder, name, address
        self._started: list[subprocess.Popen[bytes]] = []
        # The first process of a process namespace: with it all others end at once, as in a power cut.
        # It also ends when this program does, for then its standard input is closed.
        command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", "read -r _"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE)
        self.pid = self._first_process()
        binds = "".join(f"mkdir -p {folder}{each} && mount --bind {folder}{each} {each} && " for each in own)
        self.sh(f"{binds} ip link set lo up")

    def _first_process(self) -> int:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        pid = int(wait_for(children.read_text).split()[0])
        # Its namespaces are complete once it runs bash.
        wait_for(lambda: Path(f"/proc/{pid}/comm").read_text() == "bash\n")
        return pid

    def inside(self, *command: str | Path) -> list[str]:
        """The command line that runs `command` on this host."""
        return ["nsenter", "--target", str(self.pid), "--net", "--mount", "--pid", *map(str, command)]

    def sh(self, script: str, check: bool = True) -> str:
        """Runs a shell script on this host; what it prints."""
        done = subprocess.run(self.inside("bash", "-ec", SUDO + script), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert not check or done.returncode == 0, f"on {self.name}: {script}\n{done.stdout}"
        return done.stdout.strip()

    def start(self, log: str, *command: str | Path, **environment: str) -> subprocess.Popen[bytes]:
        """Starts a process on this host; its output is in the file `log` of the host's folder."""
        with (self.folder / log).open("ab") as out:
            process = subprocess.Popen(
                self.inside(*command), stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **environment}
            )
        self._started.append(process)
        return process

    def cut_power(self) -> None:
        """Ends all its processes at once by SIGKILL."""
        self._process.kill()
        self._process.communicate()
        for process in self._started:
            process.wait()


def connect(switch: Host, hosts: list[Host]) -> None:
    """Cables from each host to a switch, which is inside `switch`, a host too."""
    switch.sh(f"ip link add switch type bridge && ip addr add {switch.address}/24 dev switch && ip link set switch up")
    for number, host in enumerate(hosts):
        cable = f"type veth peer name eth0 netns {host.pid}"
        subprocess.run(["nsenter", "-t", str(switch.pid), "--net", "ip", "link", "add", f"port{number}", *cable.split()], check=True)
        switch.sh(f"ip link set port{number} master switch up")
        host.sh(f"ip addr add {host.address}/24 dev eth0 && ip link set eth0 up")
