"""The wall page `/tv` in a real browser: its layout on each screen, its pages, its memory after weeks, and what it does by itself."""

from __future__ import annotations

import html
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kegnet.server.storage import StorageError
from kegnet.server.storage.settings import set_household
from kegnet.server.web.password import set_readers_password
from kegnet.server.web.wall_link import new_wall_token
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from support.axe import axe_problems
from support.browsers import Browsers, save_picture
from support.history import client_key, pour, store
from support.kegnet_server import KegnetServer, now_ms
from support.layout import layout_problems, resize
from support.ports import free_port
from support.wait import wait_for
from support.wall_taps import CLIENT, add_taps
from support.web_requests import PASSWORD, Visitor, request

FULL_HD, FOUR_K, PORTRAIT = (1920, 1080), (3840, 2160), (1080, 1920)
TAPS = 20
PHONE_URL = "http://kegs.local:8080"
SMALLEST = """
const sizes = [];
for (const element of document.body.querySelectorAll("*")) {
  const text = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
  if (text && element.checkVisibility() && !element.matches(".unseen")) sizes.push(parseFloat(getComputedStyle(element).fontSize));
}
return [sizes.length, Math.min(...sizes) / innerHeight];
"""
SCROLLS = "const page = document.documentElement; return page.scrollHeight > innerHeight || page.scrollWidth > innerWidth"
QUICK = """
const every = setInterval;
window.setInterval = (work, ms) => every(work, ms === 15000 ? 300 : ms);
Math.random = () => 0.01;
"""
"""A page of taps for 0.3 instead of 15 seconds, and no random delays."""
FED = """
window.sources = [];
window.EventSource = class extends EventTarget {
  constructor(url) { super(); this.url = url; window.sources.push(this); }
  close() { window.sources = window.sources.filter((source) => source !== this); }
  feed(type, data) {
    const event = new MessageEvent(type, { data: JSON.stringify(data) });
    if (type === "message") this.onmessage(event); else this.dispatchEvent(event);
  }
};
window.awaited = 0;
window.answeredMs = 0;
const whole = window.fetch;
window.fetch = (...words) => {
  window.awaited += 1;
  return whole(...words).finally(() => { window.awaited -= 1; window.answeredMs = performance.now(); });
};
"""
"""An event stream that the test feeds, faster than a server would; and when the last answer came while none is awaited."""
UPDATES = """
const [first, number] = arguments, source = window.sources[0], now = Date.now();
for (let at = first; at < first + number; at++) {
  const taps = {}, clients = {};
  for (const card of document.querySelectorAll("[data-tap]")) {
    const left = 19000 - (at * 37) % 19000, state = left < 190 ? "empty" : left < 1900 ? "low" : "ok";
    const last = { key: at, at_ms: now - (at % 500) * 60000, ml: 100 + at % 300 };
    taps[card.dataset.tap] = { left_ml: left, level: left / 19000, glasses: Math.floor(left / 330), lasts_ms: left * 30000,
      today_ml: at, state, alarms: state === "ok" ? [] : [`keg ${state}`], last };
  }
  for (const badge of document.querySelectorAll("[data-temp]")) {
    const alarms = at % 50 === 0 ? ["too warm"] : [];
    clients[badge.dataset.temp] = { millicelsius: 3000 + at % 4000, received_ms: now, heard_ms: now, alarms };
  }
  source.feed("message", { now_ms: now, kinds: ["pour"], changed: [], clients, taps });
  if (at % 5 === 0) source.feed("heartbeat", { now_ms: now });
}
"""

