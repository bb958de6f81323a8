"""--setup: makes what is missing, overwrites nothing, and prints what the server needs."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import subprocess
import uuid
from pathlib import Path

import pytest
from kegnet.client.config import load
from kegnet.meter.config import load as load_meter
from support.daemon import PYTHON
from support.keg import REPOSITORY, Keg
from support.kegnet_server import KegnetServer
from support.pki import openssl
from support.wait import wait_for

SERVER = "https://kegnet.example/rest/v2"
EX_CONFIG = 78


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a set-up that was refused."""
    assert done.returncode == EX_CONFIG, done
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_from_nothing_to_a_pour_that_arrives(keg: Keg, kegnet: KegnetServer, ca: object) -> None:
    done = keg.run_mode("--setup", "--server", kegnet.base_url)
    assert done.returncode == 0, done.stderr
    client = re.findall(r"^ +([-0-9a-f]{36})$", done.stdout, re.MULTILINE)[0]
    public = re.findall("-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----\n", done.stdout, re.DOTALL)[0]
    kegnet.add_client(client, public)
    with keg.config.open("a") as file:
        file.write(f"caBundle = {keg.parameters['caBundle']}\n")
    keg.launch()
    keg.pour()
    wait_for(lambda: kegnet.messages_of("pour", client))
    wait_for(lambda: not keg.waiting())


def test_what_it_makes(keg: Keg) -> None:
    done = keg.run_mode("--setup", "--server", SERVER)
    made = load(keg.config)
    assert uuid.UUID(made.uuid).version == 4
    assert made.base_url == SERVER
    assert made.warnings == ()
    assert made.private_key.stat().st_mode & 0o7777 == 0o600
    assert b"Private-Key: (2048 bit" in openssl("rsa", "-in", made.private_key, "-noout", "-text")
    assert openssl("rsa", "-in", made.private_key, "-pubout").decode() in done.stdout
    assert set(files(keg.config.parent)) == {"client.conf", "privkey.pem"}
    assert done.stderr.splitlines() == [f"made {keg.config}", f"made {made.private_key}"]


def test_it_prints_commands_for_the_same_configuration(keg: Keg) -> None:
    out = keg.run_mode("--setup", "--server", SERVER).stdout
    assert f"    sudo kegnet-client --config {keg.config} --check\n" in out
    assert "systemctl" not in out, "the service has another configuration"
    assert f"Give both to the administrator of the server {SERVER}\n" in out


def test_another_run_changes_nothing_and_prints_the_same(keg: Keg) -> None:
    first = keg.run_mode("--setup", "--server", SERVER)
    before = files(keg.config.parent)
    for words in (["--setup"], ["--setup", "--server", SERVER]):
        again = keg.run_mode(*words)
        assert (again.returncode, again.stdout, again.stderr) == (0, first.stdout, "")
    assert files(keg.config.parent) == before


def test_only_what_is_missing_is_filled_into_the_template(keg: Keg) -> None:
    template = (REPOSITORY / "conf/client.conf").read_text()
    keg.config.write_text(template)
    keg.config.chmod(0o640)
    assert keg.run_mode("--setup", "--server", SERVER).returncode == 0
    made = load(keg.config)
    expected = template.replace("\nuuid =\n", f"\nuuid = {made.uuid}\n").replace("\nserviceBaseURL =\n", f"\nserviceBaseURL = {SERVER}\n")
    assert keg.config.read_text() == expected
    assert keg.config.stat().st_mode & 0o7777 == 0o640


