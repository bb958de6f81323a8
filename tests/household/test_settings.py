"""Changes over the pages: the password, the forms, and what they refuse."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kegnet.server.model.waiting import Waiting
from kegnet.server.storage.boards import Board, accept_board, board_uuid, remember_board
from kegnet.server.storage.clients import find_client, set_limits
from kegnet.server.storage.records import Client, Keg, Tap
from kegnet.server.storage.settings import household, set_household, set_setting
from kegnet.server.storage.waiting import remember_waiting
from kegnet.server.web import password, passwords
from support.history import client_key
from support.kegnet_server import KegnetServer, now_ms
from support.wait import is_quick, wait_for, within_a_minute
from support.web_requests import PASSWORD, Answer, Visitor, request, shown

ID = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
OF_THE_FIRST_SERVER = "pbkdf2:sha256:1000$XlIwduwXdW3pVJz2$eae90fab9b04c7be15dad14b4c0cd2e3f324ef0b6e766e59425141771390bd55"


class House:
    """A server with a client of two alarm limits, a tap and a keg, and with a password."""

    def __init__(self, folder: Path) -> None:
        self.server = KegnetServer(folder)
        self.server.add_client(ID, "x", "Garage")
        self.server.put_on(ID, 0, "IPA", on_ms=1000)
        with self.server.writing() as connection:
            set_limits(connection, client_key(self.server.database, ID), 2000, 6500)
            password.set_password(connection, PASSWORD)

    def post(self, path: str, **fields: str) -> Answer:
        return request(f"{self.server.page_url}{path}", form=fields, password=PASSWORD)

    @property
    def client(self) -> Client:
        with self.server.database.reading() as connection:
            client = find_client(connection, ID)
        assert client is not None
        return client

    @property
    def tap(self) -> Tap:
        return self.server.tap(ID)

    @property
    def keg(self) -> Keg | None:
        return self.server.keg_on(ID)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.server.stop()


@pytest.fixture(scope="module")
def unchanged_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """For tests that change nothing of it."""
    made = House(tmp_path_factory.mktemp("house"))
    yield made
    made.server.stop()


def test_without_a_password_nothing_can_be_changed(tmp_path: Path) -> None:
    with KegnetServer(tmp_path) as server:
        for answer in (
            request(f"{server.page_url}settings"),
            request(f"{server.page_url}settings", form={"day_begins_hour": "4"}, password="x"),
        ):
            assert answer.status == 403
            assert "kegnet-server password" in answer.text


def test_a_wrong_password_is_refused_and_logged_with_its_address(house: House) -> None:
    missing = request(f"{house.server.page_url}settings")
    wrong = request(f"{house.server.page_url}settings", password="open sesam")
    assert (missing.status, wrong.status) == (303, 401)
    assert wrong.headers["WWW-Authenticate"].startswith("Basic ")
    assert "wrong password from 127.0.0.1" in wait_for(house.server.log)
    assert request(f"{house.server.page_url}settings", password=PASSWORD).status == 200


def test_a_password_of_the_first_server_still_opens(house: House) -> None:
    with house.server.writing() as connection:
        set_setting(connection, password.SETTING, OF_THE_FIRST_SERVER)
    assert request(f"{house.server.page_url}settings", password=PASSWORD).status == 200


def test_wrong_passwords_are_limited_over_all_pages_and_the_page_stays_quick(house: House) -> None:
    paths = ("settings", f"clients/{ID}/name", f"taps/{ID}/0/settings", f"taps/{ID}/0/keg")

    def guess(number: int) -> int:
        path = paths[number % len(paths)]
        form = None if path == "settings" else {"name": "x"}
        return request(f"{house.server.page_url}{path}", form=form, password=f"guess {number}").status

    def page_s() -> float:
        begun = time.monotonic()
        assert request(house.server.page_url).status == 200
        return time.monotonic() - begun

    def guesses() -> tuple[list[int], int, str]:
        """The answers of many at the same moment, those of some one by one, and that to the right password."""
        with ThreadPoolExecutor(48) as threads:
            answers = [threads.submit(guess, number) for number in range(96)]
            assert is_quick(page_s, 5)
            statuses = [answer.result() for answer in answers]
        assert set(statuses) == {401, 429}
        # Of those at the same moment, two wait, and the others are not checked.
        statuses += [guess(number) for number in range(96, 96 + passwords.WRONG_PASSWORDS_A_MINUTE)]
        right = request(f"{house.server.page_url}settings", password=PASSWORD)
        return statuses, guess(1000), right.headers.get("Retry-After", "")

    statuses, last, retry_after = within_a_minute(guesses)
    assert statuses.count(401) == passwords.WRONG_PASSWORDS_A_MINUTE
    assert (last, retry_after) == (429, "60")


def test_an_invented_address_of_the_sender_gives_no_more_tries(tmp_path: Path) -> None:
    with KegnetServer(tmp_path / "server", None, "--proxy", "10.0.0.5") as server:
        server.set_password(PASSWORD)

        def guess(number: int) -> int:
            forwarded = {"X-Forwarded-For": f"192.0.2.{number}"}
            return request(f"{server.page_url}settings", password=f"guess {number}", headers=forwarded).status

        statuses = within_a_minute(lambda: [guess(number) for number in range(passwords.WRONG_PASSWORDS_A_MINUTE + 5)])
    assert statuses == [401] * passwords.WRONG_PASSWORDS_A_MINUTE + [429] * 5


def test_a_page_of_another_site_changes_nothing(house: House) -> None:
    url = f"{house.server.page_url}clients/{ID}/name"
    elsewhere = ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"})
    for headers in elsewhere:
        assert request(url, form={"name": "Evil"}, password=PASSWORD, headers=headers).status == 403
    assert house.client.name == "Garage"
    own = {"Origin": f"http://{urlsplit(url).netloc}"}
    assert request(url, form={"name": "Cellar"}, password=PASSWORD, headers=own).status == 303
    assert house.client.name == "Cellar"


def test_behind_a_proxy_with_a_host_of_its_own_the_browser_says_that_it_is_the_same_site(house: House) -> None:
    headers = {"Origin": "https://kegs.example", "Sec-Fetch-Site": "same-origin"}
    assert request(f"{house.server.page_url}clients/{ID}/name", form={"name": "Cellar"}, password=PASSWORD, headers=headers).status == 303


def test_a_change_is_logged_with_its_address(house: House) -> None:
    house.post(f"clients/{ID}/name", name="Cellar")
    wait_for(lambda: f"client {ID} changed by 127.0.0.1" in house.server.log())


def test_a_form_without_a_field_leaves_limits_as_they_are(house: House) -> None:
    assert house.post(f"clients/{ID}/limits", warmest="7").status == 303
    assert (house.client.name, house.client.coldest, house.client.warmest) == ("Garage", 2000, 7000)


def test_an_empty_field_removes_what_it_set(house: House) -> None:
    assert house.post(f"clients/{ID}/limits", coldest="", warmest="7,5").status == 303
    assert (house.client.coldest, house.client.warmest) == (None, 7500)


def test_an_undo_of_limits_is_exact_in_any_unit(house: House) -> None:
    visitor = Visitor(house.server.page_url).log_in()
    visitor.get(f"clients/{ID}")
    for before, field, limit in (((2000, 6500), "warmest", "9.125"), ((2000, None), "coldest", ""), ((-1234, None), "coldest", "")):
        with house.server.writing() as connection:
            set_limits(connection, client_key(house.server.database, ID), *before)
        assert visitor.post(f"clients/{ID}/limits", {field: limit}).status == 303
        assert (house.client.coldest, house.client.warmest) != before
        page = visitor.get(f"clients/{ID}").text
        flash = page[page.index('id="flash"') :].partition("</form>")[0]
        undo = dict(re.findall('<input type="hidden" name="([^"]+)" value="([^"]*)">', flash))
        visitor.post("choices", {"temperature": "F"})
        assert visitor.post(f"clients/{ID}/limits", undo).status == 303
        assert (house.client.coldest, house.client.warmest) == before


def test_a_form_of_limits_changes_only_what_differs_from_what_it_has_shown(house: House) -> None:
    visitor = Visitor(house.server.page_url).log_in()
    before = shown(visitor.get(f"clients/{ID}").text)
    with house.server.writing() as connection:
        set_limits(connection, client_key(house.server.database, ID), 2000, 9000)
    answer = visitor.post(f"clients/{ID}/limits", before | {"coldest": "3"})
    assert (answer.status, house.client.coldest, house.client.warmest) == (303, 3000, 9000)
    flash = visitor.get(f"clients/{ID}").text.split('id="flash"')[1].split("</form>")[0]
    assert "coldest_millicelsius" in flash
    assert "warmest_millicelsius" not in flash


def test_a_form_that_is_saved_unchanged_changes_nothing(house: House) -> None:
    visitor = Visitor(house.server.page_url).log_in()
    with house.server.writing() as connection:
        set_household(connection, volume="oz")
    for unit, glass, warmest in (("C", "16", "4.25"), ("F", "12", "38.25")):
        visitor.get("settings")
        visitor.post("choices", {"temperature": unit})
        visitor.post("settings", {"glass": glass})
        visitor.post(f"clients/{ID}/limits", {"coldest": "", "warmest": warmest})
        assert f'name="glass" value="{glass}"' in visitor.get("settings").text
        assert f'name="warmest" value="{warmest}"' in visitor.get(f"clients/{ID}").text
        assert 'name="coldest" value=""' in visitor.get(f"clients/{ID}").text


def test_limits_are_in_the_degrees_of_the_reader(house: House) -> None:
    url = f"{house.server.page_url}clients/{ID}/limits"
    request(url, form={"coldest": "32", "warmest": "50"}, password=PASSWORD, headers={"Cookie": "temperature=F"})
    assert (house.client.coldest, house.client.warmest) == (0, 10_000)


@pytest.mark.parametrize(
    ("path", "fields", "wrong"),
    [
        ("limits", {"warmest": "Kept", "coldest": "warm"}, "enter a number"),
        ("limits", {"coldest": "Kept", "warmest": "8"}, "enter a number"),
        ("limits", {"coldest": "9", "warmest": "8"}, "enter more than the limit below"),
        ("name", {"name": "Ke\x1bpt"}, "enter 1 to 80 characters"),
    ],
)
def test_a_wrong_value_names_its_field_and_keeps_what_was_typed(
    unchanged_house: House, path: str, fields: dict[str, str], wrong: str
) -> None:
    house = unchanged_house
    before = house.client, house.tap, house.keg
    answer = house.post(f"clients/{ID}/{path}", **fields)
    assert answer.status == 400
    assert wrong in answer.text
    assert all(f'value="{text}"' in answer.text for text in fields.values())
    assert (house.client, house.tap, house.keg) == before, "nothing of it is stored"


@pytest.mark.parametrize(
    ("path", "fields"),
    [("settings", {"public_url": "http://a\0b/"}), ("clients/waiting", {"uuid": "\0", "action": "accept"}), ("beers/new", {"\0": ""})],
)
def test_a_nul_character_is_refused_with_a_sentence(unchanged_house: House, path: str, fields: dict[str, str]) -> None:
    answer = unchanged_house.post(path, **fields)
    assert (answer.status, "contains a NUL character" in answer.text) == (400, True)


def test_the_time_zone_and_the_begin_of_the_day_can_be_set(house: House) -> None:
    assert house.post("settings", time_zone="America/Santiago", day_begins_hour="4").status == 303
    assert house.post("settings", time_zone="Mars/Olympus_Mons", day_begins_hour="24").status == 400
    with house.server.database.reading() as connection:
        settings = household(connection)
    assert (settings.time_zone, settings.day_begins_hour) == ("America/Santiago", 4)


def test_a_client_that_is_registered_again_does_not_ask_any_more(house: House) -> None:
    visitor = Visitor(house.server.page_url).log_in()
    visitor.get("clients")
    with house.server.writing() as connection:
        remember_board(connection, Board("kegboard-1", "192.168.1.7", 1, 1))
        accept_board(connection, "kegboard-1", now_ms())
    for uuid in (ID, board_uuid("kegboard-1")):
        assert visitor.post(f"clients/{uuid}/remove", {}).status == 303
        with house.server.writing() as connection:
            if uuid == ID:
                remember_waiting(connection, Waiting(ID, "192.168.1.7", "192.168.1.7", True, now_ms(), now_ms()))
            else:
                remember_board(connection, Board("kegboard-1", "192.168.1.7", 1, 1))
        assert "asks to be accepted" in visitor.get("clients").text
        assert visitor.post(f"clients/{uuid}/add", {}).status == 303
        assert "asks to be accepted" not in visitor.get("clients").text


def test_a_board_is_accepted_only_as_the_page_has_shown_it(house: House) -> None:
    def remember(network: str, *, local: bool) -> None:
        with house.server.writing() as connection:
            remember_board(connection, Board("kegboard-1", network, 1, 1, network=network, local=local))

    remember("203.0.113.5", local=False)
    visitor = Visitor(house.server.page_url).log_in()
    assert 'name="network" value="203.0.113.5"' in visitor.get("clients").text
    # Somebody in the network of the household takes its place.
    remember("192.168.1.66", local=True)
    sent = {"device": "kegboard-1", "network": "203.0.113.5", "action": "accept"}
    answer = visitor.post("clients/boards", sent)
    assert (answer.status, "asks from 192.168.1.66 now" in answer.text) == (400, True)
    assert [client["name"] for client in request(f"{house.server.page_url}api/clients").json()] == ["Garage"]
    assert visitor.post("clients/boards", sent | {"network": "192.168.1.66"}).status == 303


def test_a_board_is_accepted_or_declined_on_the_page(house: House) -> None:
    with house.server.writing() as connection:
        for device in ("kegboard-1", "<b>2</b>"):
            remember_board(connection, Board(device, "192.168.1.7", 1, 1))
    page = request(f"{house.server.page_url}clients", password=PASSWORD).text
    assert "kegboard-1" in page
    assert "192.168.1.7" in page
    assert "&lt;b&gt;2&lt;/b&gt;" in page
    assert house.post("clients/boards", device="kegboard-1", action="accept").status == 303
    visitor = Visitor(house.server.page_url).log_in()
    visitor.get("clients")
    assert visitor.post("clients/boards", {"device": "<b>2</b>", "action": "decline"}).status == 303
    assert "Declined. You can accept it later, under Declined." in visitor.get("clients", {"Accept": "text/html"}).text
    assert house.post("clients/boards", device="kegboard-3", action="accept").status == 400
    names = [client["name"] for client in request(f"{house.server.page_url}api/clients").json()]
    assert names == ["Garage", "kegboard-1"]
    page = request(f"{house.server.page_url}clients", password=PASSWORD).text
    assert "asks to be accepted" not in page
    assert "Declined (1)" in page
    assert "A board of this name is accepted already" not in page
    with house.server.writing() as connection:
        remember_board(connection, Board("kegboard-1", "192.168.1.9", 2, 2))
    assert "A board of this name is accepted already" in request(f"{house.server.page_url}clients", password=PASSWORD).text


@pytest.mark.parametrize(
    "path",
    [
        f"clients/{ID[:-1]}2/name",
        "clients/x/name",
        f"settings/{ID}",
        *(f"taps/{ID}/{pin}/{form}" for pin in ("7", "99999999999999", "9" * 5000, "-1", "x") for form in ("settings", "keg")),
    ],
    ids=lambda path: path[:60],
)
def test_what_is_not_there_cannot_be_changed(unchanged_house: House, path: str) -> None:
    assert unchanged_house.post(path, name="x", action="new").status == 404
