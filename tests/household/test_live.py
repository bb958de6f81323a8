"""Open pages and the event stream: how fast a pour is on all of them, what that costs, and what they do when the server is silent."""

from __future__ import annotations

import contextlib
import itertools
import re
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from kegnet.server.storage.beers import set_beer
from kegnet.server.storage.clients import remove_client, set_limits
from kegnet.server.storage.settings import set_household
from kegnet.server.web.password import set_readers_password
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from support.alarms import add_quiet_client, begin_silence
from support.browsers import Browsers, note_loads, settled
from support.history import client_key, ping, pour, store
from support.http import Signer, post
from support.kegnet_server import KegnetServer, now_ms
from support.ports import free_port
from support.stream_readers import Arrival, StreamReaders
from support.wait import stays, wait_for
from support.wall_taps import CLIENT, add_taps
from support.web_requests import PASSWORD

CLIENT_PAGE, TAP_PAGE = f"clients/{CLIENT}", f"taps/{CLIENT}/0"
MINUTE_MS = 60_000
READERS = 99
POURS, MOST_POURS = 5, 20
STREAMS = """
const Stream = EventSource;
window.streams = new Set();
window.caughtUp = 0;
document.addEventListener("kegnet:loaded", () => { window.caughtUp += 1; });
window.EventSource = class extends Stream {
  constructor(url) { super(url); window.streams.add(this); }
  close() { super.close(); window.streams.delete(this); }
};
"""
"""Notes the open streams of a page, and how often it has loaded what it could have missed."""
WATCHED = """
const amount = document.querySelector("[data-tap='%s'] [data-value=left]");
window.changes = [];
new MutationObserver(() => window.changes.push(Date.now() / 1000)).observe(amount, { childList: true, characterData: true, subtree: true });
"""
"""Notes when the amount of a tap changes."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KegnetServer]:
    """A server with two taps."""
    with KegnetServer(tmp_path / "server") as made:
        add_taps(made, 2)
        yield made
        made.signal(signal.SIGCONT)


def opened(browsers: Browsers, server: KegnetServer, page: str = "") -> Any:
    """A browser with that page, once it reads the stream, and has loaded what it could have missed."""
    browser = browsers.start()
    note_loads(browser)
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": STREAMS})
    browser.get(server.page_url + page)
    settled(browser)
    return browser


def reads(browser: WebDriver) -> bool:
    return bool(browser.execute_script("return [...window.streams].some((stream) => stream.readyState === 1)"))


def text(browser: WebDriver, selector: str) -> str:
    """The text of an element, which can be exchanged at any time."""
    return str(browser.execute_script("return document.querySelector(arguments[0])?.textContent ?? ''", selector))


def reports_silence(browser: WebDriver) -> bool:
    """Whether the page shows that its values are old. The element stays when that is over, but hidden."""
    return bool(browser.execute_script("return document.getElementById('stale')?.checkVisibility()"))


def amount(browser: WebDriver, pin: int) -> str:
    return text(browser, f"[data-tap='{CLIENT}-{pin}'] [data-value=left]")


# Speed and cost.


def cpu_s(server: KegnetServer) -> float:
    """CPU time of the server's process."""
    user, system = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / 100


def test_a_pour_is_on_every_open_page_within_a_second_with_100_readers(server: KegnetServer, browsers: Browsers, key: Path) -> None:
    signer = Signer(key).register(server)
    server.put_on(signer.client_id, 0, "IPA", 50)
    watched = f"{signer.client_id}-0"
    with StreamReaders(server, READERS) as readers:
        pages = [opened(browsers, server, page) for page in ("", "tv")]
        wait_for(lambda: len(readers.who_got(lambda arrival: arrival.name == "hello")) == READERS)
        for page in pages:
            wait_for(lambda page=page: page.find_elements(By.CSS_SELECTOR, f"[data-tap='{watched}']"))  # type: ignore[misc]
            page.execute_script(WATCHED % watched)
        late_s: list[list[float]] = []
        sizes, before_s = [], cpu_s(server)
        # A busy machine can hold some up.
        while len(late_s) < POURS or (len(late_s) < MOST_POURS and min(map(max, late_s)) >= 1):
            number = len(late_s)
            at_s = _pour(server, signer, number)
            wait_for(lambda: len(readers.who_got(_is_pour(watched, number))) == READERS)  # noqa: B023
            for page in pages:
                wait_for(lambda page=page: len(page.execute_script("return window.changes")) > number)  # type: ignore[misc] # noqa: B023
            arrivals = [arrival for arrival in list(readers.arrivals) if _is_pour(watched, number)(arrival)]
            first = {arrival.reader: arrival for arrival in reversed(arrivals)}
            sizes += [arrival.size for arrival in first.values()]
            shown_s = [page.execute_script("return window.changes")[number] for page in pages]
            late_s.append([at - at_s for at in (*(arrival.at_s for arrival in first.values()), *shown_s)])
        used_s = cpu_s(server) - before_s
    longest_s = [max(each) for each in late_s]
    median_s = statistics.median(itertools.chain(*late_s))
    print(f"\n{len(late_s)} pours at {READERS} readers and {len(pages)} pages: median {median_s * 1000:.0f} ms,", end=" ")
    print(f"longest {max(longest_s) * 1000:.0f} ms; {max(sizes)} bytes an update;", end=" ")
    print(f"server {used_s / len(late_s) * 1000:.0f} ms of CPU a pour")
    assert min(longest_s) < 1
    assert max(sizes) < 800


