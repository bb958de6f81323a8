"""Amounts in forms are in the units that the form showed, also if the reader's units have changed since."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kegnet.server.storage.clients import find_client, set_limits
from kegnet.server.storage.pours import find_pour, pours_of
from kegnet.server.storage.settings import household, set_household
from support.history import client_key, pour, store
from support.kegnet_server import KegnetServer, now_ms
from support.web_requests import PASSWORD, Answer, Visitor

ID = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
TAP = f"taps/{ID}/0"
AMERICAN = {"temperature": "F", "volume": "oz"}
METRIC = {"temperature": "C", "volume": "l"}


class House:
    """A server in °C and litres, with a keg, a pour of half a litre and two alarm limits."""

    def __init__(self, folder: Path) -> None:
        self.server = KegnetServer(folder)
        self.server.add_client(ID, "x", "Garage")
        self.server.put_on(ID, 0, "IPA", on_ms=now_ms() - 86_400_000)
        client = client_key(self.server.database, ID)
        self.since_ms = now_ms() - 3_600_000
        store(self.server.database, pour(client, now_ms() - 60_000, 2800))
        with self.server.writing() as connection:
            set_limits(connection, client, 2000, 6500)
            (only,) = pours_of(connection, [self.server.tap(ID).key], limit=9)
        self.pour = only.key
        self.server.set_password(PASSWORD)
        self.visitor = Visitor(self.server.page_url).log_in()

    def form(self, path: str, part: str) -> dict[str, str]:
        """The hidden fields of the form that contains `part`."""
        return hidden_fields(self.visitor.get(path).text, part)

    def choose(self, units: dict[str, str]) -> None:
        """The reader chooses other units in another tab."""
        assert self.visitor.post("choices", units).status == 303

    @property
    def keg(self) -> tuple[int | None, int | None]:
        """The size and the first contents of the keg in millilitres."""
        keg = self.server.keg_on(ID)
        assert keg is not None
        return keg.volume_ml, keg.start_ml

    @property
    def limits(self) -> tuple[int | None, int | None]:
        with self.server.database.reading() as connection:
            client = find_client(connection, ID)
        assert client is not None
        return client.coldest, client.warmest

    @property
    def poured_ml(self) -> float:
        with self.server.database.reading() as connection:
            found = find_pour(connection, self.pour)
        assert found is not None
        return found.millilitres

    @property
    def glass_ml(self) -> float:
        with self.server.database.reading() as connection:
            return household(connection).glass_ml


def form_text(page: str, part: str) -> str:
    """The form of a page that contains `part`."""
    return next(form.partition("</form>")[0] for form in page.split("<form ")[1:] if part in form.partition("</form>")[0])


def hidden_fields(page: str, part: str) -> dict[str, str]:
    found = re.findall('<input type="hidden" name="([^"]+)" value="([^"]*)">', form_text(page, part))
    return {name: html.unescape(value) for name, value in found if name != "csrf_token"}


@dataclass(frozen=True)
class Case:
    """A form: its page, a part of it, entered amounts, what then is stored, and the labels of the amounts in both units."""

    page: str
    part: str
    entered: dict[str, str]
    wrong: dict[str, str]
    stored: Callable[[House], object]
    by_metric: object
    by_american: object
    metric_label: str
    american_label: str
    path: str = ""


PART_FULL = {"size": "other", "volume": "20", "contents": "part", "start": "10"}
CASES = {
    "a new keg": Case(
        f"{TAP}/keg", 'value="new"', {"action": "new", "new_beer": "Stout", **PART_FULL}, {"start": "ten"},
        lambda house: house.keg, (20_000, 10_000), (75_708, 37_854), "In the keg, in l<", "In the keg, in gal<",
    ),
    "the present keg": Case(
        f"{TAP}/keg", 'value="change"', {"action": "change", "size": "other", "volume": "25", "contents": "keep"}, {"volume": "much"},
        lambda house: house.keg, (25_000, 25_000), (94_635, 94_635), "Another size, in l<", "Another size, in gal<",
    ),
    "a pour": Case(
        f"{TAP}/pours/", 'value="volume"', {"action": "volume", "volume": "0,25"}, {"volume": "x"},
        lambda house: house.poured_ml, 250, 7, "another amount, in l<", "another amount, in fl oz<",
    ),
    "alarm limits": Case(
        f"clients/{ID}", 'name="coldest"', {"coldest": "3", "warmest": "40"}, {"warmest": "hot"},
        lambda house: house.limits, (3000, 40_000), (-16_111, 4444), "Alarm above, in °C<", "Alarm above, in °F<", f"clients/{ID}/limits",
    ),
    "a glass": Case(
        "settings", 'name="glass"', {"glass": "20"}, {"glass": "x"},
        lambda house: house.glass_ml, 20, 591, "A glass, in ml<", "A glass, in fl oz<",
    ),
}  # fmt: skip
each_form = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.server.stop()


def page_of(case: Case, house: House) -> str:
    return f"{case.page}{house.pour}" if case.page.endswith("/") else case.page


def send(house: House, case: Case, fields: dict[str, str]) -> Answer:
    return house.visitor.post(case.path or page_of(case, house), fields)


@pytest.mark.parametrize(("shown", "since"), [(METRIC, AMERICAN), (AMERICAN, METRIC)], ids=["metric", "US"])
@each_form
def test_amounts_are_stored_in_the_units_that_the_form_showed(
    house: House, case: Case, shown: dict[str, str], since: dict[str, str]
) -> None:
    house.choose(shown)
    form = house.form(page_of(case, house), case.part)
    house.choose(since)
    assert send(house, case, form | case.entered).status == 303
    assert case.stored(house) == (case.by_metric if shown == METRIC else case.by_american)


@each_form
def test_a_form_keeps_its_units_while_it_is_corrected(house: House, case: Case) -> None:
    form = house.form(page_of(case, house), case.part)
    house.choose(AMERICAN)
    again = send(house, case, form | case.entered | case.wrong)
    assert again.status == 400
    assert case.metric_label in form_text(again.text, case.part)
    assert all(f'value="{text}"' in again.text for text in case.wrong.values()), "what was typed is kept"
    assert send(house, case, hidden_fields(again.text, case.part) | case.entered).status == 303
    assert case.stored(house) == case.by_metric
    assert case.american_label in house.visitor.get(page_of(case, house)).text, "the next form has the units of the reader"


@pytest.mark.parametrize("shown", [{}, {"volume_unit_shown": "firkin", "temperature_unit_shown": "K"}], ids=["absent", "unknown"])
@each_form
def test_a_form_without_units_is_in_those_of_the_reader(house: House, case: Case, shown: dict[str, str]) -> None:
    form = house.form(page_of(case, house), case.part)
    house.choose(AMERICAN)
    fields = {name: text for name, text in form.items() if not name.endswith("_unit_shown")}
    assert send(house, case, fields | shown | case.entered).status == 303
    assert case.stored(house) == case.by_american


def test_a_form_keeps_its_units_if_the_household_changes_its_own(house: House) -> None:
    form = house.form(f"{TAP}/keg", 'value="new"')
    with house.server.writing() as connection:
        set_household(connection, volume="oz")
    assert house.visitor.post(f"{TAP}/keg", form | {"action": "new", "new_beer": "Stout", **PART_FULL}).status == 303
    assert house.keg == (20_000, 10_000)


def test_the_units_of_the_household_are_changed_with_a_glass_in_the_earlier_ones(house: House) -> None:
    form = house.form("settings", 'name="glass"')
    assert house.visitor.post("settings", form | {"glass": "400", **AMERICAN}).status == 303
    assert house.glass_ml == 400
    with house.server.database.reading() as connection:
        home = household(connection)
    assert (home.temperature, home.volume) == ("F", "oz")


def test_an_unchanged_form_changes_nothing_in_other_units(house: House) -> None:
    forms = {path: house.form(page, part) for path, page, part in (
        (f"clients/{ID}/limits", f"clients/{ID}", 'name="coldest"'), ("settings", "settings", 'name="glass"'),
    )}  # fmt: skip
    house.choose(AMERICAN)
    for path, form in forms.items():
        unchanged = {name.removesuffix("_shown"): text for name, text in form.items() if not name.endswith("_unit_shown")}
        assert house.visitor.post(path, form | unchanged).status == 303
    assert (house.limits, house.glass_ml) == ((2000, 6500), 330)


def test_sizes_to_choose_from_are_those_of_the_form_while_it_is_corrected(house: House) -> None:
    form = house.form(f"{TAP}/keg", 'value="new"')
    house.choose(AMERICAN)
    entered = {"action": "new", "new_beer": "Stout", "size": "30000", "contents": "part", "start": "x"}
    again = house.visitor.post(f"{TAP}/keg", form | entered)
    assert again.status == 400
    assert 'value="30000" checked>\n30 l<' in form_text(again.text, 'value="new"')


@pytest.mark.parametrize(("first", "then", "millilitres"), [(METRIC, AMERICAN, 1000), (AMERICAN, METRIC, 29.574)])
def test_a_calibration_counts_amounts_in_the_units_that_the_form_showed(
    house: House, first: dict[str, str], then: dict[str, str], millilitres: float
) -> None:
    path = f"{TAP}/calibration?since={house.since_ms}"
    house.choose(first)
    form = house.form(path, 'name="amount"')
    house.choose(then)

    def answer(fields: dict[str, str]) -> Answer:
        return house.visitor.get(f"{TAP}/calibration?" + "&".join(f"{name}={text}" for name, text in fields.items()))

    again = answer(form | {"amount": "much"})
    assert again.status == 400
    assert f"Measured, in {'l' if first == METRIC else 'fl oz'}<" in form_text(again.text, 'name="amount"')
    for fields in (form, hidden_fields(again.text, 'name="amount"')):
        done = answer(fields | {"amount": "1"})
        assert f"measured={house.pour}:{round(1000 * millilitres)}" in done.headers["Location"]
        assert "_unit_shown" not in done.headers["Location"], "the next page has the units of the reader"
    without = {name: text for name, text in form.items() if not name.endswith("_unit_shown")}
    by_reader = 1000 if then == METRIC else 29.574
    assert f"measured={house.pour}:{round(1000 * by_reader)}" in answer(without | {"amount": "1"}).headers["Location"]
