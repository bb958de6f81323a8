"""The pages of the settings and of the log-in: in a browser, and what each of their forms does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from kegnet.server.storage.settings import household, set_household
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from support.axe import axe_problems
from support.browsers import LAPTOP, Browsers, log_in
from support.kegnet_server import KegnetServer
from support.layout import SIZES, layout_problems, resize
from support.wait import wait_for
from support.web_requests import PASSWORD, Visitor, request, shown

LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenschrankbeleuchtungsanlagenwart"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KegnetServer]:
    with KegnetServer(tmp_path / "server") as made:
        made.set_password(PASSWORD)
        yield made


@pytest.fixture
def visitor(server: KegnetServer) -> Visitor:
    return Visitor(server.page_url).log_in()


def title(server: KegnetServer) -> str:
    with server.database.reading() as connection:
        return household(connection).title


def test_they_fit_every_screen_and_everybody_can_use_them(server: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start()
    for page in ("login", "settings"):
        if page == "settings":
            log_in(browser, server)
        for size in SIZES:
            for dark in (False, True):
                resize(browser, size, dark=dark)
                browser.get(f"{server.page_url}{page}")
                assert layout_problems(browser) == [], (page, size, dark)
                if size in ((390, 844), LAPTOP):
                    assert axe_problems(browser) == [], (page, size, dark)


def inner_text(browser: WebDriver, name: str) -> str:
    """The text of the element with that ID, which may not be on the page yet."""
    return str(browser.execute_script("return document.getElementById(arguments[0])?.innerText ?? ''", name))


def test_a_title_is_saved_with_an_undo_and_a_wrong_value_is_explained(server: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start()
    log_in(browser, server)
    browser.get(f"{server.page_url}settings")

    def save(**fields: str) -> None:
        for name, text in fields.items():
            field = browser.find_element(By.NAME, name)
            field.clear()
            field.send_keys(text)
        browser.find_element(By.CSS_SELECTOR, "form[action='/settings'] button").click()

    save(title=LONG[:80], glass="half a litre")
    wait_for(lambda: "number" in inner_text(browser, "-settings-glass-wrong"))
    assert browser.find_element(By.NAME, "title").get_attribute("value") == LONG[:80], "what was typed is kept"
    assert title(server) == "KegNet"
    save(glass="400")
    wait_for(lambda: title(server) == LONG[:80])
    wait_for(lambda: inner_text(browser, "flash").startswith("The settings are saved."))
    browser.find_element(By.CSS_SELECTOR, "#flash button").click()
    wait_for(lambda: title(server) == "KegNet")


def test_a_form_changes_only_what_differs_from_what_it_has_shown(server: KegnetServer, visitor: Visitor) -> None:
    with server.writing() as connection:
        set_household(connection, retention_days=30)
    before = shown(visitor.get("settings").text)
    assert before["retention_days"] == "30"
    visitor.post("settings", before | {"retention_days": ""})
    assert visitor.post("settings", before | {"title": "Bar", "glass": "x"}).status == 400
    assert visitor.post("settings", before | {"title": "Bar"}).status == 303
    with server.database.reading() as connection:
        home = household(connection)
    assert (home.title, home.retention_days, home.glass_ml) == ("Bar", None, 330)


def test_an_undo_changes_nothing_else(server: KegnetServer, visitor: Visitor) -> None:
    answer = visitor.post("settings", {"title": "Bar", "glass": "330", "day_begins_hour": "0"})
    flash = visitor.get(answer.headers["Location"].lstrip("/")).text.split('id="flash"')[1].split("</form>")[0]
    undo = dict(re.findall('<input type="hidden" name="([^"]+)" value="([^"]*)">', flash))
    assert {name: text for name, text in undo.items() if name != "csrf_token"} == {"title": "KegNet"}


def test_a_double_click_sends_a_form_once(server: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start()
    log_in(browser, server)
    browser.get(f"{server.page_url}settings")
    # After the scripts of the page, this one notes whether the form would be sent.
    watch = "window.sent = []; addEventListener('submit', (event) => { sent.push(!event.defaultPrevented); event.preventDefault(); })"
    browser.execute_script(watch)
    button = browser.find_element(By.CSS_SELECTOR, "form[action='/settings/wall'] button")
    browser.execute_script("arguments[0].scrollIntoView({ block: 'center' })", button)
    ActionChains(browser).double_click(button).perform()
    wait_for(lambda: browser.execute_script("return sent.length") == 2)
    browser.execute_script("dispatchEvent(new PageTransitionEvent('pageshow'))")
    ActionChains(browser).click(button).perform()
    wait_for(lambda: browser.execute_script("return sent.length") == 3)
    assert browser.execute_script("return sent") == [True, False, True]


def test_a_refused_form_is_sent_again_with_the_button_that_was_clicked_but_without_passwords(
    server: KegnetServer, browsers: Browsers
) -> None:
    browser = browsers.start()
    log_in(browser, server)

    def send_with_an_old_token(path: str) -> None:
        browser.get(f"{server.page_url}settings")
        browser.execute_script("for (const field of document.querySelectorAll('[type=password]')) field.value = 'a secret of mine'")
        browser.execute_script("for (const field of document.querySelectorAll('[name=csrf_token]')) field.value = 'x'")
        button = browser.find_element(By.CSS_SELECTOR, f"form[action='{path}'] button")
        browser.execute_script("arguments[0].click()", button)
        wait_for(lambda: browser.current_url == f"{server.page_url[:-1]}{path}")
        wait_for(lambda: browser.execute_script("return document.readyState === 'complete'"))

    send_with_an_old_token("/settings/wall")
    browser.find_element(By.CSS_SELECTOR, "#again button").click()
    wait_for(lambda: "The wall has a new link." in browser.execute_script("return document.body?.innerText ?? ''"))
    send_with_an_old_token("/settings/password")
    assert "secret" not in browser.execute_script("return document.documentElement.outerHTML + JSON.stringify(sessionStorage)")
    assert not browser.find_element(By.ID, "again").is_displayed()


def test_a_new_password_logs_all_other_browsers_out(server: KegnetServer, visitor: Visitor) -> None:
    other = Visitor(server.page_url).log_in()
    for old, new, again in (
        ("wrong", "better sesame", "better sesame"),
        (PASSWORD, "short", "short"),
        (PASSWORD, "better sesame", "other"),
    ):
        answer = visitor.post("settings/password", {"old_password": old, "password": new, "password_again": again})
        assert answer.status == 400
        assert new not in answer.text
    fields = {"old_password": PASSWORD, "password": "better sesame", "password_again": "better sesame"}
    assert visitor.post("settings/password", fields).status == 303
    assert "The password is changed. All other browsers are logged out." in visitor.get("settings").text
    assert other.get("settings").status != 200
    assert request(f"{server.page_url}settings", password=PASSWORD).status == 401
    assert request(f"{server.page_url}settings", password="better sesame").status == 200


def test_reading_needs_a_password_until_everybody_may_read_again(server: KegnetServer, visitor: Visitor) -> None:
    assert visitor.post("settings/reading", {"action": "password", "password": "short"}).status == 400
    assert visitor.post("settings/reading", {"action": "password", "password": "guests welcome"}).status == 303
    assert request(f"{server.page_url}api/beers").status == 303
    assert request(f"{server.page_url}api/beers", password="guests welcome").status == 200
    visitor.get("settings")
    assert visitor.post("settings/reading", {"action": "everybody"}).status == 303
    assert request(f"{server.page_url}api/beers").status == 200


def test_readers_and_the_administrator_have_different_passwords(server: KegnetServer, visitor: Visitor) -> None:
    same = visitor.post("settings/reading", {"action": "password", "password": PASSWORD})
    assert same.status == 400
    assert 'id="-settings-reading-password-wrong" role="alert">this is your own password' in same.text
    assert PASSWORD not in same.text
    assert request(f"{server.page_url}api/beers").status == 200, "reading needs no password yet"
    assert visitor.post("settings/reading", {"action": "password", "password": "guests welcome"}).status == 303
    fields = {"old_password": PASSWORD, "password": "guests welcome", "password_again": "guests welcome"}
    same = visitor.post("settings/password", fields)
    assert same.status == 400
    assert "this is the readers&#39; password" in same.text
    assert request(f"{server.page_url}settings", password="guests welcome").status != 200


def test_the_walls_link_is_made_replaced_and_removed(server: KegnetServer, visitor: Visitor) -> None:
    visitor.post("settings/reading", {"action": "password", "password": "guests welcome"})

    def link() -> str:
        field = visitor.get("settings").text.partition('id="wall-link" readonly value="/')[2]
        return field.partition('"')[0]

    assert link() == ""
    visitor.post("settings/wall", {"action": "new"})
    first = link()
    assert request(f"{server.page_url}{first}").status == 200
    visitor.post("settings/wall", {"action": "new"})
    second = link()
    assert [request(f"{server.page_url}{path}").status for path in (first, second)] == [303, 200]
    visitor.post("settings/wall", {"action": "remove"})
    assert request(f"{server.page_url}{second}").status == 303


def test_the_download_contains_everything_but_passwords(server: KegnetServer, visitor: Visitor) -> None:
    server.add_client("6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11", "x", "Garage")
    lines = [json.loads(line) for line in visitor.get("settings/export").text.splitlines()]
    assert lines[-1]["end"]
    assert [line["name"] for line in lines if line.get("table") == "client"] == ["Garage"]
    assert not [line for line in lines if line.get("table") == "setting" and ("password" in line["name"] or "key" in line["name"])]
    assert request(f"{server.page_url}settings/export").status == 303