def _pour(server: KegnetServer, signer: Signer, number: int) -> float:
    """When a pour was accepted, Unix time in seconds. Each has another volume."""
    assert post(server, "/rest/v2/pour", signer.pour(pulses=2800 + 56 * number)).text == "accepted\n"
    return time.time()


def _is_pour(tap: str, number: int) -> Callable[[Arrival], bool]:
    """Whether an event has that pour as the last one of the tap."""

    def matches(arrival: Arrival) -> bool:
        last = arrival.data.get("taps", {}).get(tap, {}).get("last")
        return last is not None and last["ml"] == 500 + 10 * number

    return matches


def test_a_reader_gets_at_most_4_events_a_second_and_a_heartbeat_in_silence(server: KegnetServer) -> None:
    client = client_key(server.database, CLIENT)
    with StreamReaders(server, 1) as readers:
        wait_for(lambda: readers.arrivals)

        def sent_ms() -> list[int]:
            """When the server made the changes that were read. When they were read depends on this process, too."""
            return [arrival.data["now_ms"] for arrival in list(readers.arrivals) if arrival.name == ""]

        while len(sent_ms()) < 6:
            store(server.database, pour(client, now_ms(), 56))
        assert min(later - earlier for earlier, later in itertools.pairwise(sent_ms())) >= 245

        def pauses_ms() -> list[int]:
            """How long after the event before it each heartbeat was made. A busy machine can hold some up."""
            pairs = itertools.pairwise(list(readers.arrivals))
            return [later.data["now_ms"] - earlier.data["now_ms"] for earlier, later in pairs if later.name == "heartbeat"]

        # A page reports 15 s of silence.
        wait_for(lambda: any(pause_ms < 15_000 for pause_ms in pauses_ms()), limit_s=90)
        assert min(pauses_ms()) > 4900
        heartbeat = next(arrival for arrival in readers.arrivals if arrival.name == "heartbeat")
        assert abs(heartbeat.data["now_ms"] / 1000 - heartbeat.at_s) < 60, "milliseconds"


# Only what changed.


