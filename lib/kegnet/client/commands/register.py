"""--setup --code: registers this client at a kegnet-server, with the one-time code that a page of the server shows.

`POST {serviceBaseURL}/register` is an extension of kegnet-server; its `/api/openapi.json` describes it.
"""

from __future__ import annotations

import os
import re
import socket
import time
from urllib.parse import urlencode, urlsplit

from ...core.command_line import complain
from ...core.fingerprint import fingerprint
from ...core.signing import SigningKey
from .. import config, deadline
from ..config import Config
from ..outcome import Outcome, Result
from ..rest_api import RestApi
from .arguments import PROGRAM
from .setup import load_key, start_command

NOT_REGISTERED = 1
"""The exit status if the server did not register this client."""
_RESULT = """\
This client is registered at the server {server}.
Fingerprint of its key, which the server also shows: {fingerprint}
Check the client and start it:

    {check}
    {start}
"""
_NAME_CHARACTERS = 80


def register(conf: Config, code: str) -> int:
    """Registers the client of `conf` with the digits `code`, and prints the result. Returns the exit status. Raises ConfigError."""
    deadline.install()
    key = load_key(conf)
    api = RestApi(conf, key)
    result = api.post_form("register", _form(conf.uuid, key, code, time.time_ns() // 10**6))
    api.close()
    if result.outcome is not Outcome.ACCEPTED:
        complain(PROGRAM, _failure(conf, result))
        return NOT_REGISTERED
    digits = fingerprint(key.public_key_pem())
    check = config.command(conf.path, "--check")
    print(_RESULT.format(server=conf.base_url, fingerprint=digits, check=check, start=start_command(conf)), end="", flush=True)
    return os.EX_OK


def _form(uuid: str, key: SigningKey, code: str, ts: int) -> str:
    """The signed form. The first name of the client is the host name."""
    signature = key.sign(f"register,{uuid},{code},{ts}".encode("ascii"))
    name = socket.gethostname()[:_NAME_CHARACTERS]
    return urlencode({"id": uuid, "public_key": key.public_key_pem(), "code": code, "ts": ts, "name": name, "sig": signature})


def _failure(conf: Config, result: Result) -> str:
    """One line: why the client is not registered, and what to do."""
    again = "then run this again"
    problem, fix = f"not registered: {result.reason}", result.fix
    if result.reason.startswith(("404", "405")):
        problem = f"this server has no registration ({result.reason})"
        fix = f"check serviceBaseURL in {conf.path}; if it is right, give the server's administrator what this prints: "
        fix += config.command(conf.path, "--setup")
    elif result.outcome is Outcome.REFUSED and not result.reason.startswith("403"):
        digits = "check the digits, or " if "is wrong" in result.reason else ""
        fix = f"{digits}make a new code {_page(conf)}, {again} with it"
    elif result.outcome is Outcome.BUSY:
        fix = f"wait for a minute, {again}"
    elif result.outcome is Outcome.NO_CONNECTION:
        problem = f"no connection ({result.reason})" if not result.untrusted else result.reason
        fix = f"{fix}, {again}" if fix else f"check the network, the server, and serviceBaseURL in {conf.path}; {again}"
    return f"{conf.base_url}: {problem}; fix: {fix or f'ask the administrator of the server; {again}'}"


def _page(conf: Config) -> str:
    """The address of the page that makes a code, as text."""
    if not re.search("/rest/v[0-9]+$", urlsplit(conf.base_url).path):
        return "on the server's page"
    return "at " + re.sub("/rest/v[0-9]+$", "/clients/add", conf.base_url)
