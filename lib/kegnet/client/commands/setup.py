"""--setup: makes what is missing: a key, a UUID, client.conf. Overwrites nothing."""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

from ...core import new_files
from ...core.fingerprint import fingerprint
from ...core.ini import ConfigError, HintError
from ...core.ini_edit import with_parameter
from ...core.signing import KeyFileError, SigningKey, new_key_pem
from .. import config
from ..config import Config

_TEMPLATE = f"""\
# The configuration of kegnet-client; see client.conf(5). After a change: systemctl reload kegnet-client

[{config.SECTION}]
uuid =
serviceBaseURL =
"""
_RESULT = """\
The UUID of this client:

    {uuid}

Its public key, with the fingerprint {fingerprint}:

{public_key}
Give both to the administrator of the server {server}
The private key stays on this host, in {private_key}. Nobody else needs it.
When the server has both, check the client and start it:

    {check}
    {start}
"""


def set_up(path: Path, server: str | None) -> Config:
    """Fills in what is missing in the configuration at `path`, and makes the key that it names. Returns the configuration.

    `server` is the serviceBaseURL; None: a prompt on the terminal asks for it if the file has none. Files of an
    earlier run are kept and used. Raises ConfigError.
    """
    path = path.absolute()
    missing = _missing(path, server)
    command = config.command(path, "--setup")
    with new_files.explained(path, command):
        _fill_in(path, missing)
    conf = config.load(path)
    with new_files.explained(conf.private_key, command):
        if not os.path.lexists(conf.private_key):
            new_files.make(conf.private_key, new_key_pem(), 0o600)
    return conf


def _missing(path: Path, server: str | None) -> dict[str, str]:
    """The required parameters that are absent or empty in the file, with their new values."""
    section = config.read_section(path) if os.path.lexists(path) else None
    old_uuid, old_url = (section.raw("uuid"), section.raw("serviceBaseURL")) if section else ("", "")
    missing = {} if old_uuid else {"uuid": str(uuid.uuid4())}
    url = _base_url(path, old_url, server)
    return missing if old_url else {**missing, "serviceBaseURL": url}


def describe(conf: Config) -> str:
    """The text to print: what the server needs. Raises ConfigError if the key cannot be used."""
    public_key = load_key(conf).public_key_pem()
    return _RESULT.format(
        uuid=conf.uuid,
        public_key=public_key,
        fingerprint=fingerprint(public_key),
        server=conf.base_url,
        private_key=conf.private_key,
        check=config.command(conf.path, "--check"),
        start=start_command(conf),
    )


def load_key(conf: Config) -> SigningKey:
    """The private key that the configuration names. Raises ConfigError."""
    try:
        return SigningKey.load(conf.private_key)
    except KeyFileError as error:
        raise conf.error("privateKey", conf.private_key, error.problem, error.fix) from error


def start_command(conf: Config) -> str:
    """The shell command that starts the client. The service reads the default configuration.

    It restarts the service, because a running service keeps the key that it got at its start.
    """
    is_default = conf.path == config.DEFAULT_PATH
    return "sudo systemctl restart kegnet-client" if is_default else config.command(conf.path, "").rstrip()


# The server's address.


def _base_url(path: Path, old: str, server: str | None) -> str:
    if server is None:
        return old or _ask(path)
    try:
        config.base_url(server)
    except ValueError as error:
        raise ConfigError(f"--server {server}: {_problem(error)}", f"use {config.BASE_URL_TAKES}") from error
    if old not in ("", server):
        raise ConfigError(
            f"{path}: serviceBaseURL = {old}: has a value already, and --setup overwrites nothing", "edit the file to change it"
        )
    return server


def _ask(path: Path) -> str:
    if not sys.stdin.isatty():
        raise ConfigError(f"{path}: serviceBaseURL is missing", f"name it: {config.command(path, '--setup')} --server https://...")
    print(f"Which server does this client send to? Use {config.BASE_URL_TAKES}", file=sys.stderr)
    while True:
        print("serviceBaseURL = ", end="", file=sys.stderr, flush=True)
        text = sys.stdin.readline()
        if not text:
            raise ConfigError(f"{path}: serviceBaseURL is missing, and nothing was made", "run --setup again and enter it")
        try:
            config.base_url(text.strip())
        except ValueError as error:
            print(f"{_problem(error)}; use {config.BASE_URL_TAKES}", file=sys.stderr)
        else:
            return text.strip()


def _problem(error: ValueError) -> str:
    # The text of other ValueErrors is from urlsplit(), for programmers.
    return str(error) if isinstance(error, HintError) else "this address is not valid"


# client.conf.


def _fill_in(path: Path, missing: Mapping[str, str]) -> None:
    """Writes the parameters that are `missing` into the file at `path`. Raises OSError."""
    old = None
    with contextlib.suppress(FileNotFoundError):
        old = path.read_bytes().decode("utf-8")
    new = _TEMPLATE if old is None else old
    for name, value in missing.items():
        new = with_parameter(new, config.SECTION, name, value)
    if old is None:
        new_files.make(path, new.encode("utf-8"), 0o644)
    elif new != old:
        new_files.replace(path, new.encode("utf-8"))
