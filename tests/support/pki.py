"""Keys and certificates, made by openssl when the tests run."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .wait import wait_for


def openssl(*arguments: str | Path, given: bytes = b"") -> bytes:
    """What `openssl ARGUMENTS` prints."""
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, input=given).stdout


def signature(key: Path, text: str) -> str:
    """The documented signature of `text`, by openssl alone."""
    return base64.b64encode(openssl("dgst", "-sha256", "-sign", key, given=text.encode())).decode()


@dataclass(frozen=True)
class Certificate:
    """A certificate and its private key, PEM files."""

    certificate: Path
    key: Path


def authority(folder: Path) -> Certificate:
    """A certificate authority of the tests' own."""
    made = Certificate(folder / "ca.pem", folder / "ca.key")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "60", "-subj", "/CN=Test authority",
            "-keyout", made.key, "-out", made.certificate)  # fmt: skip
    return made


def issue(authority: Certificate, folder: Path, name: str, host: str = "IP:127.0.0.1,DNS:localhost", days: int = 60) -> Certificate:
    """A server certificate for `host` from `authority`; with `days` 0 one that has expired."""
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName={host}\n")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Test server", "-keyout", made.key, "-out", request)
    openssl("x509", "-req", "-in", request, "-CA", authority.certificate, "-CAkey", authority.key, "-set_serial", "2",
            "-days", str(days), "-extfile", extensions, "-out", made.certificate)  # fmt: skip
    if days == 0:  # It is valid for a second.
        check: list[str | Path] = ["openssl", "x509", "-in", made.certificate, "-noout", "-checkend", "0"]
        wait_for(lambda: subprocess.run(check, capture_output=True).returncode != 0)
    return made
