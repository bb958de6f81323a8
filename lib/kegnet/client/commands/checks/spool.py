"""--check: the spool directory, and the pours that are set aside in it."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shlex
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...config import Config, command
from ...spool import files
from .. import system
from ..quarantine import QuarantinedPour, find
from .finding import Finding, Level

LISTED = 10
"""Maximum number of set-aside pours that are listed one by one."""


@dataclass(frozen=True)
class _Look:
    """The state of the spool directory. `writable` is None if only root can test whether the service can change it."""

    status: os.stat_result
    writable: bool | None
    waiting: int
    set_aside: list[QuarantinedPour]


def check_spool(conf: Config, service: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the service can use the directory, and its pours. Does not lock it, because a running client does."""
    try:
        look = _look(conf.spool, service.get("User", ""))
    except FileNotFoundError:
        yield Finding("spool", Level.FAILURE, f"{conf.spool}: does not exist", _make_command(conf, service))
    except NotADirectoryError:
        yield Finding("spool", Level.FAILURE, f"{conf.spool}: is not a directory", f"move it away, then {_make_command(conf, service)}")
    except OSError as error:
        yield Finding("spool", Level.FAILURE, f"{conf.spool}: cannot be read ({error.strerror})", "run this as root")
    else:
        yield _judge(conf, service, look)
        yield from _list_set_aside(conf, look.set_aside)


def _look(path: Path, user: str) -> _Look:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _Look(os.fstat(directory), system.may(user, "rwx", path), _count_waiting(directory), find(directory))
    finally:
        os.close(directory)


def _count_waiting(directory: int) -> int:
    waiting = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                waiting += entry.name.endswith(files.SUFFIX) and entry.is_file(follow_symlinks=False)
    return waiting


def _judge(conf: Config, service: Mapping[str, str], look: _Look) -> Finding:
    place = shlex.quote(str(conf.spool))
    user = service.get("User", "")
    text = f"{conf.spool}: belongs to {_owners(look.status)}, mode {stat.S_IMODE(look.status.st_mode):04o}"
    if look.writable is None:
        return Finding("spool", Level.WARNING, f"{text}; only root can test whether the service can change it", "run this as root")
    if not look.writable:
        fix = f"chgrp {user or 'kegnet'} {place} && chmod g+rwxs {place}, or mount it writable"
        return Finding("spool", Level.FAILURE, f"{text}; {user or 'this user'} cannot change it", fix)
    if service.get("ReadWritePaths") and not _within(conf.spool, service["ReadWritePaths"].split()):
        fix = f"systemctl edit {system.UNIT}, add the lines [Service] and ReadWritePaths={conf.spool}; then restart it"
        return Finding("spool", Level.FAILURE, f"{text}; the service can only write to other places", fix)
    waiting = "1 pour waits" if look.waiting == 1 else f"{look.waiting or 'no'} pours wait"
    return Finding("spool", Level.OK, f"{text}; {waiting}")


def _make_command(conf: Config, service: Mapping[str, str]) -> str:
    group = f"-g {service['User']} -m 2775 " if service.get("User") else ""
    return f"install -d {group}{shlex.quote(str(conf.spool))}"


def _list_set_aside(conf: Config, pours: list[QuarantinedPour]) -> Iterator[Finding]:
    if not pours:
        yield Finding("set aside", Level.OK, "no pours")
    requeue = command(conf.path, "--requeue")
    for pour in pours[:LISTED]:
        yield Finding("set aside", Level.WARNING, str(pour), f"when the reason is fixed: {requeue}")
    if len(pours) > LISTED:
        yield Finding("set aside", Level.WARNING, f"and {len(pours) - LISTED} more", requeue)


def _owners(status: os.stat_result) -> str:
    try:
        return f"{pwd.getpwuid(status.st_uid).pw_name}:{grp.getgrgid(status.st_gid).gr_name}"
    except KeyError:
        return f"{status.st_uid}:{status.st_gid}"


def _within(path: Path, places: list[str]) -> bool:
    resolved = Path(os.path.realpath(path))
    return any(place in (resolved, *resolved.parents) for place in (Path(os.path.realpath(text.lstrip("-+"))) for text in places))
