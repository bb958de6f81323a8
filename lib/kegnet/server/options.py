"""How the server serves, as one value; the command line makes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SHARED_COUNTS_IN = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable by which prometheus_client counts for several processes; it reads it when it is imported."""


@dataclass(frozen=True)
class ServeOptions:
    """The settings of `kegnet-server serve`.

    `listen` is HOST:PORT, [IPV6]:PORT or unix:/path; port 0 takes a free one. With `certificate` and `key` (PEM files) it is HTTPS.
    `proxies` are the addresses of the reverse proxies that are trusted, `unix` for the peers of a UNIX socket. `mqtt` is a broker's URL,
    `notify` are URLs of apprise, `database` is SQLAlchemy's URL, `url` is the address that people use, `names` are further names of
    the server. `workers` is the number of processes that share the address.
    """

    listen: str
    certificate: Path | None = None
    key: Path | None = None
    proxies: tuple[str, ...] = ()
    mqtt: str | None = None
    notify: tuple[str, ...] = ()
    database: str = ""
    url: str | None = None
    names: tuple[str, ...] = ()
    workers: int = 1
