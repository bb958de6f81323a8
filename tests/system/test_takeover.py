"""An installation of 2013 is taken over: the client keeps its identity, pourd continues to run, and no pour is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.wait import wait_for
from system.conftest import newer_package
from system.installation_2013 import CLIENT_UNIT, HOME, PINS, POURDS_FILES, UNIT, lay_out, lay_out_pourd
from system.kegerator import CONF, SPOOL, Site

ON_ONE_DEBIAN = pytest.mark.parametrize("suite", ["bookworm"], indirect=True)
WAYS = ("service/install", "package")


@pytest.mark.parametrize("way", WAYS)
def test_the_client_of_2013_is_taken_over(ready: Site, package: Path, way: str) -> None:
    machine = ready.machine
    lay_out(ready)
    output = ready.install() if way == "service/install" else ready.install_package(package)
    print(output)

    # The same identity: the key byte for byte, now closed, and the two lines of the configuration.
    assert machine.sh(f"cat {HOME}/conf/privkey.pem") == (machine.share / "privkey.pem").read_text()
    assert machine.run("stat", "-c", "%U:%G %a", "-L", f"{HOME}/conf/privkey.pem").strip() == "root:root 600"
    conf = machine.sh(f"cat {CONF}")
    assert conf == (machine.share / "client.conf").read_text().replace("[KegNet]\n", "[KegNet]\ncaBundle = ca.crt\n")
    for line in ("as before (caBundle in client.conf)", "privkey.pem was readable by other users", f"to {UNIT}.before"):
        assert line in output

    # The new service replaces the old one: it runs, because the old one ran, and it starts at the next boot.
    assert machine.sh(f"cat {UNIT}.before") == CLIENT_UNIT
    assert machine.property("ActiveState") == "active"
    assert machine.property("UnitFileState") in ("enabled", "linked", "enabled-runtime")
    assert machine.property("Type") == "notify"

    # No pour is lost: the one in the queue is sent, and the one with .fail can be queued again.
    ping = ready.wait_for_messages("ping")[0]
    assert int(str(ping["ts"])) < 10_000_000_000, "the old address is v1, which takes times in seconds"
    (pour,) = ready.wait_for_messages("pour")
    assert (pour["pulses"], pour["et"], pour["ts"]) == (1, 8, 1372686435)
    wait_for(lambda: not ready.waiting())
    assert "01372686436.pour" in machine.run("kegnet-client", "--requeue")
    assert {pour["pulses"] for pour in ready.wait_for_messages("pour", 2)} == {1, 2}
    wait_for(lambda: machine.sh(f"ls {SPOOL}") == "")
    found = json.loads(machine.sh("kegnet-client --check --json"))
    assert found["ok"], found

    # Another run changes nothing.
    again = ready.install() if way == "service/install" else machine.sh(f"dpkg -i /share/{package.name}")
    assert machine.sh(f"cat {CONF}") == conf
    assert "as before" not in again
    machine.power_off()
    # Times are seconds here: of two equal pings of one second, the server keeps one.
    machine.temperature(4250)
    machine.boot()
    wait_for(lambda: any(ping["temp"] == 4250 for ping in ready.kegnet.messages_of("ping", ready.client_id)), limit_s=120)


class Pourd:
    """Pourd on a machine, and what it was when it was first seen."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._files = self._sums()
        self._inodes = self._program_inodes()
        self._processes = self._main_pids()

    def _sums(self) -> str:
        return self._site.machine.sh(f"cd {HOME} && sha256sum {' '.join(POURDS_FILES)}")

    def _program_inodes(self) -> str:
        return self._site.machine.sh(f"cd {HOME} && stat -c '%i %a %U:%G %n' lib/pourd bin/pourd.sh service/pourd@.service")

    def _main_pids(self) -> list[str]:
        return [self._site.machine.property("MainPID", f"pourd@{pin}") for pin in PINS]

    def is_untouched(self) -> None:
        """Asserts that its files are the same, the same processes run, and its units can be started."""
        machine = self._site.machine
        assert self._sums() == self._files
        assert self._program_inodes() == self._inodes, "neither copied nor moved"
        assert self._main_pids() == self._processes, "neither stopped nor restarted"
        assert "0" not in self._processes
        for pin in PINS:
            assert machine.property("UnitFileState", f"pourd@{pin}") == "enabled"
            assert machine.property("LoadState", f"pourd@{pin}") == "loaded"

    def starts_again(self) -> None:
        """Asserts that its units start, with their condition on a file in conf/; from now on these processes are known."""
        self._site.machine.run("systemctl", "restart", *(f"pourd@{pin}" for pin in PINS))
        for pin in PINS:
            assert self._site.machine.property("ActiveState", f"pourd@{pin}") == "active"
        self._processes = self._main_pids()

    def arrived(self) -> dict[int, list[int]]:
        """The counts that the server has of each pin's pours."""
        pours = [pour for pour in self._site.kegnet.messages_of("pour", self._site.client_id) if pour["pulses"] == 200]
        return {pin: sorted(int(str(pour["et"])) for pour in pours if pour["pin"] == pin) for pin in PINS}

    def wait_for_more(self) -> None:
        """Waits until three more pours of each pin have arrived."""
        before = self.arrived()
        wait_for(lambda: all(len(self.arrived()[pin]) >= len(before[pin]) + 3 for pin in PINS), limit_s=30)

    def has_lost_none(self) -> None:
        """Asserts that every pour since the first has arrived, once the queue is empty.

        pourd writes no newline, so the client sends those that it finds at its start after a minute.
        """
        self._site.machine.run("systemctl", "stop", *(f"pourd@{pin}" for pin in PINS))
        wait_for(lambda: not self._site.waiting(), limit_s=100)
        for counts in self.arrived().values():
            assert counts == list(range(1, len(counts) + 1))


