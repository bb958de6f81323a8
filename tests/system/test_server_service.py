"""kegnet-server as a service on real Debian machines, set up by the commands of the README."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.keg import REPOSITORY
from support.pki import Certificate, openssl, signature
from support.ports import free_port
from support.recipe_files import BEERSMITH
from support.wait import is_quick, wait_for
from system.container import SERVER_PACKAGES, Machine, root_file_system
from system.installation_2013 import CLIENT_UNIT, HOME, UNIT
from system.installation_2013 import CONF as CLIENT_CONF

CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
EXPOSURE_AT_MOST = 1.2
CONF = "/etc/kegnet-server.conf"
README_COMMANDS = re.findall(r"^    sudo (kegnet-server .*)$", (REPOSITORY / "README.md").read_text(), re.MULTILINE)
_SERVERS_README = (REPOSITORY / "lib/kegnet/server/README.md").read_text().partition("## Several processes")[0]
SERVERS_COMMANDS = re.findall(r"^    (sudo (?:kegnet-server|systemctl stop) .*)$", _SERVERS_README, re.MULTILINE)
INSTALL = "/share/source/service/install-server"


@pytest.fixture(scope="module")
def machine(suite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    made = Machine(root_file_system(suite, *SERVER_PACKAGES, name="kegnet-server"), tmp_path_factory.mktemp(suite))
    # As in a clone that was made with umask 077.
    made.sh("chmod -R go= /share/source")
    yield made
    made.scrap()


def ping(key: Path, ts: int) -> dict[str, str]:
    fields = {"id": CLIENT, "temp": "4187", "ts": str(ts)}
    return {**fields, "sig": signature(key, ",".join(fields.values()))}


def is_up(page: str) -> bool:
    """Whether the page is there."""
    try:
        return requests.get(page).status_code == 200
    except requests.ConnectionError:
        return False


def listening(machine: Machine) -> str:
    """Where the server listens."""
    return machine.sh(f"sed -n 's/^listen = //p' {CONF}").strip()


def test_it_is_installed_and_configured_and_serves_by_the_readmes_commands(machine: Machine, key: Path) -> None:
    openssl("rsa", "-in", key, "-pubout", "-out", machine.share / "pubkey.pem")
    (machine.share / "pubkey.pem").chmod(0o600)
    port = free_port()
    # Other machines of the tests have the same ports.
    machine.sh(f"sed s/0.0.0.0:8080/127.0.0.1:{port}/ /share/source/service/kegnet-server.conf > {CONF} && {INSTALL}")
    assert len(README_COMMANDS) == 3
    for command in README_COMMANDS:
        output = machine.sh(f"cd /share && echo open sesame | {command}", check=not command.endswith("check"))
        assert "database: sqlite:////var/lib/kegnet-server/kegnet.sqlite" in output
    assert "failure" not in output
    page = f"http://127.0.0.1:{port}/"

    assert requests.post(f"{page}rest/v2/ping", data=ping(key, 1_700_000_000_000)).text == "accepted\n"
    machine.run("systemctl", "kill", "--signal=KILL", "kegnet-server")
    wait_for(lambda: machine.property("NRestarts", "kegnet-server") == "1" and is_up(page), limit_s=90)
    assert requests.post(f"{page}rest/v2/ping", data=ping(key, 1_700_000_000_000)).text == "accepted before\n"
    (client,) = requests.get(f"{page}api/clients").json()
    assert (client["name"], client["millicelsius"]) == ("Garage", 4187)
    owners = machine.sh("stat -c %U /var/lib/kegnet-server/*").split()
    assert set(owners) == {"kegnet-server"}
    assert machine.sh(f"stat -c '%U:%G %a' {CONF}") == "root:kegnet-server 640\n"
    before = machine.sh(f"sha256sum {CONF}")
    machine.sh(INSTALL)
    assert machine.sh(f"sha256sum {CONF}") == before
    assert is_up(page), "systemd has waited until it was ready"
    files = ("man/man8/kegnet-server.8", "bash-completion/completions/kegnet-server")
    places = [*(f"/usr/local/share/{file}" for file in files), "/etc/systemd/system/kegnet-server.service"]
    assert machine.run("stat", "-c", "%a", *places).split() == ["644"] * 3
    assert machine.property("StatusText", "kegnet-server") or machine.property("Type", "kegnet-server") == "notify"


def test_every_command_of_the_servers_readme_works_as_it_is(machine: Machine, key: Path) -> None:
    page = f"http://{listening(machine)}/"
    fields = {"id": CLIENT, "pin": "17", "pulses": "2800", "et": "9000", "ts": str(time.time_ns() // 10**6)}
    pour = {**fields, "sig": signature(key, ",".join(fields.values()))}
    assert requests.post(f"{page}rest/v2/pour", data=pour).text == "accepted\n"
    (machine.share / "recipes.xml").write_bytes(BEERSMITH.encode("latin-1"))
    assert len(SERVERS_COMMANDS) == 12
    for command in SERVERS_COMMANDS:
        words = command.replace("sudo ", "")
        print(machine.sh(f"cd /share && echo open sesame | {{ {words}; }}", check=not words.endswith("check")))
    wait_for(lambda: is_up(page), limit_s=90)
    (client,) = requests.get(f"{page}api/clients").json()
    (tap,) = client["taps"]
    assert tap["name"] == "IPA"
    assert "Dry Stout" in requests.get(page).text
    assert "Weißer Käfer" in requests.get(f"{page}beers").text
    assert requests.post(f"{page}rest/v2/pour", data=pour).text == "accepted before\n"
    assert "Europe/Berlin" in machine.run("kegnet-server", "settings")
    # What it says of moving to another database, and of boards.
    machine.run("kegnet-server", "export", "/root/kegnet-export")
    counts = machine.sh("kegnet-server --database sqlite:////root/another.sqlite import /root/kegnet-export")
    assert {"client: 1", "pour: 1", "ping: 1", "correction: 1", "beer: 2"} <= set(counts.splitlines())
    machine.run("kegnet-server", "boards", "list")


def test_a_configuration_in_the_older_form_goes_on_working(machine: Machine) -> None:
    port = free_port()
    old = f'KEGNET_DATABASE=sqlite:////var/lib/kegnet-server/old.sqlite\nKEGNET_SERVER_OPTIONS="--listen 127.0.0.1:{port}"\n'
    (machine.share / "old.conf").write_text(old)
    machine.sh(f"cp {CONF} /root/kept.conf && cat /share/old.conf > {CONF} && chmod 644 {CONF} && {INSTALL}")
    assert is_up(f"http://127.0.0.1:{port}/")
    assert "database: sqlite:////var/lib/kegnet-server/old.sqlite" in machine.run("kegnet-server", "clients", "list")
    assert machine.sh(f"cat {CONF}") == old
    assert machine.sh(f"stat -c '%U:%G %a' {CONF}") == "root:kegnet-server 640\n"
    machine.sh(f"cat /root/kept.conf > {CONF} && systemctl restart kegnet-server")


def test_a_wrong_configuration_is_explained_and_not_tried_again(machine: Machine) -> None:
    machine.sh(f"sed -i 's/^listen = .*/& # for all/' {CONF}")
    machine.run("systemctl", "restart", "kegnet-server", check=False)
    assert machine.property("ExecMainStatus", "kegnet-server") == "78"
    assert machine.property("ActiveState", "kegnet-server") == "failed"
    wait_for(lambda: "a comment needs a line of its own" in machine.run("journalctl", "--unit=kegnet-server", "--lines=5", "--output=cat"))
    machine.sh(f"sed -i 's/ # for all//' {CONF} && systemctl restart kegnet-server")


def test_several_processes_share_the_database_each_at_a_port_of_its_own(machine: Machine) -> None:
    ports = [free_port(), free_port()]
    units = [f"kegnet-server@{port}" for port in ports]
    machine.run("systemctl", "start", *units)
    for port in ports:
        (client,) = requests.get(f"http://127.0.0.1:{port}/api/clients").json()
        assert client["name"] == "Garage"
    machine.run("systemctl", "stop", "kegnet-server")
    findings = machine.run("kegnet-server", "check").splitlines()
    ports_found = [line.split()[-1] for line in findings if line.startswith("ok       port: ")]
    assert sorted(ports_found) == sorted(f"127.0.0.1:{port}" for port in ports)
    assert [line for line in findings if line.startswith("failure")] == []
    machine.run("systemctl", "stop", *units)
    machine.run("systemctl", "start", "kegnet-server")


def test_a_stop_takes_less_than_five_seconds_with_a_reader_of_the_page(machine: Machine) -> None:
    page = f"http://{listening(machine)}/"

    def stop_s() -> float:
        with requests.get(f"{page}events", stream=True) as events:
            assert events.status_code == 200
            began = time.monotonic()
            machine.run("systemctl", "stop", "kegnet-server")
            took_s = time.monotonic() - began
        assert machine.property("Result", "kegnet-server") == "success"
        machine.run("systemctl", "start", "kegnet-server")
        return took_s

    assert is_quick(stop_s, 5)


def test_it_installs_from_the_installed_place_too_and_keeps_the_clients_configuration(machine: Machine) -> None:
    home = "/usr/share/kegnet-client"
    machine.sh(f"sed -i 's|^uuid =.*|uuid = {CLIENT}|' {home}/conf/client.conf")
    assert "Installed. " in machine.run(f"{home}/service/install-server")
    assert f"uuid = {CLIENT}" in machine.sh(f"cat {home}/conf/client.conf")
    assert machine.property("ActiveState", "kegnet-server") == "active"


def test_a_unit_that_is_a_link_stays_one_and_a_masked_one_stays_masked(machine: Machine) -> None:
    unit, elsewhere = "/etc/systemd/system/kegnet-server.service", "/srv/kegnet-server.service"
    unchanged = machine.sh(f"cat {unit}")
    machine.sh(f"mv {unit} {elsewhere} && echo '# old' >> {elsewhere} && ln -s {elsewhere} {unit} && {INSTALL}")
    assert machine.run("readlink", unit).strip() == elsewhere
    assert machine.sh(f"cat {elsewhere}") == unchanged
    assert is_up(f"http://{listening(machine)}/")
    machine.sh(f"systemctl stop kegnet-server && ln -sfn /dev/null {unit} && systemctl daemon-reload")
    output = machine.sh(INSTALL)
    assert output.endswith(
        "kegnet-server.service is masked, and stays masked; to use it: systemctl unmask kegnet-server, then run this again.\n"
    )
    assert machine.run("readlink", unit).strip() == "/dev/null"
    machine.run("systemctl", "unmask", "kegnet-server")
    assert "Installed. " in machine.sh(INSTALL)
    assert is_up(f"http://{listening(machine)}/")
    assert machine.property("UnitFileState", "kegnet-server") == "enabled"


def test_with_a_certificate_from_systemd_it_serves_https(machine: Machine, ca: Certificate, certificate: Certificate) -> None:
    shutil.copy(certificate.certificate, machine.share / "tls.pem")
    shutil.copy(certificate.key, machine.share / "tls.key")
    machine.sh("install -m 600 /share/tls.pem /share/tls.key /root/ && mkdir -p /etc/systemd/system/kegnet-server.service.d")
    machine.sh(
        "printf '[Service]\\nLoadCredential=tls.pem:/root/tls.pem\\nLoadCredential=tls.key:/root/tls.key\\n'"
        " > /etc/systemd/system/kegnet-server.service.d/tls.conf && systemctl daemon-reload"
    )
    machine.sh(f"sed -i 's|^# certificate = |certificate = |; s|^# key = |key = |' {CONF} && systemctl restart kegnet-server")
    page = f"https://{listening(machine)}/"
    assert requests.get(page, verify=str(ca.certificate)).status_code == 200
    assert "ok       certificate: /run/credentials/kegnet-server.service/tls.pem" in machine.run("kegnet-server", "check", check=False)
    machine.run("systemctl", "reload", "kegnet-server")
    assert requests.get(page, verify=str(ca.certificate)).status_code == 200


def test_it_starts_after_systemd_has_set_the_clock(machine: Machine) -> None:
    for unit in ("kegnet-server", "kegnet-server@8080"):
        for relation in ("After", "Wants"):
            assert "time-sync.target" in machine.property(relation, unit).split()


def test_its_exposure_is_not_above_the_clients_limit(machine: Machine) -> None:
    output = machine.run("systemd-analyze", "security", "--no-pager", "kegnet-server")
    figure = re.search(r"Overall exposure level for kegnet-server.service: ([0-9.]+)", output)
    assert figure, output
    assert float(figure.group(1)) <= EXPOSURE_AT_MOST, output


def test_a_client_of_2013_is_updated_with_its_service_and_the_server_restarts_with_the_client(tmp_path: Path, key: Path) -> None:
    both = root_file_system("bookworm", *SERVER_PACKAGES, "python3-pyinotify", "python3-requests", "rsyslog", name="both")
    machine = Machine(both, tmp_path)
    try:
        (machine.share / "kegnet-client.service").write_text(CLIENT_UNIT)
        machine.sh(f"mkdir -p {HOME}/bin {HOME}/lib && echo 'import old' > {HOME}/lib/client.py && cp /share/kegnet-client.service {UNIT}")
        machine.sh(f"printf '#!/bin/sh\\nexec sleep infinity\\n' > {HOME}/bin/client.sh && chmod 755 {HOME}/bin/client.sh")
        port = free_port()
        (machine.share / "client.conf").write_text(CLIENT_CONF.format(client=CLIENT, base_url=f"http://127.0.0.1:{port}/rest/v2"))
        shutil.copy(key, machine.share / "privkey.pem")
        machine.sh(f"mkdir -p {HOME}/conf && install -m 644 /share/client.conf /share/privkey.pem {HOME}/conf/")
        machine.sh("systemctl daemon-reload && systemctl -q enable --now kegnet-client")
        machine.sh(f"sed s/0.0.0.0:8080/127.0.0.1:{port}/ /share/source/service/kegnet-server.conf > {CONF} && {INSTALL}")
        assert f"{HOME}/lib/client.py" in machine.property("ExecStart")
        assert machine.property("UnitFileState") == "enabled"
        before = machine.property("MainPID", "kegnet-server")
        print(machine.sh("/share/source/service/install"))
        assert machine.property("MainPID", "kegnet-server") != before
        wait_for(lambda: is_up(f"http://127.0.0.1:{port}/"))
    finally:
        machine.scrap()
