"""--setup --code: what the client sends, and one line with a fix for each failure."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kegnet.core.fingerprint import fingerprint
from kegnet.server.storage.clients import find_client
from kegnet.server.storage.codes import new_code
from support.keg import Keg
from support.kegnet_server import KegnetServer, now_ms
from support.pki import Certificate, openssl
from support.ports import free_port
from support.scripted_server import ScriptedServer, answers
from support.wait import wait_for

NOT_REGISTERED, EX_USAGE, EX_CONFIG = 1, 2, 78


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KegnetServer]:
    with KegnetServer(tmp_path / "server") as made:
        yield made


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Keg]:
    """A client without any file but its folders."""
    made = Keg(tmp_path / "fresh", tmp_path / "fresh/conf/privkey.pem")
    yield made
    made.close()


def register(keg: Keg, base_url: str, code: str) -> subprocess.CompletedProcess[str]:
    return keg.run_mode("--setup", "--server", base_url, "--code", code)


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a registration that failed, after those of the files that were made."""
    assert (done.returncode, done.stdout) == (NOT_REGISTERED, ""), done
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith(("made ", "changed "))]
    assert line.startswith("kegnet-client: ")
    assert "; fix: " in line
    return line


def test_from_nothing_to_a_ping_that_is_accepted_by_one_command(fresh: Keg, server: KegnetServer) -> None:
    with server.writing() as c:
        code = new_code(c, now_ms())
    done = register(fresh, server.base_url, f"{code[:4]}-{code[4:]}")
    assert done.returncode == 0, done.stderr
    public = openssl("rsa", "-in", fresh.key, "-pubout").decode()
    assert fingerprint(public) in done.stdout
    assert f"This client is registered at the server {server.base_url}.\n" in done.stdout
    assert f"    sudo kegnet-client --config {fresh.config} --check\n" in done.stdout
    with fresh.config.open("a") as file:
        file.write("w1Devices = ../w1\n")
    before = {path: path.read_bytes() for path in fresh.config.parent.iterdir()}
    again = register(fresh, server.base_url, code)
    assert (again.returncode, again.stdout) == (0, done.stdout), "a second time is harmless"
    assert {path: path.read_bytes() for path in fresh.config.parent.iterdir()} == before
    fresh.launch()
    client_id = fresh.config.read_text().split("uuid = ")[1].split()[0]
    wait_for(lambda: server.messages_of("ping", client_id))
    with server.database.reading() as c:
        client = find_client(c, client_id)
    assert client is not None
    assert client.public_key == public


def test_what_it_sends(fresh: Keg, scripted_server: ScriptedServer, ca: Certificate) -> None:
    scripted_server.pour_answer = answers(200, b"registered\n")
    done = fresh.run_mode("--setup", "--server", scripted_server.base_url)
    with fresh.config.open("a") as file:
        file.write(f"caBundle = {ca.certificate}\n")
    done = fresh.run_mode("--setup", "--code", "1234-5678")
    assert done.returncode == 0, done.stderr
    (sent,) = scripted_server.requests
    assert sent.path == "/rest/v2/register"
    assert set(sent.fields) == {"id", "public_key", "code", "ts", "name", "sig"}
    assert (sent.fields["code"], abs(int(sent.fields["ts"]) - now_ms()) < 60_000) == ("12345678", True)
    (fresh.folder / "sig").write_bytes(base64.b64decode(sent.fields["sig"]))
    (fresh.folder / "public.pem").write_text(sent.fields["public_key"])
    text = f"register,{sent.fields['id']},12345678,{sent.fields['ts']}"
    verified = openssl("dgst", "-sha256", "-verify", fresh.folder / "public.pem", "-signature", fresh.folder / "sig", given=text.encode())
    assert verified == b"Verified OK\n"


def test_a_wrong_and_an_expired_code(fresh: Keg, server: KegnetServer) -> None:
    line = complaint(register(fresh, server.base_url, "1234-5678"))
    page = server.page_url + "clients/add"
    assert f"not registered: 401 Unauthorized: no code is open; fix: make a new code at {page}, then run this again with it" in line
    with server.writing() as c:
        code = new_code(c, now_ms())
    line = complaint(register(fresh, server.base_url, f"{(int(code) + 1) % 10**8:08d}"))
    assert f"the code is wrong; fix: check the digits, or make a new code at {page}, then run this again with it" in line
    with server.writing() as c:
        code = new_code(c, 1_000_000)
    assert "the code has expired; fix: make a new code at " in complaint(register(fresh, server.base_url, code))


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (404, b"no such endpoint", "this server has no registration (404 Not Found: no such endpoint); fix: check serviceBaseURL in "),
        (405, b"", "this server has no registration (405 Method Not Allowed); fix: check serviceBaseURL in "),
        (429, b"too many", "not registered: 429 Too Many Requests: too many; fix: wait for a minute, then run this again"),
        (503, b"away", "not registered: 503 Service Unavailable: away; fix: wait for a minute, then run this again"),
        (400, b"no", "not registered: 400 Bad Request: no; fix: ask the administrator of the server; then run this again"),
        (403, b"key", "not registered: 403 Forbidden: key; fix: ask the administrator of the server; then run this again"),
        (500, b"", "not registered: 500 Internal Server Error; fix: ask the administrator of the server; then run this again"),
        (302, b"", "a redirect without a target, not followed; fix: check serviceBaseURL, or log in to the network"),
    ],
)
def test_other_answers(status: int, body: bytes, text: str, fresh: Keg, scripted_server: ScriptedServer, ca: Certificate) -> None:
    scripted_server.pour_answer = answers(status, body)
    assert fresh.run_mode("--setup", "--server", scripted_server.base_url).returncode == 0
    with fresh.config.open("a") as file:
        file.write(f"caBundle = {ca.certificate}\n")
    assert text in complaint(fresh.run_mode("--setup", "--code", "12345678"))


def test_no_connection(fresh: Keg) -> None:
    port = free_port()
    line = complaint(register(fresh, f"http://127.0.0.1:{port}/rest/v2", "12345678"))
    assert f"http://127.0.0.1:{port}/rest/v2: no connection (" in line
    assert "fix: check the network, the server, and serviceBaseURL in " in line


def test_a_certificate_that_is_not_trusted(fresh: Keg, scripted_server: ScriptedServer) -> None:
    line = complaint(register(fresh, scripted_server.base_url, "12345678"))
    assert "certificate trouble: asked for 127.0.0.1" in line
    assert "caBundle, then run this again" in line
    assert scripted_server.requests == []


@pytest.mark.parametrize(
    "words", [["--setup", "--code", "1234"], ["--setup", "--code", "1234-567x"], ["--code", "12345678"], ["--check", "--code", "12345678"]]
)
def test_a_wrong_command_line(fresh: Keg, words: list[str]) -> None:
    done = fresh.run_mode(*words)
    assert done.returncode == EX_USAGE
    assert "--code" in done.stderr
    assert list(fresh.config.parent.iterdir()) == [], "nothing was made"


def test_a_key_that_cannot_be_used_is_one_line(fresh: Keg, server: KegnetServer) -> None:
    fresh.key.write_text("no key")
    done = register(fresh, server.base_url, "12345678")
    assert done.returncode == EX_CONFIG
    assert "privateKey" in done.stderr.splitlines()[-1]
