"""service/require-packages: which packages are missing, by the real dpkg-query with a database of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "service/require-packages"
SYSLOG_NG = "Provides: linux-kernel-log-daemon, system-log-daemon\nConflicts: linux-kernel-log-daemon, system-log-daemon"

pytestmark = pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="needs dpkg")


def missing(folder: Path, *packages: str, wanted: str) -> str:
    """What it finds missing where `packages` are known to dpkg: the names, or empty."""
    entry = "Maintainer: Nobody <nobody@example.org>\nArchitecture: all\nVersion: 1\nDescription: a package\n"
    (folder / "status").write_text("".join(f"{package}\n{entry}\n" for package in packages))
    # Without sudo and as a user other than root it only prints the names.
    programs = folder / "bin"
    programs.mkdir()
    for name in ("sh", "dpkg-query", "grep"):
        (programs / name).symlink_to(shutil.which(name) or name)
    (programs / "id").write_text("#!/bin/sh\necho 1000\n")
    (programs / "id").chmod(0o755)
    done = subprocess.run(
        [SCRIPT, "openssl", wanted], capture_output=True, text=True, env={"PATH": str(programs), "DPKG_ADMINDIR": str(folder)}
    )
    assert done.returncode == (1 if done.stderr else os.EX_OK)
    return done.stderr.partition("Missing Debian packages: ")[2].partition(".")[0]


def package(name: str, fields: str = "Section: admin", state: str = "install ok installed") -> str:
    return f"Package: {name}\nStatus: {state}\n{fields}"


@pytest.mark.parametrize("provides", [SYSLOG_NG, "Provides: system-log-daemon (= 1)", "Provides: system-log-daemon, other"])
def test_another_system_log_daemon_stays(tmp_path: Path, provides: str) -> None:
    assert missing(tmp_path, package("openssl"), package("syslog-ng-core", provides), wanted="rsyslog|system-log-daemon") == ""


@pytest.mark.parametrize(
    "other",
    [
        package("nginx"),
        package("syslog-ng-core", SYSLOG_NG, "deinstall ok config-files"),
        package("other", "Provides: system-log-daemon-plus"),
        package("other", "Provides: my-system-log-daemon"),
    ],
)
def test_without_a_system_log_daemon_rsyslog_is_missing(tmp_path: Path, other: str) -> None:
    assert missing(tmp_path, package("openssl"), other, wanted="rsyslog|system-log-daemon") == "rsyslog"


def test_a_package_without_an_alternative_is_missing_until_it_is_installed(tmp_path: Path) -> None:
    assert missing(tmp_path, package("openssl", state="deinstall ok config-files"), wanted="rsyslog") == "openssl rsyslog"
