"""--check: what it finds, the mend that it names, and how it says so."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.keg import PYTHON, Keg
from support.moody import Moody, answers
from support.pki import Certificate, issue, openssl
from support.standin import StandIn


def findings(keg: Keg, **parameters: object) -> list[dict[str, str]]:
    """What it finds, once client.conf has been written."""
    keg.write_config(**parameters)
    done = keg.by_hand("--check", "--json")
    assert done.stderr == ""
    said = json.loads(done.stdout)
    assert said["ok"] == (done.returncode == 0) == all(found["level"] != "failure" for found in said["findings"])
    return list(said["findings"])


def failure(keg: Keg, what: str, **parameters: object) -> str:
    """The line of the only failure about `what`."""
    (found,) = [found for found in findings(keg, **parameters) if (found["what"], found["level"]) == (what, "failure")]
    assert found["mend"]
    return f"{found['text']}; mend: {found['mend']}".replace(f" --config {keg.config}", "")


def levels(found: list[dict[str, str]]) -> Mapping[str, str]:
    return {one["what"]: one["level"] for one in found}


def test_a_good_keg_has_no_failure_and_the_server_has_a_ping_more(keg: Keg, kegnet: StandIn) -> None:
    keg.pour()
    found = findings(keg)
    assert {what for what, level in levels(found).items() if level == "ok"} >= {
        "configuration", "key", "spool", "set aside", "1-Wire", "server", "certificate", "ping",
    }  # fmt: skip
    text = {one["what"]: one["text"] for one in found}
    assert text["1-Wire"] == "probe 28-0000054c9f11 reads 4.187 °C, which is sent"
    assert text["ping"] == "the server has taken one, with 4.187 °C"
    assert "1 pour waits" in text["spool"]
    assert [ping["temp"] for ping in kegnet.messages("ping", keg)] == [4187]
    assert len(keg.waiting()) == 1, "a doctor does not pour"


def test_a_server_that_does_not_know_the_client(keg: Keg) -> None:
    keg.client_id = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
    said = failure(keg, "ping", uuid=keg.client_id)
    assert "the server refused one (40" in said
    assert "give the server's keeper what this shows: sudo kegnet-client --setup" in said


@pytest.mark.parametrize(
    ("status", "said"),
    [(404, "refused one (404 Not Found)"), (302, "could not take one (302 Found, a redirect to "), (503, "could not take one (503 ")],
)
def test_a_server_that_answers_otherwise(moody_keg: Keg, moody: Moody, status: int, said: str) -> None:
    moody.ping_mood = answers(status, Location="https://portal.example/")
    assert said in failure(moody_keg, "ping")


def test_a_server_that_is_not_there(keg: Keg) -> None:
    said = failure(keg, "server", serviceBaseURL="https://127.0.0.1:9/rest/v2")
    assert "127.0.0.1 takes no connection on port 9 (Connection refused); mend: check serviceBaseURL" in said


def test_a_name_that_does_not_resolve(keg: Keg) -> None:
    said = failure(keg, "server name", serviceBaseURL="https://kegnet.invalid/rest/v2")
    assert said.startswith("kegnet.invalid does not resolve (")
    assert "getent hosts kegnet.invalid" in said


def test_certificates_that_are_not_good_and_one_that_soon_is_not(keg: Keg, ca: Certificate, tmp_path: Path) -> None:
    for name, host, days, said in (
        ("old", "IP:127.0.0.1", 0, "certificate has expired; mend: its keeper has to renew it"),
        ("other", "IP:127.0.0.2", 2, "mend: serviceBaseURL takes the name that the certificate is for"),
    ):
        server = Moody(issue(ca, tmp_path, name, host, days))
        assert said in failure(keg, "certificate", serviceBaseURL=server.base_url)
        assert not server.requests
        server.close()
    server = Moody(issue(ca, tmp_path, "soon", days=2))
    found = findings(keg, serviceBaseURL=server.base_url)
    server.close()
    assert levels(found)["certificate"] == "warning"
    keg.parameters.pop("caBundle")
    server = Moody(issue(ca, tmp_path, "strange"))
    assert "mend: name the certificate of the authority that signed it in caBundle" in failure(
        keg, "certificate", serviceBaseURL=server.base_url
    )
    server.close()


def test_plain_http_has_no_certificate(keg: Keg) -> None:
    server = Moody(None)
    found = findings(keg, serviceBaseURL=server.base_url)
    server.close()
    assert "certificate" not in levels(found)
    assert levels(found)["ping"] == "ok"


def test_a_key_that_everybody_can_read_and_keys_of_other_kinds(keg: Keg, key: Path) -> None:
    other = keg.config.parent / "privkey.pem"
    other.write_bytes(key.read_bytes())
    other.chmod(0o644)
    assert f"open to everybody (mode 0644), who could then speak for this keg; mend: chmod 600 {other}" in failure(
        keg, "key", privateKey=other
    )
    other.chmod(0o640)
    assert "open to its group" in failure(keg, "key")
    openssl("genpkey", "-algorithm", "ed25519", "-out", other)
    assert "it is a private key, but not an RSA key; mend: move it away, and make another with: sudo kegnet-client --setup" in failure(
        keg, "key"
    )
    other.unlink()
    assert "it is missing; mend: make one with: sudo kegnet-client --setup" in failure(keg, "key")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[KegNet]\nserviceBaseURL = https://k.example/rest/v2\n", "uuid is missing; it takes the client's UUID"),
        ("[KegNet]\nuuid =\nserviceBaseURL = https://k.example/rest/v2\n", "uuid = (empty): it takes the client's UUID"),
        ("[KegNet]\nuuid = 6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11\n", "serviceBaseURL is missing"),
        (None, "is not there"),
    ],
)
def test_a_configuration_that_cannot_serve_and_all_else_is_looked_at_all_the_same(keg: Keg, text: str | None, said: str) -> None:
    if text is not None:
        keg.config.write_text(text)
    done = keg.by_hand("--check")
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("failure  configuration: ")]
    assert said in line
    assert f"kegnet-client --config {keg.config} --setup" in line.partition("; mend: ")[2]
    assert "ok       spool: " in done.stdout


def test_an_odd_parameter_is_a_warning(keg: Keg) -> None:
    found = findings(keg, pingIntervall=5)
    (warning,) = [one for one in found if (one["what"], one["level"]) == ("configuration", "warning")]
    assert "pingIntervall is not known" in warning["text"]


def test_the_spool_and_what_is_set_aside_there(keg: Keg) -> None:
    for number in range(12):
        (keg.spool / f"{number:02}.pour.fail").write_text("" if number == 0 else "0,1,2,3")
    found = [one for one in findings(keg) if one["what"] == "set aside"]
    assert [one["level"] for one in found] == ["warning"] * 11
    assert found[0]["text"] == "00.pour.fail: it is empty"
    assert found[1]["text"].startswith("01.pour.fail: pin 0, 1 pulses in 2, at 3; ")
    assert found[10]["text"] == "and 2 more"
    assert all("--requeue" in one["mend"] for one in found)
    assert "is not there; mend: install -d" in failure(keg, "spool", spool="nowhere")
    assert "is no directory; mend: move it away, and: install -d" in failure(keg, "spool", spool="client.conf")


def test_thermometers(keg: Keg) -> None:
    other = "28-000000000001"
    keg.answer((keg.devices / "28-0000054c9f11/w1_slave").read_text(), other)
    found = [one for one in findings(keg) if one["what"] == "1-Wire"]
    assert [(one["level"], one["text"]) for one in found] == [
        ("ok", f"probe {other} reads 4.187 °C, which is sent"),
        ("ok", "probe 28-0000054c9f11 reads 4.187 °C"),
    ]
    assert f"probe 28-0000000000ff is not on the 1-Wire bus; there: {other}, 28-0000054c9f11; mend: check its cable" in failure(
        keg, "1-Wire", sensor="28-0000000000ff"
    )
    keg.parameters.pop("sensor")
    keg.unplug()
    keg.unplug(other)
    assert "no thermometer on the 1-Wire bus; mend: check its cable and the 4.7 kOhm pull-up resistor" in failure(keg, "1-Wire")
    keg.devices.rmdir()
    assert "no 1-Wire bus at" in failure(keg, "1-Wire")
    assert "mend: check the parameter w1Devices" in failure(keg, "1-Wire")


def at_a_terminal(keg: Keg, **env: str) -> str:
    terminal, theirs = pty.openpty()
    command: list[str | Path] = [PYTHON, "-B", keg.program, "--config", keg.config, "--check"]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env={"PATH": os.environ["PATH"], **env})
    os.close(theirs)
    said = b""
    try:
        while chunk := os.read(terminal, 65536):
            said += chunk
    except OSError:  # Linux says EIO where the other end has been closed.
        pass
    os.close(terminal)
    process.wait()
    return said.decode()


def test_colours_on_a_terminal_only_and_not_where_nobody_wants_them(keg: Keg) -> None:
    keg.write_config()
    assert "\033[32mok       \033[0mkey: " in at_a_terminal(keg)
    assert "\033" not in at_a_terminal(keg, NO_COLOR="1")
    assert "\033[" in at_a_terminal(keg, NO_COLOR=""), "empty is as good as not set, see no-color.org"
    assert "\033" not in keg.by_hand("--check").stdout


def test_what_comes_from_outside_forges_no_line(keg: Keg) -> None:
    (keg.spool / "a\nok       spool: fine\033[31m.pour.fail").write_text("0,1,2,3")
    keg.write_config()
    said = keg.by_hand("--check").stdout
    assert "\nok       spool: fine" not in said
    assert "\033" not in said


def test_a_reader_who_has_seen_enough_gets_no_traceback(keg: Keg) -> None:
    keg.write_config()
    command = f"{PYTHON} -B {keg.program} --config {keg.config} --check | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ok       configuration: ")
    assert done.stderr == ""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">/dev/full", "| true"])
@pytest.mark.parametrize("mode", ["--setup", "--check", "--requeue"])
def test_whatever_its_streams_lead_to_there_is_no_traceback(keg: Keg, mode: str, closed: str) -> None:
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