def test_a_pour_changes_texts_and_a_level_and_nothing_else(server: KegnetServer, browsers: Browsers) -> None:
    browser = opened(browsers, server)
    wait_for(lambda: amount(browser, 0) == "9.2 l")
    cards = "document.querySelectorAll('[data-tap]')"
    browser.execute_script(f"for (const card of {cards}) card.marked = true; document.querySelector('[data-temp]').marked = true")
    client = client_key(server.database, CLIENT)
    store(server.database, pour(client, now_ms(), 5600), ping(client, now_ms(), 5400))
    wait_for(lambda: amount(browser, 0) == "8.2 l")
    wait_for(lambda: text(browser, "[data-temp] [data-value=temp]") == "5.4 °C")
    assert browser.execute_script("return document.querySelector('[data-tap] [data-level]').dataset.level") == "0.430"
    assert browser.execute_script(f"return [...{cards}].every((card) => card.marked)")
    # Another name: the cards are loaded again, and only the one that differs is exchanged.
    with server.writing() as connection:
        set_beer(connection, 1, name="Another name")
        set_limits(connection, client, 1000, None)
    wait_for(lambda: text(browser, f"[data-tap='{CLIENT}-0'] .beer") == "Another name")
    assert browser.execute_script(f"return [...{cards}].map((card) => card.marked === true)") == [False, True]
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("page", ["", "tv"])
def test_open_pages_take_over_changed_settings(server: KegnetServer, browsers: Browsers, page: str) -> None:
    browser = opened(browsers, server, page)
    wait_for(lambda: amount(browser, 0) == "9.2 l")
    with server.writing() as connection:
        set_household(connection, title="Cellar", volume="oz", temperature="F", glass_ml=500, time_zone="Asia/Tokyo")
    wait_for(lambda: amount(browser, 0) == "2.42 gal")
    assert browser.title == "Cellar"
    assert text(browser, "h1" if page == "tv" else ".brand a") == "Cellar"
    client = client_key(server.database, CLIENT)
    store(server.database, pour(client, now_ms(), 5600), ping(client, now_ms(), 5000))
    wait_for(lambda: amount(browser, 0) == "2.16 gal")
    wait_for(lambda: text(browser, "[data-temp] [data-value=temp]") == "41.0 °F")
    assert text(browser, f"[data-tap='{CLIENT}-0'] [data-value=glasses]") == "16 glasses"
    assert "34 fl oz" in text(browser, f"[data-tap='{CLIENT}-0'] [data-value=last]")
    if page == "tv":
        wait_for(lambda: text(browser, ".clock") == datetime.now(ZoneInfo("Asia/Tokyo")).strftime("%-I:%M %p"))


def test_an_alarm_is_announced_once_when_it_begins_and_when_it_is_over(server: KegnetServer, browsers: Browsers) -> None:
    browser = opened(browsers, server)
    browser.execute_script("""
        window.heard = [];
        for (const element of document.querySelectorAll("[role=status]")) new MutationObserver(() => window.heard.push(element.textContent))
          .observe(element, { childList: true, characterData: true, subtree: true });""")
    name = text(browser, f"[data-tap='{CLIENT}-0'] .beer")
    client = client_key(server.database, CLIENT)
    store(server.database, pour(client, now_ms(), 48_000))
    wait_for(lambda: browser.execute_script("return window.heard") == [f"{name}: keg low"], limit_s=90)
    store(server.database, pour(client, now_ms(), 56))
    assert stays(lambda: browser.execute_script("return window.heard") == [f"{name}: keg low"], 1)
    server.put_on(CLIENT, 0, "Weizen")
    wait_for(lambda: "keg low is over" in str(browser.execute_script("return window.heard")), limit_s=90)


# Badges that the page does not have yet.


FRIDGES = 5
BADGES = "return [...document.querySelectorAll('[data-temp]')].map((badge) => badge.textContent.replace(/\\s+/g, ' ').trim())"
EVENTS_AND_LOADS = """
window.events = window.reloads = window.loads = 0;
document.addEventListener("kegnet:change", ({ detail }) => { window.events += 1; window.reloads += Boolean(detail.reload); });
document.addEventListener("kegnet:loaded", () => { window.loads += 1; });
"""


def badges(browser: WebDriver) -> list[str]:
    """The texts of the badges."""
    return list(browser.execute_script(BADGES))


@pytest.mark.parametrize("page", ["", "tv"])
def test_a_first_temperature_and_the_alarm_of_a_client_without_one_get_a_badge(server: KegnetServer, browsers: Browsers, page: str) -> None:
    cellar = server.add_client(f"00000000{CLIENT[8:]}", "x", "Cellar")
    bar = add_quiet_client(server, f"00000001{CLIENT[8:]}", "Bar")
    browser = opened(browsers, server, page)
    assert badges(browser) == ["Garage 4.2 °C"]
    store(server.database, ping(cellar.key, now_ms(), 5400))
    wait_for(lambda: "Cellar 5.4 °C" in badges(browser))
    begin_silence(server, bar.uuid)
    wait_for(lambda: "Bar – silent" in badges(browser), limit_s=90)


def fridges(server: KegnetServer) -> list[int]:
    """The keys of clients whose temperatures are fine, more than the wall shows. The alarm limit of the last one is 6 °C."""
    found = [server.add_client(f"{number:08d}{CLIENT[8:]}", "x", f"Fridge {number}").key for number in range(FRIDGES)]
    store(server.database, *(ping(fridge, now_ms() - 15 * MINUTE_MS, 4000) for fridge in found))
    with server.writing() as connection:
        set_limits(connection, found[-1], None, 6000)
    return found


