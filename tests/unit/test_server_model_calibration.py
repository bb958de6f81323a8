"""The k-factor of a flow meter, from amounts that somebody measured."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kegnet.server.model.calibration import Calibration, CalibrationError, calibrate


def test_one_amount_gives_a_k_factor() -> None:
    assert calibrate([(2800, 500)]) == Calibration(pulses_per_litre=5600, spread=0)


def test_the_k_factor_is_rounded() -> None:
    assert calibrate([(1000, 300)]).pulses_per_litre == 3333
    assert calibrate([(2000, 300)]).pulses_per_litre == 6667


def test_a_large_amount_weighs_more() -> None:
    assert calibrate([(5000, 1000), (600, 100)]).pulses_per_litre == 5091


def test_the_spread_is_from_the_least_to_the_greatest_k_factor() -> None:
    found = calibrate([(4900, 1000), (5000, 1000), (5100, 1000)])
    assert found.pulses_per_litre == 5000
    assert found.spread == pytest.approx(0.04)


def test_a_small_spread_is_not_rounded_away() -> None:
    assert calibrate([(1000, 300), (1001, 300)]).spread == pytest.approx(1 / 1000.5)


@given(st.integers(50, 100_000), st.lists(st.integers(1, 10_000), min_size=1, max_size=9))
def test_exact_measurements_give_their_own_k_factor(factor: int, litres: list[int]) -> None:
    found = calibrate([(factor * each, 1000.0 * each) for each in litres])
    assert found.pulses_per_litre == factor
    assert found.spread == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("measured", "problem"),
    [
        ([], "no amount was measured"),
        ([(0, 500)], "a pour without pulses says nothing of its flow meter"),
        ([(2800, 500), (-1, 500)], "a pour without pulses says nothing of its flow meter"),
        ([(2800, 0)], "an amount must be more than 0 millilitres"),
        ([(2800, 500), (2800, -500)], "an amount must be more than 0 millilitres"),
        ([(2800, float("nan"))], "an amount must be more than 0 millilitres"),
        ([(2800, float("inf"))], "an amount must be more than 0 millilitres"),
        ([(49, 1000)], "49 pulses per litre are no flow meter's (from 50 to 100000)"),
        ([(2800, 0.5)], "5.6e+06 pulses per litre are no flow meter's (from 50 to 100000)"),
        ([(7600, 1000), (2400, 1000)], "the amounts differ from each other by 104%"),
        ([(6260, 1000), (3740, 1000)], "the amounts differ from each other by 50%"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(measured: list[tuple[int, float]], problem: str) -> None:
    with pytest.raises(CalibrationError) as refused:
        calibrate(measured)
    assert refused.value.problem == problem
    assert refused.value.fix


@pytest.mark.parametrize(
    "measured", [[(50, 1000)], [(100_000, 1000)], [(1, 20)], [(6250, 1000), (3750, 1000)], [(5600, 1000), (2800, 0.5e3)]]
)
def test_what_can_just_be_is_accepted(measured: list[tuple[int, float]]) -> None:
    assert calibrate(measured)
