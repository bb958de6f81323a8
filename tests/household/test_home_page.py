"""The home page in a real browser: its layout at every size, what it shows, what it costs, and who can use it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kegnet.server.model.forecast import until
from kegnet.server.model.units import Units, ago, span
from kegnet.server.storage.settings import set_household
from kegnet.server.web.times import zone_of
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from support.axe import axe_problems
from support.browsers import Browsers
from support.kegnet_server import KegnetServer, now_ms
from support.layout import SIZES, layout_problems, resize
from support.taps import BEERS, HOUSES, LONG, add_client, add_tap, six, wait_for_alarms
from support.wait import wait_for
from support.web_requests import PASSWORD, request

BYTES_AT_MOST = 120_000
REQUESTS_AT_MOST = 12

WHOLE = """
const bar = document.querySelector(".pages"), fixed = getComputedStyle(bar).position === "fixed";
const bottom = fixed ? bar.getBoundingClientRect().top : innerHeight;
const boxes = [...document.querySelectorAll(".tap")].map((card) => card.getBoundingClientRect());
return boxes.filter((box) => box.top >= 0 && box.bottom <= bottom).length;
"""
FACTS = """
const glass = [...document.querySelectorAll(".tap")].find((card) => card.innerText.includes("Two Sunsets")).querySelector("[data-level]");
const badges = [...document.querySelectorAll(".badge")];
return [glass.dataset.level, document.querySelector(`[title='${arguments[0]}']`).dir, badges.map((badge) => badge.innerText),
  badges[1].querySelector(".spark path").getAttribute("d")];
"""
HEIGHTS = "return [...new Set([...document.querySelectorAll('.tap')].map((card) => Math.round(card.getBoundingClientRect().height)))]"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KegnetServer]:
    with KegnetServer(tmp_path / "server") as made:
        yield made


def cards(browser: webdriver.Chrome) -> list[str]:
    """The text of each card. By a script, because the page's own one may exchange cards meanwhile."""
    found: list[str] = browser.execute_script("return [...document.querySelectorAll('.tap')].map((card) => card.innerText)")
    return [re.sub(r"\n+", "\n", text) for text in found]


@pytest.mark.parametrize("house", HOUSES)
def test_nothing_overlaps_at_any_size_light_and_dark_and_everybody_can_use_it(server: KegnetServer, browsers: Browsers, house: str) -> None:
    HOUSES[house](server)
    browser = browsers.start()
    browser.get(server.page_url)
    problems = []
    for size in SIZES:
        for dark in (False, True):
            resize(browser, size, dark=dark)
            found = layout_problems(browser)
            if size[0] in (390, 1440):
                found += axe_problems(browser)
            problems += [f"{size}, {'dark' if dark else 'light'}: {problem}" for problem in found]
    for size in SIZES[:2]:
        resize(browser, size, text_percent=200)
        problems += [f"{size}, large text: {problem}" for problem in layout_problems(browser)]
    assert problems == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_three_taps_are_whole_on_a_phone_and_eight_on_a_laptop_all_equally_high(server: KegnetServer, browsers: Browsers) -> None:
    add_client(server, "Garage", 8)
    browser = browsers.start()
    browser.get(server.page_url)
    whole = {}
    for size in SIZES[:4]:
        resize(browser, size)
        whole[size] = browser.execute_script(WHOLE)
        assert len(browser.execute_script(HEIGHTS)) == 1, size
    assert min(whole[360, 740], whole[390, 844]) >= 3
    assert whole[1440, 900] == 8


