"""--check: what it finds, the fix that it names, and how it prints both."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.daemon import PYTHON
from support.keg import Keg
from support.kegnet_server import KegnetServer
from support.pki import Certificate, issue, openssl
from support.scripted_server import ScriptedServer, answers

OTHER_ID = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"


def findings(keg: Keg, **parameters: object) -> list[dict[str, str]]:
    """What it finds after client.conf has been written."""
    keg.write_config(**parameters)
    done = keg.run_mode("--check", "--json")
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert set(report) == {"ok", "findings"}
    assert all(set(found) == {"what", "level", "text", "fix"} for found in report["findings"])
    assert report["ok"] == (done.returncode == 0) == all(found["level"] != "failure" for found in report["findings"])
    return list(report["findings"])


def of(found: list[dict[str, str]], what: str, level: str) -> dict[str, str]:
    """The only finding about `what` with this level."""
    (one,) = [one for one in found if (one["what"], one["level"]) == (what, level)]
    return one


def failure(keg: Keg, what: str, **parameters: object) -> str:
    """The only failure about `what`, as one text. It has a fix."""
    found = of(findings(keg, **parameters), what, "failure")
    assert found["fix"]
    return f"{found['text']}; fix: {found['fix']}"


def levels(found: list[dict[str, str]]) -> Mapping[str, str]:
    return {one["what"]: one["level"] for one in found}


def test_a_good_keg_has_no_failure_and_the_server_has_one_more_ping(keg: Keg, kegnet: KegnetServer) -> None:
    keg.pour()
    found = findings(keg)
    assert {what for what, level in levels(found).items() if level == "ok"} >= {
        "configuration", "key", "spool", "set aside", "1-Wire", "server", "certificate", "ping",
    }  # fmt: skip
    text = {one["what"]: one["text"] for one in found}
    assert text["1-Wire"] == "probe 28-0000054c9f11 reads 4.187 °C; pings have this temperature"
    assert text["ping"] == "the server accepted one, with 4.187 °C"
    assert "1 pour waits" in text["spool"]
    assert [ping["temp"] for ping in kegnet.messages("ping", keg)] == [4187]
    assert len(keg.waiting()) == 1, "it sends no pours"


def test_a_text_line_is_level_subject_finding_and_fix(keg: Keg) -> None:
    keg.write_config(privateKey="nowhere.pem")
    lines = keg.run_mode("--check").stdout.splitlines()
    missing = keg.config.parent / "nowhere.pem"
    assert f"failure  key: {missing}: it is missing; fix: make one with sudo kegnet-client --config {keg.config} --setup" in lines
    assert "ok       set aside: no pours" in lines


# The server.


def test_a_server_that_does_not_know_the_client(keg: Keg) -> None:
    keg.client_id = OTHER_ID
    text = failure(keg, "ping", uuid=keg.client_id)
    assert "the server does not know this client, or knows it with another key (40" in text
    assert f"fix: give the server's administrator what this prints: sudo kegnet-client --config {keg.config} --setup" in text


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (
            401,
            "the server does not know this client, or knows it with another key (401 Unauthorized); fix: give the server's administrator",
        ),
        (400, "the server rejected it as invalid (400 Bad Request); fix: check serviceBaseURL and uuid"),
        (404, "the server did not process it (404 Not Found); fix: check serviceBaseURL"),
        (
            302,
            "the server did not process it (302 Found, a redirect to https://portal.example/, not followed); fix: check serviceBaseURL, or",
        ),
        (500, "the server did not process it (500 Internal Server Error); fix: check serviceBaseURL, or ask the server's administrator"),
        (503, "the server is busy (503 Service Unavailable); fix: run this again in 7 s"),
    ],
)
def test_each_kind_of_answer_has_its_words_and_its_fix(
    scripted_keg: Keg, scripted_server: ScriptedServer, status: int, expected: str
) -> None:
    scripted_server.ping_answer = answers(status, Location="https://portal.example/", Retry_After="7")
    assert failure(scripted_keg, "ping").startswith(expected)


def test_a_server_that_does_not_run(keg: Keg) -> None:
    text = failure(keg, "server", serviceBaseURL="https://127.0.0.1:9/rest/v2")
    assert "no connection to 127.0.0.1, port 9 (Connection refused); fix: check serviceBaseURL" in text


def refuse_tls(_: ScriptedServer, plain: socket.socket) -> socket.socket:
    """What a web server answers to a TLS handshake on its http port."""
    plain.recv(4096)
    plain.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    return plain


def test_a_server_that_speaks_no_tls(keg: Keg) -> None:
    server = ScriptedServer(None)
    server.handshake = refuse_tls
    text = failure(keg, "server", serviceBaseURL=server.base_url.replace("http:", "https:"))
    server.close()
    assert "the server does not use TLS" in text


def test_a_name_that_does_not_resolve(keg: Keg) -> None:
    text = failure(keg, "server name", serviceBaseURL="https://kegnet.invalid/rest/v2")
    assert text.startswith("kegnet.invalid does not resolve (")
    assert "getent hosts kegnet.invalid" in text


def test_an_untrusted_certificate_is_named_with_the_name_that_was_asked_for(keg: Keg, ca: Certificate, tmp_path: Path) -> None:
    for name, host, days, expected in (
        ("old", "IP:127.0.0.1", 0, "certificate has expired; it is for IP Address:127.0.0.1, and expires on 20"),
        ("other", "DNS:kegnet.example,IP:127.0.0.2", 2, "it is for DNS:kegnet.example, IP Address:127.0.0.2, and expires on 20"),
    ):
        server = ScriptedServer(issue(ca, tmp_path, name, host, days))
        text = failure(keg, "certificate", serviceBaseURL=server.base_url)
        server.close()
        assert "asked for 127.0.0.1, " in text
        assert expected in text
        assert not server.requests
    assert text.endswith("fix: use the name that the certificate is for in serviceBaseURL")


def test_a_certificate_of_an_unknown_authority_needs_ca_bundle(keg: Keg, ca: Certificate, tmp_path: Path) -> None:
    keg.parameters.pop("caBundle")
    server = ScriptedServer(issue(ca, tmp_path, "strange"))
    text = failure(keg, "certificate", serviceBaseURL=server.base_url)
    server.close()
    assert text.endswith("fix: name the certificate of the authority that signed it in caBundle")


def test_a_certificate_that_expires_soon_is_a_warning(keg: Keg, ca: Certificate, tmp_path: Path) -> None:
    server = ScriptedServer(issue(ca, tmp_path, "soon", days=2))
    found = findings(keg, serviceBaseURL=server.base_url)
    server.close()
    assert of(found, "certificate", "warning")["fix"] == "ask the server's administrator to renew it before then"
    assert levels(found)["ping"] == "ok"


def test_without_a_reading_connection_and_certificate_are_judged_all_the_same(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_server.pour_answer = answers(404)
    scripted_keg.unplug()
    found = findings(scripted_keg)
    assert (levels(found)["server"], levels(found)["certificate"], levels(found)["ping"]) == ("ok", "ok", "warning")
    assert [request.path for request in scripted_server.requests] == ["/rest/v2"]


def test_a_keg_without_a_probe_is_all_right_and_sends_no_ping(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_keg.unplug()
    found = findings(scripted_keg, sensor="none")
    assert of(found, "1-Wire", "ok")["text"] == "sensor = none: this keg has no probe, and no pings are sent"
    assert "ping" not in levels(found)
    assert (levels(found)["server"], levels(found)["certificate"]) == ("ok", "ok")
    assert scripted_server.paths("/ping") == []


def test_http_has_no_certificate_and_is_no_warning_on_this_machine(keg: Keg) -> None:
    server = ScriptedServer(None)
    found = findings(keg, serviceBaseURL=server.base_url)
    server.close()
    assert "certificate" not in levels(found)
    assert (levels(found)["configuration"], levels(found)["ping"]) == ("ok", "ok")


def test_http_to_a_machine_elsewhere_is_a_warning(keg: Keg) -> None:
    warning = of(findings(keg, serviceBaseURL="http://kegnet.invalid/rest/v2"), "configuration", "warning")
    assert "anyone on the network can read and change http" in warning["text"]


def drip(server: ScriptedServer, plain: socket.socket) -> socket.socket:
    """A TLS record that never ends."""
    plain.sendall(b"\x16\x03\x03\x40\x00")
    while not server.closing.wait(0.2):
        plain.sendall(b"\0")
    return plain


def test_a_server_that_drips_in_the_handshake_does_not_hold_it(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_server.handshake = drip
    begun = time.monotonic()
    assert "no connection to 127.0.0.1" in failure(scripted_keg, "server")
    assert time.monotonic() - begun < 25


# The configuration and the key.


def test_a_key_that_others_can_read_is_a_failure_and_no_second_warning(keg: Keg, key: Path) -> None:
    other = keg.config.parent / "privkey.pem"
    other.write_bytes(key.read_bytes())
    other.chmod(0o644)
    found = findings(keg, privateKey=other)
    assert "everybody can read or change it (mode 0644)" in of(found, "key", "failure")["text"]
    assert of(found, "key", "failure")["fix"] == f"chmod 600 {other}"
    assert [one["level"] for one in found if one["what"] == "configuration"] == ["ok"]
    other.chmod(0o640)
    assert "its group can read or change it (mode 0640)" in failure(keg, "key")


def test_a_key_that_cannot_be_used_and_one_that_is_missing(keg: Keg) -> None:
    other = keg.config.parent / "privkey.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-out", other)
    setup = f"sudo kegnet-client --config {keg.config} --setup"
    assert failure(keg, "key", privateKey=other).endswith(
        f"it is a private key, but not an RSA key; fix: move the file away and make another key with {setup}"
    )
    other.unlink()
    assert failure(keg, "key").endswith(f"it is missing; fix: make one with {setup}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[KegNet]\nserviceBaseURL = https://k.example/rest/v2\n", "uuid is missing; it takes the client's UUID"),
        ("[KegNet]\nuuid =\nserviceBaseURL = https://k.example/rest/v2\n", "uuid = (empty): this value is not valid"),
        (f"[KegNet]\nuuid = {OTHER_ID}\n", "serviceBaseURL is missing"),
        (None, "does not exist"),
    ],
)
def test_with_a_bad_configuration_everything_else_is_examined(keg: Keg, text: str | None, expected: str) -> None:
    if text is not None:
        keg.config.write_text(text)
    done = keg.run_mode("--check")
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("failure  configuration: ")]
    assert expected in line
    assert f"sudo kegnet-client --config {keg.config} --setup" in line.partition("; fix: ")[2]
    assert "ok       spool: " in done.stdout


def test_a_comment_behind_a_value_is_explained(keg: Keg) -> None:
    found = of(findings(keg, pingInterval="600 ; ten minutes"), "configuration", "failure")
    assert "pingInterval = 600 ; ten minutes: this value is not valid" in found["text"]
    assert found["fix"] == "use whole seconds, from 1 to 86400; a comment needs a line of its own, it cannot follow a value"


def test_a_misspelt_parameter_is_a_warning(keg: Keg) -> None:
    warning = of(findings(keg, pingIntervall=5), "configuration", "warning")
    assert "pingIntervall is unknown" in warning["text"]
    assert warning["fix"] == f"edit {keg.config}"


def test_a_bad_ca_bundle_is_one_failure(keg: Keg) -> None:
    text = failure(keg, "configuration", caBundle="nowhere.pem")
    assert "caBundle = " in text
    assert "; fix: use the path of CA certificates in PEM form" in text


# The spool and the sensor.


def test_pours_that_are_set_aside_are_listed_and_what_is_no_file_is_not(keg: Keg) -> None:
    for number in range(12):
        (keg.spool / f"{number:02}.pour.fail").write_text("" if number == 0 else "0,1,2,3")
    (keg.spool / "directory.pour.fail").mkdir()
    os.mkfifo(keg.spool / "fifo.pour.fail")
    (keg.spool / "link.pour.fail").symlink_to(keg.key)
    found = [one for one in findings(keg) if one["what"] == "set aside"]
    assert [one["level"] for one in found] == ["warning"] * 11
    assert found[0]["text"] == "00.pour.fail: the file is empty"
    assert found[1]["text"].startswith("01.pour.fail: pin 0, 1 pulses, et 2, ts 3; ")
    assert found[10]["text"] == "and 2 more"
    assert all(f"sudo kegnet-client --config {keg.config} --requeue" in one["fix"] for one in found)


def test_only_things_that_are_no_files_are_no_pours(keg: Keg) -> None:
    (keg.spool / "directory.pour.fail").mkdir()
    assert of(findings(keg), "set aside", "ok")["text"] == "no pours"


def test_a_spool_that_does_not_exist_or_is_a_file(keg: Keg) -> None:
    assert "does not exist; fix: install -d" in failure(keg, "spool", spool="nowhere")
    assert "is not a directory; fix: move it away, then install -d" in failure(keg, "spool", spool="client.conf")


def test_the_spool_of_a_running_client_is_all_right(keg: Keg) -> None:
    keg.start()
    keg.syslog.wait("ping accepted")
    assert levels(findings(keg))["spool"] == "ok"


def test_thermometers(keg: Keg) -> None:
    other = "28-000000000001"
    keg.answer((keg.devices / "28-0000054c9f11/w1_slave").read_text(), other)
    found = [one for one in findings(keg) if one["what"] == "1-Wire"]
    assert [(one["level"], one["text"]) for one in found] == [
        ("ok", f"probe {other} reads 4.187 °C; pings have this temperature"),
        ("ok", "probe 28-0000054c9f11 reads 4.187 °C"),
    ]
    assert (
        f"probe 28-0000000000ff is not on the 1-Wire bus; found: {other}, 28-0000054c9f11; "
        "fix: check its cable, or name another probe in the parameter sensor"
    ) in failure(keg, "1-Wire", sensor="28-0000000000ff")
    keg.parameters.pop("sensor")
    keg.unplug()
    keg.unplug(other)
    assert "no thermometer on the 1-Wire bus; fix: check its cable and the 4.7 kOhm pull-up resistor" in failure(keg, "1-Wire")
    keg.devices.rmdir()
    text = failure(keg, "1-Wire")
    assert "no 1-Wire bus at" in text
    assert "fix: check the parameter w1Devices" in text


# The output.


def test_what_comes_from_outside_forges_no_line(keg: Keg) -> None:
    (keg.spool / "a\nok       spool: fine\033[31m.pour.fail").write_text("0,1,2,3")
    keg.write_config()
    out = keg.run_mode("--check").stdout
    assert "\nok       spool: fine" not in out
    assert "\033" not in out


def test_a_reader_who_has_seen_enough_gets_no_traceback(keg: Keg) -> None:
    keg.write_config()
    command = f"{PYTHON} -B {keg.program} --config {keg.config} --check | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ok       configuration: ")
    assert done.stderr == ""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">/dev/full", "2>/dev/full", "| true"])
@pytest.mark.parametrize("mode", ["--setup", "--check", "--requeue"])
def test_there_is_no_traceback_whatever_the_streams_lead_to(keg: Keg, mode: str, closed: str) -> None:
    keg.write_config(privateKey="privkey.pem")
    (keg.spool / "a.pour.fail").write_text("0,1,2,3")
    command = f"{PYTHON} -B {keg.program} --config {keg.config} {mode} {closed}"
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    if closed == ">/dev/full":
        assert done.stderr.endswith("kegnet-client: the output: No space left on device\n")
        assert done.returncode == os.EX_IOERR
