"""kegnet-server as a service on real Debian machines, set up by the commands of the README."""

from __future__ import annotations

import json
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.keg import REPOSITORY
from support.pki import Certificate, openssl, signature
from support.wait import wait_for
from system.container import Machine, root_file_system

CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
EXPOSURE_AT_MOST = 1.2
PACKAGES = (
    "python3", "python3-m2crypto", "python3-flask", "gunicorn", "python3-flask-limiter", "python3-sqlalchemy", "python3-alembic",
    "python3-pygal", "python3-prometheus-client", "python3-paho-mqtt", "openssl",
)  # fmt: skip
README_COMMANDS = re.findall(
    r"^    (sudo (?:service/install-server|kegnet-server) ?.*)$", (REPOSITORY / "README.md").read_text(), re.MULTILINE
)


@pytest.fixture(scope="module")
def machine(suite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    made = Machine(root_file_system(suite, *PACKAGES, name="server"), tmp_path_factory.mktemp(suite))
    yield made
    made.scrap()


def ping(key: Path, ts: int) -> dict[str, str]:
    fields = {"id": CLIENT, "temp": "4187", "ts": str(ts)}
    return {**fields, "sig": signature(key, ",".join(fields.values()))}


def test_it_is_installed_and_configured_and_serves_by_the_readmes_commands(machine: Machine, key: Path) -> None:
    (machine.share / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    machine.sh("install -m 755 /share/sudo /usr/local/bin/sudo")
    openssl("rsa", "-in", key, "-pubout", "-out", machine.share / "source/pubkey.pem")
    (machine.share / "source/pubkey.pem").chmod(0o600)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    install, *configure = README_COMMANDS
    machine.sh(f"cd /share/source && {install} && sed -i s/0.0.0.0:8080/127.0.0.1:{port}/ /etc/kegnet-server.conf")
    assert len(configure) == 3
    for command in configure:
        machine.sh(f"cd /share/source && echo open sesame | {command}")
    machine.run("systemctl", "restart", "kegnet-server")
    page = f"http://127.0.0.1:{port}/"

    def up() -> bool:
        try:
            return requests.get(page).status_code == 200
        except requests.ConnectionError:
            return False

    wait_for(up, limit_s=40)
    assert requests.post(f"{page}rest/v2/ping", data=ping(key, 1_700_000_000_000)).text == "accepted\n"
    machine.run("systemctl", "kill", "--signal=KILL", "kegnet-server")
    wait_for(lambda: machine.property("NRestarts", "kegnet-server") == "1" and up(), limit_s=30)
    assert requests.post(f"{page}rest/v2/ping", data=ping(key, 1_700_000_000_000)).text == "accepted before\n"
    (client,) = requests.get(f"{page}api/clients").json()
    assert (client["name"], client["millicelsius"], client["taps"][0]["name"]) == ("Garage", 4187, "IPA")
    image = requests.get(f"{page}courses/{CLIENT}/24h.svg")
    assert (image.status_code, image.headers["Content-Type"]) == (200, "image/svg+xml; charset=utf-8")
    owners = machine.sh("stat -c %U /var/lib/kegnet-server/*").split()
    assert set(owners) == {"kegnet-server"}
    before = machine.sh("sha256sum /etc/kegnet-server.conf")
    machine.sh(f"cd /share/source && {install}")
    assert machine.sh("sha256sum /etc/kegnet-server.conf") == before
    wait_for(up, limit_s=40)
    print(json.dumps(client))


def test_it_installs_from_the_installed_place_too_and_keeps_the_clients_configuration(machine: Machine) -> None:
    home = "/usr/share/kegnet-client"
    machine.sh(f"sed -i 's|^uuid =.*|uuid = {CLIENT}|' {home}/conf/client.conf")
    assert "Installed. " in machine.run(f"{home}/service/install-server")
    assert f"uuid = {CLIENT}" in machine.sh(f"cat {home}/conf/client.conf")
    assert machine.property("ActiveState", "kegnet-server") == "active"


def test_with_a_certificate_from_systemd_it_serves_https(machine: Machine, ca: Certificate, certificate: Certificate) -> None:
    shutil.copy(certificate.certificate, machine.share / "tls.pem")
    shutil.copy(certificate.key, machine.share / "tls.key")
    machine.sh("install -m 600 /share/tls.pem /share/tls.key /root/ && mkdir -p /etc/systemd/system/kegnet-server.service.d")
    machine.sh(
        "printf '[Service]\\nLoadCredential=tls.pem:/root/tls.pem\\nLoadCredential=tls.key:/root/tls.key\\n'"
        " > /etc/systemd/system/kegnet-server.service.d/tls.conf && systemctl daemon-reload"
    )
    words = re.findall(r"--(?:certificate|key) /run/credentials/\S+", machine.sh("cat /etc/kegnet-server.conf"))
    assert len(words) == 2, "the configuration file describes them"
    machine.sh(f"sed -i 's|^KEGNET_SERVER_OPTIONS=\"|&{' '.join(words)} |' /etc/kegnet-server.conf && systemctl restart kegnet-server")
    port = machine.sh("grep -o '127.0.0.1:[0-9]*' /etc/kegnet-server.conf").strip()

    def up() -> bool:
        try:
            return requests.get(f"https://{port}/", verify=str(ca.certificate)).status_code == 200
        except requests.ConnectionError:
            return False

    wait_for(up, limit_s=40)


def test_its_exposure_is_not_above_the_clients_limit(machine: Machine) -> None:
    output = machine.run("systemd-analyze", "security", "--no-pager", "kegnet-server")
    figure = re.search(r"Overall exposure level for kegnet-server.service: ([0-9.]+)", output)
    assert figure, output
    assert float(figure.group(1)) <= EXPOSURE_AT_MOST, output