def test_a_card_has_everything_of_its_tap_and_alarms_come_first(server: KegnetServer, browsers: Browsers) -> None:
    six(server)
    client = add_client(server, "Cellar", trouble="too warm")
    wait_for_alarms(server, 3)
    with server.writing() as connection:
        set_household(connection, title="The Keg & Barrel")
    browser = browsers.start()
    browser.get(server.page_url)
    assert browser.title == "The Keg & Barrel"
    first, second, *others = cards(browser)
    assert {re.findall("keg (?:low|empty)", text)[0] for text in (first, second)} == {"keg low", "keg empty"}
    assert [text for text in others if "keg low" in text or "keg empty" in text] == []
    ipa = next(text for text in others if "Two Sunsets IPA" in text).split("\n")
    assert ipa[:5] == ["TAP 0 · GARAGE", "Two Sunsets IPA", "Own brew · American IPA", "6.4 %", "58 IBU"]
    assert "9.1 l" in ipa
    assert any(re.fullmatch(r"27 glasses (8|9) days", line) for line in ipa), ipa
    assert "1.10 l 1 hour ago" in ipa
    level, direction, badges, line = browser.execute_script(FACTS, LONG)
    assert float(level) == pytest.approx(0.48, abs=0.002)
    assert direction == "auto"
    assert [text.split("\n")[0] for text in badges] == ["Cellar", "Garage"]
    assert "too warm" in badges[0]
    assert line.count("M") == 2, "the gap is a gap"
    browser.find_element(By.CSS_SELECTOR, f"a[data-temp='{client.uuid}']").click()
    wait_for(lambda: browser.current_url == f"{server.page_url}clients/{client.uuid}")


def test_a_tap_is_one_click_away_wherever_its_card_is_touched(server: KegnetServer, browsers: Browsers) -> None:
    client = add_client(server, "Garage", 1)
    browser = browsers.start((390, 844))
    browser.get(server.page_url)
    glass = browser.find_element(By.CLASS_NAME, "glass")
    ActionChains(browser).move_to_element(glass).click().perform()
    wait_for(lambda: browser.current_url == f"{server.page_url}taps/{client.uuid}/0")


def test_hidden_taps_are_hidden_and_a_tap_without_a_keg_says_what_to_do(server: KegnetServer, browsers: Browsers) -> None:
    client = add_client(server, "Garage", 1)
    server.set_tap(client.uuid, 1, "secret", hidden=True)
    server.set_tap(client.uuid, 2, "Tower left")
    browser = browsers.start()
    browser.get(server.page_url)
    shown = cards(browser)
    assert len(shown) == 2
    assert "No keg" in shown[1]
    assert "Tower left" in shown[1]
    assert browser.find_element(By.LINK_TEXT, "Put a keg on").get_attribute("href") == f"{server.page_url}taps/{client.uuid}/2/keg"


