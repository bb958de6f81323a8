"""check: whether the server answers at its address."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator

from ....core.finding import Finding, Level
from ...options import ServeOptions

_TIMEOUT_S = 5.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - where to connect to
_FIX = "sudo systemctl restart {unit}, and read: journalctl -u {unit}"


def check_listening(options: ServeOptions, unit: str) -> Iterator[Finding]:
    """Asks for /healthz. `unit` is the service without its ending."""
    try:
        status, text = _ask(options)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        yield Finding("port", Level.FAILURE, f"no answer at {options.listen} ({reason})", _FIX.format(unit=unit))
        return
    if status == http.client.OK:
        yield Finding("port", Level.OK, f"the server answers at {options.listen}")
    elif status == http.client.SERVICE_UNAVAILABLE:
        yield Finding("port", Level.FAILURE, f"the server answers at {options.listen}: {text}", "see the findings about the database")
    else:
        fix = "find out which program listens there (ss -ltnp), or choose another port"
        yield Finding("port", Level.FAILURE, f"another program answers at {options.listen}: status {status}", fix)


def _ask(options: ServeOptions) -> tuple[int, str]:
    """Status and body of the answer. Raises OSError, HTTPException; ValueError if the port is not a number."""
    connection = http.client.HTTPConnection("localhost", timeout=_TIMEOUT_S)
    connection.sock = _connect(options)
    try:
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        return response.status, response.read(200).decode("utf-8", "replace").strip()
    finally:
        connection.close()


def _connect(options: ServeOptions) -> socket.socket:
    if options.listen.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(_TIMEOUT_S)
        sock.connect(options.listen.removeprefix("unix:"))
        return sock
    host, _, port = options.listen.rpartition(":")
    host = host.strip("[]")
    sock = socket.create_connection((_ANYWHERE.get(host, host), int(port)), _TIMEOUT_S)
    if options.certificate is None:
        return sock
    # The certificate has a finding of its own; here it need not be for this address.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(sock)
