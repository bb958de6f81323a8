"""--check: the spool directory, and the pours that are set aside in it."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ....core import system
from ....core.finding import Finding, Level
from ....core.service_check import check_spool_permissions
from ... import config
from ...config import Config, command
from ...spool import files
from ..quarantine import QuarantinedPour, find

LISTED = 10
"""Maximum number of set-aside pours that are listed one by one."""


@dataclass(frozen=True)
class _Look:
    """What is in the spool directory."""

    waiting: int
    set_aside: list[QuarantinedPour]


def check_spool(conf: Config, service: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the service can use the directory, and its pours. Does not lock it, because a running client does."""
    try:
        look = _look(conf.spool)
    except FileNotFoundError:
        yield Finding("spool", Level.FAILURE, f"{conf.spool}: does not exist", _make_command(conf, service))
    except NotADirectoryError:
        yield Finding("spool", Level.FAILURE, f"{conf.spool}: is not a directory", f"move it away, then {_make_command(conf, service)}")
    except OSError as error:
        yield Finding("spool", Level.FAILURE, f"{conf.spool}: cannot be read ({error.strerror})", "run this as root")
    else:
        found = _judge(conf, service, look)
        yield found
        if found.level is Level.OK:
            yield from _check_readable(conf, service)
        yield from _list_set_aside(conf, look.set_aside)


def _look(path: Path) -> _Look:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _Look(_count_waiting(directory), find(directory))
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
    user = service.get("User", "")
    found = check_spool_permissions(conf.spool, config.UNIT, service, user, user or "kegnet")
    if found.level is not Level.OK:
        return found
    waiting = "1 pour waits" if look.waiting == 1 else f"{look.waiting or 'no'} pours wait"
    return replace(found, text=f"{found.text}; {waiting}")


def _check_readable(conf: Config, service: Mapping[str, str]) -> Iterator[Finding]:
    """A warning about the waiting pours that the service cannot read."""
    unreadable = _find_unreadable(conf.spool, service)
    if not unreadable:
        return
    first = min(unreadable)
    with contextlib.suppress(FileNotFoundError):
        status = first.stat(follow_symlinks=False)
        others = f" and {len(unreadable) - 1} more" if len(unreadable) > 1 else ""
        user = service.get("User") or "this user"
        mode = f"{system.owners(status)}, mode {stat.S_IMODE(status.st_mode):04o}"
        text = f"{user} cannot read {first.name} ({mode}){others}: kept, and not sent"
        group = service.get("User") or "kegnet"
        # -H: the spool can be a link. -h and one file at a time: a link that takes the name of a pour keeps the group of its target.
        pours = f"find -H {shlex.quote(str(conf.spool))} -maxdepth 1 -name '*{files.SUFFIX}' -type f"
        yield Finding("spool", Level.WARNING, text, f"{pours} -exec chgrp -h {group} {{}} ';' -exec chmod g+r {{}} ';'")


def _find_unreadable(spool: Path, service: Mapping[str, str]) -> list[Path]:
    """The waiting pours that the service cannot read. Of those with the same owner, group and mode it tests one: there can be 100,000."""
    alike: dict[tuple[int, int, int], list[Path]] = {}
    with os.scandir(spool) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.name.endswith(files.SUFFIX) and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    alike.setdefault((status.st_uid, status.st_gid, status.st_mode), []).append(Path(entry.path))
    return [path for paths in alike.values() if _are_unreadable(paths, service) for path in paths]


def _are_unreadable(alike: list[Path], service: Mapping[str, str]) -> bool:
    groups = service.get("SupplementaryGroups", "").split()
    for path in alike:
        if system.may(service.get("User", ""), "r", path, groups) is not False:
            return False
        # A running client may have sent and deleted it in the meantime: then the next one is tested.
        if path.exists():
            return True
    return False


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