@pytest.mark.parametrize(
    "text",
    [
        "[KegNet]\n",
        "[KegNet]",
        "\ufeff[KegNet]\r\npingInterval = 7\r\n",
        "[Other]\nuuid =\nserviceBaseURL = https://other.example/rest/v2\n[KegNet]\npingInterval = 7\n",
        "[KegNet]\nUUID:\n[Other]\nuuid =\n",
        "# uuid =\n[KegNet]\n# uuid =\nservicebaseurl =\n",
    ],
    ids=["head", "no newline", "crlf and mark", "other section first", "other section after", "comments"],
)
def test_any_good_file_gets_what_is_missing_and_keeps_the_rest(keg: Keg, text: str) -> None:
    keg.config.write_bytes(text.encode())
    done = keg.run_mode("--setup", "--server", SERVER)
    assert done.returncode == 0, done.stderr
    made = load(keg.config)
    assert (made.base_url, made.ping_interval_s) == (SERVER, 7 if "pingInterval" in text else 600)
    new = keg.config.read_bytes().decode()
    kept = [line for line in new.splitlines() if made.uuid not in line and SERVER not in line]
    assert all(line in text.splitlines() for line in kept)
    assert ("\r\n" in new) == ("\r\n" in text)


def test_what_exists_already_stays(keg: Keg, key: Path) -> None:
    keg.write_config()
    before = keg.config.read_bytes()
    done = keg.run_mode("--setup")
    assert keg.client_id in done.stdout
    assert openssl("rsa", "-in", key, "-pubout").decode() in done.stdout
    assert keg.config.read_bytes() == before


def test_a_server_other_than_the_one_in_the_file_is_refused(keg: Keg) -> None:
    keg.write_config()
    before = files(keg.config.parent)
    line = complaint(keg.run_mode("--setup", "--server", SERVER))
    old = keg.parameters["serviceBaseURL"]
    assert f"{keg.config}: serviceBaseURL = {old}: has a value already, and --setup overwrites nothing; fix: edit the file" in line
    assert files(keg.config.parent) == before


@pytest.mark.parametrize(
    "bad", [b"", b"-----BEGIN RSA PRIVATE KEY-----\nnonsense\n-----END RSA PRIVATE KEY-----\n"], ids=["empty", "damaged"]
)
def test_a_key_that_cannot_be_used_is_not_overwritten(keg: Keg, bad: bytes) -> None:
    (keg.config.parent / "privkey.pem").write_bytes(bad)
    line = complaint_after_making(keg)
    assert f"move the file away and make another key with sudo kegnet-client --config {keg.config} --setup" in line
    assert (keg.config.parent / "privkey.pem").read_bytes() == bad


def complaint_after_making(keg: Keg) -> str:
    done = keg.run_mode("--setup", "--server", SERVER)
    assert done.returncode == EX_CONFIG
    return done.stderr.splitlines()[-1]


def test_without_a_terminal_it_asks_for_the_option_and_makes_nothing(keg: Keg) -> None:
    assert f"sudo kegnet-client --config {keg.config} --setup --server https://" in complaint(keg.run_mode("--setup"))
    assert files(keg.config.parent) == {}


@pytest.mark.parametrize("server", ["kegnet.example", "ftp://kegnet.example/", "https://me:secret@kegnet.example/rest/v2", ""])
def test_a_wrong_address_is_refused_before_anything_is_made(keg: Keg, server: str) -> None:
    assert "; fix: use the REST API's address, e.g. https://" in complaint(keg.run_mode("--setup", "--server", server))
    assert files(keg.config.parent) == {}


def test_a_directory_that_does_not_exist_is_named(keg: Keg) -> None:
    keg.config = keg.folder / "nowhere/client.conf"
    assert f"{keg.config}: cannot be made (No such file or directory); fix: make sure that its directory exists" in complaint(
        keg.run_mode("--setup", "--server", SERVER)
    )


class AtATerminal:
    """--setup with a terminal."""

    def __init__(self, keg: Keg) -> None:
        self.terminal, theirs = pty.openpty()
        command: list[str | Path] = [PYTHON, "-B", keg.program, "--config", keg.config, "--setup"]
        self.process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, start_new_session=True)
        os.close(theirs)
        self.said = ""

    def wait_for_text(self, text: str) -> None:
        while text not in self.said:
            self.said += os.read(self.terminal, 4096).decode(errors="replace")

    def types(self, text: str) -> None:
        self.said = ""
        os.write(self.terminal, text.encode())

    def wait_for_end(self) -> int:
        assert self.process.stdout is not None
        with self.process.stdout:
            self.out = self.process.stdout.read().decode()
        with contextlib.suppress(OSError):
            # EIO: the program has ended, and all that it said is read.
            while True:
                self.said += os.read(self.terminal, 4096).decode(errors="replace")
        status = self.process.wait(10)
        os.close(self.terminal)
        return status


