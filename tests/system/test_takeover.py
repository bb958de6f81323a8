"""The client of 2013 on a machine, and what becomes of it: the same identity, and no pour lost."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from support.pki import openssl
from support.wait import wait_for
from system.kegerator import CONF, SPOOL, Site

HOME = "/usr/share/kegnet-client"
UNIT = "/etc/systemd/system/kegnet-client.service"
OLD_UNIT = f"""\
[Unit]
Description=KegNet Client
After=network.target

[Service]
Type=simple
WorkingDirectory={HOME}
ExecStart={HOME}/bin/client.sh
KillSignal=SIGINT

[Install]
WantedBy=multi-user.target
"""
OLD_CONF = """\
[KegNet]
uuid={client}
serviceBaseURL={base_url}
"""


def lay_out_2013(site: Site) -> None:
    """A running client of 2013, with a pour that waits and one that was set aside, both readable for root alone."""
    machine, share = site.machine, site.machine.share
    site.client_id = str(uuid.uuid4())
    openssl("genrsa", "-traditional", "-out", share / "privkey.pem", "2048")
    site.kegnet.know(site.client_id, openssl("rsa", "-in", share / "privkey.pem", "-pubout").decode())
    assert "BEGIN RSA PRIVATE KEY" in (share / "privkey.pem").read_text()
    (share / "client.conf").write_text(OLD_CONF.format(client=site.client_id, base_url=site.kegnet.base_url.replace("/v2", "/v1")))
    (share / "unit").write_text(OLD_UNIT)
    (share / "client.sh").write_text("#!/bin/sh\nexec sleep infinity\n")
    machine.sh(f"mkdir -p {HOME}/bin {HOME}/lib {HOME}/conf {SPOOL}")
    machine.sh(f"install -m 755 /share/client.sh {HOME}/bin/client.sh && echo 'import old' > {HOME}/lib/client.py")
    machine.sh(f"install -m 644 /share/privkey.pem /share/client.conf /share/ca.crt {HOME}/conf/")
    machine.sh(f"umask 077; echo 0,1,8,1372686435 > {SPOOL}/01372686435.pour; echo 0,2,8,1372686436 > {SPOOL}/01372686436.pour.fail")
    machine.sh(f"cp /share/unit {UNIT} && systemctl daemon-reload && systemctl -q enable --now kegnet-client")
    # What it knew the server by was its own ca.crt, and nothing that the system trusts.
    machine.sh(
        "rm /usr/local/share/ca-certificates/test.crt; if command -v update-ca-certificates; then update-ca-certificates --fresh; fi"
    )
    assert machine.property("ActiveState") == "active"


@pytest.mark.parametrize("way", ["service/install", "package"])
def test_the_client_of_2013_is_taken_over(ready: Site, package: Path, way: str) -> None:
    machine = ready.machine
    lay_out_2013(ready)
    said = ready.install() if way == "service/install" else ready.install_package(package)
    print(said)

    # The same identity: the key to the letter, now closed, and the two lines of the configuration.
    assert machine.sh(f"cat {HOME}/conf/privkey.pem") == (machine.share / "privkey.pem").read_text()
    assert machine.run("stat", "-c", "%U:%G %a", "-L", f"{HOME}/conf/privkey.pem").strip() == "root:root 600"
    conf = machine.sh(f"cat {CONF}")
    assert conf == (machine.share / "client.conf").read_text().replace("[KegNet]\n", "[KegNet]\ncaBundle = ca.crt\n")
    for told in ("ca.crt, as before (caBundle in client.conf)", "privkey.pem could be read by others than root", f"as {UNIT}.before"):
        assert told in said

    # The new service in the old one's place: running, for the old one ran, and after a boot.
    assert machine.sh(f"cat {UNIT}.before") == OLD_UNIT
    assert machine.property("ActiveState") == "active"
    assert machine.property("UnitFileState") in ("enabled", "linked", "enabled-runtime")
    assert machine.property("Type") == "notify"

    # Nothing lost: what waited has gone out, and what was set aside can be put back.
    (ping,) = ready.wait_for_messages("ping")
    assert int(str(ping["ts"])) < 10_000_000_000, "the old address is v1, whose times are in seconds"
    (pour,) = ready.wait_for_messages("pour")
    assert (pour["pulses"], pour["et"], pour["ts"]) == (1, 8, 1372686435)
    wait_for(lambda: not ready.waiting())
    assert "01372686436.pour waits: it is sent again" in machine.run("kegnet-client", "--requeue")
    assert {pour["pulses"] for pour in ready.wait_for_messages("pour", 2)} == {1, 2}
    wait_for(lambda: machine.sh(f"ls {SPOOL}") == "")
    found = json.loads(machine.sh("kegnet-client --check --json"))
    assert found["ok"], found

    # A second time changes nothing.
    again = ready.install() if way == "service/install" else machine.sh(f"dpkg -i /share/{package.name}")
    assert machine.sh(f"cat {CONF}") == conf
    assert "as before" not in again
    machine.power_off()
    machine.boot()
    ready.wait_for_messages("ping", 3)


def test_one_that_was_not_running_is_not_started(ready: Site) -> None:
    lay_out_2013(ready)
    ready.machine.run("systemctl", "stop", "kegnet-client")
    ready.install()
    assert ready.machine.property("ActiveState") == "inactive"
    assert len(ready.waiting()) == 1


def test_a_service_that_was_masked_stays_so(ready: Site) -> None:
    ready.machine.sh(f"mkdir -p {HOME}/conf; ln -s /dev/null {UNIT}; systemctl daemon-reload")
    assert "kegnet-client.service is masked, and stays so" in ready.install()
    assert ready.machine.run("readlink", UNIT).strip() == "/dev/null"
