"""--requeue: puts pours that were set aside back into the queue."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ...core.command_line import complain
from ...core.syslog_handler import escape_name
from ..config import Config
from ..spool import files
from .arguments import PROGRAM
from .quarantine import QuarantinedPour, find


def requeue(config: Config, named: Sequence[str]) -> int:
    """Lists the set-aside pours in the spool and queues them again: all, or the files `named`. Returns the exit status."""
    try:
        directory = os.open(config.spool, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        pours = find(directory)
    except OSError as error:
        complain(PROGRAM, f"{config.spool}: cannot be read ({error.strerror}); run this as root, or name another configuration")
        return 1
    if not pours and not named:
        print(f"no pours are set aside in {config.spool}")
        return os.EX_OK
    chosen, all_found = _choose(config.spool, pours, named)
    for pour in chosen:
        print(pour)
    done = [_put_back(directory, pour) for pour in chosen]
    return os.EX_OK if all(done) and all_found else 1


def _choose(spool: Path, pours: list[QuarantinedPour], named: Sequence[str]) -> tuple[list[QuarantinedPour], bool]:
    """Those of `pours` that are `named`, or all if no name is given; and whether each name was found."""
    if not named:
        return pours, True
    names = {_name_in(spool, file): file for file in named}
    there = {pour.name for pour in pours}
    unknown = [file for name, file in names.items() if name not in there]
    for file in unknown:
        complain(
            PROGRAM, f"{escape_name(file)}: is not set aside in {spool}; name a file there that ends in {files.SUFFIX}{files.FAIL_SUFFIX}"
        )
    return [pour for pour in pours if pour.name in names], not unknown


def _name_in(spool: Path, file: str) -> str:
    """The name in the spool that `file` means: itself, or the last part of a path into the spool; else the path."""
    parent, name = os.path.split(file)
    return name if not parent or os.path.realpath(parent) == os.path.realpath(spool) else file


def _put_back(directory: int, pour: QuarantinedPour) -> bool:
    """Queues the pour again. Returns whether that was possible."""
    try:
        # It may have been replaced since by something that is not a file.
        files.read(directory, pour.name, 1)
        name = files.put_back(directory, pour.name)
    except files.NotAFileError as error:
        complain(PROGRAM, f"{escape_name(pour.name)}: stays set aside: it is {error}")
        return False
    except OSError as error:
        fix = "run this as root" if os.geteuid() else "make the disk writable, or rename it by hand to a name that ends in .pour"
        complain(PROGRAM, f"{escape_name(pour.name)}: stays set aside ({error.strerror}); {fix}")
        return False
    print(f"{escape_name(name)} is queued again{_consequence(directory, name, pour)}")
    return True


def _consequence(directory: int, name: str, pour: QuarantinedPour) -> str:
    if pour.pour is None:
        return ", but it is not a pour, and will be set aside again"
    try:
        files.report_closed(directory, name)
    except OSError:
        return "; the client finds it within ten minutes"
    return ""
