"""The names under which a browser may use this server, against DNS rebinding.

Another site can let its own name resolve to an address of this network. The browser then treats this server as part of that site,
and scripts of the site can read and send everything. So over HTTP a request needs a name that no other site can have:

- an IP address, `localhost`, a name without a dot, and the name of this host;
- a name below a domain that exists in local networks only: `.local` (RFC 6762), `.home.arpa` (RFC 8375), the others of RFC 6762
  Appendix G, and `.fritz.box`, which its maker owns;
- a name in the search domain of the local network (resolv.conf(5));
- a name in `names` or `url` of the configuration.

Over HTTPS, the browser has already compared the name with the certificate.
"""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from urllib.parse import urlsplit

from ..options import ServeOptions

HOST = b"host"
LOCAL_DOMAINS = ("localhost", "local", "lan", "home", "home.arpa", "internal", "intranet", "private", "corp", "fritz.box")
RESOLVER = Path("/etc/resolv.conf")


class Hosts:
    """The names of this server."""

    def __init__(self, options: ServeOptions) -> None:
        of_url = urlsplit(options.url).hostname if options.url else None
        named = (*options.names, *([of_url] if of_url else []), socket.gethostname())
        self._names = frozenset(name.lower().rstrip(".") for name in named)

    def allow(self, scheme: str, host: str | None) -> bool:
        """Whether a request with that `Host` names this server. A request without `Host` is not from a browser."""
        return scheme == "https" or host is None or self.is_own(host)

    @staticmethod
    def unknown(host: str) -> str:
        """Why a request with that `Host` is refused, and what to do."""
        return f"{host[:100]} is not a known name of this server; add it to names in /etc/kegnet-server.conf, or use HTTPS"

    def is_own(self, header: str) -> bool:
        """Whether `header`, a name or an address with or without a port, can only belong to this server."""
        try:
            name = (urlsplit(f"//{header}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if _is_address(name) or "." not in name or name in self._names:
            return bool(name)
        return any(name.endswith(f".{domain}") for domain in LOCAL_DOMAINS) or name.partition(".")[2] in search_domains()


def host_of(headers: list[tuple[bytes, bytes]]) -> str | None:
    """The `Host` of a request, None if it has none."""
    return next((value.decode("latin-1") for name, value in headers if name == HOST), None)


def is_host(header: str) -> bool:
    """Whether `header` is a name or an address, with or without a port. Any other `Host` is answered by 400, RFC 9112 §3.2."""
    try:
        parts = urlsplit(f"//{header}")
        _number = parts.port
    except ValueError:
        return False
    return parts.netloc == header


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def search_domains(path: Path = RESOLVER) -> frozenset[str]:
    """The domains of the local network, see resolv.conf(5); none if the file cannot be read."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return frozenset()
    words = [line.split() for line in lines]
    return frozenset(
        name.lower().strip(".") for line in words if line[:1] in (["search"], ["domain"]) for name in line[1:] if name.strip(".")
    )
