"""The pure parts of kegnet-meter's modes: rates, the drawing, volumes, calibrations, versions of kernels."""

from __future__ import annotations

import pytest
from kegnet.meter.commands.checks import kernel
from kegnet.meter.commands.gauge import Style, View
from kegnet.meter.commands.rate import Rate
from kegnet.meter.commands.volume import Calibration, MeasuredPour, VolumeError, parse_ml
from kegnet.meter.flow import Flow

S = 10**9
MS = 10**6
PLAIN = Style(80, unicode=True, colour=False)


# Rates.


def flow(pulses: int, hertz: int, start_ns: int = 10 * S) -> Flow:
    return Flow(start_ns, start_ns + (pulses - 1) * S // hertz, pulses, 0)


def test_a_rate_is_by_the_stamps_and_not_by_when_it_is_asked_for() -> None:
    rate = Rate()
    for pulses in (25, 60, 75, 170, 400):
        now = flow(pulses, 100)
        assert rate.update(now.end_ns + 130 * MS, pulses, now) == pytest.approx(100)


def test_a_rate_is_that_of_the_last_second() -> None:
    rate = Rate()
    pulses, end_ns = 1, 10 * S
    for hertz in [50] * 12 + [200] * 8:
        pulses, end_ns = pulses + hertz // 4, end_ns + S // 4
        value = rate.update(end_ns, pulses, Flow(10 * S, end_ns, pulses, 0))
    assert value == pytest.approx(200)
    assert rate.highest == pytest.approx(200)


def test_a_flow_that_ran_before_counts_from_its_start() -> None:
    assert Rate().update(20 * S, 0, flow(1001, 100)) == pytest.approx(100)


def test_a_pause_lowers_the_rate_and_the_end_is_zero() -> None:
    rate = Rate()
    running = flow(101, 100)
    assert rate.update(running.end_ns + 400 * MS, 101, running) == pytest.approx(100)
    assert rate.update(running.end_ns + S, 101, running) == pytest.approx(50)
    assert rate.update(running.end_ns + 2 * S, 101, None) == 0
    assert rate.highest == pytest.approx(100)


def test_one_edge_is_no_rate_yet() -> None:
    assert Rate().update(10 * S, 1, flow(1, 100)) == 0


def test_another_flow_begins_anew() -> None:
    rate = Rate()
    first = flow(101, 100)
    rate.update(first.end_ns, 101, first)
    second = flow(21, 10, start_ns=first.end_ns + 5 * S)
    assert rate.update(second.end_ns, 122, second) == pytest.approx(10)


# The drawing.


def view(rate: float, *before: float, pulses: int = 2307, noise: int = 0, per_litre: int | None = 5600) -> View:
    return View(17, pulses, noise, (*before, rate), max(rate, *before, 0), per_litre)


def test_the_bar_is_the_share_of_a_fast_tap() -> None:
    assert PLAIN.draw(view(168.0))[0] == "pin 17  ▕" + "█" * 18 + "▌" + " " * 18 + "▏  168.0 pulses/s   30.0 ml/s"
    assert PLAIN.draw(view(0.0))[0] == "pin 17  ▕" + " " * 37 + "▏    0.0 pulses/s    0.0 ml/s"


def test_a_bar_is_never_longer_than_its_frame() -> None:
    assert "▕" + "█" * 37 + "▏" in PLAIN.draw(view(5000.0))[0]


def test_what_turns_slowly_is_visible() -> None:
    assert "▁   2307 pulses" in PLAIN.draw(view(1.0))[1]
    assert " 2307 pulses" in PLAIN.draw(view(0.0))[1]
    assert "▁" not in PLAIN.draw(view(0.0))[1]


def test_without_pulses_per_litre_there_are_no_litres() -> None:
    bar, amount = PLAIN.draw(view(150.0, per_litre=None))
    assert "█" * 18 + "▌" in bar, "half of 300 pulses a second"
    assert bar.endswith("▏  150.0 pulses/s")
    assert amount.endswith("   2307 pulses  noise 0")


def test_noise_is_yellow_and_no_noise_is_not() -> None:
    colour = Style(80, unicode=True, colour=True)
    assert "\033[33m  noise 3\033[0m" in colour.draw(view(0.0, noise=3))[1]
    assert "\033[33m" not in colour.draw(view(0.0))[1]


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("columns", [1, 2, 10, 30, 50, 51, 80, 300])
def test_a_drawing_fits_into_any_width(columns: int, unicode: bool) -> None:
    lines = Style(columns, unicode, colour=False).draw(view(236.4, *[100.0] * 300, pulses=10**9, noise=10**6))
    assert len(lines) == 2
    assert all(len(line) < columns for line in lines)
    assert unicode or all(line.isascii() for line in lines)


def test_a_plain_line_and_the_summary() -> None:
    assert view(236.4, noise=3).line() == "pin 17: 2307 pulses = 0.412 l; 236.4 pulses/s, 42.2 ml/s; noise 3"
    assert view(0.0, 241.2).summary() == "pin 17: 2307 pulses = 0.412 l; at most 241.2 pulses/s; noise 0"
    assert view(0.0, pulses=0, per_litre=None).summary() == "pin 17: 0 pulses; noise 0"


# Volumes and calibrations.


@pytest.mark.parametrize(
    ("text", "expected_ml"),
    [
        ("500", 500),
        (" 500 ml ", 500),
        ("0.5 l", 500),
        ("0,5L", 500),
        ("33 cl", 330),
        ("5 dl", 500),
        ("12 oz", 354.882),
        ("16 oz.", 473.176),
    ],
)
def test_volumes_in_several_units(text: str, expected_ml: float) -> None:
    assert parse_ml(text) == pytest.approx(expected_ml)


@pytest.mark.parametrize(
    "text", ["", "half", "l", "-5", "0", "0.5", "9.9", "5 kg", "1e3", "1.2.3", "٥٠٠", "100001", "101 l", "nan", "0x1F4"]
)
def test_what_is_not_a_volume_that_can_be_meant(text: str) -> None:
    with pytest.raises(VolumeError, match=r"use millilitres, e\.g\. 500, or 0\.5 l, or 12 oz"):
        parse_ml(text)


def test_a_calibration_weighs_each_pour_by_its_volume() -> None:
    result = Calibration.of([MeasuredPour(600, 100), MeasuredPour(5000, 1000)])
    assert result.pulses_per_litre == 5091
    assert result.spread_percent == pytest.approx(17.857, abs=0.001)
    assert str(result) == "5091 pulses per litre, by 2 pours; spread 17.9 %"
    assert "The spread is over 3 %" in result.advice()


def test_one_pour_has_no_spread() -> None:
    result = Calibration.of([MeasuredPour(2800, 500)])
    assert str(result) == "5600 pulses per litre, by one pour"
    assert result.advice() == "3 pours show the spread."


def test_three_pours_that_agree_need_no_advice() -> None:
    pours = [MeasuredPour(2800, 500), MeasuredPour(2820, 500), MeasuredPour(2790, 500)]
    assert Calibration.of(pours).advice() == ""


# Kernels.


@pytest.mark.parametrize(
    ("release", "version", "expected"),
    [
        ("6.1.0-21-arm64", "#1 SMP Debian 6.1.90-1 (2024-05-03)", (6, 1, 90)),
        ("6.1.0-rpi7-rpi-v8", "#1 SMP PREEMPT Debian 1:6.1.63-1+rpt1 (2023-11-24)", (6, 1, 63)),
        ("6.1.21-v8+", "#1642 SMP PREEMPT Mon Apr  3 17:24:16 BST 2023", (6, 1, 21)),
        ("6.12-rc1", "#1 SMP", (6, 12, 0)),
        ("5.4.0", "#1", (5, 4, 0)),
    ],
)
def test_the_version_of_a_kernel(release: str, version: str, expected: kernel.Version) -> None:
    assert kernel.kernel_version(release, version) == expected


def test_only_chips_and_kernels_that_lose_close_edges_are_a_warning() -> None:
    old, new = (6, 1, 21), (6, 1, 29)
    assert [kernel.loses_close_edges("pinctrl-bcm2835", 2, version) is not None for version in (old, new)] == [True, False]
    assert kernel.loses_close_edges("pinctrl-bcm2711", 2, old) is not None
    assert kernel.loses_close_edges("pinctrl-rp1", 2, old) is None
    assert kernel.loses_close_edges("pinctrl-bcm2835", 1, old) is None
