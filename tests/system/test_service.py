"""The service's life under a real systemd, with a real rsyslog."""

from __future__ import annotations

import json
import re

import pytest
from support.wait import stays, wait_for, wait_until_same
from system.confinement import HOME, exposure, run_confined
from system.kegerator import CONF, SPOOL, Site

EXPOSURE_AT_MOST = 1.2

PROBE = """
import os, sys
for path in ("/etc/x", "/usr/share/x", "/var/lib/x", "/var/log/x", "%(home)s/x", "%(home)s/lib/x", "%(home)s/conf/x"):
    attempt("write " + path, lambda: write(path))
attempt("read /home", lambda: os.listdir("/home/somebody"))
attempt("read /root", lambda: os.listdir("/root"))
attempt("read the key on disk", lambda: open("%(home)s/conf/privkey.pem").read())
attempt("chroot", lambda: os.chroot("/"))
attempt("see other processes", lambda: os.stat("/proc/1"))
write("%(spool)s/probe.tmp")
os.unlink("%(spool)s/probe.tmp")
print("spool writable")
print([line for line in open("/proc/self/status").read().splitlines() if line.startswith(("CapEff", "CapBnd", "NoNewPrivs", "Seccomp:"))])
""" % {"home": HOME, "spool": SPOOL}  # noqa: UP031  The text is full of braces.


def drop_in(site: Site, text: str) -> None:
    """Adds settings to the unit, as `systemctl edit` does."""
    site.machine.sh(
        f"mkdir -p /etc/systemd/system/kegnet-client.service.d; printf '{text}' > /etc/systemd/system/kegnet-client.service.d/x.conf"
    )
    site.machine.run("systemctl", "daemon-reload")


def test_both_scripts_start_and_stop(site: Site) -> None:
    machine = site.machine
    site.wait_for_messages("ping")
    machine.run("/usr/share/kegnet/stop-kegnet-client")
    assert machine.property("ActiveState") == "inactive"
    assert machine.property("Result") == "success"
    machine.wait_for_log("stopped")
    pings = len(site.wait_for_messages("ping"))
    machine.run(f"{HOME}/start-kegnet-client")
    assert machine.property("ActiveState") == "active"
    site.wait_for_messages("ping", pings + 1)


def test_the_status_shows_the_temperature_the_last_ping_and_the_queue(site: Site) -> None:
    site.start_over()
    wait_for(lambda: "last ping accepted" in site.machine.property("StatusText"))
    status = site.machine.sh("systemctl status kegnet-client")
    assert re.search(r'Status: "4\.187 °C; last ping accepted [-0-9]{10} [:0-9]{5}; no pours', status), status


def test_without_a_server_it_is_ready_and_the_status_shows_the_reason(site: Site) -> None:
    machine = site.machine
    machine.run("sed", "-i", "s|^serviceBaseURL =.*|serviceBaseURL = https://127.0.0.1:9/rest/v2|", CONF)
    machine.sh(f"echo x > {SPOOL}/y.pour.fail")
    machine.run("systemctl", "restart", "kegnet-client")
    site.drop_pour()
    wait_for(lambda: re.search("1 pour .*, 1 ", machine.property("StatusText")))
    status = machine.property("StatusText")
    assert status.startswith("server unavailable")
    assert "Connection refused" in status
    assert "4.187 °C" in status
    machine.sh(f"rm {SPOOL}/y.pour.fail")
    site.start_over()
    wait_for(lambda: not site.waiting())


def test_without_a_thermometer_it_is_ready_and_the_status_shows_the_reason(site: Site) -> None:
    folder = site.machine.devices / "28-0000054c9f11"
    folder.rename(site.machine.folder / "unplugged")
    site.start_over()
    assert site.machine.property("ActiveState") == "active"
    wait_for(lambda: site.machine.property("StatusText").startswith("no temperature: no thermometer"))
    (site.machine.folder / "unplugged").rename(folder)
    site.start_over()


