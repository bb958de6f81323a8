"""Facts about the system: its service manager, clock and users."""

from __future__ import annotations

import ctypes
import grp
import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_INSTALLED_UNITS = Path("/usr/share/kegnet-client/service")
"""The directory that service/install uses. systemd knows a unit there only while it is enabled."""
_TIME_ERROR = 5
_TIMEX_BYTES = 512
"""More than the size of struct timex on any architecture."""
_PROPERTIES = (
    "LoadState", "UnitFileState", "ActiveState", "SubState", "Result", "ExecMainStatus", "StatusText", "ActiveEnterTimestamp",
    "User", "SupplementaryGroups", "ReadWritePaths", "ProtectHome", "PrivateTmp",
)  # fmt: skip
_TIMEOUT_S = 10


def clock_is_synchronised() -> bool:
    """Whether the clock is synchronised, by adjtimex(2). Raises OSError."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    state = ctypes.CDLL(None, use_errno=True).adjtimex(timex)
    if state < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return bool(state != _TIME_ERROR)


def service(unit: str) -> Mapping[str, str]:
    """The properties of the unit, as systemctl(1) shows them; empty if systemd does not run."""
    answer = _systemctl("show", *(f"--property={name}" for name in _PROPERTIES), unit)
    return dict(line.partition("=")[::2] for line in answer.splitlines())


def unit_lines(unit: str) -> list[str]:
    """The lines of the unit's file and of its drop-ins, for settings that `systemctl show` does not print; none if systemd does not run."""
    return _systemctl("cat", unit).splitlines()


def active_units(pattern: str) -> list[str]:
    """The names of the units that match `pattern` and run."""
    return _units(pattern, "active")


def started_units(pattern: str) -> list[str]:
    """The names of the units that match `pattern` and were started: they run, start, stop, wait for a restart, or have failed."""
    return _units(pattern, "active,activating,deactivating,reloading,failed")


def enable_command(unit: str, state: str) -> str:
    """The command that makes the service, whose state in systemd is `state`, start at boot."""
    installed = _INSTALLED_UNITS / unit
    if state == "masked":
        return f"systemctl unmask {unit}"
    if state == "not-found" and not installed.exists():
        return "install it as a service, or make sure that something else starts this program"
    return f"systemctl enable {installed if installed.exists() else unit}"


def may(user: str, test: str, path: Path, groups: Sequence[str] = ()) -> bool | None:
    """Whether `user` has the permissions `test` (letters r, w, x of test(1)) on `path`. Raises OSError.

    The test runs as that user with its groups and `groups`, because modes do not show access lists and read-only mounts. None if
    only root can run it. If there is no such user, the test is for this process.
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
        extra = [*os.getgrouplist(user, account.pw_gid), *_group_ids(groups)]
        as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": extra}
    return subprocess.run(command, **as_user).returncode == 0  # type: ignore[call-overload,no-any-return]


def owners(status: os.stat_result) -> str:
    """Owner and group of a file, as `user:group`."""
    try:
        return f"{pwd.getpwuid(status.st_uid).pw_name}:{grp.getgrgid(status.st_gid).gr_name}"
    except KeyError:
        return f"{status.st_uid}:{status.st_gid}"


def _group_ids(names: Sequence[str]) -> list[int]:
    return [group.gr_gid for group in grp.getgrall() if group.gr_name in names]


def _units(pattern: str, states: str) -> list[str]:
    answer = _systemctl("list-units", "--plain", "--no-legend", f"--state={states}", pattern)
    return [line.split()[0] for line in answer.splitlines() if line.strip()]


def _systemctl(*words: str) -> str:
    """What systemctl(1) prints; empty if systemd does not run."""
    try:
        answer = subprocess.run(["systemctl", *words], capture_output=True, text=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout if answer.returncode == 0 else ""
