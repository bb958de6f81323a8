"""The set-up without a terminal on the server: `/welcome`, `/clients/add`, `/clients`, in a real browser with a real client."""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kegnet.core.fingerprint import fingerprint
from kegnet.server.model.registration import CodeState
from kegnet.server.model.waiting import Waiting
from kegnet.server.storage.boards import Board, remember_board
from kegnet.server.storage.clients import find_client
from kegnet.server.storage.codes import digest_of, last_code, new_code, try_code
from kegnet.server.storage.first_keg import remember_first_keg
from kegnet.server.storage.logins import remove_logins
from kegnet.server.storage.settings import get_setting, household, set_household
from kegnet.server.storage.waiting import declined_clients, find_waiting, remember_waiting
from kegnet.server.web import password
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import Select
from support.axe import axe_problems
from support.browsers import Browsers, log_in
from support.history import client_key, ping, pour, store
from support.keg import Keg
from support.kegnet_server import KegnetServer, now_ms
from support.layout import SIZES, layout_problems, resize
from support.pki import openssl
from support.wait import wait_for
from support.web_requests import PASSWORD, Answer, Visitor, request

ID, OTHER_ID = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11", "0b7a2e4c-90a4-4f0e-8d53-0f2f8a1f4d22"
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenschrankbeleuchtungsanlagenwart"
ARABIC = "مرحبا بكم في الحانة الجديدة"
PROXY = ("--proxy", "127.0.0.1")
NEAR = {"X-Forwarded-For": "192.168.1.7"}
"""From the own network, by the proxy."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KegnetServer]:
    """An empty server."""
    with KegnetServer(tmp_path / "server") as made:
        yield made


@pytest.fixture
def pi(tmp_path: Path) -> Iterator[Keg]:
    """A Pi on which kegnet-client is installed and nothing is configured."""
    made = Keg(tmp_path / "pi", tmp_path / "pi/conf/privkey.pem")
    yield made
    made.close()


def text(browser: WebDriver) -> str:
    """What the page shows, also while another one is being loaded."""
    return str(browser.execute_script("return document.querySelector('main')?.innerText ?? ''"))


def shown_report(browser: WebDriver) -> str:
    """What the page reports of the last change."""
    return str(browser.execute_script("return document.getElementById('flash')?.innerText ?? ''"))


def fill(browser: WebDriver, **values: str) -> None:
    """Enters values into the fields of these names."""
    for name, value in values.items():
        field = browser.find_element(By.NAME, name)
        if field.tag_name == "select":
            Select(field).select_by_value(value)
        else:
            field.clear()
            field.send_keys(value)


def run_on(pi: Keg, command: str) -> str:
    """Types a command of the page on the Pi; what it prints."""
    sudo, program, *words = shlex.split(command)
    assert (sudo, program) == ("sudo", "kegnet-client")
    done = pi.run_mode(*words)
    assert done.returncode == 0, done.stderr
    # The thermometer of this Pi is a folder of the test.
    if "w1Devices" not in pi.config.read_text():
        with pi.config.open("a") as file:
            file.write("w1Devices = ../w1\n")
    return done.stdout


def test_from_an_empty_server_to_the_first_pour_without_a_terminal_on_the_server(server: KegnetServer, pi: Keg, browsers: Browsers) -> None:
    """The steps, as the browser and the Pi do them:

    1. Open the page of the new server and press "Set up this server".
    2. Enter the password twice, a title, the units, the time zone, the first beer and the size of its keg. Press "Set up, and add a
       client".
    3. On the Pi, type the command that the page shows, with its code of 8 digits. The page shows that the client has come, and the
       fingerprint of its key.
    4. On the Pi, start the client. The page shows its first message, with the temperature.
    5. Pour. The page shows the first pour and asks on which tap the first beer is.
    6. Press that tap. The first page shows the beer and the pour.
    """
    browser = browsers.start()
    browser.get(server.page_url)
    browser.find_element(By.LINK_TEXT, "Set up this server").click()
    wait_for(lambda: browser.current_url == f"{server.page_url}welcome" and "Welcome" in text(browser))
    fill(browser, password=PASSWORD, password_again=PASSWORD, title="Garage", temperature="C", volume="l", time_zone="Europe/Vienna")
    fill(browser, beer="Two Sunsets IPA", keg="19000")
    browser.find_element(By.CSS_SELECTOR, "button.go").click()
    wait_for(lambda: browser.current_url == f"{server.page_url}clients/add" and "Register it" in text(browser))
    with server.database.reading() as c:
        home = household(c)
    assert (home.title, home.time_zone, home.temperature, home.volume) == ("Garage", "Europe/Vienna", "C", "l")

    command = browser.find_element(By.CSS_SELECTOR, "#step-1 .command").text
    assert re.fullmatch(rf"sudo kegnet-client --setup --server {server.base_url} --code [0-9]{{4}}-[0-9]{{4}}", command)
    printed = run_on(pi, command)
    wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "#step-1[data-done]"))
    public = openssl("rsa", "-in", pi.key, "-pubout").decode()
    assert fingerprint(public) in printed
    assert fingerprint(public) in text(browser)
    assert "has registered" in browser.find_element(By.ID, "news").get_attribute("textContent")

    assert browser.find_elements(By.CSS_SELECTOR, "#step-2[data-done]") == []
    pi.launch()
    wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "#step-2[data-done]"))
    wait_for(lambda: "The first message was received: 4.2 °C." in text(browser))

    pi.pour(f"17,2800,8213,{now_ms()}\n")
    wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "#step-3[data-done]"))
    assert "The first pour was received: 0.50 l at pin 17." in text(browser)

    browser.find_element(By.CSS_SELECTOR, "#step-4 button[name=tap]").click()
    wait_for(lambda: browser.current_url == server.page_url)
    wait_for(lambda: "Two Sunsets IPA" in text(browser))
    assert "18.5" in text(browser), "the first pour came from this keg"
    assert "0.50 l" in text(browser)
    browser.get(f"{server.page_url}welcome")
    assert browser.current_url == server.page_url, "it is for new servers"
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []


def test_a_client_that_waits_is_accepted_by_its_key_and_its_pours_come_by_themselves(
    server: KegnetServer, pi: Keg, browsers: Browsers
) -> None:
    printed = run_on(pi, f"sudo kegnet-client --setup --server {server.base_url}")
    client_id = re.findall(r"^ +([-0-9a-f]{36})$", printed, re.MULTILINE)[0]
    public = re.findall("-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", printed, re.DOTALL)[0]
    for number in range(3):
        pi.pour(f"0,{560 + number},8213,{now_ms() + number}\n")
    pi.launch()
    browser = browsers.start()
    log_in(browser, server)
    browser.get(f"{server.page_url}clients")
    wait_for(lambda: client_id in text(browser))
    assert "A client asks to be accepted" in text(browser)
    assert "127.0.0.1" in text(browser)

    form = browser.find_element(By.CSS_SELECTOR, "form[action='/clients/waiting']")
    form.find_element(By.NAME, "public_key").send_keys("AAAA")
    form.find_element(By.NAME, "name").send_keys("Garage")
    form.find_element(By.CSS_SELECTOR, "button[value=accept]").click()
    wait_for(lambda: "It is not an RSA public key in PEM form" in text(browser))
    field = browser.find_element(By.CSS_SELECTOR, "[name=public_key][aria-invalid]")
    assert field.get_attribute("value") == "AAAA", "what was typed is still there"
    assert browser.find_element(By.CSS_SELECTOR, "form[action='/clients/waiting'] [name=name]").get_attribute("value") == "Garage"
    field.clear()
    field.send_keys(public)
    browser.find_element(By.CSS_SELECTOR, "button[value=accept]").click()
    wait_for(lambda: f"Garage is accepted; the fingerprint of its key is {fingerprint(public)}." in shown_report(browser))
    assert client_id not in browser.find_element(By.ID, "waiting").text
    # Rule 4 of the contract: a client that is not authorised asks once a minute, and an accepted message releases all.
    wait_for(lambda: len(server.messages_of("pour", client_id)) == 3, limit_s=150)
    wait_for(lambda: not pi.waiting())
    wait_for(lambda: "Last message" in text(browser))


def test_the_first_keg_goes_on_a_tap_of_a_client_that_came_without_a_code(server: KegnetServer) -> None:
    with server.writing() as c:
        remember_first_keg(c, "Two Sunsets IPA", 19_000)
    server.set_password(PASSWORD)
    visitor = Visitor(server.page_url).log_in()
    assert "A tap is listed after its first pour." in visitor.get("clients/add").text
    server.add_client(ID, "x", "Garage")
    garage = client_key(server.database, ID)
    store(server.database, pour(garage, now_ms() - 60_000, 5600, 17), pour(garage, now_ms() - 50_000, 5600, 4))
    assert "Which tap has" in visitor.get("clients").text
    page = visitor.get("clients/add").text
    assert "Garage, pin 17" in page
    for wrong in (f"{ID}/5", f"{OTHER_ID}/17", "x", f"{ID}/99999", f"{ID[:-1]}é/17"):
        assert visitor.post("clients/first-keg", {"tap": wrong}).status == 400
    assert visitor.post("clients/first-keg", {"tap": f"{ID}/17"}).status == 303
    (tap,) = [tap for client in request(f"{server.page_url}api/clients").json() for tap in client["taps"] if tap["pin"] == 17]
    assert (tap["keg"]["beer"]["name"], tap["left_ml"]) == ("Two Sunsets IPA", 18_000.0)
    assert visitor.post("clients/first-keg", {"tap": f"{ID}/4"}).status == 400, "it is on"
    assert "Which tap" not in visitor.get("clients/add").text


# Who may claim a new server.


def claim(visitor: Visitor, secret: str = PASSWORD, **headers: str) -> Answer:
    visitor.get("welcome", headers)
    return visitor.post("welcome", {"password": secret, "password_again": secret, "title": "Garage", "time_zone": "UTC"}, headers)


def password_is_set(server: KegnetServer) -> bool:
    with server.database.reading() as c:
        return get_setting(c, password.SETTING) is not None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Forwarded-For": "8.8.8.8"}, 403), ({"X-Forwarded-For": "2a00:1450:4001::200e"}, 403), ({"X-Forwarded-For": "x"}, 403),
        ({"Host": "evil.example"}, 421), ({"Host": "192.168.1.7.evil.example:8080"}, 421),
        ({"Via": "1.1 proxy"}, 403), ({"Forwarded": "for=192.168.1.7"}, 403), ({"X-Forwarded-For": ""}, 403),
        ({}, 403), ({"X-Forwarded-For": " , "}, 403), ({"X-Forwarded-Proto": "https"}, 403), ({"X-Real-IP": "192.168.1.7"}, 403),
        ({"X-Forwarded-For": "192.168.1.7"}, 200), ({"X-Forwarded-For": "fd00::7"}, 200), ({"X-Forwarded-For": "fe80::7"}, 200),
        ({**NEAR, "Host": "kegs.local:8080"}, 200), ({**NEAR, "Host": "kegs"}, 200), ({**NEAR, "Host": "[::1]:8080"}, 200),
        ({**NEAR, "Host": "kegs.example.org"}, 200), ({"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"}, 200),
    ],
)  # fmt: skip
def test_only_the_own_network_may_claim_a_server(claimable: KegnetServer, headers: dict[str, str], status: int) -> None:
    answer = request(f"{claimable.page_url}welcome", headers=headers)
    # 421: a name by which another site can have led the browser here.
    assert answer.status == status
    if status != 200:
        assert status == 421 or "sudo kegnet-server password" in answer.text
        form = {"password": PASSWORD, "password_again": PASSWORD}
        assert request(f"{claimable.page_url}welcome", form=form, headers=headers).status in (403, 421)
    assert not password_is_set(claimable)


@pytest.fixture(scope="module")
def claimable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KegnetServer]:
    """A server without a password, for tests that do not set one."""
    with KegnetServer(tmp_path_factory.mktemp("server"), None, *PROXY, "--url", "https://kegs.example.org") as made:
        yield made


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded", "Forwarded", "Via", "X-Real-IP", "Client-IP",
        "True-Client-IP", "X-Client-IP", "X-Cluster-Client-IP", "Fastly-Client-IP", "CF-Connecting-IP", "X-Original-Forwarded-For",
    ],
)  # fmt: skip
def test_a_proxy_that_is_not_trusted_is_not_somebody_in_the_own_network(unproxied: KegnetServer, header: str) -> None:
    assert request(f"{unproxied.page_url}welcome").status == 200
    for address in ("8.8.8.8", "192.168.1.7"):
        assert request(f"{unproxied.page_url}welcome", headers={header: address}).status == 403


@pytest.fixture(scope="module")
def unproxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KegnetServer]:
    """The same without a proxy."""
    with KegnetServer(tmp_path_factory.mktemp("unproxied")) as made:
        yield made


def test_a_page_of_another_site_cannot_claim_a_server(unproxied: KegnetServer) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert claim(Visitor(unproxied.page_url), **headers).status == 403
    without_token = Visitor(unproxied.page_url)
    without_token.get("welcome")
    without_token.token = ""
    assert without_token.post("welcome", {"password": PASSWORD, "password_again": PASSWORD}).status == 403
    assert not password_is_set(unproxied)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"password": "short"}, "choose one of 8 characters or more"), ({"password_again": "open sesame!"}, "not the same password"),
        ({"time_zone": "Mars/Olympus_Mons"}, "choose one of the list"), ({"temperature": "K"}, "choose one of the list"),
        ({"volume": "hogshead"}, "choose one of the list"), ({"keg": "7"}, "choose one of the list"), ({"title": ""}, "1 to 80 characters"),
        ({"beer": "a\x1bb"}, "without control characters"),
    ],
)  # fmt: skip
def test_a_wrong_answer_sets_nothing_and_is_explained_beside_its_field(unproxied: KegnetServer, wrong: dict[str, str], said: str) -> None:
    visitor = Visitor(unproxied.page_url)
    visitor.get("welcome")
    right = {"password": PASSWORD, "password_again": PASSWORD, "title": "Garage & <b>", "time_zone": "UTC", "beer": "IPA", "keg": "19000"}
    answer = visitor.post("welcome", {**right, **wrong})
    assert answer.status == 400
    assert said in answer.text
    if "title" not in wrong:
        assert "Garage &amp; &lt;b&gt;" in answer.text
    assert PASSWORD not in answer.text
    assert not password_is_set(unproxied)


def test_the_time_zones_are_those_of_places_and_the_one_that_is_set(unproxied: KegnetServer) -> None:
    with unproxied.writing() as connection:
        set_household(connection, time_zone="Japan")
    page = Visitor(unproxied.page_url).get("welcome").text
    zones = re.findall('<option value="([^"]+)"', page)
    assert {"Europe/Berlin", "UTC", "Japan"} <= set(zones)
    assert not {"Factory", "localtime", "Zulu"} & set(zones)
    assert '<option value="Japan" selected' in page


def test_of_many_who_claim_a_server_at_the_same_time_one_succeeds(url: str, tmp_path: Path) -> None:
    with KegnetServer(tmp_path, url=url) as server:
        visitors = [Visitor(server.page_url) for _ in range(4)]
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda number: claim(visitors[number], f"password {number}"), range(4)))
        assert [answer.status for answer in answers] == [303] * 4
        (winner,) = [number for number, answer in enumerate(answers) if answer.headers["Location"] == "/clients/add"]
        assert visitors[winner].get("clients").status == 200, "the winner is logged in"
        assert visitors[(winner + 1) % 4].get("clients").status == 303
        assert Visitor(server.page_url).log_in(f"password {winner}").get("clients").status == 200
        assert claim(Visitor(server.page_url), "another password").headers["Location"] == "/"


# The pages.


def test_a_code_is_shown_by_the_browser_that_asked_for_it(server: KegnetServer) -> None:
    server.set_password(PASSWORD)
    visitor, other = Visitor(server.page_url).log_in(), Visitor(server.page_url).log_in()
    assert visitor.get("clients/add").status == 200
    assert visitor.post("clients/code").headers["Location"] == "/clients/add"
    shown = re.findall("[0-9]{4}-[0-9]{4}", visitor.get("clients/add").text)
    assert len(set(shown)) == 1
    page = other.get("clients/add").text
    assert shown[0] not in page
    assert "Another browser shows a code that is valid until" in page
    assert request(f"{server.page_url}clients/add").status == 303, "nobody else sees any of it"
    assert request(f"{server.page_url}clients/code", form={}).status == 403


def test_what_a_client_sent_before_it_was_registered_again_does_not_count(server: KegnetServer) -> None:
    server.set_password(PASSWORD)
    client = server.add_client(ID, "an earlier key", "Garage")
    server.set_tap(ID, 0)
    long_ago = now_ms() - 20 * 86_400_000
    store(server.database, ping(client.key, long_ago, 4000), pour(client.key, long_ago, 1848, 0))
    visitor = Visitor(server.page_url).log_in()
    with server.writing() as connection:
        digits, code = new_code(connection, now_ms()), last_code(connection)
        assert code is not None
        assert try_code(connection, code.salt, digest_of(digits, code.salt), ID, now_ms()) is CodeState.OPEN
    page = visitor.get("clients/add").text
    assert "has registered" in page
    assert "was received" not in page
    store(server.database, ping(client.key, now_ms() + 1, 4000), pour(client.key, now_ms() + 1, 1848, 0))
    page = visitor.get("clients/add").text
    assert "The first message was received: 4.0" in page
    assert "The first pour was received" in page


def test_clients_are_added_by_hand_declined_and_shown_again(server: KegnetServer, key: Path) -> None:
    server.set_password(PASSWORD)
    visitor, public = Visitor(server.page_url).log_in(), openssl("rsa", "-in", key, "-pubout").decode()
    assert "No client yet" in visitor.get("clients").text
    assert visitor.post("clients/new", {"uuid": "x", "public_key": public}).status == 400
    short = openssl("rsa", "-in", "/dev/stdin", "-pubout", given=openssl("genrsa", "1024")).decode()
    assert "It has 1024 bits; at least 2048 are needed." in visitor.post("clients/new", {"uuid": ID, "public_key": short}).text
    indented = "\r\n".join(f"  {line} " for line in public.splitlines())
    assert visitor.post("clients/new", {"uuid": f" {ID.upper()} ", "public_key": indented, "name": "Garage"}).status == 303
    with server.database.reading() as c:
        client = find_client(c, ID)
    assert client is not None
    assert (client.name, client.public_key) == ("Garage", public)
    with server.writing() as c:
        remember_waiting(c, Waiting(OTHER_ID, "192.168.1.7", "192.168.1.7", True, now_ms(), now_ms()))
    assert OTHER_ID in visitor.get("clients").text
    assert visitor.post("clients/waiting", {"uuid": OTHER_ID, "action": "decline"}).status == 303
    with server.database.reading() as c:
        assert [each.uuid for each in declined_clients(c)] == [OTHER_ID]
    assert "Declined (1)" in visitor.get("clients").text
    assert visitor.post("clients/waiting", {"uuid": OTHER_ID, "action": "forget"}).status == 303
    with server.database.reading() as c:
        assert find_waiting(c, OTHER_ID) is None
    assert visitor.post("clients/waiting", {"uuid": OTHER_ID, "action": "accept", "public_key": public}).status == 400
    assert visitor.post("clients/waiting", {"uuid": "\0", "action": "x"}).status == 400


def test_the_page_for_a_new_client_leads_to_the_log_in_when_its_session_has_ended(server: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start()
    log_in(browser, server)
    browser.get(f"{server.page_url}clients/add")
    with server.writing() as c:
        remove_logins(c, "administrator")
    wait_for(lambda: browser.current_url == f"{server.page_url}login?next=/clients/add")


def test_the_page_for_a_new_client_reports_a_silent_server(server: KegnetServer, browsers: Browsers) -> None:
    browser = browsers.start()
    log_in(browser, server)
    browser.get(f"{server.page_url}clients/add")
    stale = "const notice = document.getElementById('stale'); return notice !== null && notice.checkVisibility()"
    server.signal(signal.SIGSTOP)
    try:
        wait_for(lambda: browser.execute_script(stale))
    finally:
        server.signal(signal.SIGCONT)
    wait_for(lambda: not browser.execute_script(stale))


def test_what_was_typed_stays_after_an_error_when_another_client_asks(server: KegnetServer, browsers: Browsers) -> None:
    def ask(client_id: str) -> None:
        with server.writing() as c:
            remember_waiting(c, Waiting(client_id, "192.168.1.7", "192.168.1.7", True, now_ms(), now_ms()))

    def typed() -> list[str]:
        return [browser.find_element(By.ID, f"{name}-{ID}").get_attribute("value") or "" for name in ("key", "name")]

    ask(ID)
    browser = browsers.start()
    log_in(browser, server)
    browser.get(f"{server.page_url}clients")
    form = browser.find_element(By.CSS_SELECTOR, "form[action='/clients/waiting']")
    form.find_element(By.NAME, "public_key").send_keys("AAAA")
    form.find_element(By.NAME, "name").send_keys("Garage")
    form.find_element(By.CSS_SELECTOR, "button[value=accept]").click()
    wait_for(lambda: "It is not an RSA public key in PEM form" in text(browser))
    loads = "return performance.getEntriesByType('resource').filter(({ name }) => name.includes('/clients?page')).length"
    ask(OTHER_ID)
    before = browser.execute_script(loads)
    wait_for(lambda: browser.execute_script(loads) > before + 2)
    assert typed() == ["AAAA", "Garage"]
    for name in ("key", "name"):
        browser.find_element(By.ID, f"{name}-{ID}").clear()
    browser.execute_script("document.activeElement.blur()")
    wait_for(lambda: OTHER_ID in text(browser))


def fill_with_names_that_are_hard_to_set(server: KegnetServer, public: str) -> None:
    """Clients, waiting clients and boards with long and Arabic names."""
    for number, name in enumerate((LONG, ARABIC, "Garage", "Bar")):
        server.add_client(f"{number:08d}{ID[8:]}", public, name)
    garage = client_key(server.database, f"{2:08d}{ID[8:]}")
    store(server.database, ping(garage, now_ms() - 60_000, 4187), pour(garage, now_ms() - 30_000, 1200, 17))
    with server.writing() as c:
        for client_id, wrong_key in ((OTHER_ID, False), (f"{0:08d}{ID[8:]}", True)):
            address = "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff"
            remember_waiting(c, Waiting(client_id, address, address, True, now_ms() - 300_000, now_ms(), wrong_key))
        for device in (LONG, ARABIC):
            remember_board(c, Board(device, "192.168.1.99", now_ms(), now_ms()))


def test_the_pages_fit_every_screen_and_can_be_used_by_everybody(server: KegnetServer, browsers: Browsers, key: Path) -> None:
    browser = browsers.start()
    browser.get(f"{server.page_url}welcome")
    check_page(browser)
    fill(browser, password=PASSWORD, password_again=PASSWORD, title=LONG, beer=ARABIC)
    browser.execute_script("document.querySelector('[name=password_again]').value = 'x'")
    browser.find_element(By.CSS_SELECTOR, "button.go").click()
    wait_for(lambda: "this is not the same password" in text(browser))
    check_page(browser)
    fill(browser, password=PASSWORD, password_again=PASSWORD)
    browser.find_element(By.CSS_SELECTOR, "button.go").click()
    wait_for(lambda: browser.current_url.endswith("/clients/add") and "Register it" in text(browser))
    check_page(browser)
    fill_with_names_that_are_hard_to_set(server, openssl("rsa", "-in", key, "-pubout").decode())
    browser.get(f"{server.page_url}clients")
    browser.execute_script("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    check_page(browser)


def check_page(browser: webdriver.Chrome) -> None:
    """The page that is open, on every screen, light and dark."""
    for size in SIZES:
        resize(browser, size, dark=size[0] > 1000)
        assert layout_problems(browser) == [], size
    for size, dark in ((SIZES[1], True), (SIZES[3], False)):
        resize(browser, size, dark=dark)
        assert axe_problems(browser) == [], (size, dark)
