"""The Debian package of the server: install, upgrade, remove, purge, and the change from service/install-server."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from kegnet import __version__
from support.ports import free_port
from system.conftest import newer_package
from system.container import SERVER_PACKAGES, Machine, root_file_system

UNIT = "kegnet-server"
CONF = "/etc/kegnet-server.conf"
DATABASE = "/var/lib/kegnet-server/kegnet.sqlite"
TEMPLATE = "/share/source/service/kegnet-server.conf"


@pytest.fixture(scope="session")
def server_package(package: Path) -> Path:
    """The package of the server, which is built with that of the client."""
    return package.with_name(f"kegnet-server_{__version__}_all.deb")


@pytest.fixture
def machine(suite: str, tmp_path: Path) -> Iterator[Machine]:
    """A Debian with the packages that the server needs, and a configuration with a port of its own."""
    made = Machine(root_file_system(suite, *SERVER_PACKAGES, name="kegnet-server"), tmp_path)
    made.sh(f"sed s/0.0.0.0:8080/127.0.0.1:{free_port()}/ {TEMPLATE} > {CONF}")
    yield made
    made.scrap()


def install(machine: Machine, package: Path) -> str:
    """`apt install` of the package; its output."""
    shutil.copy(package, machine.share)
    return machine.sh(f"DEBIAN_FRONTEND=noninteractive apt-get -q -y install /share/{package.name} </dev/null")


def status(machine: Machine) -> int:
    """The status of the page."""
    address = machine.sh(f"sed -n 's/^listen = //p' {CONF}").strip()
    return requests.get(f"http://{address}/").status_code


def test_lintian_finds_no_error(server_package: Path) -> None:
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error", server_package], stdout=subprocess.PIPE, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout


def test_it_serves_once_installed_and_an_upgrade_restarts_it(machine: Machine, server_package: Path, tmp_path: Path) -> None:
    before = machine.sh(f"sha256sum {CONF}")
    install(machine, server_package)
    assert status(machine) == 200
    assert machine.property("UnitFileState", UNIT) == "enabled"
    assert machine.sh(f"stat -c '%U:%G %a' {CONF}") == "root:kegnet-server 640\n"
    assert machine.sh(f"stat -c %U {DATABASE}") == "kegnet-server\n"
    assert f"database: sqlite:///{DATABASE}" in machine.run("kegnet-server", "clients", "list")
    machine.run("test", "-f", "/usr/share/bash-completion/completions/kegnet-server")
    machine.run("kegnet-server", "settings", "--day-begins", "4")
    pid = machine.property("MainPID", UNIT)
    install(machine, newer_package(tmp_path / "newer").with_name(f"kegnet-server_{__version__}+later_all.deb"))
    assert machine.property("MainPID", UNIT) not in (pid, "0")
    assert status(machine) == 200
    assert machine.sh(f"sha256sum {CONF}") == before
    assert "the day begins at: 4:00" in machine.run("kegnet-server", "settings")


def test_root_backs_up_and_restores_what_belongs_to_the_service(machine: Machine, server_package: Path) -> None:
    install(machine, server_package)
    machine.run("kegnet-server", "settings", "--day-begins", "4")
    assert "/root/backup: " in machine.run("kegnet-server", "backup", "/root/backup")
    assert machine.sh("stat -c '%U:%G %a' /root/backup") == "root:root 600\n"
    machine.run("kegnet-server", "settings", "--day-begins", "5")
    assert "stop" in machine.run("kegnet-server", "restore", "/root/backup", check=False)
    machine.run("systemctl", "stop", UNIT)
    assert "restored from /root/backup" in machine.run("kegnet-server", "restore", "/root/backup")
    machine.run("systemctl", "start", UNIT)
    assert "the day begins at: 4:00" in machine.run("kegnet-server", "settings")
    assert set(machine.sh("stat -c %U:%G /var/lib/kegnet-server/*").split()) == {"kegnet-server:kegnet-server"}
    assert status(machine) == 200


def test_removal_stops_it_and_purging_keeps_the_database(machine: Machine, server_package: Path) -> None:
    machine.sh(f"rm {CONF}")
    install(machine, server_package)
    assert "listen = 0.0.0.0:8080" in machine.sh(f"cat {CONF}").splitlines()
    machine.run("kegnet-server", "settings", "--day-begins", "4")
    machine.run("apt-get", "-q", "-y", "remove", "kegnet-server")
    assert machine.property("ActiveState", UNIT) == "inactive"
    assert machine.property("LoadState", UNIT) in ("not-found", "masked")
    machine.run("test", "-f", CONF)
    assert f"still in {Path(DATABASE).parent}" in machine.run("apt-get", "-q", "-y", "purge", "kegnet-server")
    left = machine.sh("find /etc /usr /lib /run -xdev -name '*kegnet*' ! -name 'systemd-private-*' ! -path '/run/systemd/*'").split()
    assert left == []
    machine.run("test", "-f", DATABASE)


def test_the_package_takes_over_from_service_install_server(machine: Machine, server_package: Path) -> None:
    install(machine, server_package)
    machine.run("apt-get", "-q", "-y", "remove", "kegnet-server")
    machine.run("/share/source/service/install-server")
    machine.run("kegnet-server", "settings", "--day-begins", "4")
    before = machine.sh(f"sha256sum {CONF}")
    install(machine, server_package)
    assert machine.property("FragmentPath", UNIT).endswith("/lib/systemd/system/kegnet-server.service")
    assert machine.sh("readlink -f $(command -v kegnet-server)") == "/usr/share/kegnet-server/lib/server.py\n"
    assert "/usr/share/kegnet-server/lib/server.py" in machine.run("systemctl", "show", "--property=ExecStart", UNIT)
    assert machine.property("UnitFileState", UNIT) == "enabled"
    assert status(machine) == 200
    assert machine.sh(f"sha256sum {CONF}") == before
    assert "the day begins at: 4:00" in machine.run("kegnet-server", "settings")
    assert machine.sh("find /usr/local -name '*kegnet-server*'") == ""
    assert "apt remove kegnet-server" in machine.sh("/share/source/service/install-server", check=False)
    assert "apt remove kegnet-server" in machine.sh("/share/source/service/uninstall-server", check=False)


def test_uninstall_server_removes_what_install_server_has_installed(machine: Machine) -> None:
    machine.run("/share/source/service/install-server")
    output = machine.run("/share/source/service/uninstall-server")
    assert "The database is still in /var/lib/kegnet-server" in output
    assert "The user kegnet-server stays, because files belong to it" in output
    assert machine.property("LoadState", UNIT) == "not-found"
    assert machine.sh("find /usr/local /etc/systemd -name '*kegnet-server*'") == ""
    machine.sh(f"rm -r /var/lib/kegnet-server {CONF}")
    machine.run("/share/source/service/uninstall-server")
    assert "no such user" in machine.sh("id kegnet-server", check=False)
