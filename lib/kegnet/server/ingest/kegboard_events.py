"""A batch of the Kegboard Event Protocol, version 1, as frozen values. Pure: no I/O, no clock.

Unknown fields and unknown types of events are ignored, as the protocol demands (section 10). An event of a known type whose
data are wrong is left out of the batch with its reason: the rest of the batch must not be lost with it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..storage.boards import PULSES_PER_LITRE
from .form import RANGES

VERSION = 1
EVENTS_AT_MOST = 16
DEVICE_LENGTH = 64
BOOT_ID_LENGTH = 32
_NUMBER_AT_MOST = 2**53
"""Larger integers are none in JSON (RFC 8259 §6)."""
_PULSES_PER_ML = PULSES_PER_LITRE / 1000


class BatchError(ValueError):
    """The body is no batch of this protocol. The text is the reason."""


class _EventError(ValueError):
    """The data of one event are wrong."""


@dataclass(frozen=True)
class BoardPour:
    """A pour that is over. `age_ms` is how long ago it ended, `et_ms` how long it took; `pulses` are tenths of a millilitre."""

    digest: bytes
    age_ms: int
    meter: int
    pulses: int
    et_ms: int


@dataclass(frozen=True)
class BoardTemperature:
    """A reading of a sensor, `age_ms` ago."""

    digest: bytes
    age_ms: int
    sensor: str
    millicelsius: int


@dataclass(frozen=True)
class Batch:
    """What a board sent: its name, its events in their order, the reasons of those that were left out.

    `dropped` is how many events the board itself has lost so far, where it says so.
    """

    device: str
    events: tuple[BoardPour | BoardTemperature, ...]
    left_out: tuple[str, ...]
    dropped: int | None


def parse(body: bytes) -> Batch:
    """The batch in a request's body. Raises BatchError."""
    try:
        batch = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BatchError("the body is not JSON") from error
    if not isinstance(batch, dict):
        raise BatchError("the body is no JSON object")
    if batch.get("v") != VERSION or isinstance(batch["v"], bool):
        raise BatchError(f"v is not {VERSION}, the version of the protocol")
    device, boot_id = _text(batch, "device", DEVICE_LENGTH), _text(batch, "boot_id", BOOT_ID_LENGTH)
    events = batch.get("events")
    if not isinstance(events, list) or not 1 <= len(events) <= EVENTS_AT_MOST:
        raise BatchError(f"events is no list of 1 to {EVENTS_AT_MOST} events")
    return _batch(device, boot_id, events)


def _batch(device: str, boot_id: str, events: Sequence[Any]) -> Batch:
    found: list[BoardPour | BoardTemperature] = []
    left_out: list[str] = []
    dropped: int | None = None
    for event in events:
        kind, number, age_ms = _envelope(event)
        data = event["data"]
        # (device, boot_id, id) is what identifies an event (section 4). Its age and its time are new each time that it is sent.
        digest = hashlib.sha256(json.dumps(["kegboard", VERSION, device, boot_id, number]).encode()).digest()
        try:
            if kind == "pour":
                found.append(_pour(digest, age_ms, data))
            elif kind == "temperature":
                found.append(_temperature(digest, age_ms, data))
            elif kind == "status":
                dropped = _integer(data, "events_dropped", 0, _NUMBER_AT_MOST)
        except (_EventError, BatchError) as error:
            left_out.append(f"{kind} {number}: {error}")
    return Batch(device, tuple(found), tuple(left_out), dropped)


def _envelope(event: Any) -> tuple[str, int, int]:
    """Its type, its number and its age in milliseconds."""
    if not isinstance(event, dict) or not isinstance(event.get("data"), dict) or not isinstance(event.get("type"), str):
        raise BatchError("an event has no type or no data")
    try:
        return event["type"], _integer(event, "id", 1, _NUMBER_AT_MOST), _integer(event, "age_ms", 0, _NUMBER_AT_MOST)
    except _EventError as error:
        raise BatchError(f"an event's {error}") from error


def _pour(digest: bytes, age_ms: int, data: dict[str, Any]) -> BoardPour:
    _text(data, "pour_id", DEVICE_LENGTH)
    pulses = round(_number(data, "volume_ml") * _PULSES_PER_ML)
    if not 1 <= pulses <= RANGES["pulses"][1]:
        raise _EventError("volume_ml is out of range")
    return BoardPour(digest, age_ms, _integer(data, "meter_number", *RANGES["pin"]), pulses, _integer(data, "duration_ms", *RANGES["et"]))


def _temperature(digest: bytes, age_ms: int, data: dict[str, Any]) -> BoardTemperature:
    sensor = _text(data, "sensor", DEVICE_LENGTH)
    millicelsius = round(_number(data, "temp_c") * 1000)
    if not RANGES["temp"][0] <= millicelsius <= RANGES["temp"][1]:
        raise _EventError("temp_c is out of range")
    return BoardTemperature(digest, age_ms, sensor, millicelsius)


def _text(fields: dict[str, Any], name: str, length: int) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= length or not value.isprintable():
        raise BatchError(f"{name} is no printable text of 1 to {length} characters")
    return value


def _integer(fields: dict[str, Any], name: str, least: int, most: int) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _EventError(f"{name} is no integer from {least} to {most}")
    return value


def _number(fields: dict[str, Any], name: str) -> float:
    value = fields.get(name)
    # An integer of 400 digits is no float.
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= _NUMBER_AT_MOST or not math.isfinite(value):
        raise _EventError(f"{name} is no number")
    return float(value)
