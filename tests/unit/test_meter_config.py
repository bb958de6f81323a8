"""meter.conf: what it may contain, and how mistakes in it are reported."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kegnet.core.ini import ConfigError
from kegnet.meter.config import MeterConfig, PinConfig, load
from kegnet.meter.gpio_uapi import Bias, EdgeDirection

COMPLETE = "[Meter]\n[Pin 17]\n"


def loaded(folder: Path, text: str) -> MeterConfig:
    (folder / "conf").mkdir(exist_ok=True)
    (folder / "conf/meter.conf").write_text(text, encoding="utf-8")
    return load(folder / "conf/meter.conf")


def test_one_pin_is_complete(tmp_path: Path) -> None:
    config = loaded(tmp_path, COMPLETE)
    assert config == MeterConfig(tmp_path / "conf/meter.conf", tmp_path / "spool", (PinConfig(17, 17),))


def test_the_defaults_are_those_of_the_documentation() -> None:
    assert PinConfig(17, 17) == PinConfig(17, 17, Bias.PULL_UP, EdgeDirection.FALLING, 500, None, 120, 1200, 160, 600)


def test_every_parameter_of_a_pin(tmp_path: Path) -> None:
    (pin,) = loaded(
        tmp_path,
        "[Meter]\n[Pin 22]\nreportAs = 3\nbias = Pull-Down\nedge = rising\ndebounce = 0\npulsesPerLitre = 5600\nhighestRate = 0\n"
        "idle = 1500\nminimumPulses = 250\nlongest = 300\n",
    ).pins
    assert pin == PinConfig(22, 3, Bias.PULL_DOWN, EdgeDirection.RISING, 0, 5600, 0, 1500, 250, 300)


def test_the_limits_themselves_are_valid(tmp_path: Path) -> None:
    lowest = "[Pin 0]\ndebounce = 0\npulsesPerLitre = 1\nidle = 200\nminimumPulses = 1\nlongest = 60\n"
    highest = "[Pin 27]\nreportAs = 999999\ndebounce = 100000\npulsesPerLitre = 1000000\nhighestRate = 10000\nidle = 30000\n"
    one, other = loaded(tmp_path, "[Meter]\n" + lowest + highest + "minimumPulses = 1000000\nlongest = 86400\n").pins
    assert one == PinConfig(0, 0, debounce_us=0, pulses_per_litre=1, idle_ms=200, minimum_pulses=1, longest_s=60)
    assert other == PinConfig(27, 999_999, Bias.PULL_UP, EdgeDirection.FALLING, 100_000, 1_000_000, 10_000, 30_000, 1_000_000, 86_400)


def test_what_the_meter_section_contains_holds_for_each_pin_that_does_not_contain_it(tmp_path: Path) -> None:
    config = loaded(tmp_path, "[Pin 17]\n[Meter]\nidle = 900\nminimumPulses = 90\nlongest = 99\n[Pin 22]\nidle = 2000\n")
    assert config.pins == (
        PinConfig(17, 17, idle_ms=900, minimum_pulses=90, longest_s=99),
        PinConfig(22, 22, idle_ms=2000, minimum_pulses=90, longest_s=99),
    )


def test_the_spool_is_relative_to_the_file(tmp_path: Path) -> None:
    assert loaded(tmp_path, "[Meter]\nspool = s\n[Pin 17]\n").spool == tmp_path / "conf/s"


@pytest.mark.parametrize(
    ("line", "fix"),
    [
        ("reportAs = -1", "use a whole number from 0 to 999999"),
        ("bias = up", "use pull-up or pull-down or none"),
        ("edge = both", "use falling or rising"),
        ("debounce = 100001", "use a whole number of microseconds from 0 to 100000"),
        ("pulsesPerLitre = 0", "use a whole number from 1 to 1000000"),
        ("highestRate = 1e3", "use a whole number of millilitres a second from 0 to 10000"),
        ("idle = 199", "use a whole number of milliseconds from 200 to 30000"),
        ("minimumPulses = 0", "use a whole number from 1 to 1000000"),
        ("longest = 59", "use a whole number of seconds from 60 to 86400"),
        ("debounce = 5 # fast", "a comment needs a line of its own"),
    ],
)
def test_a_bad_value_is_one_line_with_file_parameter_value_and_fix(tmp_path: Path, line: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, COMPLETE + line + "\n")
    assert f"{tmp_path}/conf/meter.conf: [Pin 17] {line}: this value is not valid" in caught.value.problem
    assert fix in caught.value.fix
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["Pin 28", "Pin -1", "Pin", "Pin17", "pin seventeen", "PIN 017x"])
def test_a_section_that_is_no_line_of_the_header_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"name the section \[Pin N\], with N from 0 to 27") as caught:
        loaded(tmp_path, f"[Meter]\n[{name}]\n")
    assert f"[{name}]" in caught.value.problem


def test_a_file_without_a_pin_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no flow meter to read") as caught:
        loaded(tmp_path, "[Meter]\n")
    assert caught.value.fix == f"sudo kegnet-meter --config {tmp_path}/conf/meter.conf --setup adds one"


def test_a_file_without_the_section_meter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no section \[Meter\] \(found: \[Pin 17\]\)"):
        loaded(tmp_path, "[Pin 17]\n")


def test_the_same_pin_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[pin 17\]: is the same pin as \[Pin 17\]"):
        loaded(tmp_path, COMPLETE + "[pin 17]\n")


def test_two_pins_that_report_the_same_number_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[Pin 22\] reportAs = 17: \[Pin 17\] reports this number, too"):
        loaded(tmp_path, COMPLETE + "[Pin 22]\nreportAs = 17\n")


def test_an_unknown_parameter_or_section_is_a_warning(tmp_path: Path) -> None:
    config = loaded(tmp_path, "[Meter]\nidel = 1\n[Pin 17]\nreportas = 0\nreport = 0\n[Meters]\n")
    assert [warning.partition(": ")[2] for warning in config.warnings] == [
        "the parameter idel is unknown and ignored; is it misspelt?",
        "the parameter [Pin 17] report is unknown and ignored; is it misspelt?",
        "the section [Meters] is unknown and ignored; is it misspelt?",
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=100) | st.text("[PinMetr 0123456789]=idleou#;\n", max_size=100).map(lambda text: COMPLETE + text))
def test_any_text_is_a_configuration_or_a_config_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    try:
        config = loaded(tmp_path, text)
    except ConfigError as error:
        assert str(tmp_path / "conf/meter.conf") in str(error)
    else:
        assert config.pins
