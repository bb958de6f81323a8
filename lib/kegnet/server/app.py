"""The server as a Flask application: the KegNet REST API, and what people and programs see of it.

`POST /rest/v1|v2/ping|pour`: 400, the message is invalid; 401, the client is not known; 403, the signature is not its own;
200, it is kept.
"""

from __future__ import annotations

import logging
import re

from flask import Blueprint, Flask, Response, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from werkzeug.middleware.proxy_fix import ProxyFix

from kegnet.core.messages import canonical_text

from . import page, programs, schema
from .clients import Clients, verifies
from .news import News
from .parts import Parts, parts
from .store import Store

FIELDS = {"ping": ("id", "temp", "ts"), "pour": ("id", "pin", "pulses", "et", "ts")}
"""The signed fields of each message, in the order in which they are signed."""
RANGES = {
    "temp": (-55_000, 125_000),
    "pin": (0, schema.PIN_AT_MOST),
    "pulses": (0, 10**9),
    "et": (0, 10**10),
    "ts": (0, 253_402_300_799_999),
}
"""What a probe can measure and a meter can count, and times up to the year 9999."""
BODY_LIMIT_BYTES = 8192
REFUSALS = "60 per minute"
"""How many refused messages and passwords an address has; whoever has a valid signature is never told to wait."""

_INTEGER = re.compile("-?[0-9]{1,18}")
_REFUSED = (400, 401, 403)

log = logging.getLogger(__name__)
rest = Blueprint("rest", __name__, url_prefix="/rest")


def create_app(store: Store, news: News | None = None, behind_proxy: bool = False) -> Flask:
    """The application over what `store` keeps; `news` hears of each message that is new."""
    app = Flask(__name__)
    if behind_proxy:
        app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT_BYTES
    app.extensions["kegnet"] = Parts(store, Clients(store), news or News())
    limiter = Limiter(get_remote_address, app=app, storage_uri="memory://")
    for blueprint in (rest, page.blueprint, programs.blueprint):
        app.register_blueprint(blueprint)
    limiter.limit(REFUSALS, deduct_when=lambda response: response.status_code in _REFUSED)(rest)
    limiter.limit(REFUSALS, deduct_when=lambda response: response.status_code in _REFUSED)(page.blueprint)
    app.register_error_handler(429, _too_many)
    app.after_request(_harden)
    return app


@rest.post("/<any(v1, v2):api>/<any(ping, pour):endpoint>")
def receive(api: str, endpoint: str) -> Response:
    """Takes a message."""
    signed = _signed_fields(endpoint)
    signature = _single("sig")
    if signed is None or signature is None:
        return _answer(400, "not a valid message")
    key = parts().clients.public_key(signed["id"])
    if key is None:
        return _answer(401, "this client is not known")
    if not verifies(key, canonical_text(signed), signature):
        return _answer(403, "the signature is not this client's")
    outside = [name for name, (least, most) in RANGES.items() if name in signed and not least <= int(signed[name]) <= most]
    if outside:
        return _answer(400, f"out of range: {', '.join(outside)}")
    new = parts().store.keep(endpoint, api, {**signed, "sig": signature})
    said = ", ".join(f"{name} {value}" for name, value in signed.items())
    log.info("%s %s over %s: %s", endpoint, "accepted" if new else "accepted before", api, said)
    if new:
        parts().news.tell()
    return _answer(200, "accepted" if new else "accepted before")


def _signed_fields(endpoint: str) -> dict[str, str] | None:
    """The fields that are signed, as they came and in their order; None if one is missing, twice there, or no integer."""
    fields: dict[str, str] = {}
    for name in FIELDS[endpoint]:
        value = _single(name)
        if value is None or not ((name == "id" and value.isascii()) or _INTEGER.fullmatch(value)):
            return None
        fields[name] = value
    return fields


def _single(name: str) -> str | None:
    values = request.form.getlist(name)
    return values[0] if len(values) == 1 else None


def _answer(status: int, text: str) -> Response:
    return Response(text + "\n", status, mimetype="text/plain")


def _too_many(_error: object) -> Response:
    answer = _answer(429, "too many refused messages or passwords from this address")
    answer.headers["Retry-After"] = "60"
    return answer


def _harden(response: Response) -> Response:
    """Nothing from elsewhere runs on the page, and nobody frames it."""
    response.headers.setdefault("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response