def install(site: Site, way: str, package: Path) -> str:
    """Installs the client one way or the other, and keeps the owner's client.conf; what it prints."""
    if way == "service/install":
        return site.install()
    shutil.copy(package, site.machine.share)
    return site.machine.sh(f"dpkg -i --force-confold /share/{package.name} </dev/null")


@pytest.mark.parametrize(("suite", "way"), [("bookworm", "service/install"), ("trixie", "package")], indirect=["suite"])
def test_pourd_of_2013_runs_on_through_installation_upgrade_and_removal(ready: Site, package: Path, tmp_path: Path, way: str) -> None:
    machine = ready.machine
    lay_out(ready)
    lay_out_pourd(ready)
    pourd = Pourd(ready)

    print(install(ready, way, package))
    pourd.is_untouched()
    pourd.wait_for_more()
    later = newer_package(tmp_path / "newer") if way == "package" else package
    install(ready, way, later)
    pourd.is_untouched()
    pourd.wait_for_more()

    # Without the client, pourd writes on, also after a boot, and a later installation sends these pours.
    remove = f"{HOME}/service/uninstall" if way == "service/install" else "apt-get -q -y remove kegnet-client"
    print(machine.sh(remove))
    assert machine.property("LoadState") in ("not-found", "masked")
    pourd.is_untouched()
    queue = len(ready.waiting())
    wait_for(lambda: len(ready.waiting()) > queue + 2)
    install(ready, way, later)
    machine.run("systemctl", "start", "kegnet-client")
    pourd.is_untouched()
    pourd.wait_for_more()
    pourd.has_lost_none()
    pourd.starts_again()

    print(machine.sh(remove.replace("remove", "purge")))
    pourd.is_untouched()
    machine.power_off()
    machine.boot()
    assert [machine.property("ActiveState", f"pourd@{pin}") for pin in PINS] == ["active", "active"]
    queue = len(ready.waiting())
    wait_for(lambda: len(ready.waiting()) > queue + 2)


@ON_ONE_DEBIAN
def test_one_that_did_not_run_is_not_started(ready: Site) -> None:
    lay_out(ready)
    ready.machine.run("systemctl", "stop", "kegnet-client")
    ready.install()
    assert ready.machine.property("ActiveState") == "inactive"
    assert len(ready.waiting()) == 1


@ON_ONE_DEBIAN
def test_a_masked_service_stays_masked(ready: Site) -> None:
    ready.machine.sh(f"mkdir -p {HOME}/conf; ln -s /dev/null {UNIT}; systemctl daemon-reload")
    assert "kegnet-client.service is masked" in ready.install()
    assert ready.machine.run("readlink", UNIT).strip() == "/dev/null"


@ON_ONE_DEBIAN
def test_directories_that_another_user_owned_are_closed_before_root_uses_a_name_in_them(ready: Site) -> None:
    machine = ready.machine
    lay_out(ready)
    machine.sh(f"chown -R nobody {HOME} && chmod 777 {HOME}/conf {HOME}/lib && echo unchanged > /etc/victim")
    for name in ("conf/client.conf.new", "lib/client.py.new", "lib/kegnet.new"):
        machine.sh(f"ln -s /etc/victim {HOME}/{name}")
    output = ready.install()
    assert machine.sh("cat /etc/victim; stat -c '%U:%G %a' /etc/victim").split() == ["unchanged", "root:root", "644"]
    assert f"Closed: {HOME}/conf was writable by other users than root" in output
    assert machine.sh(f"find {HOME} -type d \\( ! -user root -o -perm /022 \\) ! -path '{SPOOL}'") == ""
    assert machine.sh(f"find {HOME}/lib {HOME}/service ! -user root") == ""
    ready.wait_for_messages("ping")
