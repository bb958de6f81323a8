"""The OpenAPI description: the JSON API from its types, and the KegNet REST API, which `ingest` serves."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from ..storage.schema import PIN_AT_MOST

TEXT = """Times are Unix milliseconds, temperatures thousandths of a degree Celsius, volumes millilitres. What is not known is absent.

`POST /rest/…` takes the signed messages of registered clients. All else only reads, and needs no password."""

_LATEST_MS = 253_402_300_799_999
Version = Literal["v1", "v2"]


def _integer(least: int, most: int, description: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most, "description": description}


_ID = {"type": "string", "format": "uuid", "description": "The id of the client, in its form with hyphens."}
_TS = _integer(0, _LATEST_MS, "Unix time in milliseconds; v1: in seconds.")
_TEMP = _integer(-55_000, 125_000, "The temperature.")
_PIN = _integer(0, PIN_AT_MOST, "The number of the flow meter.")
_PULSES = _integer(0, 10**9, "The pulses that it counted.")
_ET = _integer(0, 10**10, "How long the pour took, in milliseconds; v1: in seconds.")
_SIG = {
    "type": "string",
    "description": "RSASSA-PKCS1-v1_5 over SHA-256 of the ASCII text `id,temp,ts` or `id,pin,pulses,et,ts`, in base64.",
}


def _form(required: list[str] | None = None, **fields: dict[str, Any]) -> dict[str, Any]:
    """The description of a form's body. FastAPI makes it from parameters, too, but needs another library for that."""
    schema = {"type": "object", "properties": fields, "required": required or list(fields), "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}}


def _plain_text(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}


_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: _plain_text("`accepted`, or `accepted before`: the message is stored."),
    400: _plain_text("The message is invalid. Do not send it again."),
    401: _plain_text("The client is not registered."),
    403: _plain_text("The signature is not this client's."),
    404: _plain_text("There is no such version."),
    408: _plain_text("The body did not come within 30 seconds."),
    413: _plain_text("The body is longer than 8 KiB."),
    429: _plain_text("There were too many refused messages from this address."),
    503: _plain_text("The database does not answer. `Retry-After` says when to try again."),
}
_REGISTER: dict[str, Any] = {
    "id": _ID,
    "public_key": {"type": "string", "description": "The client's public key: RSA, at least 2048 bits, SubjectPublicKeyInfo in PEM form."},
    "code": {"type": "string", "pattern": "^[0-9]{4}-?[0-9]{4}$", "description": "The code, with or without its hyphen."},
    "name": {
        "type": "string",
        "maxLength": 80,
        "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$",
        "description": "The name of the client, without control characters; without it, the start of its id.",
    },
    "ts": _integer(0, _LATEST_MS, "Unix time in milliseconds."),
    "sig": {
        "type": "string",
        "description": "RSASSA-PKCS1-v1_5 over SHA-256 of the ASCII text `register,id,code,ts`, in base64: `code` without its hyphen. "
        "The key is the private one of `public_key`.",
    },
}
_REGISTER_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: _plain_text("The client is registered with this key."),
    400: _plain_text("The registration is invalid: a field is missing or wrong."),
    401: _plain_text("The code is wrong, used, expired or void."),
    403: _plain_text("`public_key` cannot be used, or the signature is not that of its private key."),
    408: _RESPONSES[408],
    413: _RESPONSES[413],
    429: _plain_text("There were too many refused registrations from this address. `Retry-After` says when to try again."),
    503: _RESPONSES[503],
}
_rest = APIRouter(prefix="/rest")
"""Never called: it only describes what `ingest` serves."""


@_rest.post("/{version}/ping", responses=_RESPONSES, openapi_extra=_form(id=_ID, temp=_TEMP, ts=_TS, sig=_SIG))
def ping(version: Version) -> None:
    """A client runs, and this is its temperature."""


@_rest.post("/{version}/pour", responses=_RESPONSES, openapi_extra=_form(id=_ID, pin=_PIN, pulses=_PULSES, et=_ET, ts=_TS, sig=_SIG))
def pour(version: Version) -> None:
    """Somebody poured a drink; `ts` is when it began."""


@_rest.post(
    "/v2/register", responses=_REGISTER_RESPONSES, openapi_extra=_form(**_REGISTER, required=["id", "public_key", "code", "ts", "sig"])
)
def register() -> None:
    """A client registers itself with the one-time code that a page shows. An extension of this server.

    The code has 8 digits, is valid for 10 minutes, can be used once, and is void after 5 wrong tries. A client that is already
    registered with this key is accepted with any code.
    """


def install(app: FastAPI) -> None:
    """Makes `app` describe the KegNet REST API, too."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            routes = [*app.routes, *_rest.routes]
            app.openapi_schema = get_openapi(
                title=app.title, version=app.version, openapi_version=app.openapi_version, description=TEXT, routes=routes
            )
            _describe_ingest(app.openapi_schema)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _describe_ingest(schema: dict[str, Any]) -> None:
    """`ingest` answers 400, never FastAPI's 422, and with plain text."""
    for path, operations in schema["paths"].items():
        if path.startswith("/rest/"):
            responses = operations["post"]["responses"]
            responses.pop("422", None)
            responses["200"]["content"].pop("application/json", None)
