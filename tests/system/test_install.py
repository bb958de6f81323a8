"""service/install and service/uninstall on real Debian machines."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.keg import REPOSITORY
from support.wait import wait_for
from system.kegerator import CONF, SPOOL, Site, with_another_python3_in_path
from system.meter_host import METER, METER_CONF, connect_wheel, wait_for_status

HOME = "/usr/share/kegnet-client"


def test_install_set_up_and_start_on_a_fresh_debian(fresh: Site) -> None:
    output = fresh.install()
    assert "python3-m2crypto" in output
    assert output.endswith("Installed. Next: sudo kegnet-client --setup\n")
    fresh.set_up()
    fresh.machine.run("systemctl", "start", "kegnet-client")
    assert fresh.wait_for_messages("ping")[0]["temp"] == 4187
    fresh.machine.wait_for_log("ping accepted: 4.187 °C")


def test_a_clone_that_only_its_owner_can_read_makes_an_installation_that_the_services_can_read(ready: Site) -> None:
    machine = ready.machine
    machine.sh("chmod -R go= /share/source")
    ready.install()
    assert machine.sh(f"stat -c %a {CONF} {METER_CONF}").split() == ["644", "644"]
    connect_wheel(ready, 17)
    machine.sh(f"echo '[Pin 17]' >> {METER_CONF}")
    ready.set_up()
    machine.run("systemctl", "start", "kegnet-client", METER)
    wait_for_status(ready, "pin 17: idle")
    ready.wait_for_messages("ping")


def test_the_unit_is_a_link_to_the_installed_file(site: Site) -> None:
    machine = site.machine
    assert machine.run("readlink", "/etc/systemd/system/multi-user.target.wants/kegnet-client.service").strip() in (
        f"{HOME}/service/kegnet-client.service",
        "/etc/systemd/system/kegnet-client.service",
    )
    assert machine.run("readlink", "-f", "/etc/systemd/system/kegnet-client.service").strip() == f"{HOME}/service/kegnet-client.service"
    assert machine.run("readlink", "-f", "/usr/share/kegnet/stop-kegnet-client").strip() == f"{HOME}/stop-kegnet-client"
    assert machine.run("stat", "-c", "%U:%G %a", SPOOL).strip() == "root:kegnet 2775"
    assert machine.run("stat", "-c", "%U:%G %a", f"{HOME}/conf/privkey.pem").strip() == "root:root 600"
    assert machine.sh(f"find {HOME} ! -path '{SPOOL}*' -perm /022 ! -type l") == "", "nobody but root can write anywhere else"


def test_boot_with_the_service_enabled(site: Site) -> None:
    pings = len(site.wait_for_messages("ping"))
    site.machine.power_off()
    site.machine.boot()
    site.wait_for_messages("ping", pings + 1)
    assert site.machine.property("ActiveState") == "active"


def test_an_upgrade_keeps_conf_and_waiting_pours_and_restarts_the_service(site: Site) -> None:
    machine = site.machine
    site.start_over()
    machine.run("sed", "-i", "s|^serviceBaseURL =.*|serviceBaseURL = https://127.0.0.1:9/rest/v2|", CONF)
    machine.run("systemctl", "restart", "kegnet-client")
    site.drop_pour("0,1,1,1", "waits")
    machine.sh(f"echo 0,2,2,2 > {SPOOL}/aside.pour.fail; echo mine > {HOME}/conf/note")
    machine.sh(f"echo old > {HOME}/lib/kegnet/old_module.py")
    before = machine.sh(f"sha256sum {HOME}/conf/* {SPOOL}/*")
    pid = machine.property("MainPID")
    site.install()
    assert machine.sh(f"sha256sum {HOME}/conf/* {SPOOL}/*") == before
    assert machine.property("MainPID") not in (pid, "0")
    assert "No such file" in machine.sh(f"ls {HOME}/lib/kegnet/old_module.py", check=False)
    site.edit_two_lines()
    machine.run("systemctl", "restart", "kegnet-client")
    assert site.wait_for_messages("pour")[-1]["pulses"] == 1
    machine.sh(f"rm {SPOOL}/aside.pour.fail")


def test_the_next_installation_completes_an_interrupted_one(site: Site) -> None:
    machine = site.machine
    machine.sh(f"cd {HOME} && mv lib lib.old && mkdir lib.new && rm start-kegnet-client && rm -rf service")
    pings = len(site.wait_for_messages("ping"))
    site.install()
    site.wait_for_messages("ping", pings + 1)
    left = machine.sh(f"ls {HOME}").split()
    assert sorted(left) == ["LICENSE", "README.md", "conf", "lib", "service", "spool", "start-kegnet-client", "stop-kegnet-client"]


def test_the_command_its_manuals_and_its_completion_are_found(site: Site) -> None:
    machine = site.machine
    for program in ("kegnet-client", "kegnet-meter"):
        assert machine.run(program, "--version").startswith(f"{program} 0.")
        assert machine.sh(f"head -c 4 /usr/local/share/man/man8/{program}.8") == ".TH "
        assert "complete -" in machine.sh(f"cat /usr/local/share/bash-completion/completions/{program}")
    for page in ("client.conf.5", "meter.conf.5"):
        assert machine.sh(f"head -c 4 /usr/local/share/man/man5/{page}") == ".TH "


def test_another_user_than_root_gets_an_error(site: Site) -> None:
    assert "needs root: sudo service/install" in site.machine.sh(
        "runuser -u nobody -- sh -c 'cd /share/source && service/install'", check=False
    )


def test_with_root_it_only_copies_files(site: Site) -> None:
    output = site.machine.sh("cd /share/source && service/install --root /tmp/image && find /tmp/image -newer /share/ca.crt -maxdepth 4")
    assert "nothing else was changed" in output
    for name in ("lib", "conf", "service", "spool"):
        assert f"/tmp/image/usr/share/kegnet-client/{name}\n" in output


def test_another_python3_in_path_changes_neither_the_service_nor_the_command(site: Site) -> None:
    with_another_python3_in_path(site)


def test_a_source_with_a_clients_configuration_is_refused_with_advice_that_fits(site: Site) -> None:
    machine = site.machine
    machine.sh(f"cp -R /share/source /root/source && cp {CONF} /root/source/conf/client.conf")
    output = machine.sh("/root/source/service/install", check=False)
    assert "must be the template here" in output
    assert "git" not in output
    assert "git -C /root/source checkout conf" in machine.sh("mkdir /root/source/.git && /root/source/service/install", check=False)
    machine.sh("cp /share/source/conf/client.conf /root/source/conf/ && echo '[Pin 17]' >> /root/source/conf/meter.conf")
    output = machine.sh("/root/source/service/install", check=False)
    assert "/root/source/conf/meter.conf contains the pins of a flow meter, and must be the template here" in output
    machine.sh("rm -r /root/source")


def test_uninstall_keeps_conf_and_pours_and_the_users_who_own_files(site: Site) -> None:
    machine = site.machine
    machine.run("systemctl", "stop", "kegnet-client")
    site.drop_pour("0,1,1,1", "left")
    machine.sh("useradd --system kegnet-server && install -D -o kegnet-server /dev/null /var/lib/kegnet-server/kegnet.sqlite")
    output = machine.run(f"{HOME}/service/uninstall")
    assert f"1 pours that are not sent are still in {SPOOL}" in output
    assert f"still in {HOME}/conf" in output
    assert machine.sh(f"ls {HOME}").split() == ["conf", "spool"]
    left = machine.sh(
        "find / -xdev -path /share -prune -o -path /tmp -prune -o -name 'systemd-private-*' -prune -o -name '*kegnet*' -print"
    )
    assert sorted(left.split()) == [HOME, "/var/lib/kegnet-server", "/var/lib/kegnet-server/kegnet.sqlite"]
    assert machine.property("LoadState") == "not-found"
    for user in ("kegnet", "kegnet-server"):
        assert output.count(f"The user {user} stays, because files belong to it") == 1
        machine.run("id", user)
    site.install()
    machine.run("systemctl", "start", "kegnet-client")
    wait_for(lambda: not site.waiting())


def test_uninstall_removes_the_users_who_own_no_file(site: Site) -> None:
    machine = site.machine
    machine.sh("rm /var/lib/kegnet-server/kegnet.sqlite")
    output = machine.run(f"{HOME}/service/uninstall")
    assert "stays" not in output
    for user in ("kegnet", "kegnet-meter", "kegnet-server"):
        assert "no such user" in machine.sh(f"id {user}", check=False)
    assert "Uninstalled" in machine.run("/share/source/service/uninstall"), "another run is possible"
    site.install()
    machine.run("systemctl", "start", "kegnet-client")


@pytest.mark.parametrize("name", ["kegnet-client.service", "kegnet-meter.service"])
def test_the_unit_is_what_is_in_the_repository(site: Site, name: str) -> None:
    unit = Path(REPOSITORY / "service" / name).read_text()
    assert site.machine.sh(f"cat {HOME}/service/{name}") == unit
    assert site.machine.run("systemd-analyze", "verify", "--man=no", f"{HOME}/service/{name}") == ""
