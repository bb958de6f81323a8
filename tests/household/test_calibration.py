"""The calibration of a flow meter: known amounts are poured, and the page makes a k-factor of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kegnet.server.storage.clients import find_client
from kegnet.server.storage.pours import pours_of
from kegnet.server.storage.records import Pour, Tap
from kegnet.server.storage.settings import set_household
from kegnet.server.storage.taps import find_tap, meters_of
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from support.axe import axe_problems
from support.browsers import PHONE, Browsers, log_in
from support.http import Signer, post
from support.kegnet_server import KegnetServer, now_ms
from support.layout import SIZES, layout_problems, resize
from support.wait import wait_for
from support.web_requests import PASSWORD, Answer, Visitor

POUR = "/rest/v2/pour"


class Bar:
    """A server with a client that signs its pours, and one who is logged in."""

    def __init__(self, folder: Path, key: Path) -> None:
        self.server = KegnetServer(folder)
        self.signer = Signer(key).register(self.server)
        self.server.set_tap(self.signer.client_id, 0, "Bar, left")
        self.server.set_tap(self.signer.client_id, 1, "Bar, right")
        self.server.set_password(PASSWORD)
        self.visitor = Visitor(self.server.page_url).log_in()
        self.path = f"taps/{self.signer.client_id}/0/calibration"
        self.visitor.get(self.path.replace("calibration", "settings"))

    def pour(self, pulses: int, **changes: object) -> int:
        """Sends a signed pour; its key."""
        assert post(self.server, POUR, self.signer.pour(pulses=pulses, **changes)).status == 200
        return self.pours[0].key

    @property
    def pours(self) -> list[Pour]:
        """All pours of both taps, by the keys."""
        with self.server.database.reading() as connection:
            client = find_client(connection, self.signer.client_id)
            assert client is not None
            taps = [find_tap(connection, client.key, pin) for pin in (0, 1)]
            found = pours_of(connection, [tap.key for tap in taps if tap], limit=99)
        return sorted(found, key=lambda pour: -pour.key)

    @property
    def tap(self) -> Tap:
        with self.server.database.reading() as connection:
            client = find_client(connection, self.signer.client_id)
            assert client is not None
            tap = find_tap(connection, client.key, 0)
        assert tap is not None
        return tap

    def follow(self, answer: Answer) -> tuple[str, str]:
        """The path of the page to which an answer leads, and its text."""
        assert answer.status == 303, answer.text
        path = answer.headers["Location"].lstrip("/")
        page = self.visitor.get(path)
        assert page.status == 200
        return path, page.text

    def measure(self, path: str, key: int, amount: str) -> Answer:
        """The answer to the form that asks how much a pour was."""
        return self.visitor.get(f"{path}&pour={key}&amount={amount}")


@pytest.fixture
def bar(tmp_path: Path, key: Path) -> Iterator[Bar]:
    made = Bar(tmp_path, key)
    yield made
    made.server.stop()


def fields_of(path: str) -> dict[str, str]:
    """The state in an address, as the fields of the form that sets the meter."""
    return dict(part.split("=", 1) for part in urlsplit(path).query.split("&"))


def test_known_amounts_set_the_meter_from_now_on_and_undo_gives_the_former_one_back(bar: Bar) -> None:
    earlier = bar.pour(5600, ts=now_ms() - 3_600_000)
    path, page = bar.follow(bar.visitor.get(bar.path))
    assert "Pour a known amount now" in page
    first = bar.pour(5000)
    page = bar.visitor.get(path).text
    assert "How much was it?" in page
    assert "5 000" in page
    path, page = bar.follow(bar.measure(path, first, "1"))
    assert "One measurement shows no spread" in page
    second = bar.pour(2550)
    assert 'value="1"' in bar.visitor.get(path).text, "the amount before is proposed"
    path, page = bar.follow(bar.measure(path, second, "0,5"))
    assert "5 033" in page
    assert 'The measurements differ by 2.0 %: <b class="good">that is good</b>' in page
    where, page = bar.follow(bar.visitor.post(bar.path, {"action": "set", **fields_of(path)}))
    assert where == bar.path.removesuffix("/calibration")
    assert "Saved: 5033 pulses per litre from now on, 5600 before." in page
    assert bar.tap.pulses_per_litre == 5033
    flash = page[page.index('id="flash"') :]
    undo = dict(re.findall('<input type="hidden" name="([^"]+)" value="([^"]*)">', flash[: flash.index("</form>")]))
    later = bar.pour(5033, ts=now_ms() + 2000)
    found = {pour.key: pour for pour in bar.pours}
    assert [round(found[key].millilitres) for key in (earlier, first, later)] == [1000, 893, 1000], "the past stays as it was"
    assert [found[key].spilled for key in (first, second)] == [False, False]
    _, page = bar.follow(bar.visitor.post(bar.path, undo))
    assert "Undone: the flow meter counts as before." in page
    assert bar.tap.pulses_per_litre == 5600
    again = bar.visitor.post(bar.path, undo)
    assert (again.status, "undone already" in again.text) == (400, True)


def test_what_was_poured_for_it_need_not_count_as_drunk(bar: Bar) -> None:
    path, _ = bar.follow(bar.visitor.get(bar.path))
    key = bar.pour(5000)
    path, _ = bar.follow(bar.measure(path, key, "1"))
    _, page = bar.follow(bar.visitor.post(bar.path, {"action": "set", "spill": "1", **fields_of(path)}))
    assert bar.pours[0].spilled
    flash = page[page.index('id="flash"') :]
    undo = dict(re.findall('<input type="hidden" name="([^"]+)" value="([^"]*)">', flash[: flash.index("</form>")]))
    bar.follow(bar.visitor.post(bar.path, undo))
    assert not bar.pours[0].spilled
    with bar.server.database.reading() as connection:
        assert meters_of(connection, [bar.tap.key]) == {}


def test_a_calibration_that_is_sent_twice_is_undone_at_once(bar: Bar) -> None:
    path, _ = bar.follow(bar.visitor.get(bar.path))
    path, _ = bar.follow(bar.measure(path, bar.pour(5000), "1"))
    for _ in range(2):
        _, page = bar.follow(bar.visitor.post(bar.path, {"action": "set", "spill": "1", **fields_of(path)}))
        assert "Saved: 5000 pulses per litre from now on, 5600 before." in page
    flash = page[page.index('id="flash"') :]
    undo = dict(re.findall('<input type="hidden" name="([^"]+)" value="([^"]*)">', flash[: flash.index("</form>")]))
    bar.follow(bar.visitor.post(bar.path, undo))
    assert (bar.tap.pulses_per_litre, bar.pours[0].spilled) == (5600, False)


def test_only_pours_of_this_tap_since_it_waits_are_asked_for(bar: Bar) -> None:
    bar.pour(1111)
    wait_for(lambda: now_ms() > bar.pours[0].received_ms)
    path, page = bar.follow(bar.visitor.get(bar.path))
    bar.pour(2222, ts=now_ms() - 3_600_000)
    bar.pour(3333, pin=1)
    assert "How much was it?" not in bar.visitor.get(path).text, "neither an old one, nor one from a spool, nor one of another tap"
    wrong_clock = bar.pour(4444, ts=1)
    page = bar.visitor.get(path).text
    assert page.count("How much was it?") == 1
    assert "4 444" in page
    assert f'value="{wrong_clock}"' in page


def test_a_deleted_pour_is_not_asked_for(bar: Bar) -> None:
    path, _ = bar.follow(bar.visitor.get(bar.path))
    key = bar.pour(5000)
    assert "How much was it?" in bar.visitor.get(path).text
    bar.follow(bar.visitor.post(f"{bar.path.removesuffix('/calibration')}/pours/{key}", {"action": "delete"}))
    assert "How much was it?" not in bar.visitor.get(path).text


def test_a_pour_that_does_not_count_and_a_measurement_are_removed(bar: Bar) -> None:
    path, _ = bar.follow(bar.visitor.get(bar.path))
    dropped, kept = bar.pour(50), bar.pour(5000)
    page = bar.visitor.get(path).text
    assert page.count("How much was it?") == 2
    link = re.search(f'href="/([^"]*ignored={dropped})"', page)
    assert link is not None
    path = link[1].replace("&amp;", "&")
    assert bar.visitor.get(path).text.count("How much was it?") == 1
    path, page = bar.follow(bar.measure(path, kept, "1"))
    assert "5 000" in page
    remove = re.search('href="/([^"]*)" aria-label="Remove the measurement of 5000 pulses"', page)
    assert remove is not None
    page = bar.visitor.get(remove[1].replace("&amp;", "&")).text
    assert "Set the meter" not in page
    assert "Pour a known amount now" in page


@pytest.mark.parametrize("amount", ["", "much", "0", "-1", "1e9"])
def test_a_wrong_amount_is_explained_and_kept(bar: Bar, amount: str) -> None:
    path, _ = bar.follow(bar.visitor.get(bar.path))
    key = bar.pour(5000)
    answer = bar.measure(path, key, amount)
    assert answer.status == 400
    assert "enter a number" in answer.text
    assert f'value="{amount}"' in answer.text
    assert "5 000" in answer.text


def test_amounts_that_cannot_be_of_one_meter_set_nothing(bar: Bar) -> None:
    path, _ = bar.follow(bar.visitor.get(bar.path))
    nothing = bar.visitor.post(bar.path, {"action": "set", **fields_of(path)})
    assert (nothing.status, "no amount was measured yet" in nothing.text) == (400, True)
    for pulses in (5000, 9000):
        key = bar.pour(pulses)
        path, page = bar.follow(bar.measure(path, key, "1"))
    assert "The amounts differ from each other by 57%" in page
    assert "Set the meter" not in page
    refused = bar.visitor.post(bar.path, {"action": "set", **fields_of(path)})
    assert (refused.status, "the amounts differ" in refused.text) == (400, True)
    made_up = bar.visitor.post(bar.path, {"action": "set", "since": fields_of(path)["since"], "measured": "999:1000"})
    assert made_up.status == 400
    for form in (
        {"action": "set"},
        {"action": "explode"},
        {"action": "undo", "from": "7"},
        {"action": "set", "since": "x", "measured": ":,:"},
    ):
        assert bar.visitor.post(bar.path, form).status == 400
    assert bar.tap.pulses_per_litre == 5600


def test_an_address_that_nobody_made_is_no_error(bar: Bar) -> None:
    for query in ("since=x", "since=", "since=99999999999999999999", "pour=1&amount=1"):
        assert bar.visitor.get(f"{bar.path}?{query}").status == 303
    for query in ("since=1&measured=,:,1:2:3,x:y", f"since=1&ignored={'9' * 5000}", "since=115292150460684697"):
        assert bar.visitor.get(f"{bar.path}?{query}").status == 200
    assert bar.visitor.get(bar.path.replace("/0/", "/9/")).status == 404
    assert bar.visitor.get(f"{bar.path}?since=1&pour=x&amount=1").status == 303


def test_somebody_stands_at_the_tap_with_a_phone(bar: Bar, browsers: Browsers) -> None:
    browser = browsers.start(PHONE)
    log_in(browser, bar.server)
    browser.get(f"{bar.server.page_url}{bar.path}")
    waiting = browser.find_element(By.CSS_SELECTOR, ".wait")
    assert "Pour a known amount now" in waiting.text
    bar.pour(2900)
    field = wait_for(lambda: browser.find_elements(By.NAME, "amount"))[0]
    assert "2 900" in browser.find_element(By.CSS_SELECTOR, ".large").text
    wait_for(lambda: browser.execute_script("return document.activeElement.name") == "amount")
    field.send_keys("half")
    bar.pour(3100)
    wait_for(lambda: len(browser.find_elements(By.NAME, "amount")) == 2)
    first = browser.find_elements(By.NAME, "amount")[1]
    assert first.get_attribute("value") == "half", "what was typed stays when another pour comes"
    assert browser.execute_script("return document.activeElement === arguments[0]", first)
    first.send_keys(Keys.ENTER)
    field = wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "[name=amount][aria-invalid]"))[0]
    assert field.get_attribute("value") == "half"
    field.clear()
    field.send_keys("0.5" + Keys.ENTER)
    wait_for(lambda: len(browser.find_elements(By.NAME, "amount")) == 1 and browser.find_elements(By.ID, "measured"))
    field = browser.find_element(By.NAME, "amount")
    assert field.get_attribute("value") == "0.5"
    field.send_keys(Keys.ENTER)
    shown = "return document.querySelector('#measuring')?.innerText.includes('6 000')"
    wait_for(lambda: browser.execute_script(shown))
    button = browser.find_element(By.CSS_SELECTOR, "button[value=set]")
    assert "differ by 6.7 %: that is much" in browser.find_element(By.CSS_SELECTOR, "#measuring").text
    browser.execute_script("arguments[0].scrollIntoView({ block: 'center' })", button)
    button.click()
    shown = "return document.querySelector('#flash')?.innerText.includes('6000 pulses per litre from now on')"
    wait_for(lambda: browser.execute_script(shown))
    assert bar.tap.pulses_per_litre == 6000
    browser.find_element(By.CSS_SELECTOR, "#flash button").click()
    wait_for(lambda: bar.tap.pulses_per_litre == 5600)


def test_pours_are_spilled_as_chosen_before_the_last_one(bar: Bar, browsers: Browsers) -> None:
    browser = browsers.start(PHONE)
    log_in(browser, bar.server)
    bar.visitor.log_in()  # The password was set again, which logs everybody out.
    path, _ = bar.follow(bar.visitor.get(bar.path))
    path, _ = bar.follow(bar.measure(path, bar.pour(5000), "1"))
    browser.get(f"{bar.server.page_url}{path}")

    def is_chosen() -> bool:
        return bool(browser.execute_script("return document.querySelector('[type=checkbox][name=spill]')?.checked"))

    assert not is_chosen()
    browser.execute_script("document.querySelector('[type=checkbox][name=spill]').click()")
    ignored = bar.pour(50)
    wait_for(lambda: browser.find_elements(By.NAME, "amount"))
    assert is_chosen(), "when another pour comes"
    browser.execute_script("document.querySelector('.ask .buttons a').click()")
    wait_for(lambda: f"ignored={ignored}" in browser.current_url and browser.find_elements(By.CSS_SELECTOR, ".wait"))
    wait_for(is_chosen)
    bar.pour(5050)
    wait_for(lambda: browser.find_elements(By.NAME, "amount"))[0].send_keys(Keys.ENTER)
    wait_for(lambda: len(browser.find_elements(By.CSS_SELECTOR, "td .remove")) == 2)
    wait_for(is_chosen)
    browser.refresh()
    assert is_chosen()
    browser.execute_script("document.querySelector('button[value=set]').click()")
    wait_for(lambda: browser.find_elements(By.ID, "flash"))
    assert [(pour.pulses, pour.spilled) for pour in bar.pours] == [(5050, True), (50, False), (5000, True)]


def test_a_choice_is_taken_back_before_the_meter_is_set(bar: Bar, browsers: Browsers) -> None:
    browser = browsers.start(PHONE)
    log_in(browser, bar.server)
    bar.visitor.log_in()  # The password was set again, which logs everybody out.
    path, _ = bar.follow(bar.visitor.get(bar.path))
    path, _ = bar.follow(bar.measure(f"{path}&spill=1", bar.pour(5000), "1"))
    browser.get(f"{bar.server.page_url}{path}")
    box = browser.find_element(By.CSS_SELECTOR, "[type=checkbox][name=spill]")
    assert box.is_selected()
    browser.execute_script("arguments[0].click()", box)
    browser.refresh()
    assert not browser.find_element(By.CSS_SELECTOR, "[type=checkbox][name=spill]").is_selected()
    browser.execute_script("document.querySelector('button[value=set]').click()")
    wait_for(lambda: browser.find_elements(By.ID, "flash"))
    assert not bar.pours[0].spilled


def test_a_typed_amount_keeps_its_unit_when_another_pour_comes(bar: Bar, browsers: Browsers) -> None:
    browser = browsers.start(PHONE)
    log_in(browser, bar.server)
    browser.get(f"{bar.server.page_url}{bar.path}")
    key = bar.pour(2900)
    wait_for(lambda: browser.find_elements(By.NAME, "amount"))[0].send_keys("0.5")
    with bar.server.writing() as connection:
        set_household(connection, volume="oz")
    bar.pour(3100)
    wait_for(lambda: len(browser.find_elements(By.NAME, "amount")) == 2)
    field = browser.find_elements(By.NAME, "amount")[1]
    assert (field.get_attribute("value"), "Measured, in l" in browser.find_element(By.ID, "measuring").text) == ("0.5", True)
    field.send_keys(Keys.ENTER)
    wait_for(lambda: f"measured={key}:500000" in browser.current_url)
    wait_for(lambda: "Measured, in fl oz" in browser.page_source)


def test_nothing_overlaps_and_everything_is_accessible(bar: Bar, browsers: Browsers) -> None:
    bar.server.set_tap(bar.signer.client_id, 0, "Donaudampfschifffahrtsgesellschaftskapitänsmützenschrankbeleuchtungsanlagenwart"[:80])
    browser = browsers.start()
    log_in(browser, bar.server)
    bar.visitor.log_in()  # The password was set again, which logs everybody out.
    states, (path, _) = [bar.path], bar.follow(bar.visitor.get(bar.path))
    keys = [bar.pour(pulses) for pulses in (123_456, 119_000, 7)]
    states.append(path)
    for key in keys[:2]:
        path, _ = bar.follow(bar.measure(path, key, "21.5"))
        states.append(path)
    for state in states:
        for size in SIZES:
            for dark in (False, True) if size == (390, 844) else (False,):
                resize(browser, size, dark=dark)
                browser.get(f"{bar.server.page_url}{state}")
                assert layout_problems(browser) == [], (state, size)
                if size in ((390, 844), (1440, 900)):
                    assert axe_problems(browser) == [], (state, size)
        resize(browser, (360, 740), text_percent=200)
        assert layout_problems(browser) == [], (state, "200 %")
