"""The pages in a real browser. Each test has a server of its own."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kegnet.server.storage.clients import set_limits
from kegnet.server.web.password import set_password
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from support.browsers import LAPTOP, PHONE, Browsers
from support.history import client_key, ping, pour, store
from support.keg import Keg
from support.kegnet_server import KegnetServer
from support.pki import Certificate
from support.ports import free_port
from support.wait import wait_for
from support.web_requests import PASSWORD

ID = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenschrankbeleuchtungsanlagenwart"
LISTENS = "return events !== null && events.readyState === 1"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KegnetServer]:
    """A server with the client `ID` and a keg of IPA at its tap 0."""
    with KegnetServer(tmp_path / "server") as made:
        made.add_client(ID, "x", "Garage")
        made.set_tap(ID, 0, "IPA")
        made.put_on(ID, 0, "IPA", on_ms=1000)
        yield made


def now_ms() -> int:
    return time.time_ns() // 10**6


def text(browser: WebDriver) -> str:
    return str(browser.find_element(By.ID, "kegs").text)


def test_a_pour_is_soon_on_the_page_and_nothing_comes_from_elsewhere(
    tmp_path: Path, key: Path, ca: Certificate, certificate: Certificate, browsers: Browsers
) -> None:
    with KegnetServer(tmp_path / "server", certificate) as server:
        keg = Keg(tmp_path / "keg", key, server.base_url, ca.certificate)
        server.register(keg)
        server.put_on(keg.client_id, 0, "IPA")
        keg.start()
        server.wait_for_messages("ping", keg)
        browser = browsers.start()
        browser.get(server.page_url)
        assert "4.2 °C" in text(browser)
        wait_for(lambda: browser.execute_script(LISTENS))
        keg.pour(f"0,2800,8213,{now_ms()}\n")
        wait_for(lambda: "0.50 l" in text(browser))
        keg.close()
        assert "18.50 l left of 19.00 l" in text(browser)
        assert browser.get_log("browser") == []
        loaded = browser.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
        assert loaded
        assert [address for address in loaded if not address.startswith(server.page_url)] == []


def test_each_reader_has_units_of_their_own(server: KegnetServer, browsers: Browsers) -> None:
    key = client_key(server.database, ID)
    store(server.database, ping(key, now_ms(), 4187), pour(key, now_ms(), 5600))
    browser = browsers.start()
    browser.get(server.page_url)
    for unit in ("°F", "ounces"):
        browser.find_element(By.LINK_TEXT, unit).click()
    assert "39.5 °F" in text(browser)
    assert "34 fl oz" in text(browser)
    assert "4.76 gal left of 5.02 gal" in text(browser)
    other = browsers.start()
    other.get(server.page_url)
    assert "4.2 °C" in text(other)


def test_a_server_that_hangs_is_noticed_and_ages_grow_meanwhile(server: KegnetServer, browsers: Browsers) -> None:
    store(server.database, ping(client_key(server.database, ID), now_ms() - 130_000, 4187))
    browser = browsers.start()
    browser.get(server.page_url)
    stale = browser.find_element(By.ID, "stale")
    assert "2 minutes ago" in text(browser)
    assert not stale.is_displayed()
    server.signal(signal.SIGSTOP)
    browser.execute_script("look(); const now = Date.now; Date.now = () => now() + 3 * 3600000")
    wait_for(stale.is_displayed, limit_s=30)
    wait_for(lambda: "3 hours ago" in text(browser), limit_s=30)
    server.signal(signal.SIGCONT)
    browser.execute_script("look()")
    wait_for(lambda: not stale.is_displayed())


def test_the_page_follows_again_after_the_server_was_away(tmp_path: Path, browsers: Browsers) -> None:
    listen = f"127.0.0.1:{free_port()}"
    first = KegnetServer(tmp_path, listen=listen)
    first.add_client(ID, "x", "Garage")
    browser = browsers.start()
    browser.get(first.page_url)
    wait_for(lambda: browser.execute_script(LISTENS))
    first.stop()
    stale = browser.find_element(By.ID, "stale")
    wait_for(stale.is_displayed)
    with KegnetServer(tmp_path, listen=listen) as second:
        wait_for(lambda: browser.execute_script(LISTENS), limit_s=60)
        wait_for(lambda: not stale.is_displayed())
        store(second.database, ping(client_key(second.database, ID), now_ms(), 7700))
        wait_for(lambda: "7.7 °C" in text(browser))


def test_many_tabs_of_one_browser_all_load_and_only_the_visible_one_listens(server: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start()
    browser.set_page_load_timeout(20)
    for number in range(9):
        if number:
            browser.switch_to.new_window("tab")
        browser.get(server.page_url)
        assert "IPA" in text(browser)
    wait_for(lambda: browser.execute_script(LISTENS))
    browser.switch_to.window(browser.window_handles[0])
    assert browser.execute_script("return document.hidden ? events === null : true")


def test_a_tab_that_is_shown_again_listens_again(server: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start()
    browser.get(server.page_url)
    wait_for(lambda: browser.execute_script(LISTENS))
    browser.execute_script("dispatchEvent(new PageTransitionEvent('pagehide'))")
    assert browser.execute_script("return events === null")
    browser.execute_script("dispatchEvent(new PageTransitionEvent('pageshow'))")
    wait_for(lambda: browser.execute_script(LISTENS))


OVERLAPS = """
const boxes = [...document.querySelectorAll("input:not([type=hidden]), button, label.check")].map((e) => [e, e.getBoundingClientRect()]);
const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
return boxes.flatMap(([e, a], i) => boxes.slice(i + 1).filter(([f, b]) => !e.contains(f) && a.width && b.width && !apart(a, b))
  .map(([f]) => e.outerHTML + f.outerHTML));
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_phone_and_laptop_light_and_dark(server: KegnetServer, browsers: Browsers, dark: bool) -> None:
    server.add_client(ID, "x", LONG[:80])
    server.set_tap(ID, 0, LONG[:80])
    server.put_on(ID, 3, LONG[:80], 10_000)
    store(server.database, ping(client_key(server.database, ID), now_ms(), -12_345))
    with server.writing() as connection:
        set_limits(connection, client_key(server.database, ID), -20_000, 6500)
        set_password(connection, PASSWORD)
    for size in (PHONE, LAPTOP):
        browser = browsers.start(size, dark=dark)
        for page in ("", "settings"):
            browser.get(server.page_url.replace("http://", "http://anybody:open%20sesame@") + page)
            background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
            assert background == ("rgb(25, 21, 16)" if dark else "rgb(251, 247, 239)")
            assert browser.execute_script("return innerWidth") == size[0]
            assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0], "nothing sticks out"
            assert browser.execute_script(OVERLAPS) == []


