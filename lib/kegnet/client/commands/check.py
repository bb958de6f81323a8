"""--check: a doctor's round over all that a pour and a ping need on their way, each finding with its mend."""

from __future__ import annotations

import dataclasses
import enum
import grp
import json
import os
import pwd
import shlex
import socket
import ssl
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from . import RELEASE_MONTH_S, config, deadline, machine, set_aside
from .api import CONNECT_TIMEOUT_S, Api, Verdict
from .backoff import Backoff
from .config import Config, ConfigError
from .logs import escaped
from .messages import Ping
from .pourfile import SUFFIX, pours_wait
from .signer import KeyFileError, Signer
from .thermometer import Reading, SensorError, Thermometer, celsius
from .transport import tls_context, words

CERTIFICATE_DAYS = 14
"""A certificate that is good for fewer days is worth a warning."""
ASIDE_LINES = 10
"""So many set-aside pours are told one by one."""
_READING_DEADLINE_S = 20.0
_VERIFY_MENDS = {
    9: "set this machine's clock, which stands before it: timedatectl set-ntp true",
    10: "its keeper has to renew it, unless this machine's clock is wrong",
    18: "name the certificate of the authority that signed it in caBundle",
    19: "name the certificate of the authority that signed it in caBundle",
    20: "name the certificate of the authority that signed it in caBundle",
    62: "serviceBaseURL takes the name that the certificate is for",
    64: "serviceBaseURL takes the name that the certificate is for",
}
"""By the codes X509_V_ERR_* of openssl-verification-options(1)."""


