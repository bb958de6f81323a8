"""kegnet-server's command line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.daemon import PYTHON
from support.keg import REPOSITORY
from support.pki import openssl

CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"


class Server:
    """The command, with a database of its own."""

    def __init__(self, folder: Path, key: Path) -> None:
        self._database = f"sqlite:///{folder}/kegnet.sqlite"
        self.public = folder / "public.pem"
        openssl("rsa", "-in", key, "-pubout", "-out", self.public)

    def __call__(self, *words: str | Path, given: str = "") -> str:
        """What it prints; on stderr, with a number in front, where it refuses."""
        command: list[str | Path] = [PYTHON, "-B", REPOSITORY / "lib/server.py", "--database", self._database, *words]
        done = subprocess.run(command, capture_output=True, text=True, input=given)
        assert "Traceback" not in done.stderr
        return done.stdout if done.returncode == 0 else f"{done.returncode} {done.stderr}"


@pytest.fixture
def server(tmp_path: Path, key: Path) -> Server:
    return Server(tmp_path, key)


def test_clients_come_are_listed_and_go(server: Server) -> None:
    assert server("clients", "add", CLIENT, server.public, "--name", "Garage") == f"{CLIENT} may speak\n"
    assert server("clients", "list") == f"{CLIENT}  Garage\n"
    assert server("clients", "add", CLIENT.upper(), "-", given=server.public.read_text()) == f"{CLIENT.upper()} may speak\n"
    assert server("clients", "list") == f"{CLIENT}  Garage\n"
    assert "may not speak any more" in server("clients", "remove", CLIENT)
    assert server("clients", "list") == ""
    assert "is not known" in server("clients", "remove", CLIENT)


def test_taps_come_change_and_go(server: Server) -> None:
    assert f"78 kegnet-server: client {CLIENT}: is not known; add it first\n" == server("taps", "set", CLIENT, "17")
    server("clients", "add", CLIENT, server.public)
    assert server("taps", "set", CLIENT, "17", "--name", "IPA") == ""
    assert server("taps", "set", CLIENT, "17", "--keg-litres", "19", "--pulses-per-litre", "5000", "--fresh") == ""
    assert server("taps", "list") == f"{CLIENT}  17  IPA  5000 pulses a litre  19 litres\n"
    assert server("taps", "remove", CLIENT, "17") == ""
    assert server("taps", "list") == ""
    assert server("taps", "set", CLIENT, "17", "--pulses-per-litre", "0").startswith("2 ")


def test_mistakes_get_one_line(server: Server, key: Path, tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("nonsense")
    openssl("genrsa", "-out", tmp_path / "small.key", "1024")
    openssl("rsa", "-in", tmp_path / "small.key", "-pubout", "-out", tmp_path / "small.pem")
    for words, said in (
        (("clients", "add", "mine", server.public), "mine: is no UUID"),
        (("clients", "add", CLIENT, tmp_path / "missing.pem"), "cannot be read (No such file or directory)"),
        (("clients", "add", CLIENT, tmp_path / "none.pem"), "it is no RSA public key in PEM form"),
        (("clients", "add", CLIENT, tmp_path / "small.pem"), "it has 1024 bits"),
        (("clients", "add", CLIENT, key), "it is a private key, which stays with its client"),
        (("serve", "--mqtt", "http://broker"), "it takes mqtt://"),
        (("--database", "nonsense", "clients", "list"), "nonsense: "),
    ):
        told = server(*words)
        assert told.startswith("78 kegnet-server: "), told
        assert said in told
        assert told.count("\n") == 1
    assert server("clients", "list") == ""


def test_the_password_is_asked_for_and_not_too_short(server: Server) -> None:
    assert server("password", given="open sesame\n") == "the password is set\n"
    assert "it takes 8 characters or more" in server("password", given="open\n")