RELOAD = """
const [done] = arguments;
document.addEventListener("kegnet:loaded", () => done(), { once: true });
window.sources[0].feed("message", { now_ms: Date.now(), kinds: ["tap"], changed: [], reload: true, many: false });
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KegnetServer]:
    """A server with 20 taps."""
    with KegnetServer(tmp_path_factory.mktemp("wall")) as made:
        add_taps(made, TAPS)
        with made.writing() as connection:
            set_household(connection, title="Garage", public_url=PHONE_URL)
        yield made


@pytest.fixture
def wall(server: KegnetServer) -> Iterator[KegnetServer]:
    """The same, with all taps shown."""
    show_taps(server, TAPS)
    yield server


def show_taps(server: KegnetServer, number: int) -> None:
    """Hides all but the first taps."""
    for pin in range(TAPS):
        server.set_tap(CLIENT, pin, hidden=pin >= number)


def quick(browser: Any) -> None:
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": QUICK})


def fits(browser: WebDriver, number: int, at_once: int) -> None:
    """Waits until the page has arranged its taps."""
    wait_for(lambda: 0 < len(shown(browser)) <= min(number, at_once))


def shown(browser: WebDriver) -> list[str]:
    """The taps that are on the screen."""
    ids = "return [...document.querySelectorAll('[data-tap]')].filter((card) => card.checkVisibility()).map((card) => card.dataset.tap)"
    return [str(each) for each in browser.execute_script(ids)]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_everything_fits_on_each_screen_and_can_be_read_from_4_m(server: KegnetServer, browsers: Browsers, theme: str) -> None:
    browser = browsers.start(FULL_HD)
    for number in (1, 2, 3, 4, 6, 8, 20):
        show_taps(server, number)
        browser.get(f"{server.page_url}tv?theme={theme}")
        for size in (FULL_HD, FOUR_K, PORTRAIT):
            resize(browser, size)
            fits(browser, number, 4 if size == PORTRAIT else 8)
            assert layout_problems(browser) == [], (number, size)
            texts, smallest = browser.execute_script(SMALLEST)
            assert texts > 5 * len(shown(browser))
            assert smallest >= 0.022, (number, size)
            assert not browser.execute_script(SCROLLS), (number, size)
        if number in (1, 8):
            assert axe_problems(browser) == []
    assert browser.find_elements(By.CSS_SELECTOR, "a, button, input, select") == [], "no controls"
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == (
        "rgb(14, 11, 8)" if theme == "dark" else "rgb(246, 241, 231)"
    )


def test_more_than_eight_taps_are_shown_page_after_page(wall: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start(FULL_HD)
    quick(browser)
    browser.get(wall.page_url + "tv")
    seen: dict[str, set[str]] = {}

    def has_seen_all() -> bool:
        page, taps = browser.execute_script("""
            const shown = [...document.querySelectorAll("[data-tap]")].filter((card) => card.checkVisibility());
            return [document.querySelector(".page-number").textContent, shown.map((card) => card.dataset.tap)]""")
        seen.setdefault(page, set()).update(taps)
        return len(set().union(*seen.values())) == TAPS

    wait_for(has_seen_all)
    assert {page: len(taps) for page, taps in seen.items()} == {"1 of 3": 7, "2 of 3": 7, "3 of 3": 6}


def test_without_scripts_the_browser_loads_one_page_after_the_other(wall: KegnetServer) -> None:
    first = request(wall.page_url + "tv?theme=light&title=The%20cellar").text
    assert '<noscript><meta http-equiv="refresh" content="15; url=?page=1&amp;theme=light&amp;title=The%20cellar"></noscript>' in first
    assert '<h1 dir="auto">The cellar</h1>' in first
    last = request(wall.page_url + "tv?page=2").text
    assert "url=?page=0&amp;" in last
    assert last.count('<div class="place">') == 6
    assert last.count('<div class="place" hidden>') == 14


def read_code(browser: Any, folder: Path) -> str:
    """What the QR code on the screen contains, empty without one."""
    save_picture(browser, folder / "wall.png", FULL_HD[1])
    command = ["zbarimg", "--quiet", "--raw", str(folder / "wall.png")]
    return subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True).stdout.strip()


def test_the_code_leads_to_the_page_for_phones(wall: KegnetServer, browsers: Browsers, tmp_path: Path) -> None:
    browser = browsers.start(FULL_HD)
    browser.get(wall.page_url + "tv")
    assert read_code(browser, tmp_path) == PHONE_URL
    with wall.writing() as connection:
        set_household(connection, public_url="")
    try:
        assert 'class="code"' not in request(wall.page_url + "tv").text, "nobody else can open 127.0.0.1"
        named = request(wall.page_url + "tv", headers={"Host": "kegs.example.org"}).text
        assert 'class="code"' in named
        assert "<b>kegs.example.org</b>" in named
    finally:
        with wall.writing() as connection:
            set_household(connection, public_url=PHONE_URL)


def test_an_address_that_is_too_long_for_a_code_has_none(tmp_path: Path) -> None:
    with KegnetServer(tmp_path / "server") as server:
        server.set_password(PASSWORD)
        answer = request(server.page_url + "tv", headers={"Host": "a" * 3000})
        assert (answer.status, 'class="code"' in answer.text) == (200, False)
        wrong = Visitor(server.page_url).log_in().post("settings", {"public_url": "http://kegs/" + "x" * 3000})
        assert (wrong.status, "enter at most 300 characters" in wrong.text) == (400, True)
        with server.writing() as connection, pytest.raises(StorageError, match="address for phones is too long"):
            set_household(connection, public_url="http://kegs/" + "x" * 3000)


def test_the_walls_link_stays_open_without_scripts(tmp_path: Path) -> None:
    with KegnetServer(tmp_path / "server") as server:
        server.set_password(PASSWORD)
        with server.writing() as connection:
            set_readers_password(connection, "guests welcome")
            token = new_wall_token(connection)
        page = request(f"{server.page_url}tv?token={token}").text
        found = re.search('http-equiv="refresh" content="15; url=([^"]+)"', page)
        assert found is not None
        assert request(f"{server.page_url}tv{html.unescape(found[1])}", headers={"Accept": "text/html"}).status == 200


def test_an_open_wall_shows_a_new_title_and_a_new_code(wall: KegnetServer, browsers: Browsers, tmp_path: Path) -> None:
    browser = browsers.start(FULL_HD)
    browser.get(wall.page_url + "tv")
    wait_for(lambda: browser.execute_script("return document.querySelector('.scan b').textContent") == "kegs.local:8080")
    new = "https://beer.example.org/"
    try:
        for title, url, code in (("Cellar", new, new), ("Attic", "", ""), ("Garage", PHONE_URL, PHONE_URL)):
            with wall.writing() as connection:
                set_household(connection, title=title, public_url=url)
            wait_for(lambda: browser.execute_script("return document.querySelector('h1').textContent") == title)  # noqa: B023
            assert browser.title == title
            assert layout_problems(browser) == []
            assert read_code(browser, tmp_path) == code
    finally:
        with wall.writing() as connection:
            set_household(connection, title="Garage", public_url=PHONE_URL)


def test_a_wall_of_weeks_needs_no_more_memory(wall: KegnetServer, browsers: Browsers, pytestconfig: pytest.Config) -> None:
    updates = 10 * pytestconfig.getoption("pours")
    browser = browsers.start(FULL_HD)
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": QUICK + FED})
    browser.execute_cdp_cmd("Performance.enable", {})
    browser.get(wall.page_url + "tv")
    wait_for(lambda: browser.execute_script("return window.sources.length === 1"))

    def run(first: int, number: int) -> dict[str, float]:
        for start in range(first, first + number, 100):
            # A page that has heard nothing for 15 s opens its stream again.
            wait_for(lambda: browser.execute_script("return window.sources.length === 1"))
            browser.execute_script(UPDATES, start, 100)
            browser.execute_async_script(RELOAD)
        return memory(browser)

    before, after = run(0, 500), run(500, updates)
    growth_kb = (after["JSHeapUsedSize"] - before["JSHeapUsedSize"]) / 1024
    print(f"\nwall after {updates} updates: heap {after['JSHeapUsedSize'] / 1024:.0f} KB, {growth_kb:+.0f} KB, {before} -> {after}")
    assert growth_kb < 150
    assert after["Nodes"] <= before["Nodes"] + 50
    assert after["JSEventListeners"] <= before["JSEventListeners"]
    assert after["Documents"] <= before["Documents"]


def memory(browser: Any) -> dict[str, float]:
    """What the page needs after a collection of garbage, without the browser's notes on its last 250 requests."""
    wait_for(lambda: browser.execute_script("return window.awaited === 0 && performance.now() - window.answeredMs > 1000"))
    browser.execute_script("performance.clearResourceTimings()")
    for _ in range(3):
        browser.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    metrics = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    wanted = ("JSHeapUsedSize", "Nodes", "JSEventListeners", "Documents")
    return {metric["name"]: metric["value"] for metric in metrics if metric["name"] in wanted}


