"""The OpenAPI description: the JSON API from its types, and the KegNet REST API, which `ingest` serves."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, FastAPI, Form
from fastapi.openapi.utils import get_openapi

from ..storage.schema import PIN_AT_MOST

TEXT = """Times are Unix milliseconds, temperatures thousandths of a degree Celsius, volumes millilitres. What is not known is absent.

`POST /rest/…` takes the signed messages of registered clients. All else only reads, and needs no password."""

_LATEST_MS = 253_402_300_799_999
Version = Literal["v1", "v2"]
_ID = Form(description="The id of the client, in its form with hyphens.")
_TS = Form(ge=0, le=_LATEST_MS, description="Unix time in milliseconds; v1: in seconds.")
_TEMP = Form(ge=-55_000, le=125_000, description="The temperature.")
_PIN = Form(ge=0, le=PIN_AT_MOST, description="The number of the flow meter.")
_PULSES = Form(ge=0, le=10**9, description="The pulses that it counted.")
_ET = Form(ge=0, le=10**10, description="How long the pour took, in milliseconds; v1: in seconds.")
_SIG = Form(description="RSASSA-PKCS1-v1_5 over SHA-256 of the ASCII text `id,temp,ts` or `id,pin,pulses,et,ts`, in base64.")


def _plain_text(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}


_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: _plain_text("`accepted`, or `accepted before`: the message is stored."),
    400: _plain_text("The message is invalid. Do not send it again."),
    401: _plain_text("The client is not registered."),
    403: _plain_text("The signature is not this client's."),
    408: _plain_text("The body did not come within 30 seconds."),
    413: _plain_text("The body is longer than 8 KiB."),
    429: _plain_text("There were too many refused messages from this address."),
    503: _plain_text("The database does not answer. `Retry-After` says when to try again."),
}
_rest = APIRouter(prefix="/rest")
"""Never called: it only describes what `ingest` serves."""


@_rest.post("/{version}/ping", responses=_RESPONSES)
def ping(version: Version, id: UUID = _ID, temp: int = _TEMP, ts: int = _TS, sig: str = _SIG) -> None:  # noqa: A002
    """A client runs, and this is its temperature."""


@_rest.post("/{version}/pour", responses=_RESPONSES)
def pour(
    version: Version,
    id: UUID = _ID,  # noqa: A002
    pin: int = _PIN,
    pulses: int = _PULSES,
    et: int = _ET,
    ts: int = _TS,
    sig: str = _SIG,
) -> None:
    """Somebody poured a drink; `ts` is when it began."""


def install(app: FastAPI) -> None:
    """Makes `app` describe the KegNet REST API, too."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            routes = [*app.routes, *_rest.routes]
            app.openapi_schema = get_openapi(
                title=app.title, version=app.version, openapi_version=app.openapi_version, description=TEXT, routes=routes
            )
            _remove_validation_errors(app.openapi_schema)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _remove_validation_errors(schema: dict[str, Any]) -> None:
    """`ingest` answers 400, never FastAPI's 422, and with plain text."""
    for path, operations in schema["paths"].items():
        if path.startswith("/rest/"):
            responses = operations["post"]["responses"]
            responses.pop("422", None)
            responses["200"]["content"].pop("application/json", None)
