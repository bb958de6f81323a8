"""The page of a client in a real browser: its chart shows what was measured, and nothing else."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kegnet.server.storage.alarms import begin_alarm, end_alarm
from kegnet.server.storage.clients import find_client, set_limits
from kegnet.server.storage.settings import set_household
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from support.alarms import add_quiet_client, begin_silence
from support.axe import axe_problems
from support.browsers import LAPTOP, PHONE, Browsers, log_in, note_loads, settled
from support.history import client_key, ping, pour, store
from support.kegnet_server import KegnetServer
from support.layout import SIZES, layout_problems, resize
from support.wait import stays, wait_for
from support.web_requests import PASSWORD, Visitor

ID = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
QUIET = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c13"
EMPTY = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c12"
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenschrankbeleuchtungsanlagenwart"
ARABIC = "ثلاجة المرآب الكبيرة"
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
PEAK_DAYS_AGO = 3
TEXTS = """
window.texts = [];
const draw = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
  const width = this.measureText(text).width;
  const left = this.textAlign === "right" ? x - width : this.textAlign === "center" ? x - width / 2 : x;
  window.texts.push([text, left, left + width, this.canvas.width]);
  return draw.apply(this, arguments);
};
"""
"""Records the texts that a canvas shows, with their left and right ends."""
LOADS = "return performance.getEntriesByType('resource').filter(({ name }) => name.includes('/temperatures')).length"
"""The number of loads of the chart. The second one is when the page reads the stream."""


def now_ms() -> int:
    return time.time_ns() // 10**6


def fill(server: KegnetServer) -> None:
    """Eight days with a ping each ten minutes: 4 °C, an outage of three days, and two hours at 16 °C after it."""
    key, now = client_key(server.database, ID), now_ms()
    peak_ms = now - PEAK_DAYS_AGO * DAY_MS
    times = [at for at in range(now - 8 * DAY_MS, now, 10 * MINUTE_MS) if not now - 156 * HOUR_MS < at < now - 84 * HOUR_MS]
    store(server.database, *(ping(key, at, 16_000 if peak_ms <= at < peak_ms + 2 * HOUR_MS else 4000 + at % 7 * 100) for at in times))
    with server.writing() as connection:
        set_limits(connection, key, 2000, 6500)
        for kind, began_ms, ended_ms in (
            ("silent", now - 156 * HOUR_MS, now - 84 * HOUR_MS),
            ("too warm", peak_ms + 10 * MINUTE_MS, peak_ms + 2 * HOUR_MS),
        ):
            end_alarm(connection, begin_alarm(connection, key, None, kind, began_ms).key, ended_ms)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KegnetServer]:
    """A server whose database the tests do not change."""
    with KegnetServer(tmp_path_factory.mktemp("filled")) as made:
        made.add_client(ID, "x", "Garage")
        made.put_on(ID, 0, "IPA")
        fill(made)
        yield made


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KegnetServer]:
    with KegnetServer(tmp_path / "server") as made:
        made.add_client(ID, "x", "Garage")
        yield made


def show(browser: WebDriver, server: KegnetServer, query: str = "?over=7d", client: str = ID) -> None:
    """Opens the page, and waits for its chart."""
    browser.get(f"{server.page_url}clients/{client}{query}")
    wait_for(lambda: browser.execute_script("return document.getElementById('course').drawn !== undefined"))


def plot(browser: WebDriver, expression: str) -> Any:
    """A value of the chart, which is `u`."""
    return browser.execute_script(f"const u = document.getElementById('course').drawn.plot; return {expression}")


def peak(browser: WebDriver) -> tuple[int, float]:
    """When the greatest value of the chart is, and what it is."""
    at, most = plot(browser, "u.data[3].reduce((best, y, i) => y > best[1] ? [u.data[0][i], y] : best, [0, -99])")
    return int(at), float(most)


def text(browser: WebDriver, selector: str) -> str:
    """The text of an element, which a script may exchange at any moment."""
    return str(browser.execute_script("return document.querySelector(arguments[0])?.textContent ?? ''", selector))


def complaints(browser: WebDriver) -> list[str]:
    """What the browser has reported; not how fast the test reads pixels."""
    return [str(entry["message"]) for entry in browser.get_log("browser") if entry["source"] != "rendering"]


def shown(browser: WebDriver) -> tuple[float, float]:
    """From when until when the chart is."""
    from_ms, to_ms = plot(browser, "[u.scales.x.min, u.scales.x.max]")
    return float(from_ms), float(to_ms)


def red(browser: WebDriver, value: float) -> list[int]:
    """The canvas columns with the colour of alarms at the height of a value, in the plot."""
    script = """
    const { ctx, bbox } = u, y = Math.round(u.valToPos(arguments[0], 'y', true));
    const { data } = ctx.getImageData(bbox.left, y - 1, bbox.width, 3);
    const found = new Set();
    for (let i = 0; i < data.length; i += 4) {
      if (data[i] > 150 && data[i + 1] < 60 && data[i + 2] < 90 && data[i + 3] > 100) found.add(i / 4 % bbox.width);
    }
    return [...found].sort((a, b) => a - b);
    """
    return [int(x) for x in browser.execute_script("const u = document.getElementById('course').drawn.plot;" + script, value)]


def test_the_chart_shows_the_band_the_outage_the_peak_and_the_limits(filled: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start(LAPTOP)
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": TEXTS})
    show(browser, filled)
    times, mean, low, high = plot(browser, "u.data.map((column) => Array.from(column))")
    gaps = [at for at, value in zip(times, mean, strict=True) if value is None]
    assert len(gaps) == 2, "an outage is one gap"
    assert gaps[1] - gaps[0] > 2.9 * DAY_MS
    assert sum(value is not None for value in mean) == sum(value is not None for value in low)
    assert max(filter(None, high)) == 16.0
    assert min(filter(None, low)) >= 4.0
    # Over the whole width, also in the outage.
    width = plot(browser, "u.bbox.width")
    for limit in (2, 6.5):
        columns = red(browser, limit)
        assert columns[0] < 20
        assert columns[-1] > width - 20
        assert max(after - before for before, after in itertools.pairwise(columns)) < width / 4
    texts = browser.execute_script("return window.texts")
    labels = {text for text, *_ in texts}
    assert {"4°", "10°", "16°", "alarm below 2.0 °C", "alarm above 6.5 °C"} <= labels
    assert [text for text, left, right, canvas in texts if left < 0 or right > canvas] == [], "clipped"
    # The outage is marked as silence, and the peak as an alarm, in the hint below the cursor.
    hint = "document.querySelector('.plot-tip')"
    plot(browser, "u.setCursor({left: u.valToPos(u.data[0][u.data[1].indexOf(null)], 'x'), top: 5})")
    assert browser.execute_script(f"return [...{hint}.children].map((e) => e.textContent)")[::2] == ["nothing was received", "silent"]
    at = peak(browser)[0] + HOUR_MS
    plot(browser, f"u.setCursor({{left: u.valToPos({at}, 'x'), top: 5}})")
    assert "16.0 °C" in browser.execute_script(f"return {hint}.textContent")
    assert browser.execute_script(f"return {hint}.lastElementChild.textContent") == "too warm"
    assert browser.find_element(By.CSS_SELECTOR, "[data-value=most]").text == "16.0 °C"
    assert browser.find_element(By.CSS_SELECTOR, "[data-value=outside]").text == "2 hours"
    assert complaints(browser) == []
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [address for address in loaded if not address.startswith(filled.page_url)] == []


def test_a_peak_does_not_change_while_time_goes_on_and_in_no_length(filled: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start(LAPTOP)
    for days, bin_ms in ((7, HOUR_MS), (30, 3 * HOUR_MS), (300, DAY_MS)):
        found = set()
        for minutes in (0, 7, 61, 1000):
            until_ms = now_ms() - minutes * MINUTE_MS
            show(browser, filled, f"?since={until_ms - days * DAY_MS}&until={until_ms}")
            found.add(peak(browser))
            steps = plot(browser, "u.data[0].filter((x, i) => u.data[1][i] !== null)")
            assert {(at - bin_ms / 2) % bin_ms for at in steps} == {0.0}
        assert len(found) == 1
        assert found.pop()[1] == 16.0


def test_one_chooses_a_length_zooms_by_mouse_goes_back_and_moves(filled: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start(LAPTOP)
    show(browser, filled, "")

    def lasts(hours: int) -> bool:
        return round((shown(browser)[1] - shown(browser)[0]) / HOUR_MS) == hours

    assert lasts(24)
    for label, hours in (("1h", 1), ("7d", 168), ("30d", 720), ("90d", 2160), ("1y", 8760)):
        browser.find_element(By.CSS_SELECTOR, f"[data-over='{label}']").click()
        wait_for(functools.partial(lasts, hours))
        current = browser.find_elements(By.CSS_SELECTOR, ".spans [aria-current]")
        assert [(link.get_attribute("data-over"), link.get_attribute("aria-current")) for link in current] == [(label, "true")]
        assert peak(browser)[1] == 16.0 or hours == 1
    browser.find_element(By.CSS_SELECTOR, "[data-over='7d']").click()
    wait_for(lambda: lasts(168))
    week = shown(browser)
    over = browser.find_element(By.CSS_SELECTOR, ".u-over")
    width = over.size["width"]
    ActionChains(browser).move_to_element_with_offset(over, width // 10, 0).click_and_hold().move_by_offset(
        width // 4, 0
    ).release().perform()
    wait_for(lambda: "since=" in browser.current_url and shown(browser)[1] - shown(browser)[0] < 2 * DAY_MS)
    assert shown(browser)[1] - shown(browser)[0] == pytest.approx(7 * DAY_MS / 4, rel=0.05)
    assert shown(browser)[0] == pytest.approx(week[0] + 0.6 * 7 * DAY_MS, abs=3 * HOUR_MS)
    zoomed = shown(browser)
    browser.find_element(By.CSS_SELECTOR, "[data-move='-1']").click()
    wait_for(lambda: shown(browser)[1] == pytest.approx(zoomed[0], abs=2 * MINUTE_MS))
    browser.find_element(By.CSS_SELECTOR, "[data-back]").click()
    wait_for(lambda: shown(browser) == pytest.approx(zoomed, abs=2))
    browser.find_element(By.CSS_SELECTOR, "[data-back]").click()

    def is_week() -> bool:
        """Its end is a full hour, which can have gone by."""
        return any(shown(browser) == pytest.approx([at_ms + hours * HOUR_MS for at_ms in week], abs=2) for hours in (0, 1))

    wait_for(is_week)
    # By keyboard: the values from the last to the first.
    chart = browser.find_element(By.ID, "course")
    chart.send_keys(Keys.END)
    wait_for(lambda: browser.find_element(By.CSS_SELECTOR, ".plot-tip").is_displayed())
    assert plot(browser, "u.cursor.idx === u.data[0].length - 1")
    chart.send_keys(Keys.ARROW_LEFT)
    assert plot(browser, "u.cursor.idx === u.data[0].length - 2")
    assert browser.execute_script("return document.querySelector('.plot-tip').ariaLive") == "polite"


def test_a_finger_shows_values_and_two_zoom(filled: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start(PHONE)
    note_loads(browser)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
    show(browser, filled)
    # A load would undo the zoom.
    settled(browser)
    box = browser.execute_script(
        "const {left, top, width} = document.querySelector('.u-over').getBoundingClientRect(); return [left, top, width]"
    )
    left, top, width = box

    def touch(kind: str, *parts: float) -> None:
        points = [{"x": left + width * part, "y": top + 60, "id": number} for number, part in enumerate(parts)]
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.9)
    tip = browser.find_element(By.CSS_SELECTOR, ".plot-tip")
    wait_for(tip.is_displayed)
    before = tip.text
    touch("touchMove", 0.7)
    wait_for(lambda: tip.text != before)
    touch("touchEnd")
    length = shown(browser)[1] - shown(browser)[0]
    touch("touchStart", 0.4, 0.6)
    touch("touchMove", 0.2, 0.8)
    touch("touchEnd")
    wait_for(lambda: "since=" in browser.current_url)
    wait_for(lambda: shown(browser)[1] - shown(browser)[0] == pytest.approx(length / 3, rel=0.1))
    assert complaints(browser) == []


def test_values_are_in_the_reader_s_units(filled: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start(LAPTOP)
    browser.get(filled.page_url)
    browser.add_cookie({"name": "temperature", "value": "F"})
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": TEXTS})
    show(browser, filled)
    assert peak(browser)[1] == pytest.approx(60.8)
    assert {"40°", "60°", "alarm above 43.7 °F"} <= {text for text, *_ in browser.execute_script("return window.texts")}
    browser.find_element(By.CSS_SELECTOR, ".values summary").click()
    wait_for(lambda: "60.8" in browser.find_element(By.ID, "bins").text)
    assert "nothing was received" in browser.find_element(By.ID, "bins").text
    assert "°F" in browser.find_element(By.CSS_SELECTOR, ".values caption").text


def test_a_new_temperature_and_a_new_limit_are_on_the_open_page(server: KegnetServer, browsers: Browsers) -> None:
    key, now = client_key(server.database, ID), now_ms()
    store(server.database, *(ping(key, now - minutes * MINUTE_MS, 4000) for minutes in range(5, 60, 5)))
    browser = browsers.start(LAPTOP)
    show(browser, server, "?over=1h")
    assert peak(browser)[1] == 4.0
    store(server.database, ping(key, now_ms(), 9100))
    wait_for(lambda: text(browser, ".degrees") == "9.1 °C")
    wait_for(lambda: peak(browser)[1] == 9.1)
    with server.writing() as connection:
        set_limits(connection, key, None, 8000)
    wait_for(lambda: "above 8.0 °C" in text(browser, ".now"))
    wait_for(lambda: red(browser, 8) != [])
    assert complaints(browser) == []


def test_an_answer_that_is_older_than_the_last_event_changes_no_value_back(server: KegnetServer, browsers: Browsers) -> None:
    key, now = client_key(server.database, ID), now_ms()
    store(server.database, *(ping(key, now - minutes * MINUTE_MS, 4000) for minutes in range(5, 60, 5)))
    browser = browsers.start(LAPTOP)
    note_loads(browser)
    show(browser, server, "?over=1h")
    settled(browser)
    browser.execute_script(
        """
        const [id] = arguments, load = window.fetch, now = Date.now();
        window.fetch = async (address, ...rest) => {
          const answer = await load(address, ...rest);
          if (String(address) === location.href) await new Promise((resolve) => { window.goOn = resolve; });
          return answer;
        };
        window.change = (kind, millicelsius) => document.dispatchEvent(new CustomEvent("kegnet:change", { detail: {
          kinds: [kind], changed: [id], clients: { [id]: { millicelsius, received_ms: now, heard_ms: now, alarms: [] } }, taps: {} } }));
        change("pour", 4000);""",
        ID,
    )
    wait_for(lambda: browser.execute_script("return window.goOn !== undefined"))
    browser.execute_script("change('ping', 9100); goOn();")
    wait_for(lambda: text(browser, ".degrees") == "9.1 °C")
    assert stays(lambda: text(browser, ".degrees") == "9.1 °C", 1)
    assert complaints(browser) == []


def test_an_alarm_of_a_client_without_a_thermometer_is_on_the_open_page(server: KegnetServer, browsers: Browsers) -> None:
    add_quiet_client(server, QUIET, "Cellar")
    browser = browsers.start(LAPTOP)
    browser.get(f"{server.page_url}clients/{QUIET}")
    wait_for(lambda: browser.execute_script(LOADS) >= 2)
    assert text(browser, "[data-live=states]").strip() == ""
    begin_silence(server, QUIET)
    wait_for(lambda: text(browser, "[data-live=states]").strip() == "silent", limit_s=60)
    wait_for(lambda: "silent" in text(browser, "[data-live=alarms]"))
    assert complaints(browser) == []


def test_the_last_message_and_the_level_of_a_tap_are_those_of_now(server: KegnetServer, browsers: Browsers) -> None:
    key, now = client_key(server.database, ID), now_ms()
    server.put_on(ID, 0, "IPA", 19.0, on_ms=now - DAY_MS)
    store(server.database, ping(key, now - 3 * HOUR_MS, 4000))
    browser = browsers.start(LAPTOP)
    show(browser, server)
    wait_for(lambda: browser.execute_script(LOADS) >= 2)
    wait_for(lambda: text(browser, "[data-live=heard]").strip() == "3 hours ago")
    store(server.database, ping(key, now_ms(), 5000))
    wait_for(lambda: text(browser, "[data-live=heard]").strip() != "3 hours ago")
    store(server.database, pour(key, now_ms(), 28_000))
    wait_for(lambda: "14.0 l" in text(browser, "[data-live=taps]"))
    assert complaints(browser) == []


def test_an_open_page_takes_over_new_units_once(server: KegnetServer, browsers: Browsers) -> None:
    key, now = client_key(server.database, ID), now_ms()
    store(server.database, *(ping(key, now - minutes * MINUTE_MS, 4000) for minutes in range(5, 60, 5)))
    browser = browsers.start(LAPTOP)
    show(browser, server, "?over=1h")
    browser.execute_script("window.same = true")
    with server.writing() as connection:
        set_household(connection, temperature="F")
    wait_for(lambda: browser.execute_script("return document.documentElement.dataset.temperature") == "F")
    wait_for(lambda: text(browser, ".degrees") == "39.2 °F")
    with server.writing() as connection:
        set_limits(connection, key, None, 10000)
    wait_for(lambda: "above 50.0 °F" in text(browser, ".now"))
    assert browser.execute_script("return window.same")


def test_an_open_page_shows_other_units_and_clocks_and_keeps_what_was_typed(server: KegnetServer, browsers: Browsers) -> None:
    key, now = client_key(server.database, ID), now_ms()
    store(server.database, *(ping(key, now - minutes * MINUTE_MS, 4000) for minutes in range(5, 60, 5)))
    browser = browsers.start(LAPTOP)
    log_in(browser, server)
    browser.add_cookie({"name": "clock", "value": "12"})
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": TEXTS})
    show(browser, server, f"?since={now - HOUR_MS}&until={now}")
    wait_for(lambda: browser.execute_script(LOADS) >= 2)
    browser.find_element(By.CSS_SELECTOR, ".values summary").click()
    typed = browser.find_element(By.CSS_SELECTOR, "main [name=coldest]")
    typed.send_keys("2")
    browser.execute_script("window.texts.length = 0; document.cookie = 'clock=24; path=/'")
    with server.writing() as connection:
        set_household(connection, glass_ml=400)
    times = "return window.texts.map(([text]) => text).filter((text) => text.includes(':'))"
    wait_for(lambda: browser.execute_script(times))
    wait_for(lambda: not browser.execute_script(times)[-1].endswith("M"))
    with server.writing() as connection:
        set_household(connection, temperature="F")
    wait_for(lambda: browser.execute_script("return document.documentElement.dataset.temperature") == "F")
    assert typed.get_property("value") == "2"
    assert "Alarm below, in °C" in text(browser, "main")
    wait_for(lambda: peak(browser)[1] == pytest.approx(39.2))
    plot(browser, "u.setCursor({left: u.valToPos(u.data[0][u.data[1].findIndex((y) => y !== null)], 'x'), top: 5})")
    assert "39.2 °F" in text(browser, ".plot-tip")
    assert text(browser, "[data-value=most]") == "39.2 °F"
    assert text(browser, ".values caption").endswith("in °F")
    assert "39.2" in text(browser, "#bins")
    typed.send_keys(Keys.ENTER)
    wait_for(lambda: browser.find_elements(By.ID, "flash"))
    with server.database.reading() as connection:
        client = find_client(connection, ID)
    assert client is not None
    assert client.coldest == 2000, "in the unit of the form"
    wait_for(lambda: "Alarm below, in °F" in text(browser, "main"))


@pytest.mark.parametrize("part", ["chart", "limits"])
def test_a_load_that_fails_is_repeated(server: KegnetServer, browsers: Browsers, part: str) -> None:
    key, now = client_key(server.database, ID), now_ms()
    store(server.database, *(ping(key, now - minutes * MINUTE_MS, 4000) for minutes in range(5, 60, 5)))
    browser = browsers.start(LAPTOP)
    show(browser, server, "?over=1h")
    wait_for(lambda: browser.execute_script(LOADS) >= 2)
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*temperatures*" if part == "chart" else "*clients/*over=1h*"]})
    if part == "chart":
        store(server.database, ping(key, now_ms(), 9100))
    else:
        with server.writing() as connection:
            set_limits(connection, key, None, 8000)
    wait_for(lambda: browser.execute_script("return document.getElementById('stale')?.checkVisibility()"))
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    wait_for(lambda: peak(browser)[1] == 9.1 if part == "chart" else "above 8.0 °C" in text(browser, ".now"), limit_s=30)
    wait_for(lambda: not browser.find_element(By.ID, "stale").is_displayed())


def test_without_scripts_a_picture_the_figures_and_the_table_are_there(filled: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start(PHONE)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(f"{filled.page_url}clients/{ID}")
    browser.find_element(By.LINK_TEXT, "7 d").click()
    wait_for(lambda: browser.current_url.endswith("over=7d"))
    picture = browser.find_element(By.CSS_SELECTOR, "noscript img, .picture")
    assert picture.is_displayed()
    assert picture.get_attribute("src").endswith(f"/courses/{ID}/7d.svg")
    assert browser.find_element(By.CSS_SELECTOR, "[data-value=most]").text == "16.0 °C"
    browser.find_element(By.CSS_SELECTOR, ".values summary").click()
    table = browser.find_element(By.ID, "bins").text
    assert "16.0" in table
    assert "nothing was received" in table


@pytest.mark.parametrize("name", [LONG, ARABIC])
def test_nothing_overlaps_or_sticks_out_on_any_screen(server: KegnetServer, browsers: Browsers, name: str) -> None:
    for client in (ID, EMPTY):
        server.add_client(client, "x", name)
    for pin in range(3):
        server.put_on(ID, pin, name)
        store(server.database, pour(client_key(server.database, ID), now_ms(), 5600, pin))
    fill(server)
    with server.writing() as connection:
        begin_alarm(connection, client_key(server.database, ID), None, "too warm", now_ms())
    browser = browsers.start(LAPTOP)
    log_in(browser, server)
    for client in (ID, EMPTY):
        show(browser, server, client=client)
        for size in SIZES:
            resize(browser, size, dark=size == SIZES[1])
            assert layout_problems(browser) == [], size
        resize(browser, PHONE)
        assert axe_problems(browser) == []
        browser.get(f"{server.page_url}clients/{client}/remove")
        assert layout_problems(browser) == axe_problems(browser) == []


def test_the_name_and_the_limits_are_set_and_taken_back(server: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start(LAPTOP)
    log_in(browser, server)
    show(browser, server)

    def save(field: str, value: str) -> None:
        browser.execute_script("window.before = true")
        element = browser.find_element(By.CSS_SELECTOR, f"main [name={field}]")
        element.clear()
        element.send_keys(value + Keys.ENTER)
        wait_for(lambda: browser.execute_script("return !window.before && document.querySelector('#flash, .wrong') !== null"))

    def limits() -> tuple[int | None, int | None, str]:
        with server.database.reading() as connection:
            client = find_client(connection, ID)
        assert client is not None
        return client.coldest, client.warmest, client.name

    save("warmest", "6,5")
    wait_for(lambda: limits()[1] == 6500)
    save("coldest", "7")
    wait_for(lambda: "enter more than the limit below" in text(browser, "main"))
    assert browser.find_element(By.CSS_SELECTOR, "main [name=coldest]").get_attribute("value") == "7"
    assert limits() == (None, 6500, "Garage")
    # The page with the mistake follows like any other.
    assert browser.current_url == f"{server.page_url}clients/{ID}"
    with server.writing() as connection:
        set_limits(connection, client_key(server.database, ID), None, 6600)
    wait_for(lambda: "above 6.6 °C" in text(browser, ".now"))
    with server.writing() as connection:
        set_limits(connection, client_key(server.database, ID), None, 6500)
    wait_for(lambda: not browser.execute_script("return document.getElementById('stale')?.checkVisibility()"))
    show(browser, server)
    save("warmest", "8")
    assert limits()[1] == 8000
    browser.find_element(By.CSS_SELECTOR, "#flash button").click()
    wait_for(lambda: limits() == (None, 6500, "Garage"))
    show(browser, server)
    save("name", "Cellar")
    assert limits()[2] == "Cellar"
    browser.find_element(By.CSS_SELECTOR, "#flash button").click()
    wait_for(lambda: limits()[2] == "Garage")


def test_a_limit_is_corrected_in_the_unit_in_which_it_was_shown(server: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start(LAPTOP)
    log_in(browser, server)
    show(browser, server)
    browser.execute_script("document.addEventListener('submit', () => { document.cookie = 'temperature=F; path=/'; })")
    element = browser.find_element(By.CSS_SELECTOR, "main [name=coldest]")
    element.send_keys("cold" + Keys.ENTER)
    wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, ".wrong"))
    # The page has read the stream, and loaded its parts.
    wait_for(lambda: browser.execute_script(LOADS) >= 2)
    assert stays(lambda: bool(browser.find_elements(By.CSS_SELECTOR, "main [name=coldest][value=cold]")), 1)
    assert "Alarm below, in °C" in text(browser, "main")


def test_a_client_is_removed_and_added_again(server: KegnetServer, browsers: Browsers) -> None:
    key = client_key(server.database, ID)
    store(server.database, ping(key, now_ms(), 4000))
    browser = browsers.start(LAPTOP)
    log_in(browser, server)
    show(browser, server)
    browser.find_element(By.PARTIAL_LINK_TEXT, "Remove this client").click()
    wait_for(lambda: browser.current_url.endswith("/remove"))
    browser.find_element(By.CSS_SELECTOR, "main button").click()
    wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "#flash button"))
    with server.database.reading() as connection:
        assert find_client(connection, ID) is None
    browser.find_element(By.CSS_SELECTOR, "#flash button").click()
    wait_for(lambda: f"/clients/{ID}" in browser.current_url)
    degrees = "return document.querySelector('.degrees')?.textContent.trim()"
    wait_for(lambda: browser.execute_script(degrees) == "4.0 °C")


def test_only_the_administrator_changes_a_client(server: KegnetServer) -> None:
    server.set_password(PASSWORD)
    stranger = Visitor(server.page_url)
    page = stranger.get(f"clients/{ID}").text
    assert 'name="warmest"' not in page
    assert "Log in" in page
    for path in ("name", "limits", "remove", "add"):
        assert stranger.post(f"clients/{ID}/{path}", {"name": "x"}).status in (401, 403)
    assert stranger.get(f"clients/{ID}/remove").status == 303
    visitor = Visitor(server.page_url).log_in()
    visitor.get(f"clients/{ID}")
    assert visitor.post(f"clients/{EMPTY}/name", {"name": "x"}).status == 404
    assert visitor.post(f"clients/{ID}/add", {}).status == 404, "it is not removed"


def test_only_pages_with_a_chart_load_the_chart_library(filled: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start(PHONE)
    sizes = "return ['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind)).map((e) => [e.name, e.transferSize])"
    browser.get(filled.page_url)
    assert [name for name, _ in browser.execute_script(sizes) if "uplot" in name.lower()] == []
    show(browser, filled)
    loaded = browser.execute_script(sizes)
    assert any("uPlot" in name for name, _ in loaded)
    assert sum(size for _, size in loaded) < 200_000, loaded
