"""What is typed into a form."""

from __future__ import annotations

import pytest
from kegnet.server.model.keg_sizes import usual_sizes_ml
from kegnet.server.model.units import Units
from kegnet.server.web.forms import Form
from kegnet.server.web.tap_contents import contents_of


def test_a_field_that_is_absent_is_no_error() -> None:
    form = Form({})
    assert (form.name("name"), form.number("limit", 0, 1), form.whole("pulses", 0, 1)) == (None, None, None)
    assert not form.has("name")
    assert form.errors == {}


def test_a_name_is_tidied_and_may_have_any_script() -> None:
    form = Form({"name": "  Höfbräu \t 🍺 ", "beer": ""})
    assert form.name("name") == "Höfbräu 🍺"
    assert form.name("beer", may_be_empty=True) == ""
    assert form.errors == {}


@pytest.mark.parametrize("text", ["", "   ", "x" * 81, "a\0b", "a\x1b[31m"])
def test_a_bad_name_is_an_error_of_its_field(text: str) -> None:
    form = Form({"name": text})
    assert form.name("name") is None
    assert form.errors.keys() == {"name"}
    assert form.typed == {"name": text}, "what was typed is kept"


@pytest.mark.parametrize(("text", "number"), [("4.5", 4.5), ("4,5", 4.5), (" -3 ", -3.0), ("1e1", 10.0), ("", None)])
def test_a_number_has_a_point_or_a_comma(text: str, number: float | None) -> None:
    form = Form({"limit": text})
    assert form.number("limit", -10, 10) == number
    assert form.errors == {}


@pytest.mark.parametrize("text", ["x", "nan", "inf", "11", "-10.1", "1_0", "٣", "1,000.5", "1e999"])
def test_what_is_no_number_in_the_range_is_an_error(text: str) -> None:
    form = Form({"limit": text})
    assert form.number("limit", -10, 10) is None
    assert form.errors == {"limit": "enter a number from -10 to 10"}


@pytest.mark.parametrize("text", ["5.5", "5,600", "-1", "1_0", "²", "1000001", "9" * 5000, "five"])
def test_a_whole_number_is_in_digits_only(text: str) -> None:
    form = Form({"pulses": text})
    assert form.whole("pulses", 1, 10**6) is None
    assert form.errors.keys() == {"pulses"}
    assert Form({"pulses": "5600"}).whole("pulses", 1, 10**6) == 5600


@pytest.mark.parametrize("unit", ["oz", "pt", "imp-pt", "l"])
def test_contents_are_entered_as_the_page_names_the_size(unit: str) -> None:
    units = Units(volume=unit)
    for size_ml in usual_sizes_ml(unit):
        for text in (units.keg_size(size_ml), units.keg(size_ml)):
            form = Form({"contents": "part", "start": text.split()[0]})
            assert contents_of(form, units, size_ml) == pytest.approx(size_ml, rel=0.01), text
            assert form.errors == {}
