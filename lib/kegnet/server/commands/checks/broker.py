"""check: whether the MQTT broker can be reached, and whether Apprise knows the services for notifications."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from ....core.finding import Finding, Level
from ....core.problem import ProblemError
from ...options import ServeOptions

_TIMEOUT_S = 5.0
_PORTS = {"mqtt": 1883, "mqtts": 8883}


def check_broker(options: ServeOptions) -> Iterator[Finding]:
    """Connects to the broker, with TLS for mqtts://."""
    if options.mqtt is None:
        return
    from ...integrations import mqtt_connection

    try:
        mqtt_connection.check_url(options.mqtt)
    except ProblemError as error:
        yield Finding("MQTT", Level.FAILURE, error.problem, error.fix)
        return
    parts = urlsplit(options.mqtt)
    host, port = str(parts.hostname), parts.port or _PORTS[parts.scheme]
    try:
        with socket.create_connection((host, port), _TIMEOUT_S) as sock:
            if parts.scheme == "mqtts":
                ssl.create_default_context().wrap_socket(sock, server_hostname=host).close()
    except OSError as error:
        fix = "start the broker, or correct mqtt in the configuration"
        yield Finding("MQTT", Level.FAILURE, f"the broker at {host}, port {port} cannot be reached ({error})", fix)
    else:
        yield Finding("MQTT", Level.OK, f"the broker accepts connections at {host}, port {port}")


def check_notify(options: ServeOptions) -> Iterator[Finding]:
    """Whether each URL names a service that Apprise knows. Sends nothing."""
    if not options.notify:
        return
    from ...integrations import apprise_sender

    try:
        apprise_sender.check_urls(options.notify)
    except ProblemError as error:
        yield Finding("notifications", Level.FAILURE, error.problem, error.fix)
    else:
        yield Finding("notifications", Level.OK, f"{len(options.notify)} receivers")
