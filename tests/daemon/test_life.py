"""The running daemon as a process: start, configuration errors, reload, end, sleep, and its notifications to systemd."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from support.daemon import PYTHON
from support.keg import CLIENT, Keg
from support.kegnet_server import KegnetServer
from support.pki import openssl
from support.scripted_server import ScriptedServer, answers, silent
from support.wait import stays, wait_for, wait_until_same

EX_CONFIG = 78


def refusal(keg: Keg) -> str:
    """The one line on stderr of a daemon that must end with 78."""
    assert keg.wait_for_end() == EX_CONFIG
    lines = keg.stderr().splitlines()
    assert len(lines) == 1, lines
    assert "Traceback" not in lines[0]
    keg.syslog.wait("kegnet-client")
    return lines[0]


@pytest.mark.parametrize(
    ("parameter", "value", "fix"),
    [
        ("uuid", "", "the client's UUID, e.g."),
        ("uuid", "6c0e6c2e6a1b4d8e9a355b0d2f5f2c11", "the client's UUID, e.g."),
        ("serviceBaseURL", "www.kegnetwork.com/rest/v2", "e.g. https://"),
        ("serviceBaseURL", "ftp://www.kegnetwork.com/rest/v2", "e.g. https://"),
        ("serviceBaseURL", "https://me:secret@kegnet.example/rest/v2", "user name or password"),
        ("serviceBaseURL", "https://kegnet.example:99999/rest/v2", "e.g. https://"),
        ("pingInterval", "0", "whole seconds"),
        ("pingInterval", "ten", "whole seconds"),
        ("pingInterval", "600.5", "whole seconds"),
        ("sensor", "28", "28-0000054c9f11"),
        ("caBundle", "missing.pem", "CA certificates"),
        ("caBundle", "client.conf", "CA certificates"),
        ("privateKey", "missing.pem", "it is missing; fix: make one with sudo kegnet-client"),
        ("privateKey", ".", "move the file away and make another key with sudo kegnet-client"),
        ("pingInterval", "600 ; ten minutes", "a comment needs a line of its own"),
        ("privateKey", "key.pem # mine", "a comment needs a line of its own"),
    ],
)
def test_a_bad_value_ends_with_78_and_one_line_of_help(scripted_keg: Keg, parameter: str, value: str, fix: str) -> None:
    scripted_keg.parameters[parameter] = value
    scripted_keg.start(until=None)
    line = refusal(scripted_keg)
    assert str(scripted_keg.config) in line
    assert f"{parameter} = " in line
    assert value[:100] in line
    assert fix in line


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        (None, "does not exist; fix: make it with sudo kegnet-client"),
        ("", "no section [KegNet]"),
        ("uuid = x\n", "put the line [KegNet] first"),
        ("[kegnet]\n", "found: [kegnet]"),
        ("[KegNet]\nserviceBaseURL = https://k.example/rest/v2\n", "parameter uuid is missing"),
        ("[KegNet]\nuuid = 6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11\n", "parameter serviceBaseURL is missing"),
        ("[KegNet]\nuuid = a\nuuid = b\n", "line 3: the parameter uuid occurs twice"),
        ("[KegNet]\nnonsense\n", 'line 2: is not "parameter = value": '),
        ("[KegNet]\nuuid = \xff\n", "UTF-8"),
    ],
)
def test_a_file_that_is_not_a_configuration_ends_with_78_and_one_line_of_help(scripted_keg: Keg, text: str | None, fix: str) -> None:
    scripted_keg.config = scripted_keg.config.with_name("other.conf")
    if text is not None:
        scripted_keg.config.write_text(text, encoding="latin-1")
    scripted_keg.launch()
    line = refusal(scripted_keg)
    assert str(scripted_keg.config) in line
    assert fix in line


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (["genrsa", "-out", "KEY", "1024"], "1024 bits"),
        (["genrsa", "-aes128", "-passout", "pass:x", "-out", "KEY", "2048"], "passphrase"),
        (["ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", "KEY"], "not an RSA key"),
        (["genpkey", "-algorithm", "ed25519", "-out", "KEY"], "not an RSA key"),
        (["rand", "-out", "KEY", "1000"], "contains no private key"),
        (["rsa", "-in", "GOOD", "-pubout", "-out", "KEY"], "contains no private key"),
    ],
    ids=["short", "encrypted", "ec", "ed25519", "garbage", "public"],
)
def test_a_key_that_cannot_be_used_ends_with_78_and_never_asks_for_a_passphrase(
    scripted_keg: Keg, key: Path, make: list[str], said: str
) -> None:
    bad = scripted_keg.folder / "bad.pem"
    openssl(*(str({"KEY": bad, "GOOD": key}.get(word, word)) for word in make))
    scripted_keg.start(until=None, privateKey=bad)
    assert said in refusal(scripted_keg)


def test_a_traditional_and_a_pkcs8_key_sign_alike(keg: Keg, kegnet: KegnetServer, key: Path) -> None:
    traditional = keg.folder / "traditional.pem"
    openssl("rsa", "-in", key, "-traditional", "-out", traditional)
    assert "BEGIN RSA PRIVATE KEY" in traditional.read_text()
    keg.start(privateKey=traditional)
    kegnet.wait_for_messages("ping", keg)


def test_the_key_that_systemd_passes_is_preferred(keg: Keg, kegnet: KegnetServer, key: Path) -> None:
    folder = keg.folder / "credentials"
    folder.mkdir()
    (folder / "privkey.pem").write_bytes(key.read_bytes())
    keg.start(env={"CREDENTIALS_DIRECTORY": str(folder)}, privateKey="not-for-the-service.pem")
    keg.syslog.wait("privateKey = .*not-for-the-service.pem: not used, because systemd passes another key to the service; fix: put ")
    kegnet.wait_for_messages("ping", keg)


def test_credentials_of_something_else_do_not_hide_the_key(keg: Keg, kegnet: KegnetServer) -> None:
    keg.start(env={"CREDENTIALS_DIRECTORY": str(keg.folder)})
    kegnet.wait_for_messages("ping", keg)


def test_an_unknown_parameter_is_named_in_a_warning_and_does_not_stop_the_start(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_keg.start(pingIntervall=5)
    scripted_keg.syslog.wait("pingIntervall is unknown")
    scripted_server.wait_for_requests("/ping")


def test_each_line_has_its_severity_and_the_facility_user(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_server.pour_answer = answers(400)
    scripted_keg.start(nonsense=1)
    scripted_keg.pour("0,1,1,1\n", "x.pour")
    assert scripted_keg.syslog.wait("x.pour is set aside").startswith("<11>"), "error"
    assert scripted_keg.syslog.wait("nonsense is unknown").startswith("<12>"), "warning"
    assert scripted_keg.syslog.wait("ping accepted").startswith("<14>"), "information"
    pattern = rf"^<1[124]>[A-Z][a-z]{{2}} [ 0-9]{{2}} [0-9:]{{8}} kegnet-client\[{scripted_keg.pid}\]: "
    assert scripted_keg.syslog.lines(pattern) == scripted_keg.syslog.datagrams


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_is_orderly(scripted_keg: Keg, scripted_server: ScriptedServer, number: signal.Signals) -> None:
    scripted_keg.start()
    scripted_server.wait_for_requests("/ping")
    scripted_keg.signal(number)
    assert scripted_keg.wait_for_end() == 0
    scripted_keg.syslog.wait("stopped; no pours wait")


def test_a_request_in_hand_is_given_up_five_seconds_after_sigterm(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_server.pour_answer = silent
    scripted_keg.start()
    scripted_keg.pour()
    scripted_server.wait_for_requests("/pour")
    scripted_keg.signal(signal.SIGTERM)
    assert scripted_keg.wait_for_end(limit_s=20) == 0
    assert len(scripted_keg.waiting()) == 1


def test_a_reload_uses_a_good_edit_and_ignores_a_bad_one(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_keg.start()
    scripted_server.wait_for_requests("/ping")
    scripted_keg.write_config(pingInterval="never")
    scripted_keg.signal(signal.SIGHUP)
    scripted_keg.syslog.wait("not reloaded, the old configuration stays in use: .*pingInterval = never")
    other = scripted_keg.folder / "other-spool"
    other.mkdir()
    scripted_keg.write_config(pingInterval=1, spool=other)
    scripted_keg.signal(signal.SIGHUP)
    scripted_keg.syslog.wait("reloaded: ")
    scripted_server.wait_for_requests("/ping", 3)
    (other / "x.pour").write_text("0,1,1,1\n")
    scripted_server.wait_for_requests("/pour")


def test_systemd_is_notified_of_ready_status_watchdog_reload_and_stop(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_server.ping_answer = answers(503)
    address = scripted_keg.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(30)
        heard: list[str] = []

        def hears(text: str) -> bool:
            while text not in "\n".join(heard):
                heard.append(manager.recv(4096).decode())
            return True

        scripted_keg.unplug()
        scripted_keg.start(env={"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "1000000"})
        assert hears("READY=1"), "a missing sensor does not keep it from being ready"
        assert hears("STATUS=no temperature")
        assert hears("WATCHDOG=1")
        scripted_keg.signal(signal.SIGHUP)
        assert hears("RELOADING=1\nMONOTONIC_USEC=")
        heard.clear()
        assert hears("READY=1")
        assert hears("WATCHDOG=1")
        scripted_keg.signal(signal.SIGTERM)
        assert hears("STOPPING=1")


def _switches_and_ticks(pid: int) -> tuple[int, int]:
    status = Path(f"/proc/{pid}/status").read_text()
    switches = sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return switches, int(fields[11]) + int(fields[12])


def test_idle_it_sleeps(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    (scripted_keg.spool / "x.pour.fail").write_text("")
    # The second ping is at a random time.
    scripted_keg.start(pingInterval=86_400)
    scripted_keg.pour("", "invalid.pour")
    wait_for(lambda: not scripted_keg.waiting())
    scripted_server.wait_for_requests("/ping")
    wait_until_same(lambda: _switches_and_ticks(scripted_keg.pid)[0], 1)
    switches, ticks = _switches_and_ticks(scripted_keg.pid)
    assert stays(lambda: True, 10)
    after = _switches_and_ticks(scripted_keg.pid)
    assert after[0] - switches <= 5
    # A tick is 10 ms, and the time is rounded down: a microsecond can be the next tick.
    assert after[1] - ticks <= 1


def test_the_command_knows_its_version() -> None:
    said = subprocess.run([PYTHON, "-B", CLIENT, "--version"], check=True, capture_output=True, text=True).stdout
    assert said.startswith("kegnet-client 0.")


def test_a_spool_that_does_not_exist_yet_is_waited_for(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_keg.spool.rmdir()
    scripted_keg.start()
    scripted_keg.syslog.wait("spool .* does not exist; fix: mkdir -p")
    scripted_keg.spool.mkdir()
    scripted_keg.pour()
    scripted_server.wait_for_requests("/pour")


def test_a_key_that_others_can_read_and_plain_http_to_another_machine_are_warnings(scripted_keg: Keg, key: Path) -> None:
    (scripted_keg.config.parent / "open.pem").write_bytes(key.read_bytes())
    (scripted_keg.config.parent / "open.pem").chmod(0o644)
    scripted_keg.start(privateKey="open.pem", serviceBaseURL="http://kegnet.invalid/rest/v2")
    scripted_keg.syslog.wait("other users can read or change the private key")
    scripted_keg.syslog.wait("anyone on the network can read and change http; fix: use https")


def test_a_crash_is_logged_with_the_exception_first(scripted_keg: Keg) -> None:
    broken = scripted_keg.folder / "lib"
    shutil.copytree(CLIENT.parent, broken)
    file = broken / "kegnet/client/pinger.py"
    file.write_text(
        file.read_text().replace(
            "    def turn(self)", "    def turn(self, /) -> None:\n        raise KeyError('x' * 50)\n\n    def _turn(self)"
        )
    )
    scripted_keg.program = broken / "client.py"
    scripted_keg.start(until=None)
    line = scripted_keg.syslog.wait("stopped by an unexpected error")
    assert "error: KeyError: 'xxx" in line
    assert scripted_keg.wait_for_end() == os.EX_SOFTWARE


def test_closed_standard_streams_do_not_end_the_daemon(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    script = scripted_keg.folder / "without-streams"
    script.write_text(f'#!/bin/sh\nexec {PYTHON} "$@" <&- >&- 2>&-\n')
    script.chmod(0o755)
    scripted_keg.python = str(script)
    scripted_keg.start()
    scripted_server.wait_for_requests("/ping")
