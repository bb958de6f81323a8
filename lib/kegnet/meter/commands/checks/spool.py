"""--check: the spool directory, its free space, and the pours in it that are not finished."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ....core.finding import Finding, Level
from ....core.messages import Pour, PourError
from ....core.service_check import check_spool_permissions
from ....core.syslog_handler import escape_name
from ... import files
from ...checkpoint import LIMIT_BYTES, Checkpoint, CheckpointError
from ...config import SPOOL_GROUP, UNIT, USER, MeterConfig
from ...files import RUNNING

LEAST_FREE_BYTES = 10 * 2**20
LEAST_FREE_FILES = 1000
OLD_S = 86_400.0
"""No pour runs as long as this: its file was left behind."""
LISTED = 10
"""Maximum number of files that are listed one by one."""
_RUNNING_FILE = re.compile(r"[0-9]+(\.[0-9]+)?" + re.escape(RUNNING))


def check_spool(conf: MeterConfig, service: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the service can write pours, and those that it could not finish."""
    try:
        files_found = _check_files(conf.spool)
        yield check_spool_permissions(conf.spool, UNIT, service, service.get("User") or USER, SPOOL_GROUP)
        yield from _check_space(conf.spool)
        yield from files_found
    except FileNotFoundError:
        fix = f"install -d -g {SPOOL_GROUP} -m 2775 {shlex.quote(str(conf.spool))}"
        yield Finding("spool", Level.FAILURE, f"{conf.spool}: does not exist", fix)
    except NotADirectoryError:
        yield Finding("spool", Level.FAILURE, f"{conf.spool}: is not a directory", "correct the parameter spool")
    except OSError as error:
        yield Finding("spool", Level.FAILURE, f"{conf.spool}: cannot be read ({error.strerror})", "run this as root")


def _check_space(spool: Path) -> Iterator[Finding]:
    status = os.statvfs(spool)
    free_bytes = status.f_bavail * status.f_frsize
    text = f"{free_bytes // 2**20} MiB and {status.f_favail} files are free"
    # Some file systems, such as btrfs, have no limit of files: then f_files is 0.
    if free_bytes < LEAST_FREE_BYTES or (status.f_files and status.f_favail < LEAST_FREE_FILES):
        yield Finding(
            "space", Level.WARNING, f"{text} for pours in {spool}", "delete what nobody needs: sudo apt clean; sudo du -xh / | sort -h"
        )
    else:
        yield Finding("space", Level.OK, text if status.f_files else f"{free_bytes // 2**20} MiB are free")


def _check_files(spool: Path) -> list[Finding]:
    """Warnings about files. Raises OSError if the directory cannot be read."""
    descriptor = os.open(spool, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        names = sorted(name for name in os.listdir(descriptor) if _RUNNING_FILE.fullmatch(name))
        findings = [finding for name in names if (finding := _judge_file(descriptor, name)) is not None]
    finally:
        os.close(descriptor)
    if len(findings) > LISTED:
        findings[LISTED:] = [Finding("unfinished", Level.WARNING, f"and {len(findings) - LISTED} more", findings[0].fix)]
    return findings


def _judge_file(directory: int, name: str) -> Finding | None:
    """A warning about a `.running` file that no daemon finishes; None if it is all right, or has just become a `.pour`."""
    shown = escape_name(name)
    try:
        age_s = time.time() - os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return None
    content = files.read(directory, name, LIMIT_BYTES)
    try:
        pour = _pour_in(content)
    except CheckpointError:
        return Finding(
            "unfinished", Level.WARNING, f"{shown} cannot be read as a pour: {content[:40]!r}", "look at it, then delete or rename it"
        )
    if age_s < OLD_S:
        return None
    if isinstance(pour, Checkpoint) and pour.ts is None:
        return Finding("unfinished", Level.WARNING, f"{shown}: the time of this pour is not known", "timedatectl set-ntp true")
    return Finding("unfinished", Level.WARNING, f"{shown}: this pour was never finished", f"systemctl restart {UNIT}")


def _pour_in(content: bytes) -> Pour | Checkpoint:
    try:
        return Pour.parse(content)
    except PourError:
        return Checkpoint.parse(content)
