"""The colours of beers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kegnet.server.model.colours import css_colour, ebc_of, srm_of


def brightness(colour: str) -> int:
    return sum(int(colour[at : at + 2], 16) for at in (1, 3, 5))


@given(st.one_of(st.none(), st.floats(allow_nan=False)))
def test_every_number_is_a_colour(srm: float | None) -> None:
    assert re.fullmatch("#[0-9a-f]{6}", css_colour(srm))


def test_more_srm_is_darker() -> None:
    shades = [brightness(css_colour(tenth / 10)) for tenth in range(601)]
    assert shades == sorted(shades, reverse=True)
    assert shades[0] > 3 * shades[300] > 6 * shades[600]


@pytest.mark.parametrize(
    ("value", "unit", "srm"), [(12.0, "SRM", 12.0), (19.7, "EBC", 10.0), (10.0, "Lovibond", 12.79), (0.1, "Lovibond", 0.0)]
)
def test_units_are_converted(value: float, unit: str, srm: float) -> None:
    assert srm_of(value, unit) == srm


def test_ebc_is_about_twice_srm() -> None:
    assert ebc_of(10.0) == pytest.approx(19.7)
