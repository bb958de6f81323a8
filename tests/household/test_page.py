"""The page in a real browser."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from household.conftest import Browsers
from kegnet.server.password import set_password
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from support.keg import Keg
from support.kegnet_server import KegnetServer
from support.wait import wait_for


def text(browser: WebDriver) -> str:
    return str(browser.find_element(By.ID, "kegs").text)


def test_a_pour_is_on_the_page_within_two_seconds_and_nothing_comes_from_elsewhere(
    keg: Keg, kegnet: KegnetServer, browsers: Browsers
) -> None:
    kegnet.store.set_client(keg.client_id, name="Garage")
    kegnet.store.set_tap(keg.client_id, 0, name="IPA", keg_ml=19_000, tapped_ms=0)
    keg.start()
    kegnet.wait_for_messages("ping", keg)
    browser = browsers.start()
    browser.get(kegnet.page_url)
    assert "4.2 °C" in text(browser)
    wait_for(lambda: browser.execute_script("return events.readyState") == 1)
    ts = time.time_ns() // 10**6
    dropped = time.monotonic()
    keg.pour(f"0,2800,8213,{ts}\n")
    wait_for(lambda: "0.50 l" in text(browser), limit_s=2)
    print(f"on the page after {time.monotonic() - dropped:.2f} s")
    assert "18.50 l left of 19.00 l" in text(browser)
    assert browser.get_log("browser") == []
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert loaded
    assert [address for address in loaded if not address.startswith(kegnet.page_url)] == []


def test_each_reader_has_units_of_their_own(keg: Keg, kegnet: KegnetServer, browsers: Browsers) -> None:
    keg.start()
    kegnet.wait_for_messages("ping", keg)
    browser = browsers.start()
    browser.get(kegnet.page_url)
    browser.find_element(By.LINK_TEXT, "°F").click()
    browser.find_element(By.LINK_TEXT, "pints").click()
    keg.pour(f"0,5600,1,{time.time_ns() // 10**6}\n")
    wait_for(lambda: "2.1 pt" in text(browser))
    assert "39.5 °F" in text(browser)
    other = browsers.start()
    other.get(kegnet.page_url)
    assert "4.2 °C" in text(other)


def test_it_says_so_where_the_server_is_gone(tmp_path: Path, browsers: Browsers) -> None:
    server = KegnetServer(tmp_path / "server", None)
    browser = browsers.start()
    browser.get(server.page_url)
    assert "kegnet-server clients add" in text(browser)
    server.stop()
    browser.execute_script("look()")
    wait_for(lambda: "does not answer" in browser.find_element(By.ID, "stale").text)


def test_a_change_wants_the_password_and_shows_on_the_page(keg: Keg, kegnet: KegnetServer, browsers: Browsers) -> None:
    set_password(kegnet.store, "open sesame")
    kegnet.store.set_tap(keg.client_id, 3)
    address = kegnet.page_url.replace("https://", "https://anybody:open%20sesame@")
    browser = browsers.start()
    browser.get(f"{address}settings")
    form = browser.find_element(By.CSS_SELECTOR, f"form[action='/settings/{keg.client_id}/3']")
    field = form.find_element(By.NAME, "name")
    field.clear()
    field.send_keys("Weizen")
    form.find_element(By.NAME, "keg_litres").send_keys("30")
    form.find_element(By.NAME, "fresh").click()
    form.find_element(By.TAG_NAME, "button").click()
    wait_for(lambda: [tap.name for tap in kegnet.store.taps() if tap.client == keg.client_id] == ["Weizen"])
    browser.get(kegnet.page_url)
    assert "Weizen" in text(browser)
    assert "30.00 l left of 30.00 l" in text(browser)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_phone_and_laptop_light_and_dark(keg: Keg, kegnet: KegnetServer, browsers: Browsers, dark: bool) -> None:
    for width in (360, 1100):
        browser = browsers.start(width, dark=dark)
        browser.get(kegnet.page_url)
        background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(25, 21, 16)" if dark else "rgb(251, 247, 239)")
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"


def test_it_is_read_aloud_and_walked_through_by_keyboard(keg: Keg, kegnet: KegnetServer, browsers: Browsers) -> None:
    kegnet.store.set_client(keg.client_id, name="Garage", warmest=4000)
    kegnet.store.set_tap(keg.client_id, 0, name="IPA", keg_ml=19_000, tapped_ms=0)
    keg.start()
    kegnet.wait_for_messages("ping", keg)
    browser = browsers.start()
    browser.get(kegnet.page_url)
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    told = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    assert {("heading", "Garage"), ("heading", "IPA"), ("meter", "What is left in the keg of IPA")} <= set(told)
    assert "alert" in [role for role, _ in told], "too warm"
    nameless = [role for role, name in told if role in ("link", "button", "textbox", "image", "meter") and not name]
    assert nameless == []
    reached = []
    for _ in range(8):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        reached.append(browser.execute_script("return document.activeElement.innerText"))
    assert reached == ["To the kegs", "KegNet", "°C", "°F", "litres", "pints", "imperial pints", "settings"]
