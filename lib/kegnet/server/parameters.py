"""The parameters of the configuration: which values each takes. Values with passwords are shown without them."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..core.ini import ConfigError, HintError, looks_commented
from .options import ServeOptions

EXPECTED = {
    "database": "sqlite:////absolute/path/of/file or postgresql://user:password@host/name",
    "listen": "HOST:PORT, [IPV6]:PORT or unix:/path/of/socket",
    "certificate": "the path of a certificate in PEM form",
    "key": "the path of the certificate's private key in PEM form",
    "proxy": "the addresses of the proxies in front, such as 10.0.0.5, or unix, separated by blanks",
    "mqtt": "mqtt://user:password@host:port, or mqtts:// for TLS",
    "notify": "URLs of Apprise such as ntfy://topic, separated by blanks",
    "url": "the address that people use, such as https://kegs.example",
    "names": "names by which browsers call the server over HTTP, such as kegs.example, separated by blanks",
    "workers": "the number of processes, from 1 to 16: one a processor",
}
"""The parameters in the order of the documentation, and a description of a valid value."""
_PASSWORD = re.compile(r"(?:([A-Za-z0-9+.-]*://)([^:@]*:)?)?.*@", re.DOTALL)
"""Everything before the last `@`, because `/` and `@` in a password may be unescaped. The groups are the scheme and the user."""
_WITHOUT_HOST = re.compile(r"(://[^:/@\s\[]*:)(?!\d{1,5}(?:[/?#]|$)).*", re.DOTALL)
"""The password of a URL whose `@` is missing, and all that follows it. A port is none."""
_PASSWORD_PARAMETER = re.compile(r"(passw(?:or)?d)\s*=.*", re.DOTALL | re.IGNORECASE)
"""A password among the parameters of a URL, and all that follows it, because a password can contain `&`."""
_NOTIFY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?=\S)")
_BETWEEN_URLS = re.compile(r"[\s,]+(?=[A-Za-z0-9]+://)|\s+")
"""A comma is part of a URL, unless another URL follows: Apprise would take both, with one result."""
_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/]+):([0-9]{1,5})")
_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
_DATABASES = ("sqlite", "postgresql")
_BROKERS = ("mqtt", "mqtts")
WORKERS_AT_MOST = 16


@dataclass(frozen=True)
class Given:
    """A value as it is written. `where` names its parameter for messages; relative paths are relative to the folder of `file`."""

    text: str
    where: str
    file: Path | None = None


def options(given: Mapping[str, Given]) -> ServeOptions:
    """The options with these values; `database` and `listen` must be among them. Raises ConfigError."""
    made = ServeOptions(
        database=_converted(given, "database", _database),
        listen=_converted(given, "listen", _listen),
        certificate=_converted(given, "certificate", _path),
        key=_converted(given, "key", _path),
        proxies=_converted(given, "proxy", _proxies) or (),
        mqtt=_converted(given, "mqtt", _mqtt),
        notify=_converted(given, "notify", _notify) or (),
        url=_converted(given, "url", _url),
        names=_converted(given, "names", _names) or (),
        workers=_converted(given, "workers", _workers) or 1,
    )
    for name, other in (("key", "certificate"), ("certificate", "key")):
        path = getattr(made, name)
        if path is not None and getattr(made, other) is None:
            raise ConfigError(f"{given[name].where} = {path}: there is no {other}", f"set {other}, too: {EXPECTED[other]}")
    return made


def _masked(name: str, text: str) -> str:
    """A wrong value of the parameter `name` without its secrets."""
    if name == "notify":
        # A token can be anywhere after the scheme.
        return " ".join(f"{match[0]}…" if (match := _NOTIFY.match(word)) else "…" for word in text.split())
    text = _PASSWORD_PARAMETER.sub(r"\1=***", text)
    return _PASSWORD.sub(r"\1\2***@", text, count=1) if "@" in text else _WITHOUT_HOST.sub(r"\1***", text)


def _converted(given: Mapping[str, Given], name: str, convert: Callable[[Given], Any]) -> Any:
    """The value of one parameter; None if it is absent or empty."""
    value = given.get(name)
    if value is None or not value.text:
        return None
    try:
        return convert(value)
    except ValueError as error:
        problem = str(error) if isinstance(error, HintError) else "this value is not valid"
        comment = "; a comment needs a line of its own, it cannot follow a value" if looks_commented(value.text) else ""
        shown = _masked(name, value.text)[:200]
        raise ConfigError(f"{value.where} = {shown}: {problem}", f"use {EXPECTED[name]}{comment}") from error


def _database(given: Given) -> str:
    scheme, separator, rest = given.text.partition("://")
    kind = scheme.partition("+")[0]
    if not separator or not rest or kind not in _DATABASES:
        raise ValueError
    # The server and a command have different working directories, but read the same file.
    if kind == "sqlite" and given.file and not rest.startswith("//"):
        raise HintError("the path of the file is not absolute")
    return given.text


def _listen(given: Given) -> str:
    if given.text.startswith("unix:/"):
        return given.text
    match = _LISTEN.fullmatch(given.text)
    if match is None:
        raise ValueError
    if int(match[2]) > 65_535:
        raise HintError("the port is above 65535")
    return given.text


def _path(given: Given) -> Path:
    if "\0" in given.text or "\n" in given.text:
        raise ValueError
    return Path(os.path.normpath(given.file.parent / given.text)) if given.file else Path(given.text)


def _proxies(given: Given) -> tuple[str, ...]:
    return tuple(word if word == "unix" else str(ipaddress.ip_address(word)) for word in re.split(r"[\s,]+", given.text))


def _mqtt(given: Given) -> str:
    parts = _split(given.text)
    if parts.scheme not in _BROKERS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError
    return given.text


def _notify(given: Given) -> tuple[str, ...]:
    urls = tuple(_BETWEEN_URLS.split(given.text.strip()))
    if not all(_NOTIFY.match(url) for url in urls):
        raise ValueError
    return urls


def _url(given: Given) -> str:
    parts = _split(given.text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError
    return given.text.rstrip("/")


def _names(given: Given) -> tuple[str, ...]:
    names = tuple(given.text.split())
    if not all(_NAME.fullmatch(name) for name in names):
        raise HintError("a name has no port and no http://") if re.search("[:/]", given.text) else ValueError
    return names


def _workers(given: Given) -> int:
    if not re.fullmatch("[1-9][0-9]?", given.text) or int(given.text) > WORKERS_AT_MOST:
        raise ValueError
    return int(given.text)


def _split(text: str) -> Any:
    """The parts of a URL. Raises ValueError, also for a port that is none."""
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError as error:
        raise HintError("the port is not a number from 1 to 65535") from error
    if port == 0:
        raise HintError("the port is not a number from 1 to 65535")
    return parts
