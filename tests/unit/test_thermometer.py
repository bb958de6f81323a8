"""What counts as a reading, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kegnet.client.thermometer import FAMILIES, Reading, SensorError, Thermometer, parse_reading
from kegnet.server.demo import w1_slave

PROBE = "28-0000054c9f11"


def probe(devices: Path, name: str, answer: str) -> None:
    (devices / name).mkdir()
    (devices / name / "w1_slave").write_text(answer)


def test_the_documented_answer() -> None:
    assert parse_reading(PROBE, "43 01 4b 46 7f ff 0c 10 97 : crc=97 YES\n43 01 4b 46 7f ff 0c 10 97 t=20187\n") == 20187


def test_the_crc_is_the_one_that_the_kernel_prints() -> None:
    assert w1_slave(21_500).startswith("58 01 4b 46 7f ff 0c 10 c2 : crc=c2 YES\n")


@given(st.integers(min_value=-55 * 16, max_value=125 * 16).filter(lambda raw: raw != 85 * 16))
def test_every_step_of_the_range_is_a_reading(sixteenths: int) -> None:
    millicelsius = sixteenths * 1000 // 16
    assert parse_reading(PROBE, w1_slave(millicelsius)) == millicelsius


@given(st.integers(min_value=0, max_value=8), st.integers(min_value=1, max_value=255))
def test_a_verdict_of_no_is_never_a_reading(place: int, flip: int) -> None:
    text = w1_slave(4187).replace("YES", "NO")
    scratchpad = bytearray.fromhex(text[:26])
    scratchpad[place] ^= flip
    with pytest.raises(SensorError):
        parse_reading(PROBE, scratchpad.hex(" ") + text[26:])


@given(st.text(max_size=120) | st.text("0123456789abcdef :=crcYESNOt-\n", max_size=120))
def test_no_other_text_is_a_reading_or_anything_but_a_sensor_error(text: str) -> None:
    with pytest.raises(SensorError):
        parse_reading(PROBE, text)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_of_thermometers_is_found(tmp_path: Path, family: str) -> None:
    probe(tmp_path, f"{family}-0000054c9f11", w1_slave(4250))
    assert Thermometer(tmp_path).read() == Reading(f"{family}-0000054c9f11", 4250)


def test_other_entries_of_the_directory_are_ignored(tmp_path: Path) -> None:
    for name in ("w1_bus_master1", "00-000000000000", "29-000000000000", "28-x", "28-0000054c9f1g"):
        (tmp_path / name).mkdir()
    probe(tmp_path, PROBE, w1_slave(-250))
    assert Thermometer(tmp_path).read().millicelsius == -250


def test_a_missing_probe_names_those_that_are_there(tmp_path: Path) -> None:
    probe(tmp_path, PROBE, w1_slave(4250))
    with pytest.raises(SensorError, match=f"28-000000000001 is not on the 1-Wire bus; found: {PROBE}"):
        Thermometer(tmp_path, "28-000000000001").read()


def test_no_bus_says_how_to_enable_it(tmp_path: Path) -> None:
    with pytest.raises(SensorError, match="dtoverlay=w1-gpio"):
        Thermometer(tmp_path / "missing").read()


def test_a_directory_instead_of_the_drivers_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / PROBE / "w1_slave").mkdir(parents=True)
    with pytest.raises(SensorError, match="cannot be read"):
        Thermometer(tmp_path).read()