def test_pours_by_root_and_by_another_user_of_the_group_are_sent_and_removed(site: Site) -> None:
    site.start_over()
    sent = len(site.kegnet.messages_of("pour", site.client_id))
    site.machine.sh("id meter || useradd --system --groups kegnet meter")
    site.drop_pour("0,11,1,1", "root")
    site.machine.sh(f"runuser -u meter -- sh -c 'echo 0,12,1,1 > {SPOOL}/m.tmp && mv {SPOOL}/m.tmp {SPOOL}/meter.pour'")
    assert {pour["pulses"] for pour in site.wait_for_messages("pour", sent + 2)[sent:]} == {11, 12}
    wait_for(lambda: not site.waiting())


def test_a_pour_that_the_service_cannot_read_is_named_and_the_command_in_the_log_lets_it_be_sent(site: Site) -> None:
    site.start_over()
    sent = len(site.kegnet.messages_of("pour", site.client_id))
    site.machine.sh(f"echo 0,13,1,1 > /tmp/x && install -m 600 -o root /tmp/x {SPOOL}/x.tmp && mv {SPOOL}/x.tmp {SPOOL}/locked.pour")
    site.machine.wait_for_log("locked.pour is kept: it cannot be read (Permission denied); retrying; fix: ")
    checked = site.machine.sh("kegnet-client --check || true")
    assert "warning  spool: kegnet cannot read locked.pour (root:kegnet, mode 0600): kept, and not sent; fix: find " in checked
    (command,) = {line.partition("; fix: ")[2] for line in site.machine.log().splitlines() if "locked.pour is kept" in line}
    site.machine.sh(command)
    assert [pour["pulses"] for pour in site.wait_for_messages("pour", sent + 1)[sent:]] == [13]
    wait_for(lambda: not site.waiting())


def test_a_reload_uses_a_good_configuration_and_keeps_the_old_one_for_a_bad_one(site: Site) -> None:
    machine = site.machine
    site.start_over()
    pid = machine.property("MainPID")
    machine.run("sed", "-i", "$ a pingInterval = never", CONF)
    machine.run("systemctl", "reload", "kegnet-client")
    machine.wait_for_log("not reloaded")
    assert "pingInterval = never" in machine.log()
    machine.run("sed", "-i", "s/^pingInterval = never/pingInterval = 1/", CONF)
    pings = len(site.kegnet.messages_of("ping", site.client_id))
    machine.run("systemctl", "reload", "kegnet-client")
    site.wait_for_messages("ping", pings + 3)
    assert (machine.property("MainPID"), machine.property("ActiveState")) == (pid, "active")
    machine.run("sed", "-i", "/^pingInterval/d", CONF)
    site.start_over()


def test_after_sigkill_it_is_restarted(site: Site) -> None:
    drop_in(site, "[Service]\\nRestartSec=1\\n")
    site.machine.run("systemctl", "restart", "kegnet-client")
    site.machine.run("systemctl", "kill", "--signal=KILL", "kegnet-client")
    wait_for(lambda: site.machine.property("NRestarts") == "1" and "last ping accepted" in site.machine.property("StatusText"))
    site.start_over()


def test_the_watchdog_kills_a_hung_client_and_it_is_restarted(site: Site) -> None:
    machine = site.machine
    drop_in(site, "[Service]\\nRestartSec=1\\nWatchdogSec=40\\n")
    machine.run("systemctl", "restart", "kegnet-client")
    assert stays(lambda: machine.property("NRestarts") == "0", 45), "a client that works notifies the watchdog"
    machine.run("systemctl", "kill", "--signal=STOP", "--kill-whom=main", "kegnet-client")
    wait_for(lambda: machine.property("NRestarts") == "1" and "last ping accepted" in machine.property("StatusText"), limit_s=180)
    assert "Watchdog timeout" in machine.run("journalctl", "--unit", "kegnet-client", "--no-pager")
    site.start_over()


