"""The library of beers in a real browser: adding, correcting mistakes, pictures, imports, removal; at all sizes, and for everybody."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from kegnet.server.storage.beer_pictures import Picture, set_picture
from kegnet.server.storage.beers import beers, set_beer
from kegnet.server.storage.clients import remove_client
from kegnet.server.storage.logins import remove_logins
from kegnet.server.storage.records import Beer
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from support.axe import axe_problems
from support.browsers import LAPTOP, Browsers, log_in
from support.http import Wire
from support.kegnet_server import KegnetServer, now_ms
from support.layout import SIZES, layout_problems, resize
from support.pictures import png
from support.recipe_files import BEERJSON, BEERSMITH, ENTITIES
from support.wait import wait_for
from support.web_requests import PASSWORD, Answer, Visitor, request
from support.web_requests import shown as fields_shown

ID = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenschrankbeleuchtungsanlagenwart!"
ARABIC = "عرق السوس بيرة داكنة من بغداد"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KegnetServer]:
    """A server with a keg of IPA at its tap 0."""
    with KegnetServer(tmp_path / "server") as made:
        made.add_client(ID, "x", "Garage")
        made.put_on(ID, 0, "IPA", on_ms=now_ms() - 86_400_000)
        yield made


def all_beers(server: KegnetServer) -> list[Beer]:
    with server.database.reading() as connection:
        return beers(connection)


def fill_in(browser: WebDriver, **fields: str) -> None:
    for name, value in fields.items():
        field = browser.find_element(By.CSS_SELECTOR, f".beer-form [name={name}]")
        field.clear()
        field.send_keys(value)


def click(browser: WebDriver, text: str) -> None:
    """Clicks the button of that text."""
    next(each for each in browser.find_elements(By.TAG_NAME, "button") if each.text == text and each.is_displayed()).click()


def press(browser: WebDriver, text: str) -> None:
    """Clicks the button of that text, and waits for the next page."""
    browser.execute_script("window.before = true")
    click(browser, text)
    wait_for(lambda: not browser.execute_script("return window.before"))


def shown(browser: WebDriver) -> list[str]:
    """The names of the beers that are not hidden."""
    return [each.text for each in browser.find_elements(By.CSS_SELECTOR, "#library .beer-name") if each.is_displayed()]


def test_a_form_changes_only_what_differs_from_what_it_has_shown(server: KegnetServer) -> None:
    server.set_password(PASSWORD)
    visitor = Visitor(server.page_url).log_in()
    (beer,) = all_beers(server)
    with server.writing() as connection:
        set_beer(connection, beer.key, brewery="Cellar", notes="dry\nhopped", srm=5.0)
    before = fields_shown(visitor.get(f"beers/{beer.key}").text)
    with server.writing() as connection:
        set_beer(connection, beer.key, abv_percent=5.5, notes="dry hopped", srm=7.0)
    sent = before | {"notes": "dry\r\nhopped", "ibu": "40"}
    assert visitor.post(f"beers/{beer.key}", sent).status == 303
    (now,) = all_beers(server)
    assert (now.brewery, now.abv_percent, now.ibu, now.srm, now.notes) == ("Cellar", 5.5, 40.0, 7.0, "dry hopped")
    assert visitor.post(f"beers/{beer.key}", before | {"notes": "", "colour": "10", "colour_unit": "EBC"}).status == 303
    (now,) = all_beers(server)
    assert now.notes == ""
    assert now.srm == pytest.approx(5.08, abs=0.01)


def test_a_beer_is_added_corrected_and_found(server: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start()
    log_in(browser, server)
    browser.get(f"{server.page_url}beers")
    browser.find_element(By.LINK_TEXT, "New beer").click()
    fill_in(browser, name="Night Shift", brewery="Own brew", abv="strong", ibu="38", colour="78,8", notes="Roasted.\nDry.")
    browser.find_element(By.CSS_SELECTOR, "#colour-unit option:last-child").click()
    assert browser.find_element(By.CSS_SELECTOR, ".beer-form .glass rect").get_attribute("fill") == "#2a110a", "40 SRM"
    press(browser, "Add the beer")
    wrong = browser.find_element(By.CSS_SELECTOR, "[aria-invalid]")
    assert (wrong.get_attribute("name"), wrong.get_attribute("value")) == ("abv", "strong")
    assert "enter a number from 0 to 100" in browser.find_element(By.ID, str(wrong.get_attribute("aria-describedby"))).text
    typed = {name: browser.find_element(By.NAME, name).get_attribute("value") for name in ("name", "colour", "colour_unit", "notes")}
    assert typed == {"name": "Night Shift", "colour": "78,8", "colour_unit": "EBC", "notes": "Roasted.\nDry."}
    fill_in(browser, abv="4,3")
    press(browser, "Add the beer")
    wait_for(lambda: "Night Shift is in the library." in browser.find_element(By.ID, "flash").text)
    beer = all_beers(server)[1]
    assert (beer.name, beer.abv_percent, beer.ibu, beer.srm, beer.notes) == ("Night Shift", 4.3, 38, 40, "Roasted.\nDry.")
    browser.find_element(By.CSS_SELECTOR, "#edit summary").click()
    browser.execute_script("const s = document.getElementById('colour-slider'); s.value = 12; s.dispatchEvent(new Event('input'))")
    fill_in(browser, name="Day Shift")
    press(browser, "Save")
    assert [(each.name, each.srm) for each in all_beers(server)] == [("Day Shift", 12), ("IPA", None)]
    press(browser, "Undo")
    assert all_beers(server)[1] == beer, "as before"
    browser.get(f"{server.page_url}beers")
    search = browser.find_element(By.ID, "wanted")
    search.send_keys("own SHIFT")
    assert shown(browser) == ["Night Shift"]
    assert browser.find_element(By.ID, "matches").get_attribute("textContent") == "1 of 2 beers"
    search.send_keys(Keys.ENTER)
    wait_for(lambda: browser.current_url.endswith(f"/beers/{beer.key}"))
    browser.back()
    (search,) = wait_for(lambda: browser.find_elements(By.ID, "wanted"))
    search.clear()
    search.send_keys("Bock")
    assert shown(browser) == []
    browser.find_element(By.ID, "add-wanted").click()
    (name,) = wait_for(lambda: browser.find_elements(By.NAME, "name"))
    assert name.get_attribute("value") == "Bock"


@pytest.mark.parametrize("way", ["button", "back"])
def test_a_form_that_was_sent_after_the_log_in_has_ended_is_not_lost(server: KegnetServer, browsers: Browsers, way: str) -> None:
    browser = browsers.start()
    log_in(browser, server)
    browser.get(f"{server.page_url}beers/new")
    fill_in(browser, name="Stout", brewery="Own brew", abv="4.3", notes='A <b>"long"\ntext')
    with server.writing() as connection:
        remove_logins(connection, "administrator")
    press(browser, "Add the beer")
    assert "Nothing is saved yet." in browser.find_element(By.TAG_NAME, "main").text
    browser.find_element(By.LINK_TEXT, "Log in in a new tab").click()
    wait_for(lambda: len(browser.window_handles) == 2)
    tab, log_in_tab = browser.window_handles
    browser.switch_to.window(log_in_tab)
    wait_for(lambda: browser.find_elements(By.NAME, "password"))
    browser.find_element(By.NAME, "password").send_keys(PASSWORD + Keys.ENTER)
    wait_for(lambda: browser.current_url == server.page_url)
    browser.switch_to.window(tab)
    if way == "back":
        browser.back()
        wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, ".beer-form [name=notes]"))
        wait_for(lambda: browser.find_element(By.NAME, "notes").get_property("value"))
        press(browser, "Add the beer")
    else:
        send_again(browser)
    wait_for(lambda: "Stout is in the library." in browser.find_element(By.ID, "flash").text)
    (beer,) = [each for each in all_beers(server) if each.name == "Stout"]
    assert (beer.brewery, beer.abv_percent, beer.notes) == ("Own brew", 4.3, 'A <b>"long"\ntext')


def send_again(browser: WebDriver) -> None:
    """Sends a refused form from the page of the refusal, and waits for the next page."""
    wait_for(lambda: browser.find_element(By.ID, "again").is_displayed())
    assert layout_problems(browser) == []
    assert "go back" not in browser.find_element(By.TAG_NAME, "main").text
    press(browser, "Send the form again")
    wait_for(lambda: browser.execute_script("return document.readyState === 'complete'"))


def log_out_and_in(browser: WebDriver, server: KegnetServer) -> None:
    """Begins a new session in another tab."""
    with server.writing() as connection:
        remove_logins(connection, "administrator")
    tab = browser.current_window_handle
    browser.switch_to.new_window("tab")
    browser.get(f"{server.page_url}login")
    browser.find_element(By.NAME, "password").send_keys(PASSWORD + Keys.ENTER)
    wait_for(lambda: browser.current_url == server.page_url)
    browser.close()
    browser.switch_to.window(tab)


def test_a_form_of_an_earlier_session_is_sent_again_by_the_present_one(server: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start()
    log_in(browser, server)
    browser.get(f"{server.page_url}beers/new")
    fill_in(browser, name="Stout", notes="A long text")
    log_out_and_in(browser, server)
    press(browser, "Add the beer")
    assert "This form is of an earlier session" in browser.find_element(By.TAG_NAME, "main").text
    with server.writing() as connection:
        remove_logins(connection, "administrator")
    send_again(browser)
    assert "Nothing is saved yet." in browser.find_element(By.TAG_NAME, "main").text, "it is refused again, and still kept"
    log_out_and_in(browser, server)
    send_again(browser)
    wait_for(lambda: "Stout is in the library." in browser.find_element(By.ID, "flash").text)
    assert [(beer.name, beer.notes) for beer in all_beers(server)] == [("IPA", ""), ("Stout", "A long text")]
    assert browser.execute_script("return sessionStorage.getItem('sent')") is None, "it is kept no longer than it is needed"


def test_notes_of_any_length_are_still_there_when_they_are_too_long(server: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start()
    log_in(browser, server)
    browser.get(f"{server.page_url}beers/new")
    fill_in(browser, name="Stout")
    write = "const n = document.getElementById('notes'); n.value = arguments[0]; n.dispatchEvent(new Event('input', { bubbles: true }))"
    browser.execute_script(write, "ж" * 40_000)
    click(browser, "Add the beer")
    assert browser.execute_script("return document.activeElement.validationMessage") == "enter at most 2000 characters; these are 40000"
    assert browser.execute_script("return document.getElementById('notes').value.length") == 40_000
    notes = "\n".join(["🍺" * 999, "ж" * 1000])
    browser.execute_script(write, f"  {notes} \t\n\n".replace("\n", " \n"))
    press(browser, "Add the beer")
    assert notes in [beer.notes for beer in all_beers(server)]


def test_a_beer_is_removed_and_comes_back(server: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start()
    log_in(browser, server)
    page = f"{server.page_url}beers/1"
    browser.get(page)
    assert "Garage · tap 0" in browser.find_element(By.CLASS_NAME, "hero").text
    assert "of 19.0" in browser.find_element(By.CLASS_NAME, "kegs-of").text
    browser.find_element(By.CSS_SELECTOR, "#edit summary").click()
    press(browser, "Remove from the library")
    assert browser.current_url == f"{server.page_url}beers"
    assert all_beers(server) == []
    press(browser, "Undo")
    assert [beer.name for beer in all_beers(server)] == ["IPA"]
    browser.get(page)
    browser.find_element(By.CSS_SELECTOR, "#edit summary").click()
    press(browser, "Remove from the library")
    browser.get(page)
    assert "not in the library any more" in browser.find_element(By.TAG_NAME, "main").text
    press(browser, "Put it back")
    assert [beer.name for beer in all_beers(server)] == ["IPA"]


def test_a_large_photo_becomes_a_small_picture(server: KegnetServer, browsers: Browsers, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(png(1600, 1200, seed=1))
    assert photo.stat().st_size > 5_000_000
    browser = browsers.start()
    log_in(browser, server)
    browser.get(f"{server.page_url}beers/1")
    browser.find_element(By.CSS_SELECTOR, "#edit summary").click()
    fill_in(browser, notes="Dry and hopped.")
    browser.find_element(By.ID, "picture-file").send_keys(str(photo))
    wait_for(lambda: browser.find_elements(By.CLASS_NAME, "portrait"), limit_s=30)
    assert browser.find_element(By.NAME, "notes").get_property("value") == "Dry and hopped.", "what was typed is kept"
    wait_for(lambda: browser.find_element(By.ID, "picture-state").text == "The picture is saved.")
    assert "Replace the picture" in browser.find_element(By.ID, "picture-form").text
    source = str(browser.find_element(By.CLASS_NAME, "portrait").get_attribute("src"))
    answer = request(source, password=PASSWORD)
    assert answer.headers["Content-Type"] in ("image/webp", "image/jpeg")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; sandbox")
    assert "immutable" in answer.headers["Cache-Control"]
    assert int(answer.headers["Content-Length"]) <= 300_000
    sides = "const i = document.querySelector('.portrait'); return i.complete && i.naturalWidth ? [i.naturalWidth, i.naturalHeight] : null"
    width, height = wait_for(lambda: browser.execute_script(sides))
    assert 0 < width <= 800
    assert abs(width * 3 - height * 4) <= 4
    notes = tmp_path / "notes.txt"
    notes.write_text("no picture")
    browser.find_element(By.ID, "picture-file").send_keys(str(notes))
    wait_for(lambda: "is not a picture" in browser.find_element(By.ID, "picture-wrong").text)
    press(browser, "Save")
    assert [beer.notes for beer in all_beers(server)] == ["Dry and hopped."]
    assert browser.find_element(By.CLASS_NAME, "portrait").get_attribute("src") == source, "a loaded page has the same picture"
    press(browser, "Remove the picture")
    assert not browser.find_elements(By.CLASS_NAME, "portrait")
    assert request(source).status == 404


def test_a_picture_is_sent_by_the_log_in_in_another_tab(server: KegnetServer, browsers: Browsers, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(png(30, 20))
    browser = browsers.start()
    log_in(browser, server)
    browser.get(f"{server.page_url}beers/1")
    with server.writing() as connection:
        remove_logins(connection, "administrator")
    browser.find_element(By.ID, "picture-file").send_keys(str(photo))
    wait_for(lambda: "The session has ended: log in again." in browser.find_element(By.ID, "picture-wrong").text)
    log_out_and_in(browser, server)
    browser.find_element(By.ID, "picture-file").send_keys(str(photo))
    wait_for(lambda: browser.find_elements(By.CLASS_NAME, "portrait"), limit_s=30)


def choose(browser: WebDriver, server: KegnetServer, path: Path) -> None:
    browser.get(f"{server.page_url}beers/import")
    browser.find_element(By.ID, "file").send_keys(str(path))


def test_recipes_are_imported_after_a_preview(server: KegnetServer, browsers: Browsers, tmp_path: Path) -> None:
    xml, json, bomb = tmp_path / "beers.xml", tmp_path / "beers.json", tmp_path / "bomb.xml"
    xml.write_bytes(BEERSMITH.replace("13.5 IBUs", "bitter").encode("latin-1"))
    json.write_text(BEERJSON)
    bomb.write_text(ENTITIES)
    browser = browsers.start()
    log_in(browser, server)
    choose(browser, server, bomb)
    wait_for(lambda: "the file declares entities" in browser.find_element(By.ID, "file-wrong").text)
    choose(browser, server, xml)
    wait_for(lambda: browser.find_elements(By.ID, "found"))
    assert "Weißer Käfer: IBU “bitter” is not a number" in browser.find_element(By.CLASS_NAME, "problems").text
    assert len(all_beers(server)) == 1, "nothing is stored by a preview"
    press(browser, "Import")
    assert [(beer.name, beer.srm, beer.ibu) for beer in all_beers(server)] == [("IPA", None, None), ("Weißer Käfer", 4.72, None)]
    press(browser, "Undo")
    assert [beer.name for beer in all_beers(server)] == ["IPA"]
    choose(browser, server, json)
    wait_for(lambda: browser.find_elements(By.ID, "found"))
    browser.find_element(By.CSS_SELECTOR, "#choice-1 [value=skip]").click()
    press(browser, "Import")
    assert [(beer.name, beer.style) for beer in all_beers(server)] == [("IPA", ""), ("Pale Moon Hefeweizen", "Weissbier")]
    browser.get(f"{server.page_url}beers/import")
    browser.find_element(By.CSS_SELECTOR, "#paste summary").click()
    paste = "document.getElementById('text').value = arguments[0]"
    browser.execute_script(paste, "<" * 1_100_000)
    click(browser, "Show what it contains")
    wait_for(lambda: "The text is larger than 1000 KB." in browser.find_element(By.ID, "file-wrong").text)
    browser.execute_script(paste, BEERJSON.replace("Serve cloudy.", "Serve clear."))
    click(browser, "Show what it contains")
    wait_for(lambda: browser.find_elements(By.ID, "found"))
    assert [each.text for each in browser.find_elements(By.CSS_SELECTOR, ".decide option:checked")] == ["Update", "Add"]
    press(browser, "Import")
    assert [(beer.name, beer.notes) for beer in all_beers(server)] == [
        ("IPA", ""), ("Kellerbier", ""), ("Pale Moon Hefeweizen", "Cloves\n\nServe clear.")
    ]  # fmt: skip


@pytest.mark.parametrize("letters", ["Тёмное пиво. ", 'a "~*\\\t', "\N{BEER MUG}"])
def test_recipes_whose_choices_could_not_be_sent_are_refused_before_the_preview(server: KegnetServer, letters: str) -> None:
    server.set_password(PASSWORD)
    visitor = Visitor(server.page_url).log_in()

    def file(recipes: int) -> bytes:
        notes = (letters * 2000)[:1000]
        return json.dumps(
            {"recipes": [{"name": f"Сорт {number}", "notes": notes} for number in range(recipes)]}, ensure_ascii=False
        ).encode()

    def preview(recipes: int) -> Answer:
        return request(f"{server.page_url}beers/import", body=file(recipes), password=PASSWORD)

    refused = preview(min(999, 990_000 * 999 // len(file(999))))
    assert refused.status == 400
    found = re.search(
        r"the \d+ recipes are too large to be imported at once. Split the file into parts of about (\d+) recipes", refused.text
    )
    assert found is not None, refused.text
    accepted = preview(int(found[1]))
    assert accepted.status == 200
    hidden = re.search('name="recipes" value="([^"]*)"', accepted.text)
    assert hidden is not None
    choices = {f"choice-{number}": "update" for number in range(int(found[1]))}
    visitor.get("beers")
    assert visitor.post("beers/import/add", {"recipes": html.unescape(hidden[1]), **choices}).status == 303
    assert len(all_beers(server)) == 1 + int(found[1])


def test_a_beer_that_is_sent_twice_is_added_once(server: KegnetServer) -> None:
    server.set_password(PASSWORD)
    visitor = Visitor(server.page_url).log_in()
    newest = re.findall('name="newest" value="([0-9]+)"', visitor.get("beers/new").text)[0]
    for form in ({"name": "Stout", "abv": "4,3"}, {"name": "Stout", "abv": "4.3"}, {"name": "Stout", "abv": "5"}):
        assert visitor.post("beers/new", {**form, "newest": newest}).status == 303
    assert [beer.abv_percent for beer in all_beers(server) if beer.name == "Stout"] == [4.3, 5.0]
    visitor.get("beers/new")
    visitor.post("beers/new", {"name": "Stout", "abv": "5", "newest": "3"})
    assert len(all_beers(server)) == 4, "another beer with the same name"


@pytest.fixture(scope="module")
def full_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KegnetServer]:
    """A server with beers of long and Arabic names, with pictures, on taps and without anything."""
    with KegnetServer(tmp_path_factory.mktemp("full")) as made:
        made.add_client(ID, "x", LONG[:80])
        made.put_on(ID, 0, "IPA")
        made.set_tap(ID, 0, LONG[:80])
        texts = {"brewery": LONG[:80], "style": LONG[:80], "notes": LONG * 3}
        with made.writing() as connection:
            set_beer(connection, 1, name=LONG[:80], **texts, abv_percent=100.0, ibu=1000.0, srm=199.99)
            set_beer(connection, None, name=ARABIC, brewery=ARABIC, style="ستاوت", notes=ARABIC, srm=38.0)
            set_beer(connection, None, name="Plain")
            for key, (width, height) in {1: (400, 1600), 2: (1600, 200)}.items():
                set_picture(connection, key, Picture("image/png", 1, png(width, height)))
        yield made


OPEN = "for (const each of document.querySelectorAll('details')) each.open = true"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_overlaps_or_sticks_out_at_any_size(full_server: KegnetServer, browsers: Browsers, dark: bool, tmp_path: Path) -> None:
    file = tmp_path / "beers.json"
    file.write_text(BEERJSON.replace("Kellerbier", LONG[:80]).replace("Own brew", ARABIC))
    browser = browsers.start()
    log_in(browser, full_server)
    problems = []
    for size in SIZES:
        for path in ("beers", "beers?q=nothing", "beers/1", "beers/2", "beers/3", "beers/new", "beers/import", "preview"):
            resize(browser, size, dark=dark)
            if path == "preview":
                choose(browser, full_server, file)
                wait_for(lambda: browser.find_elements(By.ID, "found"))
            else:
                browser.get(f"{full_server.page_url}{path}")
                browser.execute_script(OPEN)
            problems += [f"{path} {size}: {problem}" for problem in layout_problems(browser)]
            if size in (SIZES[0], LAPTOP):
                problems += [f"{path} {size}: {problem}" for problem in axe_problems(browser)]
            if size == SIZES[0] and not dark:
                resize(browser, size, dark=dark, text_percent=200)
                problems += [f"{path} {size} 200 %: {problem}" for problem in layout_problems(browser)]
                resize(browser, size, dark=dark, text_percent=100)
    assert not problems, "\n".join(problems)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_an_empty_library_offers_to_begin(tmp_path: Path, browsers: Browsers) -> None:
    with KegnetServer(tmp_path) as server:
        browser = browsers.start()
        browser.get(f"{server.page_url}beers")
        assert "The library is empty" in browser.find_element(By.TAG_NAME, "main").text
        assert layout_problems(browser) == []
        browser.find_element(By.LINK_TEXT, "Add the first beer").click()
        wait_for(lambda: browser.current_url != f"{server.page_url}beers")
        assert "password" in browser.find_element(By.TAG_NAME, "body").text, "changes are the administrator's"


def test_readers_see_no_forms_and_change_nothing(server: KegnetServer) -> None:
    server.set_password(PASSWORD)
    page = request(f"{server.page_url}beers/1").text
    assert "IPA" in page
    assert "Log in to edit" in page
    assert "<textarea" not in page
    for path in ("beers/1", "beers/1/remove", "beers/1/restore", "beers/new", "beers/import", "beers/import/add", "beers/import/undo"):
        assert request(f"{server.page_url}{path}", form={"name": "x", "text": "x", "keys": "1"}).status == 403, path
    assert request(f"{server.page_url}beers/1/picture", body=png(3, 2), method="PUT").status == 403
    assert [(beer.name, beer.picture_ms) for beer in all_beers(server)] == [("IPA", None)]


def test_pages_work_without_scripts(server: KegnetServer) -> None:
    server.set_password(PASSWORD)
    visitor = Visitor(server.page_url).log_in()
    assert "Colour" in visitor.get("beers/new").text
    added = visitor.post("beers/new", {"name": "Stout", "colour": "79 EBC", "abv": ""})
    assert added.headers["Location"] == "/beers/2", added.text
    assert "40 SRM" in visitor.get("beers/2").text
    assert "IPA" not in visitor.get("beers?q=stOUT").text
    preview = visitor.post("beers/import", {"text": BEERJSON}).text
    assert "2 recipes found" in preview
    wrong = visitor.post("beers/import", {"text": "{<b>"})
    assert wrong.status == 400
    assert "the file is not JSON" in wrong.text
    assert "{&lt;b&gt;" in wrong.text, "what was pasted is still there"
    assert visitor.post("beers/import/add", {"recipes": BEERJSON, "choice-0": "add", "choice-1": "explode"}).status == 303
    assert [beer.name for beer in all_beers(server)] == ["IPA", "Pale Moon Hefeweizen", "Stout"]
    assert visitor.get("beers/9").status == 404
    assert visitor.get(f"beers/{10**30}").status == 404
    assert visitor.post("beers/1", {"name": "", "notes": "x" * 2001}).text.count('class="wrong"') >= 2


@pytest.mark.parametrize("path", ["beers/new", "beers/1"])
def test_2000_letters_of_any_script_fit_into_the_notes_and_more_are_refused_beside_the_field(server: KegnetServer, path: str) -> None:
    server.set_password(PASSWORD)
    visitor = Visitor(server.page_url).log_in()
    for letter in "xж\N{BEER MUG}":
        assert visitor.post(path, {"name": "Stout", "notes": letter * 2000}).status == 303
        assert letter * 2000 in [beer.notes for beer in all_beers(server)]
        for number in (2001, 60_000):
            answer = visitor.post(path, {"name": "Stout", "notes": letter * number})
            assert answer.status == 400, (letter, number)
            assert 'id="notes-wrong" role="alert">enter at most 2000 characters' in answer.text
    assert {len(beer.notes) for beer in all_beers(server)} <= {0, 2000}


def test_notes_keep_their_blanks_and_lose_control_characters(server: KegnetServer) -> None:
    server.set_password(PASSWORD)
    visitor = Visitor(server.page_url).log_in()
    text = "10\u00a0°C, 5\u202f%\u2003or\u00ad so: 東京\u3000ビール \u202bبيرة\u202c"
    assert (
        visitor.post("beers/new", {"name": "Stout", "notes": f"{text}\r\nHops:\tHal\x1bler\x7ftau\u2028late \r\n\r\nend\n"}).status == 303
    )
    assert [beer.notes for beer in all_beers(server)] == ["", f"{text}\nHops: Hallertau\nlate\n\nend"]


@pytest.mark.parametrize(("letter", "number"), [("x", 500), ("x", 2000), ("ж", 300), ("ж", 600), ("🍺", 150), ("🍺", 500)])
def test_a_change_of_long_notes_is_reported_with_an_undo_or_why_there_is_none(server: KegnetServer, letter: str, number: int) -> None:
    server.set_password(PASSWORD)
    with server.writing() as connection:
        set_beer(connection, 1, notes=letter * number)
    visitor = Visitor(server.page_url).log_in()
    answer = visitor.post("beers/1", {"notes": "short"})
    assert len(answer.headers.get("Set-Cookie", "")) < 4096, "a browser drops a larger cookie"
    page = visitor.get("beers/1").text
    assert "Saved." in page
    has_undo = '<button class="plain">Undo</button>' in page
    assert ("too long for an undo" in page) is not has_undo
    assert has_undo is (number < {"x": 2001, "ж": 400, "🍺": 200}[letter])


@pytest.mark.parametrize(
    "key",
    ["9" * 5000, "9" * 25, "9" * 11, "9" * 10, "-1", "%D9%A3", "1.0"],
    ids=["5000 digits", "25 digits", "11 digits", "10 digits", "negative", "Arabic", "decimal"],
)
def test_a_number_that_is_no_key_has_no_page(full_server: KegnetServer, key: str) -> None:
    full_server.set_password(PASSWORD)
    visitor = Visitor(full_server.page_url).log_in()
    pages = (f"beers/{key}", f"beers/{key}/picture", f"taps/{ID}/{key}", f"taps/{ID}/0/pours/{key}", f"taps/{ID}/{key}/calibration")
    forms = (f"beers/{key}", f"beers/{key}/remove", f"beers/{key}/restore", f"beers/{key}/picture/remove", f"taps/{ID}/0/pours/{key}")
    for answer in (*map(visitor.get, pages), *map(visitor.post, forms)):
        assert answer.status == 404
        assert "Back to the kegs" in answer.text
    assert "Traceback" not in full_server.log()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (png(3, 2), 200),
        (b"GIF89a" + bytes(99), 415),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415),
        (b"", 415),
        (png(2001, 1), 422),
        (png(316, 316, seed=1) + bytes(2_000), 413),
        (bytes(900_000), 413),
    ],
    ids=["png", "gif", "svg", "empty", "too many pixels", "a little too large", "much too large"],
)
def test_only_small_pictures_are_stored(full_server: KegnetServer, body: bytes, status: int) -> None:
    full_server.set_password(PASSWORD)
    answer = request(f"{full_server.page_url}beers/3/picture", body=body, method="PUT", password=PASSWORD)
    assert answer.status == status
    if status == 200:
        source = answer.json()["picture"]
        plain = next(beer for beer in request(f"{full_server.page_url}api/beers").json() if beer["id"] == 3)
        assert (plain["picture"], plain["colour"]) == (source, "#eeb43a")
        picture = request(f"{full_server.page_url[:-1]}{source}")
        assert (picture.status, picture.headers["Content-Type"]) == (200, "image/png")
        known = {"If-None-Match": picture.headers["ETag"]}
        assert request(f"{full_server.page_url}beers/3/picture", headers=known).status == 304
        assert request(f"{full_server.page_url}beers/3/picture").headers["Cache-Control"] == "private, no-cache"


def test_a_stranger_cannot_make_the_server_read_a_large_body(server: KegnetServer) -> None:
    server.set_password(PASSWORD)
    stranger = Visitor(server.page_url)
    stranger.get("login")
    (cookie,) = stranger.jar
    for path in ("beers/import", "beers/import/add", "beers/new", "beers/1"):
        for lines in ((), (f"Cookie: {cookie.name}={cookie.value}",)):
            wire = Wire(server.page_url)
            wire.head("POST", f"/{path}", "Content-Type: application/x-www-form-urlencoded", "Content-Length: 30000", *lines)
            wire.send("a=%41")
            answer = wire.answer()
            wire.close()
            assert answer.status == 403, "it is answered though most of the body is missing"
            assert "log in first" in answer.text.lower()
    assert request(f"{server.page_url}beers/import", body=b"<" * 900_000, method="POST").status == 403
    assert request(f"{server.page_url}beers/import", body=b"x" * 1_000_001, method="POST", password=PASSWORD).status == 413
    assert request(f"{server.page_url}beers/1/remove", body=b"x" * 9000, method="POST", password=PASSWORD).status == 413


def test_a_beer_with_a_sharp_s_is_found_and_the_tap_of_a_removed_client_is_no_link(server: KegnetServer, browsers: Browsers) -> None:
    with server.writing() as connection:
        set_beer(connection, None, name="Weißbier")
    browser = browsers.start()
    browser.get(f"{server.page_url}beers")
    browser.find_element(By.ID, "wanted").send_keys("WEIß")
    assert shown(browser) == ["Weißbier"]
    assert "Weißbier" in request(f"{server.page_url}beers?q=wei%C3%9F").text
    link = f'href="/taps/{ID}/0"'
    key = next(beer.key for beer in all_beers(server) if beer.name == "IPA")
    assert link in request(f"{server.page_url}beers/{key}").text
    with server.writing() as connection:
        remove_client(connection, ID, now_ms())
    page = request(f"{server.page_url}beers/{key}").text
    assert "Garage" in page
    assert link not in page


def test_dates_are_as_the_reader_has_chosen(server: KegnetServer) -> None:
    key = all_beers(server)[0].key
    iso = re.compile(r"<time [^>]*>\d{4}-\d\d-\d\d</time>")
    assert re.search(r"<time [^>]*>\d+ \w{3} \d{4}</time>", request(f"{server.page_url}beers/{key}").text)
    assert iso.search(request(f"{server.page_url}beers/{key}", headers={"Cookie": "dates=iso"}).text)
    client = f"{server.page_url}clients/{ID}"
    assert re.search(r"<time [^>]*>\d+ \w{3} \d{4}, \d\d:\d\d</time>", request(client).text)
    chosen = request(client, headers={"Cookie": "dates=iso; clock=12"}).text
    assert re.search(r"<time [^>]*>\d{4}-\d\d-\d\d, \d+:\d\d [AP]M</time>", chosen)
