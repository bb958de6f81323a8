"""Recipes from BeerXML and BeerJSON: what is read of them, what is reported, and that no file does harm."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kegnet.server.model.beers import NUMBERS_AT_MOST
from kegnet.server.recipes import Found, Recipe, RecipesError, read_recipes, write_beerjson
from support.recipe_files import (
    BEERJSON,
    BEERSMITH,
    BREWERS_FRIEND,
    BREWFATHER,
    ENTITIES,
    EXTERNAL,
    PALE_MOON,
    beerjson,
)


def only(data: bytes) -> Recipe:
    found = read_recipes(data)
    assert found.problems == ()
    (recipe,) = found.recipes
    return recipe


def xml(fields: str, encoding: str = "UTF-8") -> str:
    return f'<?xml version="1.0" encoding="{encoding}"?><RECIPES><RECIPE>{fields}</RECIPE></RECIPES>'


def from_json(*recipes: Any) -> Found:
    return read_recipes(json.dumps(beerjson(*recipes)).encode())


def refusal(data: bytes) -> str:
    begun_s = time.process_time()
    with pytest.raises(RecipesError) as refused:
        read_recipes(data)
    assert time.process_time() - begun_s < 5
    assert refused.value.fix
    assert len(refused.value.problem) < 200
    assert refused.value.problem.isprintable()
    return refused.value.problem


WEISSER_KAEFER = Recipe(
    "Weißer Käfer", "Brauhaus Grün", "Weissbier", 5.3, 13.5, 4.72, "Banana & clove\n\nFerment at 19 °C.\nBottle after 10 days."
)


def test_beersmith_exports_values_with_units_in_latin_1() -> None:
    assert only(BEERSMITH.encode("latin-1")) == WEISSER_KAEFER


def test_a_wrong_declaration_of_the_encoding_does_no_harm() -> None:
    """kleiner-brauhelfer issue 202: ISO-8859-1 is declared, and UTF-8 is written."""
    assert only(BEERSMITH.encode()) == WEISSER_KAEFER
    assert only(BEERSMITH.replace("ISO-8859-1", "UTF-8").encode("latin-1")) == WEISSER_KAEFER


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "windows-1252", "iso-8859-15"])
def test_other_encodings_are_read(encoding: str) -> None:
    declared = BEERSMITH.replace("ISO-8859-1", encoding.removesuffix("-sig"))
    assert only(declared.encode(encoding)) == WEISSER_KAEFER


def test_brewfather_exports_numbers_and_the_alcohol_comes_from_the_gravities() -> None:
    found = read_recipes(BREWFATHER.encode())
    assert found == Found(
        (
            Recipe("Two Sunsets IPA", "Mira", "American IPA", 6.43, 58, 7.9, "Dry hopped “twice”"),
            Recipe("Night Shift", "Mira", "Dry Stout", 4.3, None, 38.2, ""),
        ),
        (),
    )


def test_brewers_friend_exports_abv_and_color() -> None:
    assert only(BREWERS_FRIEND.encode()) == Recipe("Copper Line", "Own brew", "Altbier", 4.86, 42.17, 12.4, "Rest for 3 weeks <at least>")


def test_beerjson_has_units_of_its_own() -> None:
    assert read_recipes(BEERJSON.encode()) == Found(
        (
            Recipe("Pale Moon Hefeweizen", "Own brew", "Weissbier", 5.3, 13, 4.0, "Cloves\n\nServe cloudy."),
            Recipe("Kellerbier", "Brauerei Meister", "", 4.81, None, 6.01, ""),
        ),
        (),
    )


def test_a_name_is_enough() -> None:
    assert only(xml("<NAME> Weizen\n Hell </NAME>").encode()) == Recipe("Weizen Hell")
    assert from_json({"name": "Weizen"}) == Found((Recipe("Weizen"),), ())


def test_recipes_may_be_deeper_in_the_file_or_alone() -> None:
    assert only(b"<BEER_XML><RECIPES><RECIPE><NAME>A</NAME></RECIPE></RECIPES></BEER_XML>") == Recipe("A")
    assert only(b"<RECIPE><NAME>A</NAME></RECIPE>") == Recipe("A")


def test_a_wrong_value_is_named_and_the_rest_is_read() -> None:
    found = read_recipes(xml("<NAME>A</NAME><IBU>many</IBU><EST_ABV>500 %</EST_ABV><EST_COLOR>-3</EST_COLOR><OG>8</OG><FG>1</FG>").encode())
    assert found.recipes == (Recipe("A"),)
    assert found.problems == (
        "A: ABV 500 is not from 0 to 100",
        "A: original gravity 8 is impossible",
        "A: IBU “many” is not a number",
        "A: colour -3 is not from 0 to 200",
    )


def test_recipes_without_a_name_are_left_out() -> None:
    found = read_recipes(b"<RECIPES><RECIPE><IBU>3</IBU></RECIPE><RECIPE><NAME>B</NAME></RECIPE></RECIPES>")
    assert found == Found((Recipe("B"),), ("recipe 1 has no name and was left out",))
    assert from_json(7, {"name": ["x"]}, {"name": ""}).problems == (
        "recipe 1 has no name and was left out",
        "recipe 2: name is not a text",
        "recipe 2 has no name and was left out",
        "recipe 3 has no name and was left out",
    )


def test_long_texts_are_cut_and_that_is_reported() -> None:
    found = from_json({"name": "x" * 81, "notes": "y" * 2001})
    assert found.recipes[0] == Recipe("x" * 80, notes="y" * 2000)
    assert found.problems == ("recipe 1: name was cut to 80 characters", f"{'x' * 80}: notes was cut to 2000 characters")


def test_control_characters_are_removed() -> None:
    """CraftBeerPi issue 149: BeerSmith writes U+0001."""
    assert only(b"<RECIPE><NAME>A\x01B</NAME></RECIPE>") == Recipe("AB")
    assert from_json({"name": "A\x00B\ud800C"}).recipes == (Recipe("ABC"),)


def test_a_colour_of_zero_is_none() -> None:
    assert only(xml("<NAME>A</NAME><EST_COLOR>0.0 EBC</EST_COLOR>").encode()).srm is None


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (b"PK\x03\x04", "this is neither BeerXML nor BeerJSON"),
        (b"\x00" * 1000, "this is neither BeerXML nor BeerJSON"),
        (ENTITIES.encode(), "the file declares entities, which no recipe needs"),
        (EXTERNAL.encode(), "the file declares entities, which no recipe needs"),
        (b"<RECIPES><RECIPE><NAME>A\x00B</NAME></RECIPE></RECIPES>", "the file is not XML"),
        (b"<RECIPES><RECIPE><NAME>&nothing;</NAME></RECIPE></RECIPES>", "the file is not XML: undefined entity"),
        (b"<RECIPES><RECIPE>", "the file is not XML: no element found"),
        (b"<RECIPES>" + b"<RECIPE/>" * 100_000 + b"</RECIPES>", "the file has more than 1000 recipes"),
        (b"<a>" * 300_000, "the elements of the file are nested too deeply"),
        (b'<?xml version="1.0" encoding="rot13"?><RECIPES/>', "the file has an encoding that this program cannot read"),
        (b'<?xml version="1.0" encoding="gbk"?><RECIPES/>', "the file has an encoding that this program cannot read"),
        (b"<HOPS><HOP><NAME>Perle</NAME></HOP></HOPS>", "the file has no recipes"),
        (b"[" * 500_000, "the values of the file are nested too deeply"),
        (b'{"beerjson": {"recipes": [' + b"{}," * 300_000 + b"{}]}}", "the file has more than 1000 recipes"),
        (b'{"beerjson": {"recipes": [{"name": "A", "notes": NaN}]}}', "the file is not JSON"),
        (b'{"beerjson": {"recipes": [{"name": ' + b"9" * 900_000 + b"}]}}", "the file is not JSON"),
        (b'{"beerjson": {"recipes": {}}}', "this JSON file has no recipes in the form of BeerJSON"),
        (b'["recipe"]', "this JSON file has no recipes in the form of BeerJSON"),
        (b'{"name": "A"', "the file is not JSON: Expecting"),
        (b'{"name": "\xff"}', "the file is not JSON"),
    ],
    ids=lambda value: value[:40].decode("latin-1") if isinstance(value, bytes) else "",
)
def test_a_hostile_file_gets_one_clear_line(data: bytes, problem: str) -> None:
    assert refusal(data).startswith(problem)


def test_huge_numbers_are_wrong_values() -> None:
    found = read_recipes(
        b'{"beerjson": {"recipes": [{"name": "A", "alcohol_by_volume": {"value": 1e999}, "ibu_estimate": {"value": {"value": '
        + b"9" * 400
        + b'}}, "color_estimate": {"value": true}, "original_gravity": {"value": [1]}, "final_gravity": "1e999 sg"}]}}'
    )
    assert found.recipes == (Recipe("A"),)
    assert len(found.problems) == 5
    assert all(line.startswith("A: ") and line.endswith("is not a number") and len(line) < 100 for line in found.problems)


def test_many_problems_are_counted() -> None:
    found = from_json(*({"name": "A", "ibu_estimate": "x"} for _ in range(1000)))
    assert len(found.problems) == 51
    assert found.problems[-1] == "and 950 more"


def check(found: Found) -> None:
    for recipe in found.recipes:
        assert recipe.name
        for text, characters in ((recipe.name, 80), (recipe.brewery, 80), (recipe.style, 80), (recipe.notes, 2000)):
            assert len(text) <= characters
            assert "\0" not in text
            text.encode()
        for name, most in NUMBERS_AT_MOST.items():
            number = getattr(recipe, name)
            assert number is None or (math.isfinite(number) and 0 <= number <= most)
    assert all("\n" not in problem for problem in found.problems)


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=100) | st.sampled_from(["5.2 %", "1.050", "12 EBC"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["value", "unit", "name", "method", "notes"]) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(st.lists(st.dictionaries(st.sampled_from(sorted(PALE_MOON)), values, max_size=8) | values, max_size=4))
def test_any_beerjson_is_read_or_refused(recipes: list[Any]) -> None:
    try:
        check(from_json(*recipes))
    except RecipesError as error:
        assert error.fix


names = st.text("aé \u0645", min_size=1, max_size=80).map(str.strip).filter(bool).map(lambda text: " ".join(text.split()))
numbers = st.none() | st.integers(1, 9000).map(lambda hundredths: hundredths / 100)


@given(st.lists(st.builds(Recipe, names, names, names, numbers, numbers, numbers, names), min_size=1, max_size=3))
def test_what_is_written_is_read_again(recipes: list[Recipe]) -> None:
    assert read_recipes(write_beerjson(recipes).encode()) == Found(tuple(recipes), ())


texts = st.text(max_size=100).map(lambda text: text.encode("utf-8", "ignore").decode()) | st.sampled_from(
    ["5.2 %", "1.050", "12 EBC", "1e99", "-1", "٣"]
)


@given(st.dictionaries(st.sampled_from(["NAME", "BREWER", "IBU", "EST_ABV", "EST_COLOR", "OG", "FG", "NOTES", "STYLE"]), texts))
def test_any_text_in_beerxml_is_read_or_refused(fields: dict[str, str]) -> None:
    escaped = {tag: text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for tag, text in fields.items()}
    try:
        check(read_recipes(xml("".join(f"<{tag}>{text}</{tag}>" for tag, text in escaped.items())).encode()))
    except RecipesError as error:
        assert error.fix


@given(st.sampled_from([BEERSMITH, BREWFATHER, BEERJSON]), st.data())
def test_any_damage_to_a_file_is_read_or_refused(text: str, data: st.DataObject) -> None:
    damaged = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=5))
    try:
        check(read_recipes(bytes(damaged)))
    except RecipesError as error:
        assert error.fix