def test_the_alarm_of_a_fridge_without_a_badge_is_on_the_wall_each_time(server: KegnetServer, browsers: Browsers) -> None:
    last = fridges(server)[-1]
    browser = opened(browsers, server, "tv")
    assert not any(badge.startswith("Fridge 4") for badge in badges(browser))
    store(server.database, ping(last, now_ms() - 12 * MINUTE_MS, 9000), ping(last, now_ms(), 9100))
    wait_for(lambda: badges(browser)[0] == "Fridge 4 9.1 °C too warm", limit_s=90)
    store(server.database, ping(last, now_ms() + 1, 4000))
    wait_for(lambda: not any(badge.startswith("Fridge 4") for badge in badges(browser)), limit_s=90)


def test_events_of_a_fridge_without_a_badge_do_not_load_the_wall_again_each_time(server: KegnetServer, browsers: Browsers) -> None:
    last = fridges(server)[-1]
    browser = opened(browsers, server, "tv")
    browser.execute_script(EVENTS_AND_LOADS)
    store(server.database, ping(last, now_ms(), 4100))
    wait_for(lambda: browser.execute_script("return window.loads") >= 1)
    for number in range(3):
        events = browser.execute_script("return window.events")
        store(server.database, ping(last, now_ms(), 4200 + number))
        wait_for(lambda: browser.execute_script("return window.events") > events)  # noqa: B023
    # A stream that was opened again is one more reason to load. The wall waits up to 5 s before a load.
    assert stays(lambda: browser.execute_script("return window.loads <= 1 + window.reloads"), 6)


# Silence.


def test_after_15_s_of_silence_the_page_reports_how_old_it_is(server: KegnetServer, browsers: Browsers) -> None:
    browser = opened(browsers, server)
    assert not reports_silence(browser)
    heard = time.monotonic()
    store(server.database, ping(client_key(server.database, CLIENT), now_ms(), 5000))
    wait_for(lambda: "Garage 5.0 °C" in badges(browser))
    server.signal(signal.SIGSTOP)
    wait_for(lambda: reports_silence(browser), limit_s=60)
    assert time.monotonic() - heard >= 15
    stale = browser.find_element(By.ID, "stale")
    age = re.fullmatch(r"The server does not answer\. These values are (?:(\d+) seconds|1 minute) old\.", stale.text)
    assert age
    assert age[1] is None or (int(age[1]) >= 15 and int(age[1]) % 5 == 0)
    wait_for(lambda: re.search("([345][05] seconds|1 minute) old", stale.text))
    server.signal(signal.SIGCONT)
    wait_for(lambda: not stale.is_displayed(), limit_s=30)
    store(server.database, pour(client_key(server.database, CLIENT), now_ms(), 5600))
    wait_for(lambda: amount(browser, 0) == "8.2 l", limit_s=30)


def test_after_the_clock_was_set_back_silence_is_still_reported(server: KegnetServer, browsers: Browsers) -> None:
    browser = opened(browsers, server)
    browser.execute_script("const now = Date.now; Date.now = () => now() - 3600000;")
    server.signal(signal.SIGSTOP)
    wait_for(lambda: reports_silence(browser), limit_s=60)
    server.signal(signal.SIGCONT)
    wait_for(lambda: not browser.find_element(By.ID, "stale").is_displayed())


@contextlib.contextmanager
def refusing(port: int, status: int) -> Iterator[list[str]]:
    """A server that answers as a proxy does while the server behind it restarts. The paths that it was asked for."""
    asked: list[str] = []

    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(status)

        def log_message(self, *args: object) -> None:
            """Is silent."""

    with ThreadingHTTPServer(("127.0.0.1", port), Refuses) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [None, 502, 503])
def test_the_page_follows_again_after_a_restart(status: int | None, tmp_path: Path, browsers: Browsers) -> None:
    port = free_port()
    listen = f"127.0.0.1:{port}"
    with KegnetServer(tmp_path, listen=listen) as first:
        add_taps(first, 1)
        browser = opened(browsers, first)
    wait_for(lambda: not reads(browser))
    if status is not None:
        # An EventSource ends at such an answer and does not ask again by itself.
        with refusing(port, status) as asked:
            wait_for(lambda: asked.count("/events") > 1, limit_s=150)
    with KegnetServer(tmp_path, listen=listen) as second:
        # What was poured in between is there, too.
        store(second.database, pour(client_key(second.database, CLIENT), now_ms(), 5600))
        wait_for(lambda: reads(browser) and amount(browser, 0) == "8.2 l", limit_s=150)


