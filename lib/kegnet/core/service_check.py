"""--check: the state of a service in systemd, and the permissions that it needs on a directory."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from . import system
from .finding import Finding, Level

_HIDDEN_BY = {"ProtectHome": ("/home", "/root", "/run/user"), "PrivateTmp": ("/tmp", "/var/tmp")}  # noqa: S108  Nothing is written there.
"""The directories that each setting of a unit hides from the service if it is "yes", see systemd.exec(5)."""
HIDDEN = "the service cannot see what is in " + ", ".join(place for places in _HIDDEN_BY.values() for place in places)
_OF_THE_SYSTEM = ("/", "/etc", "/usr", "/var", "/var/lib", "/var/spool", "/opt", "/boot")
"""Directories that a service must not write to, because other programs have theirs in them."""


def check_service(
    unit: str, service: Mapping[str, str], log: str = "the end of /var/log/user.log", configured: bool = False
) -> Iterator[Finding]:
    """Whether systemd starts the unit, and its state.

    `service`: the properties of the unit; `log`: where its log is read; `configured`: the configuration that it reads has been found to
    be usable.
    """
    if not service:
        yield Finding("service", Level.WARNING, "systemd does not run here", "make sure that something else starts this program")
        return
    state = service["UnitFileState"] or service["LoadState"]
    if not state.startswith("enabled"):
        yield Finding("service", Level.WARNING, f"it does not start at boot ({state})", system.enable_command(unit, state))
    if service["LoadState"] == "loaded":
        yield _judge_service(unit, service, log, configured)


def _judge_service(unit: str, service: Mapping[str, str], log: str, configured: bool) -> Finding:
    active = service["ActiveState"]
    if active in ("active", "reloading"):
        return Finding("service", Level.OK, f"running since {service['ActiveEnterTimestamp']}: {service['StatusText']}")
    if active in ("activating", "deactivating") and service["SubState"] != "auto-restart":
        return Finding("service", Level.WARNING, f"it is {active}", "run this again in a moment")
    if active == "inactive":
        return Finding("service", Level.WARNING, "it is not running", f"systemctl start {unit}")
    if configured and active == "failed" and service["ExecMainStatus"] == str(os.EX_CONFIG):
        # A boot between the installation and --setup starts it with the template.
        text = "it has not been started since its configuration was fixed"
        return Finding("service", Level.WARNING, text, f"systemctl restart {unit}; if it fails again, read {log}")
    text = f"{active} ({service['Result']}, exit status {service['ExecMainStatus']})"
    fix = f"fix the failures above, or read {log}; then: systemctl restart {unit}"
    return Finding("service", Level.FAILURE, text, fix)


def is_hidden(path: Path, service: Mapping[str, str]) -> bool:
    """Whether the unit cannot see `path`, whatever its mode is."""
    return any(service.get(setting) == "yes" and _within(path, places) for setting, places in _HIDDEN_BY.items())


def hidden_configuration(path: Path) -> Finding:
    """The failure that the unit cannot see `path`, the configuration that it reads."""
    file = os.path.realpath(path)
    return Finding("configuration", Level.FAILURE, f"{path}: the file is {file}; {HIDDEN}", f"move {file} to {path}")


def check_spool_permissions(path: Path, unit: str, service: Mapping[str, str], user: str, group: str) -> Finding:
    """Whether the unit, which runs as `user`, can change the directory `path`. `group` is the one that shares it. Raises OSError."""
    place = shlex.quote(str(path))
    status = path.stat()
    writable = system.may(user, "rwx", path, service.get("SupplementaryGroups", "").split())
    text = f"{path}: belongs to {system.owners(status)}, mode {stat.S_IMODE(status.st_mode):04o}"
    if is_hidden(path, service):
        fix = "move it, e.g. to /var/lib/kegnet/pours, and change the parameter spool"
        return Finding("spool", Level.FAILURE, f"{text}; {HIDDEN}", fix)
    if writable is None:
        return Finding("spool", Level.WARNING, f"{text}; only root can test whether the service can change it", "run this as root")
    if not writable:
        fix = f"chgrp {group} {place} && chmod g+rwxs {place}, or mount it writable"
        return Finding("spool", Level.FAILURE, f"{text}; {user or 'this user'} cannot change it", fix)
    if service.get("ReadWritePaths") and not _within(path, service["ReadWritePaths"].split()):
        fix = f"systemctl edit {unit}, add the lines [Service] and ReadWritePaths=-{_place_to_write(path)}; then restart it"
        return Finding("spool", Level.FAILURE, f"{text}; the service can only write to other places", fix)
    return Finding("spool", Level.OK, text)


def _place_to_write(path: Path) -> Path:
    """The directory for ReadWritePaths= of a spool: the one above it, so that a spool that is made again can be written, too.

    In a directory of the system it is the spool itself: otherwise, the service could write to what belongs to others.
    """
    resolved = Path(os.path.realpath(path))
    return resolved if str(resolved.parent) in _OF_THE_SYSTEM else resolved.parent


def _within(path: Path, places: Iterable[str]) -> bool:
    resolved = Path(os.path.realpath(path))
    return any(place in (resolved, *resolved.parents) for place in (Path(os.path.realpath(text.lstrip("-+"))) for text in places))
