"""The one password that changes want, kept as a hash; HTTP Basic authentication (RFC 7617)."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Response, request
from werkzeug.security import check_password_hash, generate_password_hash

from .parts import parts
from .store import Store

SETTING = "password hash"
LEAST_CHARACTERS = 8


def set_password(store: Store, text: str) -> None:
    """Makes `text` the password. Raises ValueError if it is too short."""
    if len(text) < LEAST_CHARACTERS:
        raise ValueError(f"it takes {LEAST_CHARACTERS} characters or more")
    store.set_setting(SETTING, generate_password_hash(text, method="pbkdf2:sha256"))


def wanted() -> Response | None:
    """What to answer to a request for a change that does not bring the password, or that another site's page has made; None if it may."""
    stored = parts().store.setting(SETTING)
    if stored is None:
        return _refused(403, "no password is set yet; on the server: kegnet-server password")
    given = request.authorization
    if given is None or given.password is None or not check_password_hash(stored, given.password):
        return _refused(401, "the password, please; any user name will do")
    origin = request.headers.get("Origin")
    if request.method != "GET" and origin is not None and urlsplit(origin).netloc != request.host:
        return _refused(403, "this came from another site's page")
    return None


def _refused(status: int, text: str) -> Response:
    headers = {"WWW-Authenticate": 'Basic realm="KegNet", charset="UTF-8"'} if status == 401 else {}
    return Response(text + "\n", status, headers, mimetype="text/plain")