def test_an_open_page_shows_the_log_in_when_reading_needs_one(server: KegnetServer, browsers: Browsers) -> None:
    server.set_password(PASSWORD)
    pages = {page: opened(browsers, server, page) for page in ("", CLIENT_PAGE, TAP_PAGE)}
    hidden = opened(browsers, server)
    hide(hidden, hidden=True)
    with server.writing() as connection:
        set_readers_password(connection, "guests only")
    for page, browser in pages.items():
        wait_for(lambda: browser.current_url == f"{server.page_url}login?next=/{page}")  # noqa: B023
    hide(hidden, hidden=False)
    wait_for(lambda: hidden.current_url == f"{server.page_url}login?next=/")


def test_a_wall_waits_until_reading_needs_no_log_in_again(server: KegnetServer, browsers: Browsers) -> None:
    server.set_password(PASSWORD)
    browser = opened(browsers, server, "tv")
    with server.writing() as connection:
        set_readers_password(connection, "guests only")
    wait_for(lambda: not reads(browser) and browser.execute_script("return !document.getElementById('stale').hidden"), limit_s=30)
    with server.writing() as connection:
        set_readers_password(connection, None)
    wait_for(lambda: reads(browser), limit_s=90)
    assert browser.current_url == f"{server.page_url}tv", "nobody logs in at a wall"


def test_a_page_of_a_captive_portal_changes_nothing(server: KegnetServer, browsers: Browsers) -> None:
    browser = opened(browsers, server)
    title = browser.title
    browser.execute_script("""
        window.asked = 0;
        window.fetch = async () => { window.asked++; return new Response("<title>Log in to the hotel</title>"); };
        document.dispatchEvent(new CustomEvent("kegnet:change", { detail: { reload: true } }));""")
    wait_for(lambda: browser.execute_script("return window.asked") > 1, limit_s=30)
    assert (browser.title, amount(browser, 0)) == (title, "9.2 l")


@pytest.mark.parametrize("page", [CLIENT_PAGE, TAP_PAGE])
def test_a_page_whose_client_was_removed_shows_that(server: KegnetServer, browsers: Browsers, page: str) -> None:
    browser = opened(browsers, server, page)
    with server.writing() as connection:
        remove_client(connection, CLIENT, now_ms())
    wait_for(lambda: "There is no such" in text(browser, "main"))


def test_a_page_whose_loads_are_always_refused_is_reloaded_once(server: KegnetServer, browsers: Browsers) -> None:
    browser = opened(browsers, server)
    refuse = """
        sessionStorage.opened = Number(sessionStorage.opened ?? 0) + 1;
        const load = window.fetch;
        window.fetch = (address, ...rest) => String(address).includes("/kegs") ? Promise.resolve(new Response("no", { status: 403 }))
          : load(address, ...rest);"""
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": refuse})
    browser.refresh()
    wait_for(lambda: browser.execute_script("return sessionStorage.opened") == "2")
    wait_for(lambda: browser.find_elements(By.ID, "stale"))
    assert stays(lambda: browser.execute_script("return sessionStorage.opened") == "2", 4)


# One stream.


def test_a_page_without_events_still_updates_the_ages(server: KegnetServer, browsers: Browsers) -> None:
    store(server.database, pour(client_key(server.database, CLIENT), now_ms() - 80_000, 56))
    browser = opened(browsers, server)
    shown = f"[data-tap='{CLIENT}-0'] [data-value=last] time"
    minutes = int(text(browser, shown).split()[0])
    wait_for(lambda: text(browser, shown) == f"{minutes + 1} minutes ago", limit_s=90)


def test_a_change_during_a_load_is_loaded_after_it(server: KegnetServer, browsers: Browsers) -> None:
    browser = opened(browsers, server)
    browser.execute_script("""
        const load = window.fetch;
        window.loads = 0;
        window.fetch = async (...words) => {
          const answer = await load(...words);
          window.loads++;
          if (window.loads === 1) await new Promise((resolve) => { window.goOn = resolve; });
          return answer;
        };
        const change = () => document.dispatchEvent(new CustomEvent("kegnet:change", { detail: { reload: true } }));
        change();
        window.change = change;""")
    wait_for(lambda: browser.execute_script("return window.loads") == 1)
    browser.execute_script("window.change(); setTimeout(window.goOn, 1000)")
    wait_for(lambda: browser.execute_script("return window.loads") >= 2)


