"""Two hosts in a guest with Debian's own kernel: one runs the client, the other the server.

Each is a network namespace. A veth pair, the cable, connects them.
"""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path

from kegnet.server.demo import w1_slave
from support.keg import PROBE
from support.ledger import Ledger
from support.pki import Certificate, issue
from support.scripted_server import Request
from support.wait import wait_for
from system.guest import Guest

HOME = "/usr/share/kegnet-client"
SPOOL = f"{HOME}/spool"
SERVER, CLIENT = "10.9.0.1", "10.9.0.2"
CABLE = f"""
modprobe -a veth sch_netem
ip netns add client && ip netns add server
ip link add cable netns client type veth peer name cable netns server
ip -n client addr add {CLIENT}/24 dev cable && ip -n server addr add {SERVER}/24 dev cable
ip -n client link set cable up && ip -n server link set cable up && ip -n server link set lo up
mkdir -p /etc/systemd/system/kegnet-client.service.d {HOME}/w1/{PROBE}
printf '[Service]\\nNetworkNamespacePath=/run/netns/client\\n' > /etc/systemd/system/kegnet-client.service.d/cable.conf
"""


class Hosts:
    """The guest, with its clock set. `configure()` starts a client."""

    def __init__(self, folder: Path, ca: Certificate) -> None:
        self.guest = Guest(folder, ca.certificate)
        self.made: set[str] = set()
        self.client = ""
        self.set_clock(time.time())
        self.guest.sh(CABLE + f"cat > {HOME}/w1/{PROBE}/w1_slave <<'end'\n{w1_slave(4187)}end\n")
        certificate = issue(ca, folder, "receiver", f"IP:{SERVER}")
        for path in (certificate.certificate, certificate.key):
            self.guest.sh(f"cat > /run/{path.name} <<'end'\n{path.read_text()}end\n")
        self._serve("https", 443, "/run/receiver.pem /run/receiver.key")
        self._serve("http", 80)

    def _serve(self, scheme: str, port: int, files: str = "") -> None:
        self.guest.sh(
            f"systemd-run --quiet --unit=receiver-{scheme} --property=NetworkNamespacePath=/run/netns/server "
            f"/usr/bin/python3 -B /share/source/tests/faults/receiver.py {SERVER} {port} /run/accepted {files}"
        )
        wait_for(lambda: f":{port} " in self.guest.sh("ip netns exec server ss -Hltn"), 180, every_s=0.5)

    def configure(self, scheme: str, ping_interval_s: int) -> None:
        """Starts a client with a UUID of its own and an empty spool; nothing has been accepted yet."""
        self.client = str(uuid.uuid4())
        lines = (
            "[KegNet]",
            f"uuid = {self.client}",
            f"serviceBaseURL = {scheme}://{SERVER}/rest/v2",
            f"pingInterval = {ping_interval_s}",
            "w1Devices = ../w1",
        )
        text = "\n".join(lines)
        self.guest.sh(f"systemctl daemon-reload; : > /run/accepted; rm -f {SPOOL}/*; echo '{text}' > {HOME}/conf/client.conf")
        self.guest.sh("systemctl restart kegnet-client")
        self.made = set()

    def set_clock(self, unix_s: float) -> None:
        """Steps the guest's wall clock."""
        self.guest.sh(f"date --set=@{unix_s:.0f}")

    def pours(self, number: int, touched: str = "now") -> None:
        """Renames so many pours into the spool, with that modification time."""
        for _ in range(number):
            ts = len(self.made) + 1
            self.made.add(str(ts))
            self.guest.sh(f"cd {SPOOL} && echo 0,586,8213,{ts} > {ts}.tmp && touch -d '{touched}' {ts}.tmp && mv {ts}.tmp {ts}.pour")

    def waiting(self) -> set[str]:
        """Which pours wait."""
        return {name.removesuffix(".pour") for name in self.guest.sh(f"ls {SPOOL}").split() if name.endswith(".pour")}

    def messages(self, end: str) -> list[dict[str, str]]:
        """What the server has accepted from this client, of one kind."""
        return [fields for _, fields in self._accepted(end)]

    def pinged_at_s(self) -> list[float]:
        """The guest's uptime at each ping from this client."""
        return [uptime_s for uptime_s, _ in self._accepted("/ping")]

    def uptime_s(self) -> float:
        """For how long the guest has been up."""
        return float(self.guest.sh("cat /proc/uptime").split()[0])

    def _accepted(self, end: str) -> list[tuple[float, dict[str, str]]]:
        lines = map(json.loads, self.guest.sh("cat /run/accepted").splitlines())
        # A message from a client of an earlier test may arrive late over a slow cable.
        return [(uptime_s, fields) for uptime_s, path, fields in lines if path.endswith(end) and fields["id"] == self.client]

    def ledger(self) -> Ledger:
        """The pours that the server has accepted."""
        made = Ledger()
        for fields in self.messages("/pour"):
            made.accept(Request("/pour", {}, fields))
        return made

    def connections(self) -> int:
        """How often the client has tried to connect."""
        return int(self.guest.sh("ip netns exec client nstat -asz TcpActiveOpens").split("TcpActiveOpens")[1].split()[0])

    def peak_kb(self) -> int:
        """The most memory that the client has used."""
        status = self.guest.sh(f"cat /proc/{self.guest.property('MainPID')}/status")
        return int(status.split("VmHWM:")[1].split()[0])