class Level(str, enum.Enum):
    """How bad a finding is: a failure keeps pings or pours from the server."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


_COLOURS = {Level.OK: "32", Level.WARNING: "33", Level.FAILURE: "31"}


@dataclass(frozen=True)
class Finding:
    """One line of the round: what was looked at, how it is, and where it is not as it should be, the mend."""

    what: str
    level: Level
    text: str
    mend: str = ""

    def __str__(self) -> str:
        return escaped(f"{self.what}: {self.text}" + (f"; mend: {self.mend}" if self.mend else ""))


def check(path: Path, as_json: bool, usual: bool = True) -> int:
    """Goes the round for the configuration at `path` and prints what it finds; the exit status: 1 if there is a failure.

    `usual`: it is the one that is taken if none is named, so that no mend has to name it.
    """
    deadline.install()
    findings = []
    named = "kegnet-client --" if usual else f"kegnet-client --config {shlex.quote(str(path.absolute()))} --"
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for found in examine(path.absolute()):
        finding = dataclasses.replace(found, mend=found.mend.replace("kegnet-client --", named))
        findings.append(finding)
        if not as_json:
            level = f"{finding.level.value:<9}"
            print(f"\033[{_COLOURS[finding.level]}m{level}\033[0m{finding}" if coloured else f"{level}{finding}", flush=True)
    good = all(finding.level is not Level.FAILURE for finding in findings)
    if as_json:
        print(json.dumps({"ok": good, "findings": [dataclasses.asdict(finding) for finding in findings]}, indent=2))
    return os.EX_OK if good else 1


def examine(path: Path) -> Iterator[Finding]:
    """All findings, in the order of what depends on what."""
    conf, service = None, machine.service()
    try:
        conf = config.load(path)
    except ConfigError as error:
        text, mend = _split(str(error))
        yield Finding("configuration", Level.FAILURE, text, mend or f"edit {path}")
    else:
        yield _readable(conf, service)
        yield from (Finding("configuration", Level.WARNING, warning, f"edit {path}") for warning in conf.warnings)
    places = conf or _usual_places(path)
    signer, of_key = _key(places, service)
    yield from of_key
    yield from _spool(places, service)
    reading, of_bus = _one_wire(places)
    yield from of_bus
    clock = _clock()
    yield clock
    if conf is None:
        yield Finding("server", Level.WARNING, "not looked at", "the configuration comes first")
    else:
        of_server = list(_server(conf))
        yield from of_server
        if signer is not None and all(finding.level is not Level.FAILURE for finding in (clock, *of_server)):
            yield _ping(conf, signer, reading)
    yield from _service(service)


def _usual_places(path: Path) -> Config:
    """Where things lie unless the configuration says otherwise, for one that cannot be read."""
    return Config(path, "", "", path.parent / "privkey.pem", None, path.parent.parent / "spool", 0, None, config.W1_DEVICES)


def _split(trouble: str) -> tuple[str, str]:
    """What an error says, and its mend, which stands last."""
    text, _, mend = trouble.rpartition("; ")
    return (text, mend) if text else (mend, "")


def _readable(conf: Config, service: Mapping[str, str]) -> Finding:
    user = service.get("User", "")
    if machine.may(user, "r", conf.path) is False:
        return Finding("configuration", Level.FAILURE, f"{conf.path}: {user} may not read it", f"chmod a+r {shlex.quote(str(conf.path))}")
    return Finding("configuration", Level.OK, f"{conf.path}: client {conf.uuid}, server {conf.base_url}")


def _key(conf: Config, service: Mapping[str, str]) -> tuple[Signer | None, list[Finding]]:
    path = conf.private_key
    try:
        signer = Signer.load(path)
        mode = os.stat(path).st_mode
    except KeyFileError as error:
        text, mend = _split(str(error))
        return None, [Finding("key", Level.FAILURE, f"{path}: {text}", mend)]
    found = f"{path}: RSA, {signer.bits} bits"
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        others = "everybody" if mode & stat.S_IRWXO else "its group"
        text = f"{found}, open to {others} (mode {stat.S_IMODE(mode):04o}), who could then speak for this keg"
        return signer, [Finding("key", Level.FAILURE, text, f"chmod 600 {shlex.quote(str(path))}")]
    if "LoadCredential" in service and path != conf.path.parent / "privkey.pem" and f":{path}" not in service["LoadCredential"]:
        mend = f"systemctl edit {machine.UNIT}, with the lines [Service] and LoadCredential=privkey.pem:{path}; then restart it"
        return signer, [Finding("key", Level.FAILURE, f"{found}, but the service gets another from systemd", mend)]
    return signer, [Finding("key", Level.OK, f"{found}, readable by its owner alone")]


# The spool.


def _spool(conf: Config, service: Mapping[str, str]) -> Iterator[Finding]:
    try:
        status = os.stat(conf.spool)
        waiting = sum(name.endswith(SUFFIX) for name in os.listdir(conf.spool))
        aside = set_aside.find(conf.spool)
        writable = machine.may(service.get("User", ""), "rwx", conf.spool)
    except FileNotFoundError:
        yield Finding("spool", Level.FAILURE, f"{conf.spool}: is not there", _make_spool(conf, service))
        return
    except NotADirectoryError:
        yield Finding("spool", Level.FAILURE, f"{conf.spool}: is no directory", f"move it away, and: {_make_spool(conf, service)}")
        return
    except OSError as error:
        yield Finding("spool", Level.FAILURE, f"{conf.spool}: cannot be looked at ({error.strerror})", "run this as root")
        return
    yield _judge_spool(
        conf, service, f"{conf.spool}: belongs to {_owners(status)}, mode {stat.S_IMODE(status.st_mode):04o}", writable, waiting
    )
    yield from _aside(aside)


def _judge_spool(conf: Config, service: Mapping[str, str], whose: str, writable: bool | None, waiting: int) -> Finding:
    place = shlex.quote(str(conf.spool))
    if writable is None:
        return Finding("spool", Level.WARNING, f"{whose}; whether the service may change it is not seen from here", "run this as root")
    if not writable:
        user = service.get("User", "")
        mend = f"chgrp {user or 'kegnet'} {place} && chmod g+rwxs {place}, or mount it writable"
        return Finding("spool", Level.FAILURE, f"{whose}; {user or 'this user'} may not change it", mend)
    if service.get("ReadWritePaths") and not _within(conf.spool, service["ReadWritePaths"].split()):
        mend = f"systemctl edit {machine.UNIT}, with the lines [Service] and ReadWritePaths={conf.spool}; then restart it"
        return Finding("spool", Level.FAILURE, f"{whose}; the service is confined to other places", mend)
    return Finding("spool", Level.OK, f"{whose}; {pours_wait(waiting)}")


def _make_spool(conf: Config, service: Mapping[str, str]) -> str:
    group = f"-g {service['User']} -m 2775 " if service.get("User") else ""
    return f"install -d {group}{shlex.quote(str(conf.spool))}"


def _aside(aside: list[set_aside.SetAside]) -> Iterator[Finding]:
    if not aside:
        yield Finding("set aside", Level.OK, "no pours")
    for one in aside[:ASIDE_LINES]:
        yield Finding("set aside", Level.WARNING, str(one), "once the reason is gone: sudo kegnet-client --requeue")
    if len(aside) > ASIDE_LINES:
        yield Finding("set aside", Level.WARNING, f"and {len(aside) - ASIDE_LINES} more", "sudo kegnet-client --requeue")


def _owners(status: os.stat_result) -> str:
    try:
        return f"{pwd.getpwuid(status.st_uid).pw_name}:{grp.getgrgid(status.st_gid).gr_name}"
    except KeyError:
        return f"{status.st_uid}:{status.st_gid}"


def _within(path: Path, places: list[str]) -> bool:
    resolved = Path(os.path.realpath(path))
    return any(place in (resolved, *resolved.parents) for place in (Path(os.path.realpath(text.lstrip("-+"))) for text in places))


# The thermometer.


def _one_wire(conf: Config) -> tuple[Reading | None, list[Finding]]:
    """The reading that would be sent, and one finding for each probe, or what keeps there from being any."""
    thermometer = Thermometer(conf.w1_devices, conf.sensor)
    try:
        probes = thermometer.probes()
    except SensorError as error:
        return None, [_no_bus(str(error), conf.w1_devices)]
    chosen = conf.sensor or (probes[0] if probes else "")
    findings, reading = [], None
    for probe in dict.fromkeys([*([chosen] if chosen else []), *probes]) or [""]:
        try:
            read = deadline.within(_READING_DEADLINE_S, Thermometer(conf.w1_devices, probe or None).read)
        except (SensorError, deadline.DeadlineExceeded) as error:
            level = Level.FAILURE if probe == chosen else Level.WARNING
            text, mend = _split(str(error) or f"probe {probe} does not answer in time; check its cable")
            findings.append(Finding("1-Wire", level, text, mend + _driver_mend(probes)))
        else:
            reading = read if probe == chosen else reading
            use = ", which is sent" if probe == chosen else ""
            findings.append(Finding("1-Wire", Level.OK, f"probe {probe} reads {celsius(read.millicelsius)}{use}"))
    return reading, findings


def _driver_mend(probes: list[str]) -> str:
    return "" if probes or machine.has_module("w1_therm") else ", and load the driver: modprobe w1-therm"


def _no_bus(trouble: str, devices: Path) -> Finding:
    text, general = _split(trouble)
    if devices != config.W1_DEVICES:
        return Finding("1-Wire", Level.FAILURE, text, "check the parameter w1Devices")
    boot = machine.boot_config()
    if boot is None:
        return Finding("1-Wire", Level.FAILURE, text, general)
    try:
        enabled = machine.enables_one_wire(boot)
    except OSError as error:
        return Finding("1-Wire", Level.FAILURE, f"{text}, and {boot} cannot be read ({error.strerror})", general)
    if not enabled:
        return Finding(
            "1-Wire", Level.FAILURE, f"{text}, and {boot} has no overlay for one", f"put the line dtoverlay=w1-gpio into {boot}, and reboot"
        )
    return Finding("1-Wire", Level.FAILURE, f"{text}, though {boot} has the overlay w1-gpio", "reboot; or: modprobe -a w1-gpio w1-therm")


def _clock() -> Finding:
    now = time.time()
    stands = time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(now))
    mend = "connect the network, and: timedatectl set-ntp true"
    if now < RELEASE_MONTH_S:
        return Finding("clock", Level.FAILURE, f"it stands at {stands}, and nothing is sent before it is set", mend)
    try:
        synchronised = machine.clock_is_synchronised()
    except OSError as error:
        return Finding("clock", Level.WARNING, f"{stands}; whether anything keeps it right cannot be seen ({error.strerror})", mend)
    if not synchronised:
        return Finding("clock", Level.WARNING, f"{stands}, but nothing keeps it right yet", mend)
    return Finding("clock", Level.OK, f"{stands}, synchronised")


# The server.


def _server(conf: Config) -> Iterator[Finding]:
    """Its name, a connection to it, its certificate; as far as it goes."""
    parts = urlsplit(conf.base_url)
    host, port = (parts.hostname or "").replace("%25", "%"), parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        text = f"{host} does not resolve ({getattr(error, 'strerror', None) or error})"
        yield Finding("server name", Level.FAILURE, text, f"check its spelling in serviceBaseURL, and the network: getent hosts {host}")
        return
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    if addresses != [host]:
        yield Finding("server name", Level.OK, f"{host} is {', '.join(addresses)}")
    try:
        with socket.create_connection((host, port), CONNECT_TIMEOUT_S) as plain:
            yield Finding("server", Level.OK, f"{plain.getpeername()[0]} takes connections on port {port}")
            if parts.scheme == "https":
                yield _certificate(conf, plain, host)
    except OSError as error:
        mend = "check serviceBaseURL, whether the server runs, and what a firewall lets through"
        yield Finding("server", Level.FAILURE, f"{host} takes no connection on port {port} ({words(error)})", mend)


def _certificate(conf: Config, plain: socket.socket, host: str) -> Finding:
    try:
        context = tls_context(conf.ca_bundle)
        context.check_hostname = True
        with context.wrap_socket(plain, server_hostname=host) as tls:
            until_s = ssl.cert_time_to_seconds(str((tls.getpeercert() or {})["notAfter"]))
    except ssl.SSLCertVerificationError as error:
        mend = _VERIFY_MENDS.get(error.verify_code, "ask its keeper")
        return Finding("certificate", Level.FAILURE, f"{error.verify_message.rstrip('.')}", mend)
    except OSError as error:
        return Finding("certificate", Level.FAILURE, words(error), "check serviceBaseURL and caBundle")
    until = time.strftime("%Y-%m-%d", time.localtime(until_s))
    if until_s - time.time() < CERTIFICATE_DAYS * 86_400:
        return Finding("certificate", Level.WARNING, f"good only until {until}", "its keeper has to renew it before then")
    return Finding("certificate", Level.OK, f"good until {until}")


def _ping(conf: Config, signer: Signer, reading: Reading | None) -> Finding:
    """Whether the server takes what this client signs: by a true ping, for it takes nothing less."""
    if reading is None:
        return Finding("ping", Level.WARNING, "not sent, for there is no temperature", "the thermometer comes first")
    try:
        api = Api(conf, signer, Backoff())
    except ConfigError as error:
        return Finding("ping", Level.FAILURE, str(error), f"edit {conf.path}")
    outcome = api.send(Ping(reading.millicelsius, time.time_ns() // (10**9 if conf.api_v1 else 10**6)))
    api.close()
    if outcome.verdict is Verdict.ACCEPTED:
        return Finding("ping", Level.OK, f"the server has taken one, with {celsius(reading.millicelsius)}")
    if outcome.verdict is Verdict.REJECTED:
        mend = "check serviceBaseURL and uuid, and give the server's keeper what this shows: sudo kegnet-client --setup"
        return Finding("ping", Level.FAILURE, f"the server refused one ({outcome.reason})", mend)
    return Finding("ping", Level.FAILURE, f"the server could not take one ({outcome.reason})", "check serviceBaseURL, or ask its keeper")


# The service.


def _service(service: Mapping[str, str]) -> Iterator[Finding]:
    if not service:
        yield Finding("service", Level.WARNING, "no systemd runs here", "see that something else starts this program")
        return
    state = service["UnitFileState"] or service["LoadState"]
    if not state.startswith("enabled"):
        yield Finding("service", Level.WARNING, f"it does not start with the machine ({state})", machine.enable_command(state))
    if service["LoadState"] != "loaded":
        return
    if service["ActiveState"] in ("active", "reloading"):
        yield Finding("service", Level.OK, f"running since {service['ActiveEnterTimestamp']}: {service['StatusText']}")
    elif service["ActiveState"] in ("activating", "deactivating") and service["SubState"] != "auto-restart":
        yield Finding("service", Level.WARNING, f"it is {service['ActiveState']} just now", "look again in a moment")
    elif service["ActiveState"] == "inactive":
        yield Finding("service", Level.WARNING, "it is not running", f"systemctl start {machine.UNIT}")
    else:
        text = f"{service['ActiveState']} ({service['Result']}, exit status {service['ExecMainStatus']})"
        mend = f"mend what stands above, or look at the end of /var/log/user.log; then: systemctl restart {machine.UNIT}"
        yield Finding("service", Level.FAILURE, text, mend)
