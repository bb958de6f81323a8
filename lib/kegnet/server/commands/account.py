"""The user that a command works as: not root, if the service is to write what the command makes."""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

SERVICE_USER = "kegnet-server"
_SQLITE = "sqlite:///"


def become_owner(url: str) -> None:
    """If this is root, becomes the user that the database at `url` belongs to.

    For SQLite that is the owner of the file's folder, because the service could not write to what root makes there. For PostgreSQL it
    is the service's user, if there is one, so that the database recognises it on a local socket (`peer`).
    Root stays the saved user: see `as_root()`.
    """
    account = _owner(url)
    if os.geteuid() != 0 or account is None or account[0] == 0:
        return
    user, group = account
    os.setgroups([])
    os.setegid(group)
    os.seteuid(user)
    # libpq looks there for certificates and .pgpass. Where it may not look, it does without TLS.
    with contextlib.suppress(KeyError):
        os.environ["HOME"] = pwd.getpwuid(user).pw_dir


@contextlib.contextmanager
def as_root() -> Iterator[None]:
    """Works as the user that started this process, for files that are this user's."""
    user, group = os.geteuid(), os.getegid()
    os.seteuid(os.getuid())
    os.setegid(os.getgid())
    try:
        yield
    finally:
        os.setegid(group)
        os.seteuid(user)


def _owner(url: str) -> tuple[int, int] | None:
    """The user and the group."""
    if url.startswith(_SQLITE):
        folder = Path(url.removeprefix(_SQLITE)).parent
        return (folder.stat().st_uid, folder.stat().st_gid) if folder.is_dir() else None
    try:
        account = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        return None
    return account.pw_uid, account.pw_gid
