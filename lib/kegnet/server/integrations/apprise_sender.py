"""One address to notify, by apprise (Debian's package `apprise`): ntfy, e-mail, Telegram, webhooks and a hundred others.

apprise is imported only where an address is configured. Its log and its errors contain addresses with secrets, so what goes
into our log is the text of its warnings without any part of the address.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any
from urllib.parse import unquote

from kegnet.core.problem import ProblemError

_EXAMPLE = (
    "write an address of apprise such as ntfy://ntfy.sh/TOPIC or mailto://USER:PASSWORD@HOST; see https://github.com/caronc/apprise/wiki"
)
_SECRET_AT_LEAST = 3
"""Shorter parts of an address are no secrets, and would blank out ordinary words."""
_NUMBER_AT_MOST = 6


class Sender:
    """Sends to one address, one message at a time. `shown` is its scheme and host, without secrets."""

    def __init__(self, url: str) -> None:
        """Raises ProblemError if apprise is missing or does not know the address."""
        self.fingerprint = _fingerprint(url)
        self.shown = _shown(url)
        self._secrets = _secrets(url)
        apprise = _apprise()
        # Otherwise apprise takes the text for what the address prefers: an e-mail for HTML.
        self._text = apprise.NotifyFormat.TEXT
        self._target: Any = apprise.Apprise()
        with _Warnings() as warnings:
            known = self._target.add(url)
        if not known:
            reason = self._without_secrets("; ".join(warnings.texts)) or "it is not an address that apprise knows"
            raise ProblemError(f"notify: {self.shown}: {reason}", _EXAMPLE)

    async def send(self, title: str, body: str) -> str | None:
        """Sends a message; None where it was delivered, else the reason. It takes as long as the address takes to answer.

        In a daemon thread: neither the event loop nor the end of the process waits for it.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str | None] = loop.create_future()

        def finish(reason: str | None) -> None:
            if not answer.done():
                answer.set_result(reason)

        _in_thread(lambda: self._send(title, body), lambda reason: loop.call_soon_threadsafe(finish, reason))
        return await answer

    def _send(self, title: str, body: str) -> str | None:
        with _Warnings() as warnings:
            try:
                delivered = self._target.notify(title=title, body=body, body_format=self._text)
            except Exception as error:
                return self._without_secrets(f"{type(error).__name__}: {error}")
        if delivered:
            return None
        return self._without_secrets("; ".join(warnings.texts)) or "it was not accepted"

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())


def check_urls(urls: Sequence[str]) -> None:
    """Raises ProblemError if an address cannot be used. Its text contains no secret."""
    for url in urls:
        Sender(url)


def receivers(urls: Sequence[str]) -> dict[str, str]:
    """How the log names each address, scheme and host without secrets, by its fingerprint."""
    return {_fingerprint(url): _shown(url) for url in urls}


def _in_thread(work: Callable[[], str | None], done: Callable[[str | None], object]) -> None:
    def run() -> None:
        reason = work()
        try:
            done(reason)
        except RuntimeError:
            # The event loop has ended meanwhile.
            return

    threading.Thread(target=run, name="notify", daemon=True).start()


def _apprise() -> ModuleType:
    try:
        return import_module("apprise")
    except ImportError as error:
        raise ProblemError("notify: an address is configured, but apprise is not installed", "apt install apprise") from error


def _fingerprint(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def _shown(url: str) -> str:
    """Scheme and host. What stands before the host, or instead of one, can be a token."""
    scheme, separator, rest = url.partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z0-9+.-]{1,20}", scheme):
        return "an address without a scheme"
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host = authority.rpartition("@")[2]
    # A token is in the place of the host where there is no dot and no port; a host name in a network has none either.
    return f"{scheme}://{host}" if re.fullmatch(r"(localhost|[\w-]+(\.[\w-]+)+|\[[0-9a-fA-F:]+\])(:\d+)?", host) else f"{scheme}://…"


def _secrets(url: str) -> list[str]:
    """The parts of the address that can be secrets, the longest first: all but the scheme and a host with a dot."""
    rest = url.partition("://")[2]
    parts = set(re.split(r"[/?#&=@:]", rest))
    host = _shown(url).partition("://")[2].partition(":")[0]
    found = {url, rest, *parts, *(unquote(part) for part in parts)} - {host, "localhost", ""}
    # A short number is a port or a part of an ordinary text.
    secret = (part for part in found if len(part) > _NUMBER_AT_MOST or (len(part) >= _SECRET_AT_LEAST and not part.isdigit()))
    return sorted(secret, key=len, reverse=True)


class _Warnings(logging.Handler):
    """Collects what apprise warns of in this thread, and keeps its own log, which contains addresses, out of ours."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a record of apprise's logger."""
        if record.thread == self._thread:
            self.texts.append(record.getMessage())

    def __enter__(self) -> _Warnings:
        logger = logging.getLogger("apprise")
        logger.propagate = False
        logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)