def test_on_a_terminal_it_asks_until_the_address_is_one(keg: Keg) -> None:
    owner = AtATerminal(keg)
    owner.wait_for_text("serviceBaseURL = ")
    owner.types("kegnet.example\n")
    owner.wait_for_text("; use the REST API's address")
    owner.wait_for_text("serviceBaseURL = ")
    owner.types(f"{SERVER}\n")
    owner.wait_for_text("Is a flow meter connected to this computer? [y/N] ")
    owner.types("\n")
    assert owner.wait_for_end() == 0
    assert "BEGIN PUBLIC KEY" in owner.out
    assert load(keg.config).base_url == SERVER
    assert set(files(keg.config.parent)) == {"client.conf", "privkey.pem"}


def test_it_runs_the_set_up_of_the_flow_meter(keg: Keg) -> None:
    assert keg.run_mode("--setup", "--server", SERVER).returncode == 0
    owner = AtATerminal(keg)
    owner.wait_for_text("Is a flow meter connected to this computer? [y/N] ")
    owner.types("y\n")
    owner.wait_for_text("pins = ")
    owner.types("17\n")
    assert owner.wait_for_end() == 0
    assert "GPIO 17: number 17 on the server" in owner.out
    assert [pin.pin for pin in load_meter(keg.config.with_name("meter.conf")).pins] == [17]


def test_its_status_is_that_of_the_set_up_of_the_flow_meter(keg: Keg) -> None:
    assert keg.run_mode("--setup", "--server", SERVER).returncode == 0
    owner = AtATerminal(keg)
    owner.wait_for_text("[y/N] ")
    owner.types("yes\n")
    owner.wait_for_text("pins = ")
    owner.types("\x04")
    assert owner.wait_for_end() == EX_CONFIG
    assert not keg.config.with_name("meter.conf").exists()


def test_what_is_typed_may_be_anything(keg: Keg) -> None:
    owner = AtATerminal(keg)
    owner.wait_for_text("serviceBaseURL = ")
    os.write(owner.terminal, b"https://k\xff.example/rest/v2\n")
    owner.wait_for_text("; use the REST API's address")
    owner.types("\x04")
    assert owner.wait_for_end() == EX_CONFIG
    assert "Traceback" not in owner.said


@pytest.mark.parametrize("name", ["client.conf", "privkey.pem"])
def test_a_link_that_leads_nowhere_is_named_and_stays(keg: Keg, name: str) -> None:
    link = keg.config.parent / name
    link.symlink_to("/nowhere/at/all")
    done = keg.run_mode("--setup", "--server", SERVER)
    assert done.returncode == EX_CONFIG
    assert (
        "is a symbolic link to /nowhere/at/all, which does not exist; fix: mount or make /nowhere/at/all, or remove the link"
        in done.stderr.splitlines()[-1]
    )
    assert link.is_symlink()


@pytest.mark.parametrize("end", ["end of input", "interrupt"])
def test_an_unanswered_question_leaves_nothing_behind(keg: Keg, end: str) -> None:
    owner = AtATerminal(keg)
    owner.wait_for_text("serviceBaseURL = ")
    if end == "interrupt":
        owner.process.send_signal(signal.SIGINT)
        assert owner.wait_for_end() == 128 + signal.SIGINT
    else:
        owner.types("\x04")
        assert owner.wait_for_end() == EX_CONFIG
    assert "Traceback" not in owner.said
    assert files(keg.config.parent) == {}


@pytest.mark.parametrize("words", [["--setup", "--check"], ["--json"], ["--server", SERVER], ["--check", "--server", SERVER], ["x"]])
def test_modes_and_options_that_exclude_each_other_are_a_wrong_command_line(keg: Keg, words: list[str]) -> None:
    done = keg.run_mode(*words)
    assert done.returncode == 2
    assert "usage: kegnet-client" in done.stderr
