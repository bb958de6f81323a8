"""What the machine says of itself: its service manager, its clock, its boot configuration, its users. Facts, no judgement."""

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
"""Where service/install has it; systemd knows it only as long as it is enabled."""
BOOT_CONFIGS = (Path("/boot/firmware/config.txt"), Path("/boot/config.txt"))
"""Where Raspberry Pi OS keeps what the firmware reads: since Debian 12, and before."""
_OVERLAY = re.compile(r"^\s*dtoverlay\s*=\s*w1-gpio", re.MULTILINE)
_TIME_ERROR = 5
_TIMEX_BYTES = 512
"""More than a struct timex takes on any architecture."""
_PROPERTIES = (
    "LoadState", "UnitFileState", "ActiveState", "SubState", "Result", "ExecMainStatus",
    "StatusText", "ActiveEnterTimestamp", "User", "ReadWritePaths", "LoadCredential",
)  # fmt: skip
_TIMEOUT_S = 10


def boot_config() -> Path | None:
    """The file in which overlays are enabled; None where this is no Raspberry Pi."""
    return next((path for path in BOOT_CONFIGS if path.is_file()), None)


def enables_one_wire(path: Path) -> bool:
    """Whether the boot configuration at `path` has an overlay for a 1-Wire bus. Raises OSError."""
    return _OVERLAY.search(path.read_text("utf-8", "replace")) is not None


def has_module(name: str) -> bool:
    """Whether the kernel has the module `name`, loaded or built in and with something to say."""
    return os.path.isdir(f"/sys/module/{name}")


def clock_is_synchronised() -> bool:
    """Whether something keeps the clock right: adjtimex(2). Raises OSError."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    state = ctypes.CDLL(None, use_errno=True).adjtimex(timex)
    if state < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return bool(state != _TIME_ERROR)


def service() -> Mapping[str, str]:
    """What systemd says of our service, as the properties of systemctl(1); empty where no systemd runs, or it says nothing."""
    command = ["systemctl", "show", *(f"--property={name}" for name in _PROPERTIES), UNIT]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    if said.returncode != 0:
        return {}
    return dict(line.partition("=")[::2] for line in said.stdout.splitlines())


def enable_command(state: str) -> str:
    """What has the service, which systemd calls `state`, start with the machine."""
    if state == "masked":
        return f"systemctl unmask {UNIT}"
    if state == "not-found" and not os.path.exists(_INSTALLED_UNIT):
        return "install it as a service, or see that something else starts this program"
    return f"systemctl enable {_INSTALLED_UNIT if os.path.exists(_INSTALLED_UNIT) else UNIT}"


def may(user: str, test: str, path: Path) -> bool | None:
    """Whether `user` may do to `path` what each letter of `test` asks of test(1): r, w, x. Raises OSError.

    Asked as that user, for the kernel knows what modes do not tell: access lists, and what is mounted read-only. None where only
    root could ask so. Where there is no such user, this process asks for itself.
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
