"""Requests to a server's pages, by the standard library: every status is an answer."""

from __future__ import annotations

import base64
import html
import http.cookiejar
import json
import re
import ssl
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
    body: bytes | None = None,
    password: str | None = None,
    headers: Mapping[str, str] | None = None,
    method: str = "",
) -> Answer:
    """GET, or POST of a form, or what `method` names with a `body`."""
    data = _encoded(form) if body is None else body
    sent = urllib.request.Request(url, data, dict(headers or {}), method=method or ("GET" if data is None else "POST"))
    if body is not None:
        sent.add_header("Content-Type", "application/octet-stream")
    if password is not None:
        sent.add_header("Authorization", "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode())
    return _answer(_opener, sent)


def _encoded(form: Mapping[str, str] | None) -> bytes | None:
    return None if form is None else urllib.parse.urlencode(form).encode()


def _answer(opener: urllib.request.OpenerDirector, sent: urllib.request.Request) -> Answer:
    try:
        with opener.open(sent, timeout=120) as response:
            return Answer(response.status, response.headers, response.read().decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read().decode("utf-8", "replace"))


def shown(page: str) -> dict[str, str]:
    """The fields of a form that are as the page shows them, with their copies in `..._shown`."""
    found = {name: html.unescape(value) for name, value in re.findall('name="([a-z_]+)_shown" value="([^"]*)"', page)}
    return found | {f"{name}_shown": value for name, value in found.items()}


class Visitor:
    """A browser without pictures and scripts: it keeps cookies, and sends the token of the last page with each form."""

    def __init__(self, url: str) -> None:
        """`url` is the server's first page."""
        self.url = url
        self.token = ""
        self.jar = http.cookiejar.CookieJar()
        tls = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())
        self._opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPCookieProcessor(self.jar), tls)

    def get(self, path: str = "", headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a GET; `path` is below the first page."""
        return self._send(path, None, headers)

    def post(self, path: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a form, which is sent with the token."""
        return self._send(path, {"csrf_token": self.token, **(form or {})}, headers)

    def log_in(self, password: str = PASSWORD) -> Visitor:
        """Logs in by the form."""
        self.get("login")
        answer = self.post("login", {"password": password})
        assert answer.status == 303, answer.text
        self.get("settings")
        return self

    def _send(self, path: str, form: Mapping[str, str] | None, headers: Mapping[str, str] | None) -> Answer:
        answer = _answer(self._opener, urllib.request.Request(f"{self.url}{path}", _encoded(form), dict(headers or {})))
        found = re.search('<meta name="csrf-token" content="([^"]+)">', answer.text)
        self.token = found[1] if found else self.token
        return answer
