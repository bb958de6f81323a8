"""The Debian package: install, upgrade, remove, purge, and the change from and to service/install."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from kegnet import __version__
from support.wait import wait_for
from system.conftest import newer_package
from system.container import copy_source
from system.kegerator import CONF, SPOOL, Site, with_another_python3_in_path

ETC = "/etc/kegnet-client"


def test_lintian_finds_no_error(package: Path) -> None:
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error", package], stdout=subprocess.PIPE, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout


def test_it_has_the_version_of_the_program(package: Path) -> None:
    assert package.name == f"kegnet-client_{__version__}_all.deb"


def test_it_is_built_by_any_user() -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        copy_source(folder / "source")
        folder.chmod(0o755)
        shutil.chown(folder, "nobody")
        command: list[str | Path] = ["runuser", "-u", "nobody", "--", folder / "source/service/build-deb", folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
        assert len(list(folder.glob("kegnet-*_all.deb"))) == 2


def test_it_is_installed_and_enabled_and_starts_after_the_set_up(ready: Site, package: Path) -> None:
    machine = ready.machine
    output = ready.install_package(package)
    assert "Next: sudo kegnet-client --setup\n" in output
    assert machine.property("UnitFileState") == "enabled"
    assert machine.property("ActiveState") == "inactive"
    assert machine.property("FragmentPath").endswith("/lib/systemd/system/kegnet-client.service")
    assert machine.run("stat", "-c", "%U:%G %a", SPOOL).strip() == "root:kegnet 2775"
    conffiles = machine.run("dpkg-query", "--show", "--showformat=${Conffiles}", "kegnet-client").split()[::2]
    assert conffiles == [f"{ETC}/client.conf", f"{ETC}/meter.conf"]
    assert machine.run("readlink", "-f", CONF).strip() == f"{ETC}/client.conf"
    assert [line for line in machine.run("dpkg", "--verify", "kegnet-client").splitlines() if "/usr/share/man" not in line] == []
    ready.set_up()
    assert machine.run("stat", "-c", "%U:%G %a", f"{ETC}/privkey.pem").strip() == "root:root 600"
    machine.run("systemctl", "start", "kegnet-client")
    assert ready.wait_for_messages("ping")[0]["temp"] == 4187
    ready.drop_pour()
    ready.wait_for_messages("pour")
    wait_for(lambda: not ready.waiting())
    machine.wait_for_log("pour accepted: x.pour")
    machine.run("test", "-f", "/usr/share/bash-completion/completions/kegnet-client")
    with_another_python3_in_path(ready)


def test_an_upgrade_keeps_the_owners_files_and_restarts_a_running_service(ready: Site, package: Path, tmp_path: Path) -> None:
    machine = ready.machine
    ready.install_package(package)
    ready.set_up()
    machine.run("systemctl", "start", "kegnet-client")
    ready.wait_for_messages("ping")
    machine.run("sed", "-i", "s|^serviceBaseURL =.*|serviceBaseURL = https://127.0.0.1:9/rest/v2|", CONF)
    machine.run("systemctl", "restart", "kegnet-client")
    ready.drop_pour("0,1,1,1", "waits")
    machine.sh(f"echo 0,2,2,2 > {SPOOL}/aside.pour.fail")
    kept = f"sha256sum {ETC}/client.conf {ETC}/privkey.pem {SPOOL}/*"
    before, pid = machine.sh(kept), machine.property("MainPID")
    later = newer_package(tmp_path / "newer")
    shutil.copy(later, machine.share)
    # Both have changed the file, so dpkg asks; this is the answer of an owner who keeps it.
    machine.sh(f"apt-get -q -y -o Dpkg::Options::=--force-confold install /share/{later.name} </dev/null")
    assert machine.sh(kept) == before
    assert machine.property("ActiveState") == "active"
    assert machine.property("MainPID") not in (pid, "0")
    ready.edit_two_lines()
    machine.run("systemctl", "restart", "kegnet-client")
    assert ready.wait_for_messages("pour")[-1]["pulses"] == 1


def test_a_second_installation_does_not_start_a_stopped_service(ready: Site, package: Path) -> None:
    ready.install_package(package)
    ready.set_up()
    ready.machine.run("dpkg", "-i", f"/share/{package.name}")
    assert ready.machine.property("ActiveState") == "inactive"


def test_removal_keeps_the_identity_and_the_pours_and_purging_keeps_the_pours(ready: Site, package: Path) -> None:
    machine = ready.machine
    ready.install_package(package)
    output = ready.set_up()
    machine.run("systemctl", "start", "kegnet-client")
    pings = len(ready.wait_for_messages("ping"))
    machine.run("sed", "-i", "s|^serviceBaseURL =.*|serviceBaseURL = https://127.0.0.1:9/rest/v2|", CONF)
    machine.run("systemctl", "restart", "kegnet-client")
    ready.drop_pour("0,3,3,3", "left")
    machine.run("apt-get", "-q", "-y", "remove", "kegnet-client")
    machine.sh(f"echo 0,2,2,2 > {SPOOL}/aside.pour.fail")
    assert machine.property("ActiveState") == "inactive"
    assert machine.property("LoadState") in ("not-found", "masked")
    assert sorted(machine.sh(f"ls {ETC}").split()) == ["client.conf", "meter.conf", "privkey.pem"]
    ready.install_package(package)
    assert machine.property("UnitFileState") == "enabled"
    ready.edit_two_lines()
    assert ready.set_up() == output, "the identity is the same"
    machine.run("systemctl", "start", "kegnet-client")
    ready.wait_for_messages("ping", pings + 1)
    wait_for(lambda: not ready.waiting())
    assert ready.wait_for_messages("pour")[-1]["pulses"] == 3
    ready.machine.run("systemctl", "stop", "kegnet-client")
    ready.drop_pour("0,4,4,4", "left")
    gone = machine.run("apt-get", "-q", "-y", "purge", "kegnet-client")
    assert f"still in {SPOOL}" in gone
    assert sorted(machine.sh(f"ls {SPOOL}").split()) == ["aside.pour.fail", "left.pour"]
    left = machine.sh("find /etc /usr /lib -xdev -name '*kegnet*' ! -name 'systemd-private-*'").split()
    assert left == ["/usr/share/kegnet-client"]


def test_service_install_takes_over_what_the_removed_package_left(ready: Site, package: Path) -> None:
    ready.install_package(package)
    output = ready.set_up()
    ready.machine.run("apt-get", "-q", "-y", "remove", "kegnet-client")
    assert "Taken over: the configuration and the key in /etc/kegnet-client" in ready.install()
    assert ready.set_up() == output
    assert "Taken over" not in ready.install()
    ready.machine.run("apt-get", "-q", "-y", "purge", "kegnet-client")
    assert ready.machine.property("UnitFileState") == "enabled", "purging removes only what belongs to the package"
    assert ready.set_up() == output
    ready.install_package(package)
    assert ready.machine.property("UnitFileState") == "enabled"
    assert ready.set_up() == output


def test_the_package_takes_over_from_service_install(ready: Site, package: Path) -> None:
    machine = ready.machine
    ready.install()
    output = ready.set_up()
    machine.run("sed", "-i", "$ a pingInterval = 7", CONF)
    machine.run("sed", "-i", "$ a [Pin 17]", CONF.replace("client.conf", "meter.conf"))
    machine.run("systemctl", "start", "kegnet-client")
    pings = len(ready.wait_for_messages("ping"))
    key = machine.sh(f"sha256sum < {CONF.replace('client.conf', 'privkey.pem')}")
    assert f"Moved: /usr/share/kegnet-client/conf to {ETC}" in ready.install_package(package)
    assert machine.sh(f"sha256sum < {ETC}/privkey.pem") == key
    assert "pingInterval = 7" in machine.sh(f"cat {ETC}/client.conf")
    assert "[Pin 17]" in machine.sh(f"cat {ETC}/meter.conf").splitlines()
    assert ready.set_up() == output
    assert machine.property("FragmentPath").endswith("/lib/systemd/system/kegnet-client.service")
    assert machine.property("ActiveState") == "active"
    ready.wait_for_messages("ping", pings + 1)
    left = machine.sh("find /usr/local /etc/systemd -name '*kegnet*'").split()
    assert sorted(left) == [f"/etc/systemd/system/multi-user.target.wants/{name}.service" for name in ("kegnet-client", "kegnet-meter")]
    assert re.search("installed as a package.*apt remove kegnet-client", machine.sh("/share/source/service/install", check=False))
    assert re.search("installed as a package: apt remove kegnet-client", machine.sh("/share/source/service/uninstall", check=False))