def test_an_empty_server_leads_to_its_set_up_and_shows_the_first_tap_by_itself(server: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start()
    browser.get(server.page_url)
    assert browser.find_element(By.LINK_TEXT, "Set up this server").get_attribute("href") == f"{server.page_url}welcome"
    server.set_password(PASSWORD)
    assert 'href="/clients/add"' in request(server.page_url).text
    add_client(server, "Garage", 1)
    wait_for(lambda: "Two Sunsets IPA" in browser.execute_script("return document.body.innerText"))
    wait_for(lambda: "4.2 °C" in browser.execute_script("return document.querySelector('.badge')?.innerText ?? ''"))


def test_an_open_page_without_taps_shows_the_next_step(server: KegnetServer, browsers: Browsers) -> None:
    server.set_password(PASSWORD)
    browser = browsers.start()
    browser.get(server.page_url)
    step = "return document.querySelector('.start .button')?.textContent ?? ''"
    assert browser.execute_script(step) == "Add a client"
    server.add_client("6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11", "x", "Garage")
    wait_for(lambda: browser.execute_script(step) == "Show the clients")


def test_a_picture_of_the_temperature_is_drawn_without_a_script(server: KegnetServer, browsers: Browsers) -> None:
    client = add_client(server, "Garage")
    browser = browsers.start()
    browser.get(f"{server.page_url}courses/{client.uuid}/24h.svg")
    assert browser.execute_script("return document.querySelectorAll('path.line').length") == 2, "the gap is a gap"
    assert browser.get_log("browser") == []


def test_more_than_fifty_clients_are_on_several_pages(server: KegnetServer) -> None:
    for number in range(51):
        client = server.add_client(f"00000000-0000-4000-8000-{number:012}", "x", f"Client {number:02}")
        add_tap(server, client, 0, BEERS[number % 8])
    pages = [request(server.page_url + query).text for query in ("", "?page=1")]
    assert [text.count('<article class="tap') for text in pages] == [50, 1]
    assert [re.findall(r'href="/\?page=(\d)"', text) for text in pages] == [["1"], ["0"]]


LOADED = """addEventListener("load", () => setTimeout(() => {
  window.loaded = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .map((entry) => [entry.name, entry.transferSize]);
}));"""
"""Notes what the page loads, and how many bytes, before an event lets it load anything again."""


def test_the_first_load_is_small_and_comes_from_the_server_alone(server: KegnetServer, browsers: Browsers) -> None:
    HOUSES["20 taps"](server)
    browser = browsers.start((390, 844))
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": LOADED})
    browser.get(server.page_url)
    loaded: list[tuple[str, int]] = wait_for(lambda: browser.execute_script("return window.loaded"))
    assert [name for name, _ in loaded if not name.startswith(server.page_url)] == []
    assert sum(size for _, size in loaded) < BYTES_AT_MOST, loaded
    assert len(loaded) <= REQUESTS_AT_MOST, loaded
    browser.get(server.page_url)
    again: list[tuple[str, int]] = wait_for(lambda: browser.execute_script("return window.loaded"))
    fresh = {name.removeprefix(server.page_url) for name, size in again if size}
    # A page that takes its time has opened the stream meanwhile, and loads the cards again.
    assert fresh <= {"", "events", "kegs", "manifest.webmanifest"}, "the others are in the browser's cache"


def test_each_reader_has_units_and_a_theme_of_their_own(server: KegnetServer, browsers: Browsers) -> None:
    add_client(server, "Garage", 1)
    browser = browsers.start()
    browser.get(server.page_url)
    assert "9.1 l" in cards(browser)[0]
    browser.find_element(By.LINK_TEXT, "Units, dates and theme").click()
    for name, text in (("temperature", "°F"), ("volume", "US fluid ounces and gallons"), ("theme", "dark")):
        Select(browser.find_element(By.NAME, name)).select_by_visible_text(text)
    browser.find_element(By.XPATH, "//button[.='Save']").click()
    wait_for(lambda: browser.current_url == server.page_url)
    assert "2.41 gal" in cards(browser)[0]
    assert "37 fl oz" in cards(browser)[0]
    assert "°F" in browser.find_element(By.CLASS_NAME, "badge").text
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(20, 16, 12)"
    browser.find_element(By.LINK_TEXT, "Units, dates and theme").click()
    browser.find_element(By.XPATH, "//button[.='Forget my choices']").click()
    wait_for(lambda: browser.current_url == server.page_url)
    assert "9.1 l" in cards(browser)[0]
    with server.writing() as connection:
        set_household(connection, volume="pt", temperature="F")
    assert "19.3 pt" in request(server.page_url).text
    assert "19.3 pt" in request(f"{server.page_url}kegs").text


def test_a_choice_that_cannot_be_changes_nothing(server: KegnetServer) -> None:
    answer = request(f"{server.page_url}choices", form={"volume": "barrels", "theme": "<b>"})
    assert answer.status == 303
    assert "barrels" not in str(answer.headers)
    assert "<b>" not in str(answer.headers)


WORDS = """
const done = arguments[arguments.length - 1], [values, times, spans] = arguments;
import(document.querySelector("link[rel=stylesheet]").href.replace("base.css", "format.js")).then((words) => {
  Date.now = () => arguments[3];
  words.setServerTime(arguments[3]);
  const amounts = values.map((ml) => [words.volume(ml), words.keg(ml), words.temperature(ml)]);
  done([amounts, times.map(words.ago), spans.map((ms) => [words.span(ms), words.until(ms)])]);
});
"""


def test_the_script_writes_the_same_words_as_the_server(server: KegnetServer, browsers: Browsers) -> None:
    zone = "America/New_York"
    with server.writing() as connection:
        set_household(connection, time_zone=zone)
    browser = browsers.start()
    now = now_ms() // 60_000 * 60_000
    values = [0, 1, -40, 333, 4187, -49, 19_000, 50_000]
    hour = 3_600_000
    spans = [
        0,
        59_999,
        60_000,
        90_000,
        3_570_000,
        *(hour * each for each in (1, 3, 6, 9, 12, 18, 23, 30, 36, 47, 71, 96, 140, 166, 190, 3000, 20_000)),
    ]
    times = [now - each for each in spans]
    for units in (Units("C", "l"), Units("F", "oz"), Units("F", "pt"), Units("C", "imp-pt")):
        browser.get(server.page_url)
        for name, value in (("temperature", units.temperature), ("volume", units.volume)):
            browser.add_cookie({"name": name, "value": value})
        browser.get(server.page_url)
        by_script: Any = browser.execute_async_script(WORDS, values, times, spans, now)
        assert by_script[0] == [[units.pour(each), units.keg(each), units.temp(each)] for each in values]
        assert by_script[1] == [ago(each, now) for each in times]
        assert by_script[2] == [[span(each), until(each, now, zone_of(zone))] for each in spans]


def test_it_is_used_by_keyboard_in_the_order_of_the_page(server: KegnetServer, browsers: Browsers) -> None:
    add_client(server, "Garage", 2)
    browser = browsers.start()
    browser.get(server.page_url)
    reached = []
    for _ in range(9):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        reached.append(browser.execute_script("return (document.activeElement.innerText || '').split('\\n')[0]"))
    assert reached[:2] == ["To the content", "KegNet"]
    assert reached[2].startswith("Garage"), "the badge"
    assert reached[3:7] == ["Taps", "Beers", "Set-up", "Settings"]
    assert reached[-1] in ("Two Sunsets IPA", "Night Shift")
    outline = "return getComputedStyle(document.activeElement, '::after').outlineStyle"
    assert browser.execute_script(outline) == "solid", "the focus is visible around the whole card"


def test_nothing_moves_for_those_who_do_not_want_it(server: KegnetServer, browsers: Browsers) -> None:
    add_client(server, "Garage", 1)
    browser = browsers.start()
    browser.get(server.page_url)
    moves = "return getComputedStyle(document.querySelector('[data-level]')).transitionDuration"
    assert browser.execute_script(moves) == "0.8s"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]})
    assert browser.execute_script(moves) == "0s"


