"""Facts about the system: its service manager, clock, boot configuration, kernel modules and users."""

from __future__ import annotations

import ctypes
import os
import pwd
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

UNIT = "kegnet-client.service"
_INSTALLED_UNIT = "/usr/share/kegnet-client/service/kegnet-client.service"
"""The path that service/install uses. systemd knows the unit only while it is enabled."""
BOOT_CONFIGS = (Path("/boot/firmware/config.txt"), Path("/boot/config.txt"))
"""The file that the firmware of a Raspberry Pi reads, since Debian 12 and before."""
_OVERLAY = re.compile(r"^\s*dtoverlay\s*=\s*w1-gpio", re.MULTILINE)
_TIME_ERROR = 5
_TIMEX_BYTES = 512
"""More than the size of struct timex on any architecture."""
_PROPERTIES = (
    "LoadState", "UnitFileState", "ActiveState", "SubState", "Result", "ExecMainStatus",
    "StatusText", "ActiveEnterTimestamp", "User", "ReadWritePaths", "LoadCredential",
)  # fmt: skip
_TIMEOUT_S = 10


def boot_config() -> Path | None:
    """The file in which overlays are enabled; None if this is not a Raspberry Pi."""
    return next((path for path in BOOT_CONFIGS if path.is_file()), None)


def enables_one_wire(path: Path) -> bool:
    """Whether the boot configuration at `path` has an overlay for a 1-Wire bus. Raises OSError."""
    return _OVERLAY.search(path.read_text("utf-8", "replace")) is not None


def has_module(name: str) -> bool:
    """Whether the kernel module `name` is loaded, or built in with parameters."""
    return os.path.isdir(f"/sys/module/{name}")


def clock_is_synchronised() -> bool:
    """Whether the clock is synchronised, by adjtimex(2). Raises OSError."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    state = ctypes.CDLL(None, use_errno=True).adjtimex(timex)
    if state < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return bool(state != _TIME_ERROR)


def service() -> Mapping[str, str]:
    """The properties of our unit, as systemctl(1) shows them; empty if systemd does not run."""
    command = ["systemctl", "show", *(f"--property={name}" for name in _PROPERTIES), UNIT]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    if answer.returncode != 0:
        return {}
    return dict(line.partition("=")[::2] for line in answer.stdout.splitlines())


def enable_command(state: str) -> str:
    """The command that makes the service, whose state in systemd is `state`, start at boot."""
    if state == "masked":
        return f"systemctl unmask {UNIT}"
    if state == "not-found" and not os.path.exists(_INSTALLED_UNIT):
        return "install it as a service, or make sure that something else starts this program"
    return f"systemctl enable {_INSTALLED_UNIT if os.path.exists(_INSTALLED_UNIT) else UNIT}"


def may(user: str, test: str, path: Path) -> bool | None:
    """Whether `user` has the permissions `test` (letters r, w, x of test(1)) on `path`. Raises OSError.

    The test runs as that user, because modes do not show access lists and read-only mounts. None if only root can run
    it. If there is no such user, the test is for this process.
    """
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        return os.access(path, sum({"r": os.R_OK, "w": os.W_OK, "x": os.X_OK}[letter] for letter in test))
    if os.geteuid() not in (0, account.pw_uid):
        return None
    command = ["test"]
    for letter in test:
        command += [*(["-a"] if len(command) > 1 else []), f"-{letter}", str(path)]
    as_user = {}
    if os.geteuid() == 0:
        as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": os.getgrouplist(user, account.pw_gid)}
    return subprocess.run(command, **as_user).returncode == 0  # type: ignore[call-overload,no-any-return]
