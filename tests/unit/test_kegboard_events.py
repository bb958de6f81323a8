"""Batches of the Kegboard Event Protocol: what is read from them, and what is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kegnet.server.ingest.kegboard_events import BatchError, BoardPour, BoardTemperature, parse

STATUS: dict[str, Any] = {"id": 3, "type": "status", "age_ms": 0, "data": {"state": "boot", "events_dropped": 7}}
POUR: dict[str, Any] = {
    "id": 1,
    "type": "pour",
    "age_ms": 4200,
    "time": "2026-08-03T18:02:11Z",
    "data": {"meter_number": 2, "pour_id": "5f8e2c34", "volume_ml": 355.24, "duration_ms": 7100, "ticks": 1919},
}
TEMPERATURE: dict[str, Any] = {"id": 2, "type": "temperature", "age_ms": 9, "data": {"sensor": "thermo-28ff", "temp_c": -0.0625}}


def batch(*events: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps(
        {"v": 1, "device": "kegboard-a1b2c3", "boot_id": "9f3a2c1b", "sent_uptime_ms": 1, "events": list(events), **fields}
    ).encode()


def test_pours_temperatures_and_losses_are_read() -> None:
    read = parse(batch(POUR, TEMPERATURE, STATUS))
    pour, temperature = read.events
    assert pour == BoardPour(pour.digest, 4200, 2, 3552, 7100)
    assert temperature == BoardTemperature(temperature.digest, 9, "thermo-28ff", -62)
    assert (read.device, read.left_out, read.dropped) == ("kegboard-a1b2c3", (), 7)


def test_an_event_is_the_same_whenever_it_is_sent_and_another_in_another_boot() -> None:
    def digest(body: bytes) -> bytes:
        return parse(body).events[0].digest

    again = digest(batch({**POUR, "age_ms": 99_000}, sent_uptime_ms=5))
    assert digest(batch(POUR)) == again
    others = [batch(POUR, boot_id="2"), batch(POUR, device="kegboard-2"), batch({**POUR, "id": 2})]
    assert len({again, *map(digest, others)}) == 4


def test_unknown_types_and_fields_are_ignored() -> None:
    read = parse(batch({"id": 1, "type": "humidity", "age_ms": 0, "data": {}}, {**POUR, "new": 1}, more=[]))
    assert (len(read.events), read.left_out, read.dropped) == (1, (), None)


@pytest.mark.parametrize(
    "data",
    [
        {"volume_ml": 0}, {"volume_ml": -1}, {"volume_ml": 0.04}, {"volume_ml": "1"}, {"volume_ml": None}, {"volume_ml": True},
        {"volume_ml": 100_000_001}, {"volume_ml": 10**400}, {"volume_ml": float("nan")}, {"volume_ml": float("inf")},
        {"meter_number": -1}, {"meter_number": 1001}, {"meter_number": True}, {"meter_number": 1.0}, {"meter_number": None},
        {"duration_ms": -1}, {"duration_ms": 1.5}, {"duration_ms": 10**10 + 1}, {"pour_id": ""}, {"pour_id": "x" * 65}, {"pour_id": 1},
    ],
)  # fmt: skip
def test_a_pour_with_wrong_data_is_left_out_of_its_batch(data: dict[str, Any]) -> None:
    read = parse(batch({**POUR, "id": 9, "data": {**POUR["data"], **data}}, POUR))
    assert len(read.events) == 1
    assert read.left_out[0].startswith(f"pour 9: {next(iter(data))} is ")


@pytest.mark.parametrize(
    "data", [{"volume_ml": 0.1}, {"volume_ml": 100_000_000}, {"meter_number": 0}, {"meter_number": 1000}, {"duration_ms": 0}]
)
def test_a_pour_at_its_bounds_is_read(data: dict[str, Any]) -> None:
    assert len(parse(batch({**POUR, "data": {**POUR["data"], **data}})).events) == 1


@pytest.mark.parametrize(
    "data", [{"temp_c": 125.001}, {"temp_c": -55.001}, {"temp_c": "4"}, {"sensor": ""}, {"sensor": 1}, {"sensor": "\x00"}]
)
def test_a_temperature_with_wrong_data_is_left_out_of_its_batch(data: dict[str, Any]) -> None:
    assert parse(batch({**TEMPERATURE, "data": {**TEMPERATURE["data"], **data}})).events == ()


@pytest.mark.parametrize("celsius", [-55, 125, 0])
def test_a_temperature_at_its_bounds_is_read(celsius: int) -> None:
    (event,) = parse(batch({**TEMPERATURE, "data": {**TEMPERATURE["data"], "temp_c": celsius}})).events
    assert isinstance(event, BoardTemperature)
    assert event.millicelsius == 1000 * celsius


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"[" * 10_000, b"\xff", b"1" * 10_000, b"{}",
        batch(POUR, v=2), batch(POUR, v=True), batch(POUR, v="1"),
        batch(), batch(*[STATUS] * 17), batch(POUR, events={}), batch(POUR, device=""), batch(POUR, device="a\x00"),
        batch(POUR, device="\ud800"),
        batch(POUR, device="x" * 65), batch(POUR, boot_id=""), batch(POUR, boot_id="x" * 33), batch(POUR, boot_id=7),
        batch(POUR, device=None),
        batch({**STATUS, "id": 0}), batch({**STATUS, "id": "1"}), batch({**STATUS, "id": True}), batch({**STATUS, "age_ms": -1}),
        batch({**STATUS, "age_ms": 2**53 + 1}), batch({**STATUS, "data": None}), batch({**STATUS, "data": []}),
        batch({**STATUS, "type": 1}),
        batch([]),  # type: ignore[arg-type]
    ],
    ids=range(31),
)  # fmt: skip
def test_what_is_no_batch_is_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(BatchError, match=r"."):
        parse(body)


@pytest.mark.parametrize(
    "body", [batch(*[STATUS] * 16), batch(POUR, device="x" * 64), batch(POUR, boot_id="x" * 32), batch({**POUR, "id": 1})]
)
def test_a_batch_at_its_bounds_is_read(body: bytes) -> None:
    parse(body)


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_nothing_but_a_batch_error_comes_of_garbage(body: bytes) -> None:
    with pytest.raises(BatchError):
        parse(body)


@pytest.mark.parametrize(("dropped", "expected"), [(0, (0, ())), (-1, (None, ("status 3: ",)))])
def test_a_board_drops_no_event_or_some(dropped: int, expected: tuple[int | None, tuple[str, ...]]) -> None:
    read = parse(batch({**STATUS, "data": {"state": "boot", "events_dropped": dropped}}))
    assert (read.dropped, tuple(text[: len("status 3: ")] for text in read.left_out)) == expected
