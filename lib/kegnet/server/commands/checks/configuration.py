"""check: the configuration file and who can read it."""

from __future__ import annotations

import stat
from collections.abc import Iterator

from ....core.finding import Finding, Level
from ...config import DEFAULT_PATH, Config
from ...environment_file import is_one


def check_configuration(config: Config) -> Iterator[Finding]:
    """The file that was read. Its values are valid, else it would not have been loaded."""
    if config.path is None:
        yield Finding("configuration", Level.OK, f"{DEFAULT_PATH} is not read; the command line or the defaults count")
        return
    for warning in config.warnings:
        yield Finding("configuration", Level.WARNING, warning, f"correct it in {config.path}")
    if is_one(config.path):
        fix = "write it anew after /usr/share/kegnet-server/kegnet-server.conf or service/kegnet-server.conf"
        yield Finding("configuration", Level.WARNING, f"{config.path}: is in the older form, which is still read", fix)
    mode = stat.S_IMODE(config.path.stat().st_mode)
    if mode & 0o007 and "@" in config.path.read_text("utf-8", "replace"):
        fix = f"chown root:kegnet-server {config.path} && chmod 640 {config.path}"
        yield Finding("configuration", Level.WARNING, f"{config.path}: can contain passwords, and every user can read it", fix)
    else:
        yield Finding("configuration", Level.OK, f"{config.path}: is valid")
