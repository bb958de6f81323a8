"""The OpenAPI description of the JSON API (OpenAPI 3.0.3)."""

from __future__ import annotations

from typing import Any

from kegnet import __version__

_INTEGER = {"type": "integer"}
_MAYBE_INTEGER = {"type": "integer", "nullable": True}
_NUMBER = {"type": "number"}
_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": sorted(properties), "additionalProperties": False}


def _list(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


def _get(summary: str, shape: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    answers: dict[str, Any] = {"200": {"description": "So it is.", "content": {"application/json": {"schema": _list(shape)}}}}
    answers["400"] = {"description": "A parameter cannot be so."}
    if any(parameter["in"] == "path" for parameter in parameters):
        answers["404"] = {"description": "There is no such client or tap."}
    return {"get": {"summary": summary, "parameters": list(parameters), "responses": answers}}


_CLIENT = {"name": "client", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
_PIN = {"name": "pin", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}}
_PAGE = {"name": "page", "in": "query", "schema": {"type": "integer", "minimum": 0, "maximum": 10**6, "default": 0}}
_OVER = {"name": "over", "in": "query", "schema": {"type": "string", "enum": ["24h", "7d", "90d"], "default": "24h"}}
_LIMIT = {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}}

DESCRIPTION: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "KegNet of a household", "version": __version__},
    "paths": {
        "/api/clients": _get("A page of 50 clients as they are now, by name.", "Client", _PAGE),
        "/api/clients/{client}/temperatures": _get("The course of a temperature, oldest first.", "Point", _CLIENT, _OVER),
        "/api/clients/{client}/taps/{pin}/pours": _get("The last pours, the latest first.", "Pour", _CLIENT, _PIN, _LIMIT),
    },
    "components": {
        "schemas": {
            "Point": _object(at_ms=_INTEGER, mean=_NUMBER, least=_INTEGER, most=_INTEGER),
            "Pour": _object(at_ms=_INTEGER, pulses=_INTEGER, millilitres=_NUMBER, duration_ms=_INTEGER),
            "Tap": _object(
                pin=_INTEGER, name=_TEXT, last=_list("Pour"), pulses_per_litre=_INTEGER,
                today_ml=_NUMBER, week_ml=_NUMBER, keg_ml=_MAYBE_INTEGER,
                left_ml={"type": "number", "nullable": True}, lasts_ms=_MAYBE_INTEGER,
            ),
            "Client": _object(
                id=_TEXT, name=_TEXT, millicelsius=_MAYBE_INTEGER, at_ms=_MAYBE_INTEGER, seen_ms=_MAYBE_INTEGER, silent=_FLAG,
                too_cold=_FLAG, too_warm=_FLAG, coldest=_MAYBE_INTEGER, warmest=_MAYBE_INTEGER, taps=_list("Tap"),
                alarms={"type": "array", "items": _TEXT},
            ),
        }
    },
}  # fmt: skip
"""All temperatures are in thousandths of a degree Celsius, all times in Unix milliseconds."""
