"""--check: client.conf and the private key."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from ....core import system
from ....core.finding import Finding, Level, of_config_error
from ....core.service_check import HIDDEN, hidden_configuration, is_hidden
from ....core.signing import KeyFileError, SigningKey
from ... import config
from ...config import Config


def check_configuration(conf: Config, service: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the service can read the file and `caBundle`, and the warnings about it."""
    user = service.get("User", "")
    if conf.path == config.DEFAULT_PATH and is_hidden(conf.path, service):
        yield hidden_configuration(conf.path)
    elif system.may(user, "r", conf.path) is False:
        yield Finding("configuration", Level.FAILURE, f"{conf.path}: {user} cannot read it", f"chmod a+r {shlex.quote(str(conf.path))}")
    else:
        yield Finding("configuration", Level.OK, f"{conf.path}: client {conf.uuid}, server {conf.base_url}")
    if conf.ca_bundle is not None:
        yield from _check_ca_bundle(conf, conf.ca_bundle, service)
    # check_key() reports those about the key.
    known = config.key_warnings(conf.private_key)
    for warning in conf.warnings:
        if warning not in known:
            text, fix = warning.rsplit("; fix: ", 1) if "; fix: " in warning else (warning, f"edit {conf.path}")
            yield Finding("configuration", Level.WARNING, text, fix)


def _check_ca_bundle(conf: Config, path: Path, service: Mapping[str, str]) -> Iterator[Finding]:
    """A failure if the service cannot read the CA certificates. That they are missing or damaged is found without the service, too."""
    user = service.get("User", "")
    move = f"move it, e.g. to {conf.path.parent}, and change caBundle"
    if is_hidden(path, service):
        yield of_config_error(conf.error("caBundle", path, HIDDEN, move))
    elif os.path.exists(path) and system.may(user, "r", path) is False:
        fix = f"chmod a+r {shlex.quote(str(path))}; if it is in a directory that {user} cannot enter, {move}"
        yield of_config_error(conf.error("caBundle", path, f"{user} cannot read it", fix))


def check_key(conf: Config, service: Mapping[str, str]) -> tuple[SigningKey | None, Finding]:
    """The private key, if it can be used, and the finding about it."""
    path = conf.private_key
    try:
        key = SigningKey.load(path)
        mode = stat.S_IMODE(path.stat().st_mode)
    except KeyFileError as error:
        fix = error.fix.replace("{setup}", config.command(conf.path, "--setup"))
        return None, Finding("key", Level.FAILURE, f"{path}: {error.problem}", fix)
    except OSError as error:
        return None, Finding("key", Level.FAILURE, f"{path}: it cannot be examined ({error.strerror})", "run this command again")
    found = f"{path}: RSA, {key.bits} bits"
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        others = "everybody" if mode & stat.S_IRWXO else "its group"
        text = f"{found}, but {others} can read or change it (mode {mode:04o}), and could sign messages as this client"
        return key, Finding("key", Level.FAILURE, text, f"chmod 600 {shlex.quote(str(path))}")
    # The service reads the default file, and no other.
    if conf.path == config.DEFAULT_PATH and service.get("LoadState") == "loaded" and _service_has_another_key(path):
        fix = f"systemctl edit {config.UNIT}, add the lines [Service] and LoadCredential=privkey.pem:{path}; then restart it"
        return key, Finding("key", Level.FAILURE, f"{found}, but systemd passes another key to the service", fix)
    if conf.path == config.DEFAULT_PATH and _service_has_an_older_key(path):
        text = f"{found}, but the service still signs with the key that it got at its start"
        return key, Finding("key", Level.WARNING, text, f"systemctl restart {config.UNIT}")
    return key, Finding("key", Level.OK, f"{found}, readable by its owner only")


def _service_has_another_key(path: Path) -> bool:
    """Whether the unit passes another file than `path` to the service. The last line about the key decides, see systemd.exec(5)."""
    source = None
    settings = [[part.strip() for part in line.partition("=")[::2]] for line in system.unit_lines(config.UNIT)]
    for name, value in settings:
        credential, _, place = value.partition(":")
        if name in ("LoadCredential", "LoadCredentialEncrypted") and credential in ("privkey.pem", ""):
            # An empty value removes what the lines above pass. An encrypted key, or one of the system's credentials, is not compared.
            source = (place if name == "LoadCredential" else "") if credential else None
    if source is None:
        # Without a credential, the service reads the file itself.
        return any(name == "SetCredential" and value.startswith("privkey.pem:") for name, value in settings)
    return source.startswith("/") and os.path.realpath(source) != os.path.realpath(path)


def _service_has_an_older_key(path: Path) -> bool:
    """Whether the service runs with a key that is not in the file any more. Only root can see that."""
    try:
        return Path("/run/credentials", config.UNIT, "privkey.pem").read_bytes() != path.read_bytes()
    except OSError:
        return False  # It does not run.