def test_it_is_read_aloud_and_used_by_keyboard(server: KegnetServer, browsers: Browsers) -> None:
    store(server.database, ping(client_key(server.database, ID), now_ms(), 4187))
    browser = browsers.start()
    browser.get(server.page_url)
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    described = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    assert {("heading", "Garage"), ("heading", "IPA"), ("meter", "What is left in the keg of IPA")} <= set(described)
    nameless = [role for role, name in described if role in ("link", "button", "textbox", "image", "meter") and not name]
    assert nameless == []
    reached = []
    for _ in range(9):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        reached.append(browser.execute_script("return document.activeElement.innerText"))
    assert reached == ["To the kegs", "KegNet", "°C", "°F", "litres", "ounces", "pints", "imperial pints", "settings"]


def test_an_alarm_is_read_aloud_once(server: KegnetServer, browsers: Browsers) -> None:
    key = client_key(server.database, ID)
    store(server.database, pour(key, now_ms() - 50_000, 105_000))
    browser = browsers.start()
    browser.get(server.page_url)
    wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "[role=alert]"))
    assert browser.find_element(By.CSS_SELECTOR, "[role=alert]").text == "keg low"
    wait_for(lambda: browser.execute_script(LISTENS + " && !looking"))
    browser.execute_script("""
        window.inserted = 0;
        new MutationObserver((all) => all.forEach(({ addedNodes }) => addedNodes.forEach((node) => {
          if (node.querySelector && (node.matches("[role=alert]") || node.querySelector("[role=alert]"))) inserted++;
        }))).observe(kegs, { childList: true, subtree: true });
        document.querySelectorAll("time").forEach((time) => { time.textContent = "another age"; });""")
    browser.execute_async_script("look().then(arguments[0])")
    assert "another age" not in text(browser)
    assert browser.execute_script("return inserted") == 0
    store(server.database, pour(key, now_ms(), 100))
    wait_for(lambda: browser.execute_script("return inserted") > 0)


def test_a_picture_of_the_temperature_is_drawn_without_a_script(server: KegnetServer, browsers: Browsers) -> None:
    key = client_key(server.database, ID)
    store(server.database, *(ping(key, now_ms() - number * 600_000, 4000 + number) for number in range(100)))
    browser = browsers.start()
    browser.get(server.page_url)
    drawn = "return [...document.images].slice(0, 1).map((image) => image.complete && image.naturalWidth > 0)"
    wait_for(lambda: browser.execute_script(drawn) == [True])
    browser.get(f"{server.page_url}courses/{ID}/24h.svg")
    assert browser.execute_script("return document.querySelectorAll('path.line').length") == 1
    assert browser.get_log("browser") == []


def test_no_client_is_registered_yet(tmp_path: Path, browsers: Browsers) -> None:
    with KegnetServer(tmp_path) as server:
        browser = browsers.start()
        browser.get(server.page_url)
        assert "kegnet-server clients add" in text(browser)
        wait_for(lambda: browser.execute_script(LISTENS))
        server.add_client(ID, "x", "Garage")
        wait_for(lambda: "Garage" in text(browser))
