"""The contents of a keg from its weight."""

from __future__ import annotations

import pytest
from kegnet.server.model.weights import GRAMS, WeightError, contents_ml


def test_the_contents_are_the_weight_without_the_keg_by_the_density() -> None:
    assert contents_ml(23_190, 4_000) == 19_000
    assert contents_ml(20_000, 4_000, 1.0) == 16_000
    assert contents_ml(40 * GRAMS["lb"], 9 * GRAMS["lb"], 1.012) == 13_895


def test_a_keg_that_weighs_what_it_weighs_empty_is_empty() -> None:
    assert contents_ml(4_000, 4_000) == 0


@pytest.mark.parametrize(
    ("gross_g", "tare_g"), [(3_999, 4_000), (0, 0), (4_000, -1), (float("nan"), 1), (5, float("nan")), (float("inf"), 1)]
)
def test_weights_that_cannot_be_are_refused(gross_g: float, tare_g: float) -> None:
    with pytest.raises(WeightError) as refused:
        contents_ml(gross_g, tare_g)
    assert refused.value.fix == "check both weights, and their unit"


@pytest.mark.parametrize("density", [0.97, 1.21, 1010, float("nan")])
def test_a_density_that_is_no_beers_is_refused(density: float) -> None:
    with pytest.raises(WeightError) as refused:
        contents_ml(23_190, 4_000, density)
    assert refused.value.fix == "enter its final gravity"
