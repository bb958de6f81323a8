"""The page of a tap: pours and their corrections, kegs, the name and the meter, for administrators and for readers."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from kegnet.server.model.days import day_start
from kegnet.server.storage.alarms import begin_alarm
from kegnet.server.storage.beers import beers
from kegnet.server.storage.kegs import change_keg, find_keg, kegs_of, put_on, take_off
from kegnet.server.storage.pours import find_pour, pours_of
from kegnet.server.storage.records import Keg, Pour, Tap
from kegnet.server.storage.settings import set_household
from kegnet.server.storage.taps import find_tap, set_meter
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from support.axe import axe_problems
from support.browsers import PHONE, Browsers, log_in
from support.history import client_key, pour, store
from support.kegnet_server import KegnetServer, now_ms
from support.layout import SIZES, layout_problems, resize
from support.noon import noon_zone
from support.wait import wait_for
from support.web_requests import PASSWORD, Answer, Visitor, request, shown

ID = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
TAP = f"taps/{ID}/0"
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenschrankbeleuchtungsanlagenwart"
ARABIC = "بيرة الشعير الداكنة المخمرة ببطء في براميل البلوط القديمة على شاطئ البحر"
DAY_MS = 86_400_000


class House:
    """A server with two taps of a client; a keg of IPA with 19 litres is on the first one since two days."""

    def __init__(self, folder: Path) -> None:
        self.server = KegnetServer(folder)
        self.server.add_client(ID, "x", "Garage")
        self.other = self.server.set_tap(ID, 1, "Bar, right")
        self.server.set_tap(ID, 0, "Bar, left")
        self.on_ms = now_ms() - 2 * DAY_MS
        self.server.put_on(ID, 0, "IPA", on_ms=self.on_ms)
        self.server.set_password(PASSWORD)
        self.visitor = Visitor(self.server.page_url).log_in()

    def post(self, path: str, **fields: str) -> Answer:
        """A form of the pages of the tap; the page to which it leads is loaded."""
        self.visitor.get(f"{TAP}/keg")
        answer = self.visitor.post(f"{TAP}{path}", fields)
        if answer.status == 303:
            self.after = self.visitor.get(answer.headers["Location"].lstrip("/")).text
        return answer

    def get(self, path: str = "") -> str:
        """The text of a page of the tap, without tags."""
        answer = self.visitor.get(f"{TAP}{path}")
        assert answer.status == 200, answer.text
        return plain(answer.text)

    def pour(self, millilitres: float, ago_ms: int = 60_000, pin: int = 0) -> int:
        """The key of a new pour."""
        key = client_key(self.server.database, ID)
        store(self.server.database, pour(key, now_ms() - ago_ms, round(5.6 * millilitres), pin))
        with self.server.database.reading() as connection:
            tap = find_tap(connection, key, pin)
            assert tap is not None
            return max(each.key for each in pours_of(connection, [tap.key], limit=99))

    def found(self, key: int) -> Pour:
        """A pour as it counts."""
        with self.server.database.reading() as connection:
            pour = find_pour(connection, key)
        assert pour is not None
        return pour

    @property
    def tap(self) -> Tap:
        return self.server.tap(ID)

    @property
    def keg(self) -> Keg | None:
        return self.server.keg_on(ID)

    def shown_keg(self, action: str) -> str:
        """The key of the keg in a form of the page of the keg."""
        page = self.visitor.get(f"{TAP}/keg").text
        form = next(form for form in page.split("<form ") if f'name="action" value="{action}"' in form)
        found = re.search('<input type="hidden" name="keg" value="([^"]*)">', form)
        assert found is not None, form
        return found[1]

    def undo(self) -> None:
        """Sends the undo form of the report of the last change."""
        answer = self.sent_undo()
        assert answer.status == 303, answer.text

    def sent_undo(self, page: str = "") -> Answer:
        """The answer to the undo form of a report: that of the last change, or the one in `page`."""
        after = page or self.after
        flash = after[after.index('id="flash"') :]
        action = re.search('<form method="post" action="/([^"]+)"', flash)
        assert action is not None, flash[:500]
        fields = dict(re.findall('<input type="hidden" name="([^"]+)" value="([^"]*)">', flash[: flash.index("</form>")]))
        return self.visitor.post(action[1], fields)


def plain(page: str) -> str:
    text = page[page.index("<main") : page.index("</main")]
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", text)).split())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.server.stop()


@pytest.fixture(scope="module")
def unchanged_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """For tests that change nothing of it."""
    made = House(tmp_path_factory.mktemp("house"))
    made.pour(330)
    yield made
    made.server.stop()


# Pours.


@pytest.mark.parametrize(
    ("fields", "shown", "left", "today"),
    [
        ({"action": "spill"}, "0.50 l spilled", 18_500, 0),
        ({"action": "delete"}, "0.50 l deleted", 19_000, 0),
        ({"action": "volume", "volume": "0,25"}, "0.25 l was 0.50 l", 18_750, 250),
    ],
)
def test_a_pour_is_corrected_and_the_correction_is_undone(
    house: House, fields: dict[str, str], shown: str, left: float, today: float
) -> None:
    with house.server.writing() as connection:
        set_household(connection, time_zone=noon_zone(), day_begins_hour=0)
    key = house.pour(500, ago_ms=0)
    before = house.found(key)
    answer = house.post(f"/pours/{key}", **fields)
    assert answer.status == 303
    assert shown in house.get("/pours")
    state = request(f"{house.server.page_url}api/clients/{ID}").json()["taps"][0]
    assert (state["left_ml"], state["today_ml"]) == (left, today)
    house.undo()
    assert house.found(key) == before, "the pour itself was never changed"
    assert shown not in house.get("/pours")


@pytest.mark.parametrize("fields", [{"action": "spill"}, {"action": "delete"}, {"action": "volume", "volume": "0.3"}])
def test_a_correction_that_is_sent_twice_is_undone_at_once(house: House, fields: dict[str, str]) -> None:
    key = house.pour(500)
    before = house.found(key)
    for _ in range(2):
        assert house.post(f"/pours/{key}", **fields).status == 303
    house.undo()
    assert house.found(key) == before


@pytest.mark.parametrize("volume", ["0.5", "0,50"])
def test_the_volume_that_the_form_has_shown_is_no_correction(house: House, volume: str) -> None:
    key = house.pour(400)
    house.post(f"/pours/{key}", action="volume", volume="0.5")
    form = shown(house.visitor.get(f"{TAP}/pours/{key}").text)
    assert form["volume"] == "0.5"
    assert house.post(f"/pours/{key}", **{**form, "action": "volume", "volume": volume}).status == 303
    assert "The volume is as before." in house.after
    flash = house.after[house.after.index('id="flash"') :]
    assert "<button" not in flash[: flash.index("<main")]
    assert house.found(key).millilitres == 500


def test_a_form_with_another_volume_that_is_sent_twice_is_undone_at_once(house: House) -> None:
    key = house.pour(500)
    form = shown(house.visitor.get(f"{TAP}/pours/{key}").text)
    for _ in range(2):
        assert house.post(f"/pours/{key}", **{**form, "action": "volume", "volume": "0.3"}).status == 303
    house.undo()
    assert house.found(key).millilitres == 500


def test_an_earlier_volume_can_be_set_again(house: House) -> None:
    key = house.pour(500)
    for volume in ("0.3", "0.4", "0.3"):
        house.post(f"/pours/{key}", action="volume", volume=volume)
    assert house.found(key).millilitres == 300
    house.undo()
    assert house.found(key).millilitres == 400


def test_a_pour_is_moved_to_another_tap_and_back(house: House) -> None:
    key = house.pour(500)
    assert house.post(f"/pours/{key}", action="move", tap=str(house.other.key)).status == 303
    assert house.found(key).tap == house.other.key
    assert "No pours yet" in house.get("/pours")
    other = plain(house.visitor.get(f"taps/{ID}/1/pours").text)
    assert "0.50 l from Bar, left" in other
    page = plain(house.visitor.get(f"taps/{ID}/1/pours/{key}").text)
    assert "It was poured at “Bar, left” and counts for “Bar, right”." in page
    house.undo()
    assert house.found(key).tap == house.tap.key
    assert "0.50 l" in house.get("/pours")


def test_a_move_is_undone_at_the_tap_that_got_the_pour(house: House) -> None:
    key = house.pour(500)
    house.post(f"/pours/{key}", action="move", tap=str(house.other.key))
    correction = re.findall('name="correction" value="([0-9]+)"', house.visitor.get(f"taps/{ID}/1/pours/{key}").text)[0]
    answer = house.visitor.post(f"taps/{ID}/1/pours/{key}", {"action": "undo", "correction": correction})
    assert (answer.status, answer.headers["Location"]) == (303, f"/taps/{ID}/1")
    assert "Undone: the pour counts as before." in house.visitor.get(f"taps/{ID}/1").text
    assert house.found(key).tap == house.tap.key


def test_the_volume_of_a_pour_is_not_taken_for_the_key_of_a_tap(house: House) -> None:
    key = house.pour(500)
    assert house.post(f"/pours/{key}", action="volume", volume=str(house.other.key / 1000)).status == 303
    assert house.found(key).millilitres == house.other.key
    assert house.visitor.get(f"taps/{ID}/1/pours/{key}").status == 404


def test_a_moved_pour_is_in_the_csv_of_the_client_that_counts_it(house: House) -> None:
    cellar = "11111111-2222-4333-8444-555555555555"
    house.server.add_client(cellar, "y", "Cellar")
    tap = house.server.set_tap(cellar, 3, "Cellar tap")
    key = house.pour(500)
    assert ',0,"Bar, left",0.500,2800,' in house.visitor.get(f"csv/{ID}/pours.csv").text
    assert house.post(f"/pours/{key}", action="move", tap=str(tap.key)).status == 303
    assert ",3,Cellar tap,0.500,2800," in house.visitor.get(f"csv/{cellar}/pours.csv").text
    assert house.visitor.get(f"csv/{ID}/pours.csv").text.count("\n") == 1, "only the heading"


def test_each_correction_of_a_pour_has_an_undo_of_its_own(house: House) -> None:
    key = house.pour(500)
    for fields in ({"action": "spill"}, {"action": "volume", "volume": "0.4"}, {"action": "delete"}):
        house.post(f"/pours/{key}", **fields)
    page = house.get(f"/pours/{key}")
    for text in ("Its volume was set. The flow meter counted 0.50 l.", "It was spilled", "It was deleted"):
        assert text in page
    keys = re.findall('name="correction" value="([0-9]+)"', house.visitor.get(f"{TAP}/pours/{key}").text)
    assert len(keys) == 3
    for correction in keys:
        assert house.post(f"/pours/{key}", action="undo", correction=correction).status == 303
    assert "It has no corrections." in house.get(f"/pours/{key}")
    again = house.post(f"/pours/{key}", action="undo", correction=keys[0])
    assert (again.status, "undone already" in again.text) == (400, True)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"action": "volume", "volume": "a lot"}, "enter a number"),
        ({"action": "volume", "volume": ""}, "enter a number"),
        ({"action": "volume", "volume": "-1"}, "enter a number"),
        ({"action": "move", "tap": "99"}, "choose another tap"),
        ({"action": "move", "tap": "x"}, "choose another tap"),
        ({"action": "explode"}, "choose what to do"),
        ({}, "choose what to do"),
        ({"action": "undo", "correction": "7"}, "undone already"),
    ],
)
def test_a_wrong_correction_changes_nothing_and_keeps_what_was_typed(unchanged_house: House, fields: dict[str, str], wrong: str) -> None:
    house = unchanged_house
    with house.server.database.reading() as connection:
        (before,) = pours_of(connection, [house.tap.key], limit=9)
    answer = house.post(f"/pours/{before.key}", **fields)
    assert answer.status == 400
    assert wrong in answer.text
    if fields.get("volume"):
        assert f'value="{fields["volume"]}"' in answer.text
    assert house.found(before.key) == before


def test_pours_are_listed_by_days_and_pages(house: House) -> None:
    client = client_key(house.server.database, ID)
    store(house.server.database, *(pour(client, now_ms() - number * 3_600_000, 1000 + 10 * number) for number in range(70)))
    first = house.visitor.get(f"{TAP}/pours").text
    following = re.search(r'href="/([^"]*before=[0-9]+)"', first)
    assert following is not None
    second = house.visitor.get(following[1]).text
    keys = [re.findall(r"/pours/([0-9]+)\"", page) for page in (first, second)]
    assert [len(each) for each in keys] == [60, 10]
    assert len(set(keys[0] + keys[1])) == 70
    assert "before=" not in second
    assert "All pours" in house.get()
    assert house.visitor.get(f"{TAP}/pours?before=99999").status == 404


@pytest.mark.parametrize(("number", "pages"), [(40, 1), (70, 2)])
def test_the_heading_of_a_day_has_all_its_pours_also_where_the_list_ends(house: House, number: int, pages: int) -> None:
    with house.server.writing() as connection:
        set_household(connection, time_zone="Asia/Kathmandu", day_begins_hour=4)
    client, begins_ms = client_key(house.server.database, ID), day_start(now_ms(), ZoneInfo("Asia/Kathmandu"), 4)
    times = [begins_ms - 1 - 1000 * each for each in range(number)]
    store(house.server.database, *(pour(client, at_ms, 1848) for at_ms in [begins_ms - DAY_MS - 1, *times, begins_ms]))
    shown = f"{0.33 * number:.2f} l"
    days = '<span class="dim">([0-9.]+ l)</span></h'
    assert re.findall(days, house.visitor.get(TAP).text) == ["0.33 l", shown]
    path, found = f"{TAP}/pours", []
    for _ in range(pages):
        page = house.visitor.get(path).text
        found += re.findall(days, page)
        path = (re.findall(r'href="/([^"]*before=[0-9]+)"', page) or [""])[0]
    assert found == ["0.33 l", *[shown] * pages, "0.33 l"]


# Readers.


def test_a_reader_sees_everything_and_no_form(unchanged_house: House) -> None:
    nobody = Visitor(unchanged_house.server.page_url)
    page = nobody.get(TAP).text
    assert "IPA" in page
    assert f'href="/login?next=/{TAP}"' in page
    assert f"{TAP}/keg" not in page
    with unchanged_house.server.database.reading() as connection:
        (found,) = pours_of(connection, [unchanged_house.tap.key], limit=9)
    page = nobody.get(f"{TAP}/pours/{found.key}").text
    assert "Log in to change" in page
    assert 'name="action"' not in page
    assert nobody.post(f"{TAP}/pours/{found.key}", {"action": "delete"}).status == 403
    for path in ("keg", "settings", "calibration"):
        assert nobody.get(f"{TAP}/{path}").headers["Location"].startswith("/login?next=")
        assert nobody.post(f"{TAP}/{path}", {"action": "off"}).status == 403
    assert unchanged_house.found(found.key) == found
    assert unchanged_house.keg is not None


@pytest.mark.parametrize("path", ["7", "x", "-1", "9" * 5000, "0/pours/99", "0/pours/x", f"0/pours/{'9' * 5000}", "0/nothing"])
def test_what_is_not_there_is_not_found(unchanged_house: House, path: str) -> None:
    assert unchanged_house.visitor.get(f"taps/{ID}/{path}").status == 404
    assert unchanged_house.visitor.get(f"taps/{ID[:-1]}2/0").status == 404


def test_a_pour_of_another_tap_is_not_found_here(house: House) -> None:
    key = house.pour(300, pin=1)
    assert house.visitor.get(f"{TAP}/pours/{key}").status == 404
    assert house.post(f"/pours/{key}", action="delete").status == 404
    assert house.visitor.get(f"taps/{ID}/1/pours/{key}").status == 200


# Kegs.


def test_a_new_keg_is_full_and_can_be_undone(house: House) -> None:
    before = house.keg
    answer = house.post("/keg", action="new", new_beer="Stout", size="30000", contents="full")
    assert (answer.status, answer.headers["Location"]) == (303, f"/{TAP}")
    assert "Saved: Stout is on." in house.after
    assert house.keg is not None
    assert house.keg.beer is not None
    assert (house.keg.beer.name, house.keg.volume_ml, house.keg.start_ml) == ("Stout", 30_000, 30_000)
    assert "Left of 30 l 30.0" in house.get()
    house.post("/keg", action="undo", keg=str(house.keg.key))
    assert house.keg == before


def test_a_keg_that_replaced_none_is_undone(house: House) -> None:
    house.post("/keg", action="off", keg=house.shown_keg("off"))
    house.post("/keg", action="new", new_beer="Stout", size="30000")
    house.post("/keg", action="undo", keg=house.shown_keg("undo"))
    assert "Undone: no keg is on this tap." in house.after
    assert house.keg is None


def test_the_report_of_a_new_keg_undoes_it(house: House) -> None:
    before = house.keg
    house.post("/keg", action="new", new_beer="Stout", size="30000")
    house.undo()
    assert house.keg == before


def test_a_new_keg_that_is_sent_twice_is_put_on_once(house: House) -> None:
    before = house.keg
    form = {"action": "new", "keg": house.shown_keg("new"), "new_beer": "Stout", "size": "30000", "contents": "full"}
    for _ in range(2):
        assert house.post("/keg", **form).status == 303
        assert "Saved: Stout is on." in house.after
    with house.server.database.reading() as connection:
        assert len(kegs_of(connection, house.tap.key, 9)) == 2
    house.undo()
    assert house.keg == before


def test_a_new_keg_since_the_removal_of_the_one_before_is_put_on_once_and_undone(house: House) -> None:
    assert house.keg is not None
    off_ms = now_ms() // 60_000 * 60_000 - 7_200_000
    with house.server.database.writing() as connection:
        take_off(connection, house.keg.key, off_ms)
    since = datetime.fromtimestamp(off_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M")
    form = {"action": "new", "keg": house.shown_keg("new"), "on": since, "new_beer": "Stout", "size": "30000"}
    for _ in range(2):
        assert house.post("/keg", **form).status == 303
    with house.server.database.reading() as connection:
        assert len(kegs_of(connection, house.tap.key, 9)) == 2
    house.undo()
    assert house.keg is None


@pytest.mark.parametrize("action", ["new", "off"])
def test_a_new_keg_does_not_replace_one_that_its_form_has_not_shown(house: House, action: str) -> None:
    form = {"action": "new", "keg": house.shown_keg("new"), "new_beer": "Stout", "size": "30000"}
    house.post("/keg", action=action, keg=house.shown_keg(action), new_beer="Helles", size="30000")
    present = house.keg
    answer = house.post("/keg", **form)
    assert (answer.status, house.keg) == (400, present)
    assert "another keg was put on or taken off meanwhile; send the form again if this one is on now" in plain(answer.text)
    assert 'value="Stout"' in answer.text, "what was typed is kept"
    house.post("/keg", **form | {"keg": "" if present is None else str(present.key)})
    assert house.keg is not None
    assert house.keg.beer is not None
    assert house.keg.beer.name == "Stout"


def test_a_beer_is_chosen_from_the_library_or_added_once(house: House) -> None:
    for _ in range(2):
        house.post("/keg", action="new", new_beer="  Stout ", size="30000")
    with house.server.database.reading() as connection:
        known = beers(connection)
    assert [beer.name for beer in known] == ["IPA", "Stout"]
    house.post("/keg", action="new", beer=str(known[0].key), new_beer="", size="30000")
    assert house.keg is not None
    assert house.keg.beer == known[0]


@pytest.mark.parametrize(
    ("fields", "volume_ml", "start_ml"),
    [
        ({"size": "other", "volume": "25,5", "contents": "full"}, 25_500, 25_500),
        ({"size": "19000", "volume": "20"}, 19_000, 19_000),
        ({"volume": "20"}, 20_000, 20_000),
        ({"size": "other", "volume": "", "contents": "full"}, None, None),
        ({"size": "19000", "contents": "part", "start": "12.5"}, 19_000, 12_500),
        ({"size": "other", "volume": "", "contents": "part", "start": "12.5"}, None, 12_500),
        ({"size": "19000", "contents": "weight", "gross": "14,1", "tare": "4", "weight_unit": "kg"}, 19_000, 10_000),
        ({"size": "19000", "contents": "weight", "gross": "31.27", "tare": "9", "weight_unit": "lb", "density": "1.010"}, 19_000, 10_001),
        ({"size": "19000", "contents": "weight", "gross": "23.4", "tare": "4", "weight_unit": "kg"}, 19_000, 19_000),
    ],
)
def test_a_keg_is_of_any_size_part_full_or_weighed(
    house: House, fields: dict[str, str], volume_ml: int | None, start_ml: int | None
) -> None:
    assert house.post("/keg", action="new", new_beer="Stout", **fields).status == 303
    assert house.keg is not None
    assert (house.keg.volume_ml, house.keg.start_ml) == (volume_ml, start_ml)


def test_a_keg_is_entered_in_the_units_of_the_reader(house: House) -> None:
    headers = {"Cookie": "volume=oz"}
    form = {"action": "new", "new_beer": "Stout", "size": "other", "volume": "5"}
    assert request(f"{house.server.page_url}{TAP}/keg", form=form, password=PASSWORD, headers=headers).status == 303
    assert house.keg is not None
    assert house.keg.volume_ml == 18_927


def test_a_keg_that_was_put_on_earlier_has_the_pours_since_then(house: House) -> None:
    with house.server.writing() as connection:
        set_household(connection, time_zone="UTC")
    house.pour(1000, ago_ms=DAY_MS)
    an_hour_before = now_ms() - DAY_MS - 3_600_000
    field = re.search('<input [^>]*name="on"[^>]*>', house.visitor.get(f"{TAP}/keg").text)
    assert field is not None
    assert "max=" not in field[0], "the page can be open for a while"
    text = datetime.fromtimestamp(an_hour_before / 1000, UTC).strftime("%Y-%m-%dT%H:%M")
    assert house.post("/keg", action="new", new_beer="Stout", size="19000", on=text).status == 303
    assert house.keg is not None
    assert abs(house.keg.on_ms - an_hour_before) < 60_000
    assert "18.0" in house.get()


def test_a_keg_that_was_put_on_earlier_and_is_weighed_has_the_contents_of_now(house: House) -> None:
    with house.server.writing() as connection:
        set_household(connection, time_zone="UTC")
    house.pour(6000, ago_ms=3_600_000)
    since = datetime.fromtimestamp((now_ms() - 7_200_000) / 1000, UTC).strftime("%Y-%m-%dT%H:%M")
    weight = {"contents": "weight", "gross": "16.12", "tare": "4", "weight_unit": "kg", "density": "1.010"}
    assert house.post("/keg", action="new", new_beer="Stout", size="19000", on=since, **weight).status == 303
    assert "Left of 19 l 12.0" in house.get()
    assert house.keg is not None
    assert house.keg.start_ml == 18_000
    house.undo()
    assert house.keg.beer is not None
    assert house.keg.beer.name == "IPA"


def test_contents_that_the_page_names_as_the_size_are_a_full_keg(house: House) -> None:
    form = {"action": "new", "new_beer": "Stout", "size": "19533", "contents": "part", "start": "5.2"}
    headers = {"Cookie": "volume=oz"}
    assert request(f"{house.server.page_url}{TAP}/keg", form=form, password=PASSWORD, headers=headers).status == 303
    assert house.keg is not None
    assert (house.keg.volume_ml, house.keg.start_ml) == (19_533, 19_533)
    assert request(f"{house.server.page_url}{TAP}/keg", form={**form, "start": "5.3"}, password=PASSWORD, headers=headers).status == 400


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"size": "other", "volume": "-3"}, "enter a number"),
        ({"size": "3000", "contents": "part", "start": "4"}, "enter no more than the size"),
        ({"size": "3000", "contents": "part", "start": ""}, "enter a number"),
        ({"size": "x"}, "whole number"),
        ({"size": "19000", "contents": "weight", "gross": "4", "tare": "14.1", "weight_unit": "kg"}, "weighs less than when it is empty"),
        ({"size": "19000", "contents": "weight", "gross": "44", "tare": "4", "weight_unit": "kg"}, "more than fits into the keg"),
        ({"size": "19000", "contents": "weight", "gross": "", "tare": "4", "weight_unit": "kg"}, "enter a number"),
        ({"size": "19000", "contents": "weight", "gross": "5", "tare": "4", "weight_unit": "st"}, "choose kg or lb"),
        ({"size": "19000", "contents": "half"}, "choose how much"),
        ({"size": "19000", "on": "2999-01-01T00:00"}, "a time in the past"),
        ({"size": "19000", "on": "yesterday"}, "a time in the past"),
        ({"size": "19000", "on": "1990-01-01T00:00"}, "has a keg since"),
        ({"beer": "999", "new_beer": ""}, "choose a beer"),
        ({"action": "explode"}, "choose what to do"),
        ({"action": "back", "keg": "999"}, "there is no such keg"),
        ({"action": "undo", "keg": "999"}, "another keg is on this tap"),
    ],
)
def test_a_wrong_value_names_its_field_and_keeps_what_was_typed(unchanged_house: House, fields: dict[str, str], wrong: str) -> None:
    house = unchanged_house
    before = house.tap, house.keg
    answer = house.post("/keg", **{"action": "new", "new_beer": "Kept", **fields})
    assert answer.status == 400
    assert wrong in answer.text
    if fields.get("action", "new") == "new":
        assert f'value="{fields.get("new_beer", "Kept")}"' in answer.text
        for name in ("start", "gross", "tare"):
            assert f'value="{fields.get(name, "")}"' in answer.text
        assert f'value="{fields.get("contents", "full")}" checked' in answer.text or fields.get("contents") == "half"
    assert (house.tap, house.keg) == before, "nothing of it is stored"
    with house.server.database.reading() as connection:
        assert [beer.name for beer in beers(connection)] == ["IPA"]


def test_the_present_keg_is_changed_and_the_change_is_undone(house: House) -> None:
    house.pour(1000)
    before = house.keg
    assert before is not None
    answer = house.post("/keg", action="change", new_beer="Stout", size="20000", contents="part", start="12")
    assert answer.status == 303
    assert house.keg is not None
    assert house.keg.beer is not None
    assert (house.keg.beer.name, house.keg.volume_ml, house.keg.start_ml) == ("Stout", 20_000, 13_000)
    house.undo()
    assert house.keg == before
    assert house.post("/keg", action="change").status == 303
    assert house.keg == before, "what a form does not contain changes nothing"
    assert before.beer is not None
    house.post("/keg", action="change", beer=str(before.beer.key), size="other", volume="25", contents="keep")
    assert (house.keg.volume_ml, house.keg.start_ml) == (25_000, 25_000)
    house.post("/keg", action="change", beer="", size="other", volume="", contents="keep")
    assert house.keg == Keg(before.key, before.tap, None, before.on_ms, None, None, 25_000)


def test_a_chosen_size_counts_in_spite_of_the_hidden_field_of_another_size(house: House) -> None:
    house.post("/keg", action="change", size="other", volume="18")
    page = house.visitor.get(f"{TAP}/keg").text
    assert page.count('name="volume" value="18"') == 2, "both forms send it, also while it is hidden"
    house.post("/keg", action="change", size="20000", volume="18", contents="keep")
    assert house.keg is not None
    assert house.keg.volume_ml == 20_000


@pytest.mark.parametrize("fields", [{"action": "off"}, {"action": "change", "new_beer": "Helles", "contents": "part", "start": "2"}])
def test_a_form_of_another_keg_changes_nothing(house: House, fields: dict[str, str]) -> None:
    shown = house.shown_keg("off"), house.shown_keg("change")
    assert house.keg is not None
    assert shown == (str(house.keg.key),) * 2
    house.post("/keg", action="new", new_beer="Stout", size="50000")
    present = house.keg
    answer = house.post("/keg", **fields, keg=shown[0])
    assert (answer.status, house.keg) == (400, present)
    assert "Nothing is saved yet: another keg is on this tap; check its values below and try again." in plain(answer.text)
    assert "Helles" not in answer.text, "the form has the values of the keg that is on"
    house.post("/keg", action="off", keg=house.shown_keg("off"))
    answer = house.post("/keg", **fields, keg=shown[0])
    assert answer.status == 400
    assert "no keg is on this tap" in answer.text


def test_a_form_from_before_a_change_keeps_the_beer_and_the_size(house: House) -> None:
    before = {"action": "change", "keg": house.shown_keg("change"), **shown(house.visitor.get(f"{TAP}/keg").text)}
    house.post("/keg", **before | {"new_beer": "Stout", "size": "30000", "contents": "keep"})
    assert house.post("/keg", **before, contents="part", start="10").status == 303
    assert house.keg is not None
    assert house.keg.beer is not None
    assert (house.keg.beer.name, house.keg.volume_ml, house.keg.start_ml) == ("Stout", 30_000, 10_000)
    house.post("/keg", **before | {"size": "other"}, contents="keep", start="10")
    assert house.keg is not None
    assert house.keg.volume_ml is None, "another size that is unknown"


def test_a_keg_that_was_put_on_too_early_is_explained_beside_the_field_in_local_time(house: House) -> None:
    zone = ZoneInfo("Asia/Kolkata")
    with house.server.writing() as connection:
        set_household(connection, time_zone=zone.key)
    on = datetime.fromtimestamp(house.on_ms // 60_000 * 60, zone)
    before = house.keg
    answer = house.post("/keg", action="new", new_beer="Stout", size="19000", on=f"{on - timedelta(minutes=1):%Y-%m-%dT%H:%M}")
    assert (answer.status, house.keg) == (400, before)
    assert "<details open>" in answer.text
    wrong = re.search('id="new-on-wrong" role="alert">([^<]+)<', answer.text)
    assert wrong is not None
    assert wrong[1].startswith(f"the tap has a keg since {on:%Y-%m-%d %H:%M} IST; fix: enter ")
    with house.server.database.reading() as connection:
        assert [beer.name for beer in beers(connection)] == ["IPA"], "the new beer is not added"
    first = re.findall("enter ([0-9-]+ [0-9:]+) or a later time", wrong[1])[0]
    assert house.post("/keg", action="new", new_beer="Stout", size="19000", on=first.replace(" ", "T")).status == 303


def test_a_wrong_value_keeps_the_texts_of_the_change_form(house: House) -> None:
    answer = house.post("/keg", action="change", keg=house.shown_keg("change"), new_beer="Helles", contents="part", start="x")
    assert answer.status == 400
    assert 'value="Helles"' in answer.text


def test_a_keg_that_was_full_is_full_with_its_corrected_size(house: House) -> None:
    before = house.keg
    house.pour(1000)
    house.post("/keg", action="change", size="9500", contents="keep")
    assert house.keg is not None
    assert (house.keg.volume_ml, house.keg.start_ml) == (9500, 9500)
    assert "Left of 9.5 l 8.5" in house.get()
    house.undo()
    assert house.keg == before


@pytest.mark.parametrize(
    ("fields", "place"), [({"size": "9500"}, "size"), ({"size": "other", "volume": "9"}, "volume"), ({"volume": "9"}, "volume")]
)
def test_a_corrected_size_is_not_smaller_than_what_was_in_the_keg(house: House, fields: dict[str, str], place: str) -> None:
    house.post("/keg", action="change", contents="part", start="12")
    before = house.keg
    answer = house.post("/keg", action="change", contents="keep", **fields)
    assert (answer.status, house.keg) == (400, before)
    wrong = re.search('<(?:span|p) class="wrong"[^>]*>([^<]+)<', answer.text.split('aria-labelledby="present"')[1])
    assert wrong is not None
    assert wrong[1] == "this is less than the 12.0 l that it contained when it was put on; enter a larger size, or also how much is left"
    assert ('id="change-volume-wrong"' in answer.text) == (place == "volume")
    assert house.post("/keg", action="change", contents="part", start="5", **fields).status == 303


def test_a_level_above_what_the_size_allows_after_its_pours_does_not_block_other_changes(house: House) -> None:
    house.pour(5000)
    house.post("/keg", action="change", contents="part", start="18")
    assert house.keg is not None
    assert (house.keg.volume_ml, house.keg.start_ml) == (19_000, 23_000)
    assert house.post("/keg", action="change", new_beer="Stout", size="19000", contents="keep").status == 303
    assert house.post("/keg", action="change", size="20000", contents="keep").status == 400
    assert house.post("/keg", action="change", size="30000", contents="keep").status == 303
    assert (house.keg.volume_ml, house.keg.start_ml) == (30_000, 23_000)


def test_a_part_full_keg_is_not_full_when_its_size_is_entered(house: House) -> None:
    house.post("/keg", action="new", new_beer="Stout", size="other", volume="", contents="part", start="12")
    assert house.keg is not None
    assert (house.keg.volume_ml, house.keg.start_ml) == (None, 12_000)
    assert "Left of 12 l 12.0 l" in house.get()
    house.post("/keg", action="change", size="20000", contents="keep")
    assert (house.keg.volume_ml, house.keg.start_ml) == (20_000, 12_000)


def test_a_full_keg_keeps_its_level_while_its_size_is_unknown(house: House) -> None:
    house.post("/keg", action="change", size="other", volume="", contents="keep")
    assert house.keg is not None
    assert (house.keg.volume_ml, house.keg.start_ml) == (None, 19_000)


def test_a_full_keg_of_unknown_size_is_full_when_its_size_is_entered(house: House) -> None:
    house.post("/keg", action="new", new_beer="Stout", size="other", volume="", contents="full")
    house.pour(1000, ago_ms=0)
    house.post("/keg", action="change", size="30000", contents="keep")
    assert house.keg is not None
    assert (house.keg.volume_ml, house.keg.start_ml) == (30_000, 30_000)
    house.undo()
    assert house.keg is not None
    assert (house.keg.volume_ml, house.keg.start_ml) == (None, None)


def test_an_unknown_level_stays_unknown_when_the_size_is_corrected(house: House) -> None:
    assert house.keg is not None
    with house.server.writing() as connection:
        change_keg(connection, house.keg.key, start_ml=None)
    house.post("/keg", action="change", size="30000", contents="keep")
    assert house.keg is not None
    assert (house.keg.volume_ml, house.keg.start_ml) == (30_000, None)


def test_a_size_that_the_form_shows_in_another_unit_is_not_changed(house: House) -> None:
    house.post("/keg", action="change", size="other", volume="18.5")
    headers = {"Cookie": "volume=oz"}
    page = request(f"{house.server.page_url}{TAP}/keg", password=PASSWORD, headers=headers).text
    assert 'id="change-volume" name="volume" value="4.8872"' in page
    form = {"action": "change", "new_beer": "Stout", "size": "other", "volume": "4.8872", "contents": "keep"}
    assert request(f"{house.server.page_url}{TAP}/keg", form=form, password=PASSWORD, headers=headers).status == 303
    assert house.keg is not None
    assert house.keg.beer is not None
    assert (house.keg.beer.name, house.keg.volume_ml) == ("Stout", 18_500)


def test_an_undo_keeps_what_others_changed_later(house: House) -> None:
    before = house.keg
    assert before is not None
    house.post("/keg", action="change", contents="part", start="12")
    page = house.after
    house.post("/keg", action="change", new_beer="Saison")
    assert house.sent_undo(page).status == 303
    assert house.keg is not None
    assert house.keg.beer is not None
    assert house.keg == replace(before, beer=house.keg.beer)
    assert house.keg.beer.name == "Saison"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"contents": "part", "start": "12"}, {"contents": "part", "start": "11"}),
        ({"contents": "part", "start": "12"}, {"new_beer": "Saison", "size": "30000"}),
        ({"size": "30000"}, {"contents": "part", "start": "25"}),
        ({"new_beer": "Stout", "size": "30000"}, {"new_beer": "Saison"}),
        ({"new_beer": "Stout"}, {"beer": ""}),
    ],
)
def test_an_undo_of_what_others_changed_again_is_refused(house: House, first: dict[str, str], second: dict[str, str]) -> None:
    house.post("/keg", action="change", **first)
    page = house.after
    house.post("/keg", action="change", **second)
    present = house.keg
    answer = house.sent_undo(page)
    assert (answer.status, house.keg) == (400, present)
    assert "the keg has been changed again, so the earlier change cannot be undone" in plain(answer.text)


def test_who_enters_a_level_is_warned_of_pours_that_a_silent_client_still_keeps(house: House) -> None:
    def warned() -> bool:
        # The server's watch can end it: the client is not silent.
        with house.server.writing() as connection:
            begin_alarm(connection, client_key(house.server.database, ID), None, "silent", now_ms())
        return "enter the level again then" in house.get("/keg")

    assert "enter the level again then" not in house.get("/keg")
    wait_for(warned)


def test_a_change_that_changes_nothing_has_no_undo(house: House) -> None:
    house.post("/keg", action="change", size="19000", contents="keep")
    assert "Saved." in house.after
    assert "<form" not in house.after.split('id="flash"')[1].split("<script")[0]


def test_an_undo_of_a_script_gives_only_the_values_that_it_contains(house: House) -> None:
    before = house.keg
    assert before is not None
    house.post("/keg", action="restore", keg=str(before.key), volume_ml="20000")
    assert house.keg == replace(before, volume_ml=20_000)


def test_a_keg_of_a_removed_beer_is_changed_and_undone(house: House) -> None:
    before = house.keg
    assert before is not None
    assert before.beer is not None
    fields = {"action": "change", "beer": str(before.beer.key), "new_beer": "", "contents": "part", "start": "5"}
    house.visitor.post(f"beers/{before.beer.key}/remove")
    assert house.post("/keg", **fields).status == 303
    assert house.keg == replace(before, start_ml=5000)
    house.undo()
    assert house.keg == before
    house.post("/keg", action="change", new_beer="Stout")
    house.undo()
    assert house.keg == before, "the undo gives the keg its removed beer again"
    house.post("/keg", action="change", new_beer="Stout")
    answer = house.post("/keg", **fields)
    assert answer.status == 400
    assert "choose a beer of the list" in answer.text


def test_a_form_with_an_error_keeps_the_beer_that_was_chosen_instead_of_a_removed_one(house: House) -> None:
    house.post("/keg", action="new", new_beer="Stout", size="19000")
    assert house.keg is not None
    assert house.keg.beer is not None
    house.visitor.post(f"beers/{house.keg.beer.key}/remove")
    with house.server.database.reading() as connection:
        (ipa,) = beers(connection)
    form = house.post("/keg", action="change", beer=str(ipa.key), size="x").text.split('id="change-beer"')[1].split("</select>")[0]
    assert re.findall(r'value="(\d+)"\s+selected', form) == [str(ipa.key)]


def test_a_keg_is_taken_off_and_put_back(house: House) -> None:
    before = house.keg
    assert house.post("/keg", action="off").status == 303
    assert house.keg is None
    assert "No keg is on." in house.get()
    assert house.post("/keg", action="off").status == 400
    house.undo()
    assert house.keg == before
    house.post("/keg", action="off")
    assert before is not None
    assert house.post("/keg", action="back", keg=str(before.key)).status == 303
    assert house.keg == before


def test_kegs_before_are_listed_with_days_and_litres(house: House) -> None:
    house.pour(3000, ago_ms=DAY_MS)
    house.post("/keg", action="new", new_beer="Stout", size="19000")
    page = house.get()
    assert re.search(r"IPA .* 2 days 3.0\S* l drunk 1.5\S* l a day", page), page
    for _ in range(6):
        house.post("/keg", action="new", new_beer="Stout", size="19000")
    assert "All kegs" in house.get()
    assert house.get("/kegs").count("a day") == 8
    with house.server.database.reading() as connection:
        last = kegs_of(connection, house.tap.key, 99)[-1]
        assert find_keg(connection, last.key) == last


# Name and meter.


def test_a_new_k_factor_counts_from_now_on_and_can_be_undone(house: House) -> None:
    key = house.pour(1000)
    assert house.post("/settings", pulses_per_litre="2800").status == 303
    assert house.tap.pulses_per_litre == 2800
    later = house.pour(1000, ago_ms=-1000)
    assert (house.found(key).millilitres, house.found(later).millilitres) == (1000, 2000)
    house.undo()
    assert house.tap.pulses_per_litre == 5600
    assert house.found(later).millilitres == 1000


def test_a_form_from_before_a_calibration_keeps_its_k_factor(house: House) -> None:
    def fields() -> dict[str, str]:
        return shown(house.visitor.get(f"{TAP}/settings").text)

    before = fields()
    with house.server.writing() as connection:
        set_meter(connection, house.tap.key, now_ms(), 5400)
    wrong = house.post("/settings", **before | {"name": ""})
    assert (wrong.status, shown(wrong.text)["pulses_per_litre"]) == (400, "5400")
    assert house.post("/settings", **before | {"name": "Left tap"}).status == 303
    assert (house.tap.name, house.tap.pulses_per_litre) == ("Left tap", 5400)
    assert house.post("/settings", **fields() | {"pulses_per_litre": "5600"}).status == 303
    assert house.tap.pulses_per_litre == 5600
    house.undo()
    assert house.tap.pulses_per_litre == 5400


def test_a_k_factor_is_valid_from_now_on_though_a_clock_was_ahead(house: House) -> None:
    with house.server.writing() as connection:
        set_meter(connection, house.tap.key, now_ms() + DAY_MS, 5000)
    assert house.post("/settings", pulses_per_litre="5200").status == 303
    assert house.tap.pulses_per_litre == 5200
    assert house.found(house.pour(1000, ago_ms=-1000)).millilitres == pytest.approx(5600 / 5.2)


def test_the_page_of_the_client_has_its_hidden_taps_for_the_administrator(house: House) -> None:
    for pin in (0, 1):
        house.visitor.post(f"taps/{ID}/{pin}/settings", {"name": f"Ghost {pin}", "hidden_box": "1", "hidden": "1"})
    text = plain(house.visitor.get(f"clients/{ID}").text)
    assert "All taps are hidden. Ghost 0 hidden Ghost 1 hidden" in text
    assert "Ghost" not in request(f"{house.server.page_url}clients/{ID}").text


def test_a_tap_is_renamed_and_hidden_and_what_a_form_does_not_contain_stays(house: House) -> None:
    assert house.post("/settings", name="Ghost", hidden_box="1", hidden="1").status == 303
    assert (house.tap.name, house.tap.hidden) == ("Ghost", True)
    assert "hidden on the home page" in house.get()
    assert house.post("/settings", name="Ghost 2").status == 303
    assert (house.tap.name, house.tap.hidden) == ("Ghost 2", True)
    house.undo()
    assert (house.tap.name, house.tap.hidden) == ("Ghost", True)
    assert house.post("/settings", hidden_box="1").status == 303
    assert house.tap.hidden is False
    for fields in ({"name": ""}, {"name": "Ke\x1bpt"}, {"pulses_per_litre": "5,600"}, {"name": "x" * 81}):
        answer = house.post("/settings", **fields)
        assert answer.status == 400
        assert 'aria-invalid="true"' in answer.text
    assert house.tap.name == "Ghost"


def test_a_tap_that_somebody_else_has_hidden_stays_hidden(house: House) -> None:
    page = house.visitor.get(f"{TAP}/settings").text
    before = shown(page) | {"hidden_box": re.findall('name="hidden_box" value="([^"]*)"', page)[0]}
    house.post("/settings", **before, hidden="1")
    assert house.tap.hidden
    assert house.post("/settings", **before | {"name": "Left tap"}).status == 303
    assert (house.tap.name, house.tap.hidden) == ("Left tap", True)
    house.post("/settings", hidden_box="checked")
    assert not house.tap.hidden
    house.undo()
    assert (house.tap.name, house.tap.hidden) == ("Left tap", True)


# The level and the hours.


def test_the_level_is_in_the_api_after_each_pour(house: House) -> None:
    keys = [house.pour(ml, ago_ms=ago) for ml, ago in ((1000, 30 * 3_600_000), (500, 3_600_000), (250, 60_000))]
    house.post(f"/pours/{keys[1]}", action="delete")
    house.post(f"/pours/{keys[2]}", action="spill")
    url = f"{house.server.page_url}api/clients/{ID}/taps/0/level"
    level = request(url).json()
    assert [point["left_ml"] for point in level["points"]] == [19_000, 18_000, 17_750]
    assert level["points"][0]["at_ms"] == house.on_ms
    assert level["keg"]["beer"]["name"] == "IPA"
    assert abs(level["until_ms"] - now_ms()) < 60_000
    house.post("/keg", action="off")
    assert request(url).json()["points"] == []
    before = request(f"{url}?keg={level['keg']['id']}").json()
    assert len(before["points"]) == 3
    assert request(f"{url}?keg=99").status == 404
    assert request(f"{house.server.page_url}api/clients/{ID}/taps/9/level").status == 404
    described = request(f"{house.server.page_url}api/openapi.json").json()["paths"]["/api/clients/{client}/taps/{pin}/level"]["get"]
    assert described["description"].startswith("The level of a keg after each pour")


def test_hours_and_weekdays_are_those_of_the_household(house: House) -> None:
    assert "Nothing was poured in the last 8 weeks" in house.get()
    with house.server.writing() as connection:
        set_household(connection, time_zone="Asia/Tokyo", day_begins_hour=4)
    monday_1 = (now_ms() // (7 * DAY_MS) * 7 + 4) * DAY_MS - 7 * DAY_MS + 3_600_000
    client = client_key(house.server.database, ID)
    store(house.server.database, pour(client, monday_1, 5600), pour(client, monday_1 + 17 * 3_600_000, 2800))
    page = house.visitor.get(TAP).text
    assert "1.50 l, most of it on Mondays from 10 to 11 o'clock" in plain(page).replace("1.5 l", "1.50 l")
    rows = re.findall('<tr><th scope="row"><abbr title="(\\w+)">.*?</tr>', page, re.DOTALL)
    assert rows == ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    cells = re.findall('class="heat-([0-9])"[^>]*><span class="unseen">([^<]+)', page)
    assert len(cells) == 7 * 24
    assert [(number, *cell) for number, cell in enumerate(cells) if cell[0] != "0"] == [(6, "5", "1.00 l"), (23, "3", "0.50 l")]


# In a browser.


def test_a_pour_is_soon_on_the_open_page_and_is_corrected_and_undone_by_a_thumb(house: House, browsers: Browsers) -> None:
    house.pour(500)
    browser = browsers.start(PHONE)
    log_in(browser, house.server)
    browser.get(f"{house.server.page_url}{TAP}")
    wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "#level-chart canvas"))
    browser.execute_script("document.querySelector('.level summary').click()")
    sees(browser, "[data-part=hero]", "18.5")
    house.pour(1000, ago_ms=0)
    sees(browser, "[data-part=hero]", "17.5")
    sees(browser, "[data-part=pours]", "1.00 l")
    assert browser.execute_script("return document.querySelector('.level details').open"), "what was open stays open"
    sees(browser, "[data-part=level]", "17.5")

    press(browser, ".pours a")
    field = wait_for(lambda: browser.find_elements(By.NAME, "volume"))[0]
    field.clear()
    field.send_keys("much")
    press(browser, "button[value=volume]")
    field = wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "[name=volume][aria-invalid]"))[0]
    assert field.get_attribute("value") == "much"
    field.clear()
    field.send_keys("0.4")
    press(browser, "button[value=volume]")
    sees(browser, ".large", "0.40 l")
    sees(browser, ".corrected", "The flow meter counted 1.00 l.")
    press(browser, "#flash button")
    sees(browser, ".large", "1.00 l")
    sees(browser, "#flash", "Undone")
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE" and "400" not in line["message"]] == []


def test_the_level_on_the_open_page_follows_the_keg(house: House, browsers: Browsers) -> None:
    house.post("/keg", action="off")
    browser = browsers.start(PHONE)
    browser.get(f"{house.server.page_url}{TAP}")
    sees(browser, ".level", "No keg is on.")
    house.post("/keg", action="new", new_beer="Stout", size="19000")
    sees(browser, ".level", "On since")
    wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "#level-chart canvas"))
    house.post("/keg", action="new", new_beer="Stout", size="other", volume="", contents="full")
    sees(browser, ".level", "The contents of this keg are not entered")
    house.post("/keg", action="off")
    sees(browser, ".level", "No keg is on.")
    assert not browser.find_elements(By.CSS_SELECTOR, "#level-chart")


def test_an_open_page_takes_over_new_units_once(house: House, browsers: Browsers) -> None:
    browser = browsers.start(PHONE)
    browser.get(f"{house.server.page_url}{TAP}")
    sees(browser, "[data-part=hero]", "19.0 l")
    wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "#level-chart canvas"))
    with house.server.writing() as connection:
        set_household(connection, volume="pt")
    wait_for(lambda: browser.execute_script("return document.documentElement.dataset.volume") == "pt")
    sees(browser, "[data-part=hero]", " pt")
    browser.execute_script("window.same = true")
    house.pour(500, ago_ms=0)
    sees(browser, "[data-part=hero]", "1.1 pt")
    assert browser.execute_script("return window.same")


def test_a_level_that_could_not_be_loaded_is_loaded_again(house: House, browsers: Browsers) -> None:
    house.pour(500)
    browser = browsers.start(PHONE)
    source = """
        const load = window.fetch;
        window.failed = 0;
        const fails = (address) => String(address).endsWith("/level") && window.failed++ < 3;
        window.fetch = (...words) => fails(words[0]) ? Promise.reject(new TypeError("no network")) : load(...words);
    """
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    browser.get(f"{house.server.page_url}{TAP}")
    wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "#level-chart canvas"))
    assert browser.execute_script("return window.failed") > 3


def test_a_page_that_could_not_load_a_pour_reports_it_and_tries_again(house: House, browsers: Browsers) -> None:
    browser = browsers.start(PHONE)
    browser.get(f"{house.server.page_url}{TAP}")
    sees(browser, "[data-part=hero]", "19.0")
    browser.execute_script("window.whole = fetch; window.fetch = () => { window.failed = true; return Promise.reject(new Error()); }")
    # The first event can come before the page reads the stream.
    wait_for(lambda: [house.pour(1000, ago_ms=0), browser.execute_script("return window.failed")][1], every_s=1)
    stale = "return [...document.querySelectorAll('#stale')].some((notice) => notice.checkVisibility())"
    wait_for(lambda: browser.execute_script(stale))
    browser.execute_script("window.fetch = window.whole")
    wait_for(lambda: not browser.execute_script(stale))
    wait_for(lambda: "19.0" not in browser.find_element(By.CSS_SELECTOR, "[data-part=hero]").text)


def test_a_new_keg_is_weighed_in_the_browser(house: House, browsers: Browsers) -> None:
    browser = browsers.start(PHONE)
    log_in(browser, house.server)
    browser.get(f"{house.server.page_url}{TAP}/keg")
    form = browser.find_element(By.CSS_SELECTOR, "form:has(button[value=new])")
    gross, other = form.find_element(By.NAME, "gross"), form.find_element(By.NAME, "volume")
    assert not gross.is_displayed()
    assert not other.is_displayed()
    form.find_element(By.NAME, "new_beer").send_keys("Weizen")
    form.find_element(By.CSS_SELECTOR, "[value=weight]").click()
    assert gross.is_displayed()
    assert not form.find_element(By.NAME, "start").is_displayed()
    gross.send_keys("3")
    form.find_element(By.NAME, "tare").send_keys("4")
    press(browser, "button[value=new]")
    gross = wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "[name=gross][aria-invalid]"))[0]
    assert gross.is_displayed()
    sees(browser, "#new-gross-wrong", "weighs less")
    assert browser.find_element(By.ID, "new-new_beer").get_attribute("value") == "Weizen"
    gross.clear()
    gross.send_keys("14.1")
    press(browser, "button[value=new]")
    sees(browser, "#flash", "Weizen is on")
    sees(browser, ".left dd", "10.0")
    press(browser, "#flash button")
    sees(browser, "h1", "IPA")


def test_it_is_read_and_used_without_a_script(house: House, browsers: Browsers) -> None:
    house.pour(1000)
    browser = browsers.start()
    log_in(browser, house.server)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(f"{house.server.page_url}{TAP}")
    page = browser.page_source
    assert "The level of the keg by days" in page
    assert "18.0" in page
    assert 'id="level-chart"' in page
    browser.find_element(By.CSS_SELECTOR, ".pours a").click()
    wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "button[value=spill]"))[0].click()
    wait_for(lambda: "It was spilled: it left the keg" in browser.page_source)


def test_nothing_overlaps_and_everything_is_accessible(tmp_path: Path, browsers: Browsers) -> None:
    with KegnetServer(tmp_path) as server:
        key = fill(server)
        browser = browsers.start()
        log_in(browser, server)
        below = ("pours", f"pours/{key}", "kegs", "keg", "settings")
        pages = [*(f"taps/{ID}/{pin}" for pin in (0, 1, 2)), *(f"{TAP}/{path}" for path in below)]
        for page in pages:
            for size in SIZES:
                for dark in (False, True) if size in ((390, 844), (1440, 900)) else (False,):
                    resize(browser, size, dark=dark)
                    browser.get(f"{server.page_url}{page}")
                    browser.execute_script("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
                    assert layout_problems(browser) == [], (page, size)
                    if size in ((390, 844), (1440, 900)):
                        assert axe_problems(browser) == [], (page, size, dark)
        resize(browser, (390, 844), text_percent=200)
        for page in pages:
            browser.get(f"{server.page_url}{page}")
            resize(browser, (390, 844), text_percent=200)
            assert layout_problems(browser) == [], (page, "200 %")
        assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []


def fill(server: KegnetServer) -> int:
    """Taps with names that no page expects, and one with nothing at all. The key of a pour with several corrections."""
    server.add_client(ID, "x", LONG[:80])
    for pin, name in ((0, LONG[:80]), (1, ARABIC), (2, "tap 2")):
        server.set_tap(ID, pin, name)
    now = now_ms()
    for pin, name in ((0, LONG[:80]), (1, ARABIC)):
        for days in (60, 9):
            server.put_on(ID, pin, name, on_ms=now - days * DAY_MS)
    client = client_key(server.database, ID)
    hour = 3_600_000
    store(server.database, *(pour(client, now - number * 7 * hour, 1500 + number, number % 2) for number in range(150)))
    house = Visitor(server.page_url)
    server.set_password(PASSWORD)
    house.log_in()
    with server.database.reading() as connection:
        taps = [find_tap(connection, client, pin) for pin in (0, 1)]
        mine, other = (tap.key if tap else 0 for tap in taps)
        keys = [each.key for each in pours_of(connection, [mine], limit=9)]
        brought = pours_of(connection, [other], limit=1)[0].key
    corrections: list[tuple[int, dict[str, str]]] = [
        (keys[0], {"action": "spill"}),
        (keys[1], {"action": "delete"}),
        (keys[2], {"action": "volume", "volume": "0.2"}),
        (keys[0], {"action": "volume", "volume": "0.1"}),
        (keys[3], {"action": "move", "tap": str(other)}),
    ]
    house.get(f"{TAP}/keg")
    for key, fields in corrections:
        assert house.post(f"{TAP}/pours/{key}", fields).status == 303
    assert house.post(f"taps/{ID}/1/pours/{brought}", {"action": "move", "tap": str(mine)}).status == 303
    with server.writing() as connection:
        set_meter(connection, mine, now - DAY_MS, 5000)
        put_on(connection, other, beer=None, on_ms=now - DAY_MS, volume_ml=None, start_ml=None)
    return keys[0]


def sees(browser: WebDriver, selector: str, text: str) -> None:
    """Waits until an element of the page contains `text`."""
    found = "return [...document.querySelectorAll(arguments[0])].some((each) => each.innerText.includes(arguments[1]))"
    wait_for(lambda: browser.execute_script(found, selector, text))


def press(browser: WebDriver, selector: str) -> None:
    """Clicks an element in the middle of the window: a phone has a bar at the bottom. Again if the page has replaced it meanwhile."""

    def pressed() -> bool:
        try:
            element = browser.find_element(By.CSS_SELECTOR, selector)
            browser.execute_script("arguments[0].scrollIntoView({ block: 'center' })", element)
            element.click()
        except StaleElementReferenceException:
            return False
        return True

    wait_for(pressed)
