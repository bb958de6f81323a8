"""--check: the server's name, the connection, the certificate, and whether the server accepts a ping."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from ....core.finding import Finding, Level, of_config_error
from ....core.ini import ConfigError
from ....core.messages import Ping
from ....core.signing import CertificateFacts, SigningKey
from ....core.syslog_handler import escape_name
from ... import rest_api
from ...config import Config, command
from ...outcome import Outcome, Result
from ...rest_api import RestApi
from ...thermometer import Reading, celsius

CERTIFICATE_WARNING_S = 14 * 86_400.0
"""A certificate that expires sooner is a warning."""

_ASK = "ask the server's administrator"


def check_server(conf: Config, key: SigningKey | None, reading: Reading | None) -> Iterator[Finding]:
    """Sends a ping if there are a key and a reading, else a request without effect, and reports the result."""
    parts = urlsplit(conf.base_url)
    # An IPv6 zone is escaped in a URL (RFC 6874).
    host, port = (parts.hostname or "").replace("%25", "%"), parts.port or (443 if parts.scheme == "https" else 80)
    try:
        addresses = _addresses(host, port)
    except (OSError, UnicodeError) as error:
        text = f"{host} does not resolve ({getattr(error, 'strerror', None) or error})"
        fix = f"check its spelling in serviceBaseURL, and the network: getent hosts {host}"
        yield Finding("server name", Level.FAILURE, text, fix)
        return
    if addresses != [host]:
        yield Finding("server name", Level.OK, f"{host} is {', '.join(addresses)}")
    try:
        result = _ask(conf, key, reading)
    except ConfigError as error:
        yield of_config_error(error)
        return
    yield from _connection(result, host, port)
    if parts.scheme == "https" and (result.untrusted or result.outcome is not Outcome.NO_CONNECTION):
        yield _certificate(result, rest_api.server_certificate(host, port))
    if key is not None and reading is not None:
        yield from _ping(conf, result, reading)


def _addresses(host: str, port: int) -> list[str]:
    """The addresses of `host`. No signal interrupts this, but the resolver has its own limits."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _ask(conf: Config, key: SigningKey | None, reading: Reading | None) -> Result:
    api = RestApi(conf, key)
    if key is None or reading is None:
        result = api.probe()
    else:
        result = api.post(Ping(reading.millicelsius, time.time_ns() * conf.ts_per_s // 10**9))
    api.close()
    return result


def _connection(result: Result, host: str, port: int) -> Iterator[Finding]:
    """Whether there is a connection. A failure on the ping itself is a finding about the ping."""
    if result.outcome is Outcome.NO_CONNECTION and not result.untrusted:
        fix = result.fix or "check serviceBaseURL, the server and the firewalls"
        yield Finding("server", Level.FAILURE, f"no connection to {host}, port {port} ({result.reason})", fix)
    elif result.outcome is not Outcome.FAILED:
        yield Finding("server", Level.OK, f"{host} accepts connections on port {port}")


def _certificate(result: Result, facts: CertificateFacts | None) -> Finding:
    names = ""
    if facts is not None:
        # time.localtime() ends in 2038 on a 32-bit Raspberry Pi OS.
        expires = f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=facts.not_after_s):%Y-%m-%d}"
        names = f"it is for {escape_name(facts.names)}, and expires on {expires}"
    if result.untrusted:
        return Finding("certificate", Level.FAILURE, f"{result.reason}; {names or 'it cannot be fetched'}", result.fix)
    if facts is None:
        return Finding("certificate", Level.WARNING, "it cannot be fetched to see when it expires", "run this again")
    if facts.not_after_s - time.time() < CERTIFICATE_WARNING_S:
        return Finding("certificate", Level.WARNING, names, f"{_ASK} to renew it before then")
    return Finding("certificate", Level.OK, names)


def _ping(conf: Config, result: Result, reading: Reading) -> Iterator[Finding]:
    setup = command(conf.path, "--setup")
    if result.outcome is Outcome.ACCEPTED:
        yield Finding("ping", Level.OK, f"the server accepted one, with {celsius(reading.millicelsius)}")
    elif result.outcome is Outcome.REFUSED:
        text = f"the server does not know this client, or knows it with another key ({result.reason})"
        yield Finding("ping", Level.FAILURE, text, f"give the server's administrator what this prints: {setup}")
    elif result.outcome is Outcome.INVALID:
        text = f"the server rejected it as invalid ({result.reason})"
        yield Finding("ping", Level.FAILURE, text, f"check serviceBaseURL and uuid, or {_ASK}")
    elif result.outcome is Outcome.BUSY:
        wait = f"in {result.retry_after_s:.0f} s" if result.retry_after_s else "later"
        yield Finding("ping", Level.FAILURE, f"the server is busy ({result.reason})", f"run this again {wait}")
    elif result.outcome is Outcome.FAILED:
        text = f"the server did not process it ({result.reason})"
        yield Finding("ping", Level.FAILURE, text, result.fix or f"check serviceBaseURL, or {_ASK}")
