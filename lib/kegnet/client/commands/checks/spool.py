"""--check: the spool directory, and the pours that are set aside in it."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

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
        yield _judge(conf, service, look)
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
