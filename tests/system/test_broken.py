"""Broken set-ups on a real machine, and the line of --check that names the mend of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.moody import Moody
from support.pki import Certificate, issue
from support.wait import wait_for
from system.kegerator import CONF, SPOOL, Site

KEY = "/usr/share/kegnet-client/conf/privkey.pem"


def check(site: Site) -> list[str]:
    """The lines of the round."""
    return site.machine.sh("kegnet-client --check || true").splitlines()


@pytest.fixture
def whole(site: Site) -> Iterator[Site]:
    """A machine on which all is well, before the test, and again after it."""
    machine = site.machine
    machine.sh(f"cp -p {KEY} {KEY}.good && cp -p {CONF} {CONF}.good")
    yield site
    machine.sh(f"mv {KEY}.good {KEY}; mv {CONF}.good {CONF}; chmod 2775 {SPOOL}; rm -f /boot/firmware/config.txt")
    machine.sh('for over in /sys/bus/w1 /sys/bus/w1/devices; do grep -q "^none $over " /proc/mounts && umount $over; done; true')
    site.start_over()


def test_where_all_is_well_nothing_is_a_failure(site: Site) -> None:
    site.start_over()
    wait_for(lambda: "last ping accepted" in site.machine.property("StatusText"))
    said = site.machine.run("kegnet-client", "--check")
    print(said)
    levels = {line.split()[0] for line in said.splitlines() if not line.startswith("warning  clock: ")}
    assert levels == {"ok"}, "whether this machine's clock is kept right is not the client's doing"
    assert re.search(r"^ok       service: running since .*: 4\.187 °C; last ping accepted ", said, re.MULTILINE)
    assert re.search(rf"^ok       spool: {SPOOL}: belongs to root:kegnet, mode 2775; no pours wait$", said, re.MULTILINE)


def no_overlay(site: Site) -> None:
    site.machine.sh("mkdir -p /boot/firmware && echo arm_64bit=1 > /boot/firmware/config.txt")
    site.machine.sh("mount -t tmpfs none /sys/bus/w1")


def no_reboot(site: Site) -> None:
    no_overlay(site)
    site.machine.sh("echo dtoverlay=w1-gpio,gpiopin=4 >> /boot/firmware/config.txt")


def no_probe(site: Site) -> None:
    site.machine.sh("mount -t tmpfs none /sys/bus/w1/devices")


def wrong_url(site: Site) -> None:
    sets(site, "serviceBaseURL", site.kegnet.base_url.replace("/rest/", "/beer/"))


def no_server(site: Site) -> None:
    sets(site, "serviceBaseURL", "https://127.0.0.1:9/rest/v2")


def no_such_name(site: Site) -> None:
    sets(site, "serviceBaseURL", "https://kegnet.invalid/rest/v2")


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


def no_uuid(site: Site) -> None:
    site.machine.run("sed", "-i", "/^uuid/d", CONF)


def closed_spool(site: Site) -> None:
    site.machine.sh(f"chmod 755 {SPOOL}")


def spool_elsewhere(site: Site) -> None:
    site.machine.sh(f"mkdir -p /srv/pours && chgrp kegnet /srv/pours && chmod 2775 /srv/pours && sed -i '$ a spool = /srv/pours' {CONF}")


def sets(site: Site, name: str, value: str) -> None:
    site.machine.run("sed", "-i", f"s|^{name} =.*|{name} = {value}|", CONF)


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        (no_overlay, r"1-Wire: no 1-Wire bus at .*config.txt has no overlay for one; mend: put the line dtoverlay=w1-gpio into .*reboot"),
        (no_reboot, r"1-Wire: no 1-Wire bus at .*though .*config.txt has the overlay w1-gpio; mend: reboot; or: modprobe"),
        (no_probe, r"1-Wire: no thermometer on the 1-Wire bus; mend: check its cable and the 4.7 kOhm pull-up resistor"),
        (wrong_url, r"ping: the server refused one \(404 Not Found.*; mend: check serviceBaseURL and uuid"),
        (no_server, r"server: 127.0.0.1 takes no connection on port 9 \(Connection refused\); mend: check serviceBaseURL, "),
        (no_such_name, r"server name: kegnet.invalid does not resolve \(.*\); mend: check its spelling in serviceBaseURL, and the network"),
        (open_key, r"key: .*open to everybody \(mode 0644\).*; mend: chmod 600 " + KEY),
        (
            other_key,
            r"key: .*it is a private key, but not an RSA key; mend: move it away, and make another with: sudo kegnet-client --setup",
        ),
        (unknown_key, r"ping: the server refused one \(403 .*; mend: .*give the server's keeper what this shows: .*--setup"),
        (key_elsewhere, r"key: /root/k.pem: .*but the service gets another from systemd; mend: .*LoadCredential=privkey.pem:/root/k.pem"),
        (closed_configuration, rf"configuration: {CONF}: kegnet may not read it; mend: chmod a\+r {CONF}"),
        (no_uuid, r"configuration: .*the parameter uuid is missing; .*; mend: sudo kegnet-client --setup fills it in"),
        (closed_spool, rf"spool: {SPOOL}: .*mode 2755; kegnet may not change it; mend: chgrp kegnet {SPOOL} && chmod g\+rwxs {SPOOL}"),
        (
            spool_elsewhere,
            r"spool: /srv/pours: .*the service is confined to other places; mend: systemctl edit .*ReadWritePaths=/srv/pours",
        ),
    ],
    ids=lambda value: value.__name__.replace("_", " ") if callable(value) else "",
)
def test_a_broken_set_up_gets_the_line_that_names_the_mend(whole: Site, broken: object, line: str) -> None:
    assert callable(broken)
    broken(whole)
    failures = [said for said in check(whole) if said.startswith("failure  ")]
    print(*failures, sep="\n")
    assert [said for said in failures if re.match(f"failure  {line}", said)], failures


def test_an_expired_certificate_gets_the_line_that_names_the_mend(whole: Site, ca: Certificate, tmp_path: Path) -> None:
    server = Moody(issue(ca, tmp_path, "expired", days=0))
    sets(whole, "serviceBaseURL", server.base_url)
    failures = [said for said in check(whole) if said.startswith("failure  ")]
    server.close()
    print(*failures, sep="\n")
    assert (
        "failure  certificate: certificate has expired; mend: its keeper has to renew it, unless this machine's clock is wrong" in failures
    )


def test_a_service_that_has_failed_and_one_that_does_not_start_with_the_machine(whole: Site) -> None:
    machine = whole.machine
    sets(whole, "uuid", "mine")
    machine.run("systemctl", "restart", "kegnet-client", check=False)
    wait_for(lambda: machine.property("ActiveState") == "failed")
    assert [line for line in check(whole) if line.startswith("failure  service: failed (exit-code, exit status 78); mend: ")]
    whole.start_over()
    machine.run("systemctl", "disable", "kegnet-client")
    (said,) = [line for line in check(whole) if line.startswith("warning  service: it does not start with the machine (")]
    machine.sh(said.partition("; mend: ")[2])
    assert machine.property("UnitFileState") == "enabled"
    assert not [line for line in check(whole) if "it does not start with the machine" in line]
