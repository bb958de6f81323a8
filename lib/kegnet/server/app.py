"""The REST API as a Flask application: `POST /rest/v1|v2/ping|pour`.

400: the message is invalid; 401: the client is not known; 403: the signature is not its own; 200: it is kept.
"""

from __future__ import annotations

import logging
import re

from flask import Flask, Response, request

from kegnet.messages import canonical_text

from .clients import Clients, verifies
from .store import Store

FIELDS = {"ping": ("id", "temp", "ts"), "pour": ("id", "pin", "pulses", "et", "ts")}
"""The signed fields of each message, in the order in which they are signed."""
BODY_LIMIT_BYTES = 4096

_INTEGER = re.compile("-?[0-9]{1,18}")

log = logging.getLogger(__name__)


def create_app(clients: Clients, store: Store) -> Flask:
    """The application that lets `clients` speak and keeps what they say in `store`."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT_BYTES

    @app.post("/rest/<any(v1, v2):api>/<any(ping, pour):endpoint>")
    def receive(api: str, endpoint: str) -> Response:
        signed = _signed_fields(endpoint)
        signature = _single("sig")
        if signed is None or signature is None:
            return _answer(400, "not a valid message")
        key = clients.public_key(signed["id"])
        if key is None:
            return _answer(401, "this client is not known")
        if not verifies(key, canonical_text(signed), signature):
            return _answer(403, "the signature is not this client's")
        new = store.keep(endpoint, api, {**signed, "sig": signature})
        said = ", ".join(f"{name} {value}" for name, value in signed.items())
        log.info("%s %s: %s", endpoint, "accepted" if new else "accepted before", said)
        return _answer(200, "accepted" if new else "accepted before")

    return app


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
