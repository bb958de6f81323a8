#!/usr/bin/python3
"""Gives a group access to the spool directory and to the pours in it. Run by root: share_spool.py DIRECTORY GROUP.

Users other than root can write to the spool, and can replace a name in it by a link at any moment. So this script checks
and changes each file by its open descriptor, and follows no link. It changes only files that contain nothing but a pour:
a user can also move another file of root's into the spool.
"""

from __future__ import annotations

import grp
import os
import re
import stat
import sys

_POUR = re.compile(rb"[0-9,]{0,79}\r?\n?")
"""Four integers of 1 to 19 digits and their commas, or part of such a line."""
_POUR_BYTES = 81
_SHARED_DIRECTORY = stat.S_IRWXG | stat.S_ISGID
_PERMISSIONS = stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO
"""Without setuid and setgid, which would let the file run with the new group."""
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def share_directory(directory: int, group: int) -> bool:
    """Lets the group create files that belong to the group; whether all users could write there, which now ends."""
    mode = stat.S_IMODE(os.fstat(directory).st_mode)
    os.fchown(directory, -1, group)
    os.fchmod(directory, (mode | _SHARED_DIRECTORY) & ~stat.S_IWOTH)
    return bool(mode & stat.S_IWOTH)


def share_pour(directory: int, name: str, group: int) -> None:
    """Lets the group read the pour `name`, unless it belongs to the group already. Raises OSError."""
    file = os.open(name, _OPEN_FILE, dir_fd=directory)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_gid == group:
            return
        if _POUR.fullmatch(os.read(file, _POUR_BYTES + 1)):
            os.fchown(file, -1, group)
            os.fchmod(file, (found.st_mode & _PERMISSIONS) | stat.S_IRGRP)
    finally:
        os.close(file)


def main(path: str, group_name: str) -> int:
    """Shares the directory, then the pours in it; the exit status."""
    group = grp.getgrnam(group_name).gr_gid
    try:
        directory = os.open(path, _OPEN_DIRECTORY)
    except OSError as error:
        how = f"chgrp {group_name} DIRECTORY && chmod g+rwxs,o-w DIRECTORY"
        print(f"{path} is not changed ({error.strerror}); if it is a link, give the group access yourself: {how}", file=sys.stderr)
        return 0
    if share_directory(directory, group):
        print(f"Closed: {path} was writable by every user; a program that writes pours runs as root or in the group {group_name}.")
    for name in os.listdir(directory):
        if ".pour" in name:
            try:
                share_pour(directory, name, group)
            except OSError:
                continue  # A link, a socket, or a pour that has just been sent.
    os.close(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