def test_printed_it_is_a_menu(server: KegnetServer, browsers: Browsers) -> None:
    six(server)
    browser = browsers.start()
    browser.get(server.page_url)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    text = browser.find_element(By.TAG_NAME, "body").text
    assert text.startswith("KegNet\n")
    assert "Two Sunsets IPA\nOwn brew · American IPA\n6.4 %\n58 IBU" in text
    for word in ("Settings", "glasses", "ago", "°C", "9.1 l", "theme", "Hefeweizen"):
        assert word not in text, "an empty keg is not on the menu, and there are no controls"


def test_a_phone_can_put_it_on_its_home_screen(server: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start((390, 844))
    browser.get(server.page_url)
    manifest = browser.execute_cdp_cmd("Page.getAppManifest", {})
    assert manifest["errors"] == []
    assert manifest["url"] == f"{server.page_url}manifest.webmanifest"
    assert browser.execute_cdp_cmd("Page.getInstallabilityErrors", {})["installabilityErrors"] == []
    icons = """const done = arguments[0], links = [...document.querySelectorAll("link[rel*=icon]")];
      const type = (answer) => answer.headers.get("content-type");
      Promise.all(links.map((link) => fetch(link.href).then(type))).then(done);"""
    assert browser.execute_async_script(icons) == ["image/svg+xml", "image/png"]


def test_an_upgrade_shows_at_once(server: KegnetServer) -> None:
    address = re.findall(r'href="(/static/[0-9a-f]+/base.css)"', request(server.page_url).text)[0]
    versioned = request(server.page_url + address[1:])
    assert (versioned.status, versioned.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    plain = request(f"{server.page_url}static/base.css")
    assert (plain.status, plain.headers["cache-control"]) == (200, "no-cache")
    assert request(f"{server.page_url}static/none.css").status == 404


@pytest.mark.parametrize("file", ["tv.js", "uplot/uPlot.iife.min.js"])
def test_a_page_of_another_version_gets_the_present_files(server: KegnetServer, file: str) -> None:
    plain = request(f"{server.page_url}static/{file}")
    other = request(f"{server.page_url}static/0123456789ab/{file}")
    assert (other.status, other.headers["cache-control"], other.text) == (200, "no-cache", plain.text)
    for missing in ("none.css", "", "../../static_files.py", "%2e%2e/%2e%2e/static_files.py", f"0123456789ab/{file}"):
        assert request(f"{server.page_url}static/0123456789ab/{missing}").status == 404, missing
    for version in ("0123456789a", "0123456789abc", "0123456789AB"):
        assert request(f"{server.page_url}static/{version}/{file}").status == 404, version
