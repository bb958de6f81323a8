"""Reads client.conf, an INI file with one section, into a frozen Config."""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from ..core.ini import ConfigError, HintError, IniFile, Section, value_error

SECTION = "KegNet"
UNIT = "kegnet-client.service"
DEFAULT_PING_INTERVAL_S = 600
LONGEST_PING_INTERVAL_S = 86_400
W1_DEVICES = Path("/sys/bus/w1/devices")

_LIB = Path(__file__).resolve().parents[2]
ROOT = _LIB.parent if _LIB.name == "lib" else Path("/usr/share/kegnet-client")
"""The directory of `conf/` and `spool/`: the parent of `lib/`, or the default if pip has installed this file elsewhere."""
DEFAULT_PATH = ROOT / "conf" / "client.conf"

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PROBE = re.compile(r"[0-9a-f]{2}-[0-9a-f]{12}")
_LABEL = "[A-Za-z0-9_-]{1,63}"
_ZONE = "%(25)?(?![2-7][0-9A-Fa-f])[A-Za-z0-9_.-]+"
"""The zone of an IPv6 address, with `%` or `%25` (RFC 6874). It must not look like a percent-escape: requests would decode it."""
_NETLOC = re.compile(rf"({_LABEL}(\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+({_ZONE})?\])(:[0-9]{{0,5}})?")

BASE_URL_TAKES = "the REST API's address, e.g. https://www.kegnetwork.com/rest/v2"
"""Describes a valid `serviceBaseURL`, for messages."""
_UUID_TAKES = "the client's UUID, e.g. 6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"


@dataclass(frozen=True)
class Config:
    """The content of client.conf, with defaults and absolute paths.

    `base_url` has no slash at its end. `ca_bundle` is None for the system's store, `sensor` is None for the first probe found.
    If `has_sensor` is false, no pings are sent. `warnings` are log lines.
    """

    path: Path
    uuid: str
    base_url: str
    private_key: Path
    ca_bundle: Path | None
    spool: Path
    ping_interval_s: int
    sensor: str | None
    has_sensor: bool
    w1_devices: Path
    warnings: tuple[str, ...] = ()

    @property
    def ts_per_s(self) -> int:
        """Units per second of the API's timestamps: 1 for v1, 1000 for later versions."""
        return 1 if self.base_url.endswith("/v1") else 1000

    @property
    def key_file(self) -> Path:
        """The file to load the key from: systemd's copy if there is one (systemd.exec(5), LoadCredential=)."""
        credential = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent"), "privkey.pem")
        return credential if credential.exists() else self.private_key

    def error(self, parameter: str, value: object, problem: str, fix: str) -> ConfigError:
        """A ConfigError about one parameter of this file."""
        return value_error(self.path, parameter, value, problem, fix.replace("{setup}", command(self.path, "--setup")))


def command(path: Path, mode: str) -> str:
    """The shell command for a mode of this program, with `--config` if needed; for messages."""
    option = "" if path.absolute() == DEFAULT_PATH else f" --config {shlex.quote(str(path.absolute()))}"
    return f"sudo kegnet-client{option} {mode}"


def load(path: Path) -> Config:
    """The configuration in the file `path`. Raises ConfigError."""
    path = path.absolute()
    section = read_section(path)
    sensor = section.get("sensor", _sensor, "a probe's name below w1Devices, e.g. 28-0000054c9f11, or none")
    config = Config(
        path=path,
        uuid=section.required("uuid", _uuid, _UUID_TAKES),
        base_url=section.required("serviceBaseURL", base_url, BASE_URL_TAKES),
        private_key=section.path("privateKey", "the path of an RSA private key") or default_key(path),
        ca_bundle=section.path("caBundle", "the path of a file with CA certificates"),
        spool=section.path("spool", "the path of the spool directory") or default_spool(path),
        ping_interval_s=section.get("pingInterval", _interval, f"whole seconds, from 1 to {LONGEST_PING_INTERVAL_S}")
        or DEFAULT_PING_INTERVAL_S,
        sensor=None if sensor == "none" else sensor,
        has_sensor=sensor != "none",
        w1_devices=section.path("w1Devices", "the directory in which the kernel shows the probes") or W1_DEVICES,
    )
    return replace(config, warnings=(*section.warnings(), *_warnings(config)))


def read_section(path: Path) -> Section:
    """The section of the file `path`, not checked yet. Raises ConfigError."""
    return IniFile(path.absolute(), SECTION, command(path, "--setup")).section(SECTION)


def default_key(path: Path) -> Path:
    """The path of the private key if the configuration at `path` does not name another."""
    return path.parent / "privkey.pem"


def default_spool(path: Path) -> Path:
    """The path of the spool if the configuration at `path` does not name another."""
    return path.parent.parent / "spool"


def _warnings(config: Config) -> list[str]:
    warnings = []
    if not re.search("/v[0-9]+$", config.base_url):
        warnings.append(
            f"{config.path}: serviceBaseURL = {config.base_url}: does not end in a version such as /v2: version 2 is used; fix: add it"
        )
    if config.base_url.startswith("http:") and not _is_private(urlsplit(config.base_url).hostname or ""):
        warnings.append(
            f"{config.path}: serviceBaseURL = {config.base_url}: anyone on the network can read and change http; fix: use https"
        )
    if config.key_file != config.private_key != default_key(config.path):
        fix = f"put LoadCredential=privkey.pem:{config.private_key} into the unit"
        problem = "not used, because systemd passes another key to the service"
        warnings.append(f"{config.path}: privateKey = {config.private_key}: {problem}; fix: {fix}")
    return [*warnings, *key_warnings(config.private_key)]


def key_warnings(key: Path) -> list[str]:
    """A warning if others than its owner can use the private key."""
    try:
        mode = stat.S_IMODE(key.stat().st_mode)
    except OSError:
        return []  # Loading the key reports why it cannot be read.
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return [f"{key}: other users can read or change the private key (mode {mode:04o}); fix: chmod 600 {shlex.quote(str(key))}"]
    return []


def _is_private(host: str) -> bool:
    """Whether `host` is this machine or one on the local network, judged by its name or address."""
    if host == "localhost" or host.endswith((".localhost", ".local")):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_private
    except ValueError:
        return False


def _uuid(text: str) -> str:
    if not _UUID.fullmatch(text):
        raise ValueError
    return text


def base_url(text: str) -> str:
    """`text` as a `serviceBaseURL`, without slashes at its end. Raises ValueError, or HintError with a reason."""
    parts = urlsplit(text)
    if not re.fullmatch(r"[\x21-\x7e]+", text) or parts.scheme not in ("https", "http") or parts.port == 0:
        raise ValueError
    if "@" in parts.netloc:
        raise HintError("a user name or password does not belong in the address")
    if "?" in text or "#" in text:
        raise HintError("a query or fragment does not belong in the address")
    if not _NETLOC.fullmatch(parts.netloc):
        # Otherwise the first request would fail, or go to another host.
        raise ValueError
    return text.rstrip("/")


def _interval(text: str) -> int:
    match = re.fullmatch("0*([0-9]{1,5})", text)
    if match is None or not 1 <= int(match[1]) <= LONGEST_PING_INTERVAL_S:
        raise ValueError
    return int(match[1])


def _sensor(text: str) -> str:
    if text.lower() != "none" and not _PROBE.fullmatch(text.lower()):
        raise ValueError
    return text.lower()
