"""Broken set-ups on a real machine: --check finds each, and prints its fix."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pki import Certificate, issue
from support.scripted_server import ScriptedServer
from support.wait import wait_for
from system.kegerator import ANOTHER_SPOOL, CONF, MAKE_ANOTHER_SPOOL, SPOOL, Site, permit_spool

KEY = "/usr/share/kegnet-client/conf/privkey.pem"


def check(site: Site) -> list[str]:
    """The findings of --check, one a line."""
    return site.machine.sh("kegnet-client --check || true").splitlines()


def as_json(site: Site) -> list[dict[str, str]]:
    """The findings of --check --json."""
    findings: list[dict[str, str]] = json.loads(site.machine.sh("kegnet-client --check --json || true"))["findings"]
    return findings


@pytest.fixture
def whole(site: Site) -> Iterator[Site]:
    """A machine without a fault, before the test and again after it."""
    machine = site.machine
    machine.sh(f"cp -p {KEY} {KEY}.good && cp -p {CONF} {CONF}.good")
    yield site
    machine.sh(f"mv {KEY}.good {KEY}; mv {CONF}.good {CONF}; chmod 2775 {SPOOL}; rm -f /boot/firmware/config.txt")
    machine.sh('for over in /sys/bus/w1 /sys/bus/w1/devices; do grep -q "^none $over " /proc/mounts && umount $over; done; true')
    site.start_over()


def test_without_a_fault_there_is_no_failure(site: Site) -> None:
    site.start_over()
    wait_for(lambda: "last ping accepted" in site.machine.property("StatusText"))
    output = site.machine.run("kegnet-client", "--check")
    print(output)
    levels = {line.split()[0] for line in output.splitlines() if not line.startswith("warning  clock: ")}
    assert levels == {"ok"}, "the clock is that of the machine that runs the tests"
    assert re.search(r"^ok       service: .*4\.187 °C; last ping accepted ", output, re.MULTILINE)
    assert re.search(rf"^ok       spool: {SPOOL}: .*root:kegnet.*2775", output, re.MULTILINE)


def no_overlay(site: Site) -> None:
    site.machine.sh("mkdir -p /boot/firmware && echo arm_64bit=1 > /boot/firmware/config.txt")
    site.machine.sh("mount -t tmpfs none /sys/bus/w1")


def no_reboot(site: Site) -> None:
    no_overlay(site)
    site.machine.sh("echo dtoverlay=w1-gpio,gpiopin=4 >> /boot/firmware/config.txt")


def no_probe(site: Site) -> None:
    site.machine.sh("mount -t tmpfs none /sys/bus/w1/devices")


def wrong_url(site: Site) -> None:
    set_parameter(site, "serviceBaseURL", site.kegnet.base_url.replace("/rest/", "/beer/"))


def no_server(site: Site) -> None:
    set_parameter(site, "serviceBaseURL", "https://127.0.0.1:9/rest/v2")


def no_such_name(site: Site) -> None:
    set_parameter(site, "serviceBaseURL", "https://kegnet.invalid/rest/v2")


def open_key(site: Site) -> None:
    site.machine.sh(f"chmod 644 {KEY}")


def other_key(site: Site) -> None:
    site.machine.sh(f"openssl genpkey -algorithm ed25519 -out {KEY}; chmod 600 {KEY}")


def unknown_key(site: Site) -> None:
    site.machine.sh(f"rm {KEY}; kegnet-client --setup")


def key_elsewhere(site: Site) -> None:
    site.machine.sh(f"cp -p {KEY} /root/k.pem && sed -i '$ a privateKey = /root/k.pem' {CONF}")


def closed_configuration(site: Site) -> None:
    site.machine.sh(f"chmod 600 {CONF}")


def configuration_in_home(site: Site) -> None:
    site.machine.sh(f"mkdir -p /home/pi && mv {CONF} /home/pi/client.conf && ln -s /home/pi/client.conf {CONF}")


def no_uuid(site: Site) -> None:
    site.machine.run("sed", "-i", "/^uuid/d", CONF)


def closed_spool(site: Site) -> None:
    site.machine.sh(f"chmod 755 {SPOOL}")


def spool_elsewhere(site: Site) -> None:
    site.machine.sh(f"{MAKE_ANOTHER_SPOOL} && sed -i '$ a spool = {ANOTHER_SPOOL}' {CONF}")


def spool_below_the_root(site: Site) -> None:
    site.machine.sh(f"install -d -g kegnet -m 2775 /pours && sed -i '$ a spool = /pours' {CONF}")


def spool_among_those_of_others(site: Site) -> None:
    site.machine.sh(f"install -d -g kegnet -m 2775 /var/lib/pours && sed -i '$ a spool = /var/lib/pours' {CONF}")


def spool_on_a_disk(site: Site) -> None:
    site.machine.sh(f"install -d -g kegnet -m 2775 /mnt/usb/pours && sed -i '$ a spool = /mnt/usb/pours' {CONF}")


def spool_in_home(site: Site) -> None:
    site.machine.sh(f"install -d -g kegnet -m 2775 /home/pi/pours && sed -i '$ a spool = /home/pi/pours' {CONF}")
    # This line alone does not help.
    folder = "/etc/systemd/system/kegnet-client.service.d"
    site.machine.sh(f"mkdir -p {folder} && printf '[Service]\nReadWritePaths=-/home/pi\n' > {folder}/x.conf && systemctl daemon-reload")


def spool_behind_a_link(site: Site) -> None:
    site.machine.sh(
        f"install -d -g kegnet -m 2775 /home/pi/pours && ln -sfn /home/pi/pours /srv/link && sed -i '$ a spool = /srv/link' {CONF}"
    )


def spool_in_tmp(site: Site) -> None:
    site.machine.sh(f"install -d -g kegnet -m 2775 /tmp/pours && sed -i '$ a spool = /tmp/pours' {CONF}")


def ca_in_tmp(site: Site) -> None:
    site.machine.sh(f"install -m 644 /share/ca.crt /var/tmp/ca.pem && sed -i '$ a caBundle = /var/tmp/ca.pem' {CONF}")


def ca_in_home(site: Site) -> None:
    site.machine.sh(f"install -D -m 644 /share/ca.crt /home/pi/ca.pem && sed -i '$ a caBundle = /home/pi/ca.pem' {CONF}")


def closed_ca(site: Site) -> None:
    site.machine.sh(f"install -m 600 /share/ca.crt /srv/ca.pem && sed -i '$ a caBundle = /srv/ca.pem' {CONF}")


def set_parameter(site: Site, name: str, value: str) -> None:
    site.machine.run("sed", "-i", f"s|^{name} =.*|{name} = {value}|", CONF)


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        (no_overlay, r"1-Wire: .*config\.txt.*dtoverlay=w1-gpio.*reboot"),
        (no_reboot, r"1-Wire: .*w1-gpio.*modprobe"),
        (no_probe, r"1-Wire: no thermometer.*4\.7 kOhm"),
        (wrong_url, r"ping: .*404 Not Found.*serviceBaseURL"),
        (no_server, r"server: .*Connection refused.*serviceBaseURL"),
        (no_such_name, r"server name: kegnet\.invalid .*serviceBaseURL"),
        (open_key, r"key: .*0644.*chmod 600 " + KEY),
        (other_key, r"key: .*not an RSA key.*sudo kegnet-client --setup"),
        (unknown_key, r"ping: .*403 .*--setup"),
        (key_elsewhere, r"key: /root/k\.pem: .*LoadCredential=privkey\.pem:/root/k\.pem"),
        (closed_configuration, rf"configuration: {CONF}: .*chmod a\+r {CONF}"),
        (configuration_in_home, rf"configuration: {CONF}: .*cannot see .*/home.*move /home/pi/client\.conf to {CONF}"),
        (no_uuid, r"configuration: .*uuid is missing.*sudo kegnet-client --setup"),
        (closed_spool, rf"spool: {SPOOL}: .*2755.*chgrp kegnet {SPOOL} && chmod g\+rwxs {SPOOL}"),
        (spool_elsewhere, r"spool: /srv/pours: .*systemctl edit .*ReadWritePaths=-/srv;"),
        (spool_below_the_root, r"spool: /pours: .*systemctl edit .*ReadWritePaths=-/pours;"),
        (spool_among_those_of_others, r"spool: /var/lib/pours: .*systemctl edit .*ReadWritePaths=-/var/lib/pours;"),
        (spool_on_a_disk, r"spool: /mnt/usb/pours: .*systemctl edit .*ReadWritePaths=-/mnt/usb;"),
        (spool_in_home, r"spool: /home/pi/pours: .*cannot see .*/home.*move it, e\.g\. to /var/lib/"),
        (spool_behind_a_link, r"spool: /srv/link: .*cannot see .*/home.*move it, e\.g\. to /var/lib/"),
        (spool_in_tmp, r"spool: /tmp/pours: .*cannot see .*/tmp.*move it, e\.g\. to /var/lib/"),
        (
            ca_in_tmp,
            rf"configuration: {CONF}: caBundle = /var/tmp/ca\.pem: .*cannot see .*/var/tmp.*move it, e\.g\. to {Path(CONF).parent}",
        ),
        (ca_in_home, rf"configuration: {CONF}: caBundle = /home/pi/ca\.pem: .*cannot see .*/home.*move it, e\.g\. to {Path(CONF).parent}"),
        (closed_ca, rf"configuration: {CONF}: caBundle = /srv/ca\.pem: kegnet cannot read it.*chmod a\+r /srv/ca\.pem"),
    ],
    ids=lambda value: value.__name__.replace("_", " ") if callable(value) else "",
)
def test_a_broken_set_up_gets_a_line_with_its_fix(whole: Site, broken: object, line: str) -> None:
    assert callable(broken)
    broken(whole)
    failures = [finding for finding in check(whole) if finding.startswith("failure  ")]
    print(*failures, sep="\n")
    assert [failure for failure in failures if re.match(f"failure  {line}", failure)], failures


def add_lines(site: Site, lines: str) -> None:
    """Adds a drop-in to the unit."""
    folder = "/etc/systemd/system/kegnet-client.service.d"
    site.machine.sh(f"mkdir -p {folder} && printf '[Service]\n{lines}\n' > {folder}/key.conf && systemctl daemon-reload")


def key_failures(site: Site, options: str = "") -> list[str]:
    """The lines of --check about a key that cannot be used."""
    return site.machine.sh(f"kegnet-client {options} --check | grep -a '^failure  key: ' || true").splitlines()


@pytest.mark.parametrize(
    ("key", "lines", "is_another"),
    [
        (KEY, "LoadCredential=privkey.pem:/root/k.pem", True),
        (KEY, "LoadCredential=", True),
        ("/root/k.pem", r"LoadCredential=privkey.pem:/root/k.pem\nLoadCredential=privkey.pem:/root/l.pem", True),
        ("/root/k.pem", r"LoadCredential=privkey.pem:/root/l.pem\nLoadCredential=privkey.pem:/root/k.pem", False),
        ("/root/k.pem", r"LoadCredential=\nLoadCredential=privkey.pem:/root/../root/k.pem", False),
        (KEY, "LoadCredential=tls.pem:/root/k.pem", False),
        (KEY, "LoadCredential=privkey.pem:of-the-system", False),
    ],
)
def test_the_last_line_about_the_key_in_the_unit_decides_which_key_the_service_has(
    whole: Site, key: str, lines: str, is_another: bool
) -> None:
    key_elsewhere(whole)
    whole.machine.run("cp", "-p", KEY, "/root/l.pem")
    set_parameter(whole, "privateKey", key)
    add_lines(whole, lines)
    assert ["systemd passes another key to the service" in line for line in key_failures(whole)] == [True] * is_another


def test_the_key_of_another_configuration_is_not_compared_with_that_of_the_service(whole: Site) -> None:
    whole.machine.sh(f"cp -p {KEY} /root/k.pem && sed '$ a privateKey = /root/k.pem' {CONF} > /srv/other.conf")
    assert key_failures(whole, "--config /srv/other.conf") == []


def test_with_the_lines_that_check_prints_the_service_signs_with_a_key_elsewhere(whole: Site) -> None:
    machine = whole.machine
    key_elsewhere(whole)
    (line,) = [finding for finding in check(whole) if finding.startswith("failure  key: ")]
    (credential,) = re.findall("LoadCredential=[^;]+", line)
    add_lines(whole, credential)
    machine.run("systemctl", "restart", "kegnet-client")
    machine.wait_for_log(f"kegnet-client[{machine.property('MainPID')}]: ping accepted: ")
    assert not [finding for finding in check(whole) if finding.startswith("failure  ")]


def test_an_expired_certificate_gets_a_line_with_its_fix(whole: Site, ca: Certificate, tmp_path: Path) -> None:
    server = ScriptedServer(issue(ca, tmp_path, "expired", days=0))
    set_parameter(whole, "serviceBaseURL", server.base_url)
    failures = [finding for finding in check(whole) if finding.startswith("failure  ")]
    server.close()
    print(*failures, sep="\n")
    assert [line for line in failures if line.startswith("failure  certificate: ") and "expired" in line and "clock" in line]


def test_after_a_change_of_the_key_the_printed_commands_lead_to_an_accepted_ping(whole: Site) -> None:
    machine = whole.machine
    whole.start_over()
    old = machine.sh("kegnet-client --setup 2>/dev/null")
    pid = machine.property("MainPID")
    machine.wait_for_log(f"kegnet-client[{pid}]: ping accepted: ")
    unknown_key(whole)
    output = machine.sh("kegnet-client --setup 2>/dev/null")
    try:
        whole.register(output)
        assert [line for line in check(whole) if re.match("warning  key: .*still signs with.*systemctl restart kegnet-client", line)]
        for command in re.findall("^    sudo (.*)$", output, re.MULTILINE):
            machine.sh(command)
        assert machine.property("MainPID") != pid
        machine.wait_for_log(f"kegnet-client[{machine.property('MainPID')}]: ping accepted: ")
        assert [line for line in check(whole) if line.startswith("ok       key: ")]
    finally:
        whole.register(old)


def test_the_service_logs_what_to_do_with_ca_certificates_that_it_cannot_read(whole: Site) -> None:
    machine = whole.machine
    ca_in_home(whole)
    machine.run("systemctl", "restart", "kegnet-client", check=False)
    wait_for(lambda: machine.property("ActiveState") == "failed")
    machine.wait_for_log(
        f"{CONF}: caBundle = /home/pi/ca.pem: it cannot be used (Permission denied); fix: let everybody read it (chmod a+r)"
    )
    assert [line for line in check(whole) if line.startswith("failure  service: failed") and "fix the failures above" in line]
    machine.sh(f"mv /home/pi/ca.pem {Path(CONF).parent} && sed -i 's|^caBundle = .*|caBundle = ca.pem|' {CONF}")
    machine.run("systemctl", "restart", "kegnet-client")
    assert not [line for line in check(whole) if line.startswith("failure  ")]
    machine.sh(f"rm {Path(CONF).parent}/ca.pem")


def drop_and_wait_until_sent(site: Site, spool: str, pulses: int) -> None:
    """Puts a pour into `spool`, and waits until the server has it and its file is deleted."""
    site.machine.sh(f"cd {spool} && echo 0,{pulses},1,{pulses} > x.tmp && mv x.tmp x.pour")
    wait_for(lambda: pulses in [pour["pulses"] for pour in site.kegnet.messages_of("pour", site.client_id)], limit_s=120)
    wait_for(lambda: site.machine.sh(f"ls {spool}") == "")


def test_with_the_printed_lines_it_starts_without_the_spool_and_uses_it_each_time_it_is_made(whole: Site) -> None:
    machine = whole.machine
    spool_elsewhere(whole)
    permit_spool(whole, "kegnet-client")
    machine.sh(f"rm -r {ANOTHER_SPOOL}; systemctl restart kegnet-client", check=False)
    assert (machine.property("ActiveState"), machine.property("NRestarts")) == ("active", "0")
    for pulses in (31, 32):
        machine.sh(MAKE_ANOTHER_SPOOL)
        drop_and_wait_until_sent(whole, ANOTHER_SPOOL, pulses)
        machine.sh(f"rm -r {ANOTHER_SPOOL}")


def test_with_the_printed_lines_it_starts_without_the_disk_of_the_spool_and_uses_it_when_it_is_connected(whole: Site) -> None:
    machine = whole.machine
    connect = "mount -t tmpfs none /mnt/usb && install -d -g kegnet -m 2775 /mnt/usb/pours"
    machine.sh(f"mkdir -p /mnt/usb && {connect} && sed -i '$ a spool = /mnt/usb/pours' {CONF}")
    permit_spool(whole, "kegnet-client")
    machine.sh("umount /mnt/usb; systemctl restart kegnet-client", check=False)
    assert (machine.property("ActiveState"), machine.property("NRestarts")) == ("active", "0")
    machine.sh(connect)
    drop_and_wait_until_sent(whole, "/mnt/usb/pours", 33)
    machine.sh("umount --lazy /mnt/usb")


def fail_to_start(site: Site) -> None:
    """Restarts the service, and waits until it has found that it cannot use its configuration."""
    site.machine.run("systemctl", "restart", "kegnet-client", check=False)
    wait_for(lambda: site.machine.property("ActiveState") == "failed")
    assert site.machine.property("ExecMainStatus") == "78"


def service_finding(site: Site, options: str = "") -> str:
    """The line of --check about the service."""
    (line,) = site.machine.sh(f"kegnet-client {options} --check | grep -a ' service: '").splitlines()
    return line


def test_another_configuration_that_is_good_does_not_excuse_a_failed_service(whole: Site) -> None:
    set_parameter(whole, "uuid", "mine")
    fail_to_start(whole)
    whole.machine.sh(f"sed 's|^uuid =.*|uuid = {whole.client_id}|' {CONF} > /srv/other.conf && cp -p {KEY} /srv/")
    assert service_finding(whole, "--config /srv/other.conf").startswith("failure  service: failed")
    set_parameter(whole, "uuid", whole.client_id)
    assert re.match(
        r"warning  service: it has not been started .*; fix: systemctl restart kegnet-client\.service; .* read .*/var/log/user\.log",
        service_finding(whole),
    )


def test_a_configuration_that_the_service_cannot_see_does_not_excuse_its_failure(whole: Site) -> None:
    configuration_in_home(whole)
    fail_to_start(whole)
    assert service_finding(whole).startswith("failure  service: failed")
    (fix,) = [found["fix"] for found in as_json(whole) if found["what"] == "configuration" and found["level"] == "failure"]
    whole.machine.sh(fix.replace("move ", "mv ").replace(" to ", " "))
    whole.machine.run("systemctl", "restart", "kegnet-client")
    assert not [line for line in check(whole) if line.startswith("failure  ")]


def test_a_failed_service_and_one_that_does_not_start_at_boot(whole: Site) -> None:
    machine = whole.machine
    set_parameter(whole, "uuid", "mine")
    machine.run("systemctl", "restart", "kegnet-client", check=False)
    wait_for(lambda: machine.property("ActiveState") == "failed")
    assert [line for line in check(whole) if line.startswith("failure  service: failed") and "78" in line]
    whole.start_over()
    machine.run("systemctl", "disable", "kegnet-client")
    (finding,) = [found for found in as_json(whole) if found["what"] == "service" and found["level"] == "warning"]
    machine.sh(finding["fix"])
    assert machine.property("UnitFileState") == "enabled"
    assert not [found for found in as_json(whole) if found["what"] == "service" and found["level"] != "ok"]