def test_it_finds_the_server_again_and_loads_a_new_version(tmp_path: Path, browsers: Browsers) -> None:
    listen = f"127.0.0.1:{free_port()}"
    first = KegnetServer(tmp_path, listen=listen)
    add_taps(first, 2)
    browser = browsers.start(FULL_HD)
    quick(browser)
    browser.get(first.page_url + "tv")
    stale = browser.find_element(By.ID, "stale")
    assert "server does not answer" not in browser.find_element(By.TAG_NAME, "body").text
    first.stop()
    wait_for(lambda: "The server does not answer. These values are" in stale.text, limit_s=30)
    assert layout_problems(browser) == []
    browser.execute_script("window.before = true; document.documentElement.dataset.version = 'an old one'")
    with KegnetServer(tmp_path, listen=listen) as second:
        wait_for(lambda: not browser.execute_script("return window.before === true"), limit_s=60)
        wait_for(lambda: browser.execute_script("return document.readyState === 'complete'"))
        assert not browser.find_element(By.ID, "stale").is_displayed()
        store(second.database, pour(client_key(second.database, CLIENT), now_ms(), 5600, 1))
        last = f"return document.querySelector(\"[data-tap='{CLIENT}-1'] .last\")?.textContent ?? ''"
        wait_for(lambda: "1.00 l" in browser.execute_script(last))


def test_a_wall_without_taps_is_no_blank_screen(tmp_path: Path) -> None:
    with KegnetServer(tmp_path) as server:
        assert "No tap has poured yet." in request(server.page_url + "tv").text
