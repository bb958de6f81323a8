"""The service kegnet-meter under a real systemd: when it is started, as whom, what it can reach, and what it keeps."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.keg import REPOSITORY
from support.wait import stays, wait_for
from system.confinement import HOME, exposure, run_confined
from system.conftest import newer_package
from system.kegerator import ANOTHER_SPOOL, MAKE_ANOTHER_SPOOL, SPOOL, Site, permit_spool
from system.meter_host import METER, METER_CONF, configure, connect_wheel, turn, wait_for_status

EXPOSURE_AT_MOST = 1.0
TAP = "[Meter]\nidle = 5000\n[Pin 17]\nreportAs = 0\n"
DROP_IN = "/etc/systemd/system/kegnet-meter.service.d"

PROBE = """
import os, socket, stat
for path in ("/etc/x", "/usr/share/x", "/var/lib/x", "%(home)s/x", "%(home)s/lib/x", "%(home)s/conf/x", "/dev/x"):
    attempt("write " + path, lambda: write(path))
attempt("read /home", lambda: os.listdir("/home/somebody"))
attempt("read the key on disk", lambda: open("%(home)s/conf/privkey.pem").read())
attempt("open a device", lambda: open("/dev/other"))
attempt("internet socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
attempt("become root", lambda: os.setuid(0))
with open("%(home)s/like-a-chip") as file:
    print("reads what belongs to the group gpio")
write("%(spool)s/probe.tmp")
print("spool:", oct(stat.S_IMODE(os.stat("%(spool)s/probe.tmp").st_mode)))
print("boot id:", len(open("/proc/sys/kernel/random/boot_id").read()))
print("networks:", [line.split(":")[0].strip() for line in open("/proc/self/net/dev").read().splitlines()[2:]])
print([line for line in open("/proc/self/status").read().splitlines() if line.startswith(("CapEff", "CapBnd", "NoNewPrivs", "Seccomp:"))])
""" % {"home": HOME, "spool": SPOOL}  # noqa: UP031  The text is full of braces.

STORE_PROGRAM = """
import os, socket, time
def notify(text, descriptors=()):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service_manager:
        service_manager.connect(os.environ["NOTIFY_SOCKET"])
        socket.send_fds(service_manager, [text.encode()], descriptors)
names = os.environ.get("LISTEN_FDNAMES", "")
if names == "gpio-17":
    content = os.pread(3, 100, 0).decode()
else:
    content = "nothing"
    memory = os.memfd_create("line")
    os.write(memory, b"queued edges")
    notify("FDSTORE=1\\nFDNAME=gpio-17\\nFDPOLL=0", [memory])
notify(f"READY=1\\nSTATUS=kept {names}: {content}")
while True:
    time.sleep(9)
"""


@pytest.fixture
def tap(site: Site) -> Iterator[Site]:
    """The machine with one flow meter, which the service counts."""
    connect_wheel(site, 17)
    configure(site, TAP)
    site.machine.sh(f"rm -rf {DROP_IN}; systemctl daemon-reload; systemctl reset-failed {METER} 2>/dev/null || true")
    site.machine.run("systemctl", "restart", METER)
    wait_for_status(site, "pin 17: idle")
    yield site
    site.machine.sh(
        f"rm -rf {DROP_IN}; systemctl stop edges-17.socket {METER}; systemctl disable -q edges-17.socket; systemctl daemon-reload; "
        f"rm -f /run/wheel-17 {SPOOL}/*.running"
    )


def test_without_a_pin_it_is_enabled_and_skipped_quietly(site: Site) -> None:
    machine = site.machine
    for _ in ("after the installation", "after a boot"):
        assert machine.property("UnitFileState", METER) == "enabled"
        machine.run("systemctl", "start", METER)
        assert machine.property("ActiveState", METER) == "inactive"
        assert machine.property("Result", METER) == "exec-condition"
        assert machine.property("NRestarts", METER) == "0"
        assert METER not in machine.sh("systemctl --failed --plain --no-legend")
        machine.power_off()
        machine.boot()
    assert machine.log().count("kegnet-meter[") == 0


def test_with_a_pin_it_starts_at_boot_and_its_pours_are_sent(tap: Site) -> None:
    machine = tap.machine
    machine.power_off()
    machine.boot()
    wait_for_status(tap, "pin 17: idle")
    sent = len(tap.kegnet.messages_of("pour", tap.client_id))
    turn(tap, 17, 300)
    wait_for_status(tap, "today 1 pour")
    pour = tap.wait_for_messages("pour", sent + 1)[-1]
    assert (pour["pin"], pour["pulses"]) == (0, 300)
    wait_for(lambda: machine.sh(f"ls {SPOOL}") == "")
    machine.wait_for_log("pin 17: 300 pulses")


def test_its_user_is_in_the_groups_of_the_spool_and_of_the_chips(tap: Site) -> None:
    machine = tap.machine
    assert set(machine.run("id", "--name", "--groups", "kegnet-meter").split()) == {"kegnet-meter", "kegnet", "gpio"}
    assert machine.sh(f"ps -o user= -p {machine.property('MainPID', METER)}").strip() == "kegnet-meter"
    assert machine.run("stat", "-c", "%U:%G %a", "/run/kegnet-meter").strip() == "kegnet-meter:kegnet-meter 755"
    turn(tap, 17, 5)
    machine.run("runuser", "-u", "nobody", "--", "cat", "/run/kegnet-meter/pin-17")


def test_a_pour_belongs_to_the_spools_group_and_the_client_can_read_it(tap: Site) -> None:
    machine = tap.machine
    machine.run("systemctl", "stop", "kegnet-client")
    turn(tap, 17, 200)
    (name,) = wait_for(lambda: machine.sh(f"cd {SPOOL} && ls | grep 'pour$' || true").split())
    assert machine.run("stat", "-c", "%U:%G", f"{SPOOL}/{name}").strip() == "kegnet-meter:kegnet"
    assert machine.run("runuser", "-u", "kegnet", "--", "cat", f"{SPOOL}/{name}").startswith("0,200,")
    machine.run("systemctl", "start", "kegnet-client")
    wait_for(lambda: machine.sh(f"ls {SPOOL}") == "")


def test_it_is_confined_to_the_spool_and_the_chips(tap: Site) -> None:
    machine = tap.machine
    machine.sh("mkdir -p /home/somebody; rm -f /dev/other; mknod -m 666 /dev/other c 1 11")
    machine.sh(f"install -o root -g gpio -m 640 /dev/null {HOME}/like-a-chip")
    output = run_confined(machine, "kegnet-meter", PROBE)
    machine.sh(f"rm {HOME}/like-a-chip {SPOOL}/probe.tmp")
    print(output)
    assert "ALLOWED" not in output, output
    assert output.count("refused") == 12
    assert "reads what belongs to the group gpio" in output
    assert "spool: 0o644" in output
    assert "boot id: 37" in output
    assert "networks: ['lo']" in output
    assert re.search(r"CapEff:\\t0+', 'CapBnd:\\t0+', 'NoNewPrivs:\\t1', 'Seccomp:\\t2'", output), output


def test_the_exposure_is_not_above_its_limit(tap: Site) -> None:
    assert exposure(tap.machine, "kegnet-meter") <= EXPOSURE_AT_MOST


def keep_a_descriptor(site: Site) -> None:
    """Replaces the meter with a program that has systemd keep a descriptor, and shows what it got back."""
    machine = site.machine
    (machine.share / "store.py").write_text(STORE_PROGRAM)
    machine.sh(f"mkdir -p {DROP_IN} && printf '[Service]\nExecStart=\nExecStart=/usr/bin/python3 {HOME}/store.py\n' > {DROP_IN}/x.conf")
    machine.sh(f"systemctl stop edges-17.socket {METER}; cp /share/store.py {HOME}/ && systemctl daemon-reload")
    machine.run("systemctl", "start", METER)
    wait_for_status(site, "kept : nothing")


def test_a_line_stays_open_through_a_kill_a_restart_and_an_upgrade_and_is_closed_by_a_stop(tap: Site) -> None:
    machine = tap.machine
    keep_a_descriptor(tap)
    machine.run("systemctl", "kill", "--signal=KILL", METER)
    wait_for_status(tap, "kept gpio-17: queued edges")
    assert machine.property("NRestarts", METER) == "1"
    pid = machine.property("MainPID", METER)
    machine.run("systemctl", "restart", METER)
    wait_for_status(tap, "kept gpio-17: queued edges")
    assert machine.property("MainPID", METER) != pid
    pid = machine.property("MainPID", METER)
    tap.install()
    assert machine.property("MainPID", METER) not in (pid, "0")
    wait_for_status(tap, "kept gpio-17: queued edges")
    machine.run("systemctl", "stop", METER)
    machine.run("systemctl", "start", METER)
    wait_for_status(tap, "kept : nothing")


def test_a_wrong_configuration_is_logged_and_not_tried_again(tap: Site) -> None:
    machine = tap.machine
    configure(tap, "[Meter]\n[Pin 99]\n")
    machine.run("systemctl", "restart", METER, check=False)
    wait_for(lambda: machine.property("ActiveState", METER) == "failed")
    assert machine.property("ExecMainStatus", METER) == "78"
    assert stays(lambda: machine.property("NRestarts", METER) == "0", 4)
    machine.wait_for_log(f"{METER_CONF}: [Pin 99]")
    service = "kegnet-meter --check | grep -a ' service: '"
    assert machine.sh(service).startswith("failure  service: failed ")
    (machine.share / "other.conf").write_text(TAP)
    assert machine.sh(service.replace("--check", "--config /share/other.conf --check")).startswith("failure  service: failed ")
    configure(tap, TAP)
    machine.sh(f"mkdir -p /home/pi && mv {METER_CONF} /home/pi/meter.conf && ln -s /home/pi/meter.conf {METER_CONF}")
    assert machine.sh(service).startswith("failure  service: failed ")
    assert f"failure  configuration: {METER_CONF}: the file is /home/pi/meter.conf; " in machine.sh("kegnet-meter --check || true")
    machine.sh(f"mv /home/pi/meter.conf {METER_CONF}")
    assert re.match(r"warning  service: it has not been started .*systemctl restart kegnet-meter", machine.sh(service))


def test_a_reload_without_a_pin_keeps_the_old_ones_and_a_restart_ends_it(tap: Site) -> None:
    machine = tap.machine
    configure(tap, "[Meter]\n")
    machine.run("systemctl", "reload", METER)
    machine.wait_for_log("not reloaded")
    wait_for(lambda: machine.property("ActiveState", METER) == "active")
    machine.run("systemctl", "restart", METER)
    assert machine.property("ActiveState", METER) == "inactive"


def test_with_the_lines_that_check_prints_it_starts_without_the_spool_and_writes_when_it_is_made(tap: Site) -> None:
    machine = tap.machine
    configure(tap, TAP.replace("[Meter]\n", f"[Meter]\nspool = {ANOTHER_SPOOL}\n"))
    machine.sh(MAKE_ANOTHER_SPOOL)
    permit_spool(tap, METER)
    machine.sh(f"rm -r {ANOTHER_SPOOL}; systemctl restart {METER}", check=False)
    assert (machine.property("ActiveState", METER), machine.property("NRestarts", METER)) == ("active", "0")
    turn(tap, 17, 300)
    machine.sh(MAKE_ANOTHER_SPOOL)
    wait_for(lambda: machine.sh(f"cat {ANOTHER_SPOOL}/*.pour 2>/dev/null", check=False).startswith("0,300,"), limit_s=120)
    machine.sh(f"rm -r {ANOTHER_SPOOL}")


def test_the_command_that_calibrate_prints_reloads_a_running_service_and_starts_a_stopped_one(tap: Site) -> None:
    machine = tap.machine
    process = machine.property("MainPID", METER)
    configure(tap, f"{TAP}pulsesPerLitre = 450\n")
    machine.run("systemctl", "reload-or-restart", METER)
    machine.wait_for_log("reloaded: ")
    assert machine.property("MainPID", METER) == process
    machine.run("systemctl", "stop", METER)
    machine.run("systemctl", "reload-or-restart", METER)
    wait_for_status(tap, "pin 17: idle")


def test_the_rule_for_the_chips_is_where_udev_reads_it(site: Site) -> None:
    rule = Path(REPOSITORY / "service/60-kegnet-meter.rules").read_text()
    assert site.machine.run("cat", "/usr/local/lib/udev/rules.d/60-kegnet-meter.rules") == rule
    assert 'SUBSYSTEM=="gpio", KERNEL=="gpiochip[0-9]*", GROUP="gpio", MODE="0660"' in rule


def test_the_package_installs_it_and_an_upgrade_restarts_it_with_its_lines(ready: Site, package: Path, tmp_path: Path) -> None:
    machine = ready.machine
    ready.install_package(package)
    assert machine.property("UnitFileState", METER) == "enabled"
    assert machine.property("ActiveState", METER) == "inactive"
    assert set(machine.run("id", "--name", "--groups", "kegnet-meter").split()) == {"kegnet-meter", "kegnet", "gpio"}
    rule = Path(REPOSITORY / "service/60-kegnet-meter.rules").read_text()
    assert machine.sh("cat /usr/lib/udev/rules.d/60-kegnet-meter.rules") == rule
    assert machine.run("kegnet-meter", "--version").startswith("kegnet-meter 0.")
    for path in ("bash-completion/completions/kegnet-meter", "kegnet-client/service/take-over-pourd"):
        machine.run("test", "-f", f"/usr/share/{path}")
    connect_wheel(ready, 17)
    configure(ready, TAP)
    machine.run("systemctl", "start", METER)
    wait_for_status(ready, "pin 17: idle")
    keep_a_descriptor(ready)
    later = newer_package(tmp_path / "newer")
    shutil.copy(later, machine.share)
    pid = machine.property("MainPID", METER)
    machine.sh(f"apt-get -q -y -o Dpkg::Options::=--force-confold install /share/{later.name} </dev/null")
    assert machine.property("MainPID", METER) not in (pid, "0")
    wait_for_status(ready, "kept gpio-17: queued edges")
    assert machine.sh(f"cat {METER_CONF}") == TAP
    machine.sh("apt-get -q -y remove kegnet-client")
    assert machine.property("ActiveState", METER) == "inactive"
    assert machine.sh(f"cat {METER_CONF.replace('/usr/share/kegnet-client/conf', '/etc/kegnet-client')}") == TAP
