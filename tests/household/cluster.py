"""Three hosts as the README of the server describes them: HAProxy, and two with PostgreSQL and a server each.

The files and commands of the README are used as they are.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.server.signed import Sender
from household.hosts import Host, connect
from support.daemon import PYTHON
from support.pki import Certificate
from support.services import PROGRAMS
from support.wait import wait_for

REPOSITORY = Path(__file__).resolve().parents[2]
SERVER = REPOSITORY / "lib/server.py"
README = REPOSITORY / "lib/kegnet/server/README.md"
SECTION = "From one Pi to 100,000 clients"
RELEASE = PROGRAMS.parent.name
POSTGRESQL = ["/etc/postgresql", "/var/lib/postgresql", "/var/log/postgresql", "/run/postgresql"]


def readme_blocks() -> dict[str, str]:
    """The indented blocks of the README's section, each by the paragraph before it; for the release of PostgreSQL that is installed."""
    blocks, title = dict[str, str](), ""
    section = README.read_text().partition(f"\n## {SECTION}\n")[2].partition("\n## ")[0]
    text = section.replace("15 main", f"{RELEASE} main").replace("postgresql/15", f"postgresql/{RELEASE}")
    for paragraph in re.split(r"\n{2,}", text):
        if paragraph.startswith("    "):
            code = "".join(line[4:] + "\n" for line in paragraph.splitlines())
            blocks[title] = blocks[title] + "\n" + code if title in blocks else code
        else:
            title = paragraph.replace("\n", " ")
    return blocks


def block(part: str) -> str:
    """The block whose paragraph before it has `part` in it."""
    (found,) = [text for title, text in readme_blocks().items() if part in title]
    return found


class Cluster:
    """The three hosts, with everything running. `close()` ends all."""

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        self.folder = folder
        folder.mkdir()
        self.balancer = Host(folder / "balancer", "balancer", "10.0.0.10", [])
        self.one = Host(folder / "one", "one", "10.0.0.11", POSTGRESQL)
        self.two = Host(folder / "two", "two", "10.0.0.12", POSTGRESQL)
        try:
            connect(self.balancer, [self.one, self.two])
            self._install_postgresql()
            for host in (self.one, self.two):
                self._start_server(host)
            self._start_haproxy(certificate)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends everything."""
        for host in (self.one, self.two, self.balancer):
            host.cut_power()

    def _install_postgresql(self) -> None:
        configuration = f"/etc/postgresql/{RELEASE}/main"
        install = (
            f"chown postgres: {' '.join(POSTGRESQL[1:])}",
            f"pg_createcluster {RELEASE} main -- --no-sync",
            f"pg_ctlcluster {RELEASE} main start",
            f"cat > {configuration}/conf.d/kegnet.conf <<'end'\n{block('conf.d/kegnet.conf')}end",
            f"cat >> {configuration}/pg_hba.conf <<'end'\n{block('pg_hba.conf')}end",
        )
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda host: host.sh("\n".join(install)), (self.one, self.two)))
        self.one.sh(block("the primary. Use passwords"))
        self.two.sh(block("On host two, the standby."))
        self.one.sh(f"cat > {configuration}/conf.d/synchronous.conf <<'end'\n{block('synchronous.conf`:')}end\n")
        self.one.sh(block("Then, on host one:"))
        wait_for(lambda: self.query(self.one, "SELECT sync_state FROM pg_stat_replication") == "sync", 30)

    def _start_server(self, host: Host) -> None:
        self.configuration(host).write_text(block("kegnet-server.conf").replace("10.0.0.11:8080", f"{host.address}:8080"))
        host.start("server.log", PYTHON, "-B", SERVER, "--config", self.configuration(host), "serve")
        wait_for(lambda: self._get(host, "/healthz"), 60)

    def _start_haproxy(self, certificate: Certificate) -> None:
        folder = self.balancer.folder / "haproxy"
        shutil.copytree("/etc/haproxy", folder)
        (folder / "kegnet.pem").write_text(certificate.certificate.read_text() + certificate.key.read_text())
        with (folder / "haproxy.cfg").open("a") as file:
            file.write("\n" + block("haproxy.cfg"))
        start = f"mkdir -p /run/haproxy && mount --bind {folder} /etc/haproxy && exec haproxy -db -f /etc/haproxy/haproxy.cfg"
        self.balancer.start("haproxy.log", "unshare", "--mount", "sh", "-c", start)
        wait_for(lambda: ":443 " in self.balancer.sh("ss -Hltn"), 30)

    def configuration(self, host: Host) -> Path:
        """The server's configuration on a host."""
        return host.folder / "kegnet-server.conf"

    def _get(self, host: Host, path: str) -> bool:
        command = ["curl", "--silent", "--fail", "--output", "/dev/null", f"http://{host.address}:8080{path}"]
        return subprocess.run(self.balancer.inside(*command)).returncode == 0

    def register(self, senders: list[Sender]) -> None:
        """Registers clients by the command on host one."""
        for sender in senders:
            (self.one.folder / "public.pem").write_text(sender.public)
            words = f"clients add {sender.uuid} {self.one.folder}/public.pem --name {sender.uuid[:8]}"
            self.one.sh(f"{PYTHON} -B {SERVER} --config {self.configuration(self.one)} {words}")

    def query(self, host: Host, query: str, database: str = "postgres") -> str:
        """What psql on a host prints."""
        return host.sh(f"""sudo -u postgres psql -XAtqc "{query}" {database}""")

    def promote(self) -> None:
        """Makes the standby the primary."""
        self.two.sh(block("Then, on host two:"))
