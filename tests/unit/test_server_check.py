"""What kegnet-server check reports of certificates, brokers, receivers, disks, ports and clients."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest
from kegnet.core.finding import Finding, Level
from kegnet.server.commands.checks import examine
from kegnet.server.commands.checks.broker import check_broker, check_notify
from kegnet.server.commands.checks.certificate import examine_certificate
from kegnet.server.commands.checks.configuration import check_configuration
from kegnet.server.commands.checks.database import check_contents, check_space
from kegnet.server.commands.checks.listening import check_listening
from kegnet.server.config import load
from kegnet.server.options import ServeOptions
from kegnet.server.storage import open_database
from kegnet.server.storage.alarms import begin_alarm
from kegnet.server.storage.clients import set_client
from kegnet.server.storage.migrate import HEAD
from support.kegnet_server import KegnetServer
from support.pki import Certificate, issue
from support.ports import free_port

LISTEN = "0.0.0.0:8080"
NAME = "kegnet-server"
SYSTEMCTL = """\
#!/bin/sh
for word; do unit=$word; done
case $1 in
list-units) for state in $(echo "$4" | sed 's/--state=//; s/,/ /g'); do grep " loaded $state " "$0.units" || :; done ;;
show)
    grep "^$unit " "$0.units" | {
        read -r _ load active sub && enabled=enabled || { load=loaded active=inactive sub=dead enabled=disabled; }
        printf '%s\\n' LoadState=$load UnitFileState=$enabled ActiveState=$active SubState=$sub Result=exit-code ExecMainStatus=78
        printf '%s\\n' ActiveEnterTimestamp=today StatusText=
    } ;;