def test_a_hidden_page_reads_no_stream_and_one_that_is_shown_again_catches_up(server: KegnetServer, browsers: Browsers) -> None:
    browser = opened(browsers, server)
    hide(browser, hidden=True)
    assert browser.execute_script("return window.streams.size") == 0
    store(server.database, pour(client_key(server.database, CLIENT), now_ms(), 5600))
    assert stays(lambda: amount(browser, 0) == "9.2 l", 0.5)
    hide(browser, hidden=False)
    wait_for(lambda: amount(browser, 0) == "8.2 l")
    wait_for(lambda: reads(browser))


@pytest.mark.parametrize(("page", "focused"), [(CLIENT_PAGE, f"[href='/{TAP_PAGE}']"), (TAP_PAGE, "[data-part] summary")])
def test_a_pour_leaves_the_focus_and_the_place_of_the_page(server: KegnetServer, browsers: Browsers, page: str, focused: str) -> None:
    client = client_key(server.database, CLIENT)
    browser = opened(browsers, server, page)
    browser.execute_script(
        "document.querySelector(arguments[0]).focus(); document.querySelector('main').style.minHeight = '300vh';", focused
    )
    browser.execute_script("window.before = document.activeElement; scrollTo(0, 9999); window.place = scrollY")
    assert browser.execute_script("return window.before.matches(arguments[0])", focused)
    store(server.database, pour(client, now_ms(), 5600))
    wait_for(lambda: browser.execute_script("return !window.before.isConnected"))
    wait_for(lambda: browser.execute_script("return document.activeElement.matches(arguments[0])", focused))
    assert browser.execute_script("return Math.abs(scrollY - window.place)") <= 2


def hide(browser: Any, *, hidden: bool) -> None:
    """What a browser does with a tab that another one covers."""
    browser.execute_script(f"""
        Object.defineProperty(document, "hidden", {{ value: {str(hidden).lower()}, configurable: true }});
        document.dispatchEvent(new Event("visibilitychange"));""")


def test_an_answer_that_was_made_before_an_event_does_not_hide_the_event(server: KegnetServer, browsers: Browsers) -> None:
    browser = opened(browsers, server)
    browser.execute_script("""
        const load = window.fetch;
        window.fetch = async (...words) => {
          const answer = await load(...words);
          window.answered = true;
          await new Promise((resolve) => { window.goOn = resolve; });
          return answer;
        };
        window.caughtUp = false;
        document.dispatchEvent(new CustomEvent("kegnet:change", { detail: { reload: true } }));""")
    wait_for(lambda: browser.execute_script("return window.answered"))
    store(server.database, pour(client_key(server.database, CLIENT), now_ms(), 5600))
    wait_for(lambda: amount(browser, 0) == "8.2 l")
    browser.execute_script("window.goOn()")
    wait_for(lambda: browser.execute_script("return window.caughtUp"))
    assert amount(browser, 0) == "8.2 l"


def test_the_windows_of_one_browser_share_a_stream(server: KegnetServer, browsers: Browsers) -> None:
    browser = opened(browsers, server)
    windows = [browser.current_window_handle]
    for page in ("", "tv"):
        browser.switch_to.new_window("window")
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": STREAMS})
        browser.get(server.page_url + page)
        assert not browser.execute_script("return document.hidden")
        windows.append(browser.current_window_handle)

    def streams() -> list[int]:
        return [_in(browser, window, "return window.streams.size") for window in windows]

    def amounts() -> set[str]:
        return {_in(browser, window, "return document.querySelector('[data-value=left]').textContent") for window in windows}

    wait_for(lambda: streams() == [1, 0, 0])
    store(server.database, pour(client_key(server.database, CLIENT), now_ms(), 5600))
    wait_for(lambda: amounts() == {"8.2 l"})
    # The window that reads is closed: another one goes on.
    browser.switch_to.window(windows.pop(0))
    browser.close()
    wait_for(lambda: sum(streams()) == 1)
    store(server.database, pour(client_key(server.database, CLIENT), now_ms(), 5600))
    wait_for(lambda: amounts() == {"7.2 l"})


def _in(browser: WebDriver, window: str, script: str) -> Any:
    browser.switch_to.window(window)
    return browser.execute_script(script)