@pytest.mark.parametrize("broken", ["uuid", "key missing", "key encrypted"])
def test_a_fatal_error_is_logged_once_and_causes_no_restart(site: Site, broken: str) -> None:
    machine = site.machine
    key = f"{HOME}/conf/privkey.pem"
    machine.sh(f"cp -p {key} {key}.good")
    if broken == "uuid":
        machine.run("sed", "-i", "s|^uuid =.*|uuid = mine|", CONF)
        line = f"{CONF}: uuid = mine: "
    elif broken == "key missing":
        machine.run("rm", key)
        line = f"{CONF}: privateKey = {key}: "
    else:
        machine.sh(f"openssl rsa -aes128 -passout pass:x -in {key}.good -out {key}")
        line = f"{CONF}: privateKey = {key}: "
    before = machine.log().count(line)
    drop_in(site, "[Service]\\nRestartSec=1\\n")
    machine.run("systemctl", "restart", "kegnet-client", check=False)
    wait_for(lambda: machine.property("ActiveState") == "failed")
    wait_for(lambda: machine.log().count(line) > before)
    assert stays(lambda: machine.property("NRestarts") == "0", 2.5)
    assert machine.property("ExecMainStatus") == "78"
    assert machine.log().count(line) == before + 1
    machine.sh(f"mv {key}.good {key}")
    site.start_over()


def test_the_log_and_the_journal_have_each_line_once(site: Site) -> None:
    machine = site.machine
    site.start_over()
    sent = len(site.kegnet.messages_of("pour", site.client_id))
    site.drop_pour("0,77,1,1", "once")
    site.wait_for_messages("pour", sent + 1)
    machine.wait_for_log("pour accepted: once.pour")
    lines = [line for line in machine.log().splitlines() if "once.pour" in line]
    assert len(lines) == 1
    assert re.search(r" kegnet-client\[[0-9]+\]: pour accepted: once\.pour", lines[0])
    text = wait_for(lambda: machine.sh("journalctl --output=json | grep once.pour || true"))
    entries = [json.loads(line) for line in text.splitlines()]
    assert [(entry["PRIORITY"], entry["SYSLOG_FACILITY"]) for entry in entries] == [("6", "1")]


def test_nothing_is_lost_while_rsyslog_restarts(site: Site) -> None:
    """The journal has every line. rsyslogd drops those that it has not written when it ends."""
    machine = site.machine
    site.start_over()
    site.wait_for_messages("ping")
    machine.sh(f"systemctl stop rsyslog & for i in $(seq 40); do echo 0,$i,5,5 > {SPOOL}/rs$i.pour; done; wait; systemctl start rsyslog")
    logged = "journalctl --identifier=kegnet-client --no-pager"
    wait_for(lambda: len(re.findall(r"pour accepted: rs[0-9]+\.pour", machine.sh(logged))) == 40, limit_s=60)


def test_the_service_is_confined_to_its_spool(site: Site) -> None:
    machine = site.machine
    machine.sh("mkdir -p /home/somebody; mkdir -p /etc/systemd/system")
    output = run_confined(machine, "kegnet-client", PROBE)
    assert "spool writable" in output
    assert "ALLOWED" not in output, output
    assert output.count("refused") == 12
    assert re.search(r"CapEff:\\t0+', 'CapBnd:\\t0+', 'NoNewPrivs:\\t1', 'Seccomp:\\t2'", output), output


def test_the_service_runs_as_its_own_user_who_cannot_read_the_key_on_the_disk(site: Site) -> None:
    machine = site.machine
    assert machine.sh(f"ps -o user= -p {machine.property('MainPID')}").strip() == "kegnet"
    assert "Permission denied" in machine.sh(f"runuser -u kegnet -- cat {HOME}/conf/privkey.pem", check=False)


def test_the_exposure_is_not_above_its_limit(site: Site) -> None:
    assert exposure(site.machine, "kegnet-client") <= EXPOSURE_AT_MOST


def test_an_idle_service_does_not_write_its_log(site: Site) -> None:
    # The second ping is at a random time.
    site.machine.run("sed", "-i", "$ a pingInterval = 86400", CONF)
    accepted = site.machine.log().count("ping accepted")
    site.start_over()
    wait_for(lambda: site.machine.log().count("ping accepted") > accepted)
    wait_until_same(site.machine.log, 4)
    site.machine.run("sed", "-i", "/^pingInterval/d", CONF)
