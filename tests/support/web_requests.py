"""Requests to a server's pages, by the standard library: every status is an answer."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any

PASSWORD = "open sesame"


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    headers: Message
    text: str

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


def request(
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    password: str | None = None,
    headers: Mapping[str, str] | None = None,
    method: str = "",
) -> Answer:
    """GET, or POST of a form."""
    data = None if form is None else urllib.parse.urlencode(form).encode()
    sent = urllib.request.Request(url, data, dict(headers or {}), method=method or ("GET" if form is None else "POST"))
    if password is not None:
        sent.add_header("Authorization", "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode())
    try:
        with _opener.open(sent, timeout=30) as response:
            return Answer(response.status, response.headers, response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read().decode())