esac
"""
"""Knows the units in the file beside it, one a line as list-units prints them; any other is disabled."""


def only(findings: object) -> Finding:
    """The one finding."""
    (finding,) = list(findings)  # type: ignore[call-overload]
    assert isinstance(finding, Finding)
    assert (finding.fix == "") == (finding.level is Level.OK)
    return finding


@pytest.mark.parametrize(
    ("days", "level", "text"), [(60, Level.OK, "expires on "), (7, Level.WARNING, "expires on "), (0, Level.FAILURE, "which is past")]
)
def test_a_certificate_that_expires_soon_is_a_warning(ca: Certificate, tmp_path: Path, days: int, level: Level, text: str) -> None:
    made = issue(ca, tmp_path, "server", days=days)
    finding = only(examine_certificate(ServeOptions(LISTEN, made.certificate, made.key)))
    assert finding.level is level
    assert f"{made.certificate}: for 127.0.0.1, localhost, expires on " in finding.text
    assert text in finding.text


def test_a_certificate_with_another_key_is_a_failure(ca: Certificate, certificate: Certificate, tmp_path: Path) -> None:
    made = issue(ca, tmp_path, "server")
    assert only(examine_certificate(ServeOptions(LISTEN, made.certificate, certificate.key))).level is Level.FAILURE


def test_no_certificate_is_a_warning_only_where_others_can_connect() -> None:
    assert only(examine_certificate(ServeOptions(LISTEN))).level is Level.WARNING
    assert list(examine_certificate(ServeOptions("127.0.0.1:8080"))) == []
    assert list(examine_certificate(ServeOptions(LISTEN, proxies=("10.0.0.5",)))) == []


def test_a_broker_is_connected_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as broker:
        port = broker.getsockname()[1]
        assert only(check_broker(ServeOptions(LISTEN, mqtt=f"mqtt://127.0.0.1:{port}"))).level is Level.OK
    finding = only(check_broker(ServeOptions(LISTEN, mqtt=f"mqtt://u:secret@127.0.0.1:{port}")))
    assert finding.level is Level.FAILURE
    assert f"127.0.0.1, port {port} cannot be reached (" in finding.text
    assert "secret" not in str(finding)
    assert list(check_broker(ServeOptions(LISTEN))) == []


def test_a_receiver_that_apprise_does_not_know_is_a_failure() -> None:
    pytest.importorskip("apprise")
    finding = only(check_notify(ServeOptions(LISTEN, notify=("nonsense://secret",))))
    assert finding.level is Level.FAILURE
    assert "secret" not in str(finding)
    assert only(check_notify(ServeOptions(LISTEN, notify=("json://127.0.0.1",)))).level is Level.OK


def test_the_port_is_asked_whether_the_server_is_there(tmp_path: Path, certificate: Certificate) -> None:
    server = KegnetServer(tmp_path, certificate)
    port = int(server.page_url.rstrip("/").rpartition(":")[2])
    options = ServeOptions(f"0.0.0.0:{port}", certificate.certificate, certificate.key)
    try:
        assert only(check_listening(options, NAME)).level is Level.OK
    finally:
        server.stop()
    finding = only(check_listening(options, NAME))
    assert finding.level is Level.FAILURE
    assert "no answer at" in finding.text
    assert finding.fix == "sudo systemctl restart kegnet-server, and read: journalctl -u kegnet-server"


def test_another_program_at_the_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as other:
        port = other.getsockname()[1]

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        finding = only(check_listening(ServeOptions(f"127.0.0.1:{port}"), NAME))
        thread.join()
    assert f"another program answers at 127.0.0.1:{port}: status 404" in finding.text


def service_findings(folder: Path, monkeypatch: pytest.MonkeyPatch, units: str) -> list[Finding]:
    """What is found about the services if systemd has these units."""
    systemctl = folder / "systemctl"
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    (folder / "systemctl.units").write_text(units)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    config = load(None, {"database": f"sqlite:///{folder}/kegnet.sqlite"})
    return [finding for finding in examine(config) if finding.what == "service"]


@pytest.mark.parametrize("state", ["failed failed", "activating auto-restart"])
def test_an_instance_that_has_failed_is_a_failure_beside_one_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    units = f"kegnet-server@8081.service loaded active running\nkegnet-server@8082.service loaded {state}\n"
    running, failed = service_findings(tmp_path, monkeypatch, units)
    assert (running.level, failed.level) == (Level.OK, Level.FAILURE)
    assert failed.text == f"{state.split()[0]} (exit-code, exit status 78)"
    assert failed.fix.endswith("read journalctl -u kegnet-server@8082; then: systemctl restart kegnet-server@8082.service")


def test_if_all_instances_have_failed_nothing_is_advised_about_the_service_that_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = "".join(f"kegnet-server@{port}.service loaded failed failed\n" for port in (8081, 8082))
    findings = service_findings(tmp_path, monkeypatch, units)
    assert [finding.level for finding in findings] == [Level.FAILURE, Level.FAILURE]
    assert [finding.fix.rpartition(" ")[2] for finding in findings] == ["kegnet-server@8081.service", "kegnet-server@8082.service"]


def test_an_instance_that_has_failed_because_its_name_is_not_a_port_is_examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(service_findings(tmp_path, monkeypatch, "kegnet-server@web.service loaded failed failed\n")).level is Level.FAILURE


def test_without_an_instance_the_service_is_examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disabled, stopped = service_findings(tmp_path, monkeypatch, "kegnet-server@8081.service loaded inactive dead\n")
    assert disabled.text == "it does not start at boot (disabled)"
    assert stopped.fix == "systemctl start kegnet-server.service"


def test_clients_that_are_silent_are_named(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/kegnet.sqlite")
    with database.writing() as connection:
        for number, name in enumerate(("Garage", "Bar")):
            client = set_client(connection, f"6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c1{number}", now_ms=1, name=name)
        begin_alarm(connection, client.key, None, "silent", 2)
    findings = {finding.what: finding for finding in check_contents(database)}
    database.close()
    assert findings["clients"].text == "1 of 2 are silent: Bar"
    assert findings["clients"].level is Level.WARNING
    assert findings["database"].text == f"sqlite:///{tmp_path}/kegnet.sqlite, revision {HEAD}"


def test_the_disk_of_the_database_is_examined(tmp_path: Path) -> None:
    assert only(check_space(f"sqlite:///{tmp_path}/kegnet.sqlite")).what == "disk"
    assert list(check_space("postgresql:///kegnet")) == []


def test_a_configuration_that_everybody_can_read_is_a_warning_if_it_has_a_password(tmp_path: Path) -> None:
    path = tmp_path / "server.conf"
    path.write_text("[Server]\nmqtt = mqtt://u:secret@broker\n")
    path.chmod(0o644)
    finding = only(check_configuration(load(path, {})))
    assert (finding.level, finding.fix) == (Level.WARNING, f"chown root:kegnet-server {path} && chmod 640 {path}")
    path.chmod(0o640)
    assert only(check_configuration(load(path, {}))).level is Level.OK


def test_an_older_configuration_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "server.conf"
    path.write_text("KEGNET_SERVER_OPTIONS=--listen 127.0.0.1:1\n")
    first, second = check_configuration(load(path, {}))
    assert (first.level, second.level) == (Level.WARNING, Level.OK)
    assert "is in the older form" in first.text
