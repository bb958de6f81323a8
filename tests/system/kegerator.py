"""A machine with the client, and the KegNet server that the client sends to."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from support.kegnet_server import KegnetServer
from support.pki import Certificate
from support.wait import wait_for
from system.container import Machine

CONF = "/usr/share/kegnet-client/conf/client.conf"
SPOOL = "/usr/share/kegnet-client/spool"
ANOTHER_SPOOL = "/srv/pours"
MAKE_ANOTHER_SPOOL = f"install -d -g kegnet -m 2775 {ANOTHER_SPOOL}"


class Site:
    """A machine, the server that its client sends to, and the client's UUID once it is set up."""

    def __init__(self, machine: Machine, kegnet: KegnetServer, ca: Certificate) -> None:
        self.machine = machine
        self.kegnet = kegnet
        self.client_id = ""
        # The machine trusts it like a public authority.
        authorities = machine.share / "ca.crt"
        shutil.copy(ca.certificate, authorities)
        machine.sh("mkdir -p /usr/local/share/ca-certificates && cp /share/ca.crt /usr/local/share/ca-certificates/test.crt")
        machine.sh("if command -v update-ca-certificates; then update-ca-certificates; fi")

    def install(self) -> str:
        """`sudo service/install`; its output."""
        return self.machine.sh("cd /share/source && service/install")

    def install_package(self, package: Path) -> str:
        """`apt install` of the Debian package, without a terminal; its output."""
        shutil.copy(package, self.machine.share)
        return self.machine.sh(f"DEBIAN_FRONTEND=noninteractive apt-get -q -y install /share/{package.name} </dev/null")

    def set_up(self) -> str:
        """`kegnet-client --setup`, and registers the client with the server; its output."""
        output = self.machine.sh(f"kegnet-client --setup --server {self.kegnet.base_url} 2>/dev/null")
        self.register(output)
        return output

    def register(self, output: str) -> None:
        """Registers the UUID and the public key that are in `output`."""
        self.client_id = re.findall(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", output)[0]
        public = re.findall("-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----\n", output, re.DOTALL)[0]
        self.kegnet.add_client(self.client_id, public)

    def edit_two_lines(self) -> None:
        """A good uuid and serviceBaseURL in client.conf."""
        self.machine.run("sed", "-i", f"s|^uuid =.*|uuid = {self.client_id}|", CONF)
        self.machine.run("sed", "-i", f"s|^serviceBaseURL =.*|serviceBaseURL = {self.kegnet.base_url}|", CONF)

    def wait_for_messages(self, kind: str, number: int = 1) -> list[dict[str, object]]:
        """The pings or pours that the server has from this client, once there are `number`."""
        wait_for(lambda: len(self.kegnet.messages_of(kind, self.client_id)) >= number, limit_s=120)
        return self.kegnet.messages_of(kind, self.client_id)

    def drop_pour(self, line: str = "0,586,8213,1372686435017", name: str = "x") -> None:
        """A pour, written as a flow-meter daemon of root does it."""
        self.machine.sh(f"echo {line} > {SPOOL}/{name}.tmp && mv {SPOOL}/{name}.tmp {SPOOL}/{name}.pour")

    def waiting(self) -> list[str]:
        """The pours in the spool."""
        return self.machine.sh(f"cd {SPOOL} && ls | grep 'pour$' || true").split()

    def start_over(self) -> None:
        """Restarts the service with a good configuration and without drop-ins."""
        self.edit_two_lines()
        self.machine.sh("rm -rf /etc/systemd/system/kegnet-client.service.d && systemctl daemon-reload")
        self.machine.run("systemctl", "restart", "kegnet-client")


def permit_spool(site: Site, program: str) -> None:
    """Adds the lines to the unit that `program --check` prints for a spool in another place."""
    findings = json.loads(site.machine.sh(f"{program} --check --json || true"))["findings"]
    (fix,) = [finding["fix"] for finding in findings if finding["what"] == "spool"]
    (line,) = re.findall("ReadWritePaths=[^;]+", fix)
    folder = f"/etc/systemd/system/{program}.service.d"
    site.machine.sh(f"mkdir -p {folder} && printf '[Service]\n{line}\n' > {folder}/spool.conf && systemctl daemon-reload")


def with_another_python3_in_path(site: Site) -> None:
    """Asserts that the service and the command work where the first python3 in PATH does not."""
    machine = site.machine
    (machine.share / "python3").write_text("#!/bin/sh\nexit 1\n")
    machine.sh("install -m 755 /share/python3 /usr/local/bin/python3")
    pings = len(site.kegnet.messages_of("ping", site.client_id))
    machine.run("systemctl", "restart", "kegnet-client")
    site.wait_for_messages("ping", pings + 1)
    assert machine.run("kegnet-client", "--version").startswith("kegnet-client ")
    machine.run("rm", "/usr/local/bin/python3")
