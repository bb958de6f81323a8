"""The log-in: sessions, the tokens of forms, and who may read."""

from __future__ import annotations

from collections.abc import Iterator
from http.cookiejar import Cookie
from pathlib import Path

import pytest
from kegnet.server.storage.settings import household
from support.kegnet_server import KegnetServer
from support.pki import Certificate
from support.wait import wait_for
from support.web_requests import PASSWORD, Visitor, request

COOKIE = "kegnet_session"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KegnetServer]:
    with KegnetServer(tmp_path / "server") as made:
        made.set_password(PASSWORD)
        yield made


@pytest.fixture
def visitor(server: KegnetServer) -> Visitor:
    return Visitor(server.page_url)


def cookie(visitor: Visitor) -> Cookie | None:
    return next((each for each in visitor.jar if each.name == COOKIE), None)


def day_begins(server: KegnetServer) -> int:
    with server.database.reading() as connection:
        return household(connection).day_begins_hour


def test_who_logs_in_comes_back_to_the_page_and_may_change_things(server: KegnetServer, visitor: Visitor) -> None:
    sent_away = visitor.get("settings?page=1")
    assert (sent_away.status, sent_away.headers["Location"]) == (303, "/login?next=/settings%3Fpage%3D1")
    page = visitor.get("login?next=/settings%3Fpage%3D1")
    assert 'name="next" value="/settings?page=1"' in page.text
    answer = visitor.post("login", {"password": PASSWORD, "next": "/settings?page=1"})
    assert (answer.status, answer.headers["Location"]) == (303, "/settings?page=1")
    assert visitor.get("settings").status == 200
    assert visitor.post("settings", {"day_begins_hour": "4"}).status == 303
    assert day_begins(server) == 4
    wait_for(lambda: "log-in as administrator from 127.0.0.1" in server.log())


def test_a_form_without_the_token_of_its_session_is_refused(server: KegnetServer, visitor: Visitor) -> None:
    visitor.log_in()
    other = Visitor(server.page_url).log_in()
    for token in ("", "x", other.token, visitor.token[:-1]):
        assert visitor.post("settings", {"day_begins_hour": "4", "csrf_token": token}).status == 403
    assert day_begins(server) == 0
    assert visitor.post("settings", {"day_begins_hour": "4", "csrf_token": "x"}, {"X-CSRF-Token": visitor.token}).status == 303
    assert day_begins(server) == 4


def test_a_page_of_another_site_can_use_no_session(server: KegnetServer, visitor: Visitor) -> None:
    visitor.log_in()
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        for path in ("settings", "logout"):
            assert visitor.post(path, {"day_begins_hour": "4"}, headers).status == 403
    assert day_begins(server) == 0
    stranger = Visitor(server.page_url)
    stranger.get("login")
    assert stranger.post("login", {"password": PASSWORD}, {"Origin": "https://evil.example"}).status == 403, "nor log anybody in"
    assert stranger.post("login", {"password": PASSWORD, "csrf_token": "x"}).status == 403


def test_a_session_from_before_the_log_in_gets_no_rights(server: KegnetServer, visitor: Visitor) -> None:
    visitor.get("login")
    before = cookie(visitor)
    assert before is not None
    visitor.log_in()
    after = cookie(visitor)
    assert after is not None
    assert after.value != before.value
    assert request(f"{server.page_url}settings", headers={"Cookie": f"{COOKIE}={before.value}"}).status == 303


def test_the_cookie_is_for_this_server_alone(server: KegnetServer, tmp_path: Path, certificate: Certificate) -> None:
    with KegnetServer(tmp_path / "tls", certificate) as encrypted:
        encrypted.set_password(PASSWORD)
        for each, is_secure in ((server, False), (encrypted, True)):
            visitor = Visitor(each.page_url).log_in()
            sent = visitor.get("login?next=/").headers.get("Set-Cookie")
            assert sent is None, "it is sent only when it changes"
            anonymous = Visitor(each.page_url).get("login").headers["Set-Cookie"].lower()
            assert ("; secure" in anonymous) == is_secure
            assert "; httponly; samesite=lax" in anonymous
            assert "max-age=2592000" in anonymous
            assert "domain=" not in anonymous


def test_the_first_page_sets_no_cookie(visitor: Visitor) -> None:
    assert visitor.get().status == 200
    assert list(visitor.jar) == []


def test_a_copy_of_the_cookie_is_worth_nothing_after_the_log_out(server: KegnetServer, visitor: Visitor) -> None:
    visitor.log_in()
    copy = cookie(visitor)
    assert copy is not None
    headers = {"Cookie": f"{COOKIE}={copy.value}"}
    assert request(f"{server.page_url}settings", headers=headers).status == 200
    assert visitor.get("logout").status == 405
    assert visitor.post("logout").status == 303
    assert cookie(visitor) is None
    assert visitor.get("settings").status == 303
    assert request(f"{server.page_url}settings", headers=headers).status == 303


def test_a_new_password_ends_all_sessions(server: KegnetServer, visitor: Visitor) -> None:
    visitor.log_in()
    server.set_password("another password")
    assert visitor.get("settings").status == 303


@pytest.mark.parametrize(
    "text", ["https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example", "/%0d/../\t/evil", "x", "", "/ x", "/login"]
)
def test_the_log_in_leads_nowhere_else(visitor: Visitor, text: str) -> None:
    visitor.get("login")
    answer = visitor.post("login", {"password": PASSWORD, "next": text})
    assert (answer.status, answer.headers["Location"]) == (303, "/")


def test_a_wrong_password_is_explained_beside_its_field(server: KegnetServer, visitor: Visitor) -> None:
    visitor.get("login")
    answer = visitor.post("login", {"password": "wrong", "next": "/settings"})
    assert answer.status == 401
    assert "WWW-Authenticate" not in answer.headers, "the browser would ask with a window of its own"
    assert "the password is wrong" in answer.text
    assert 'value="/settings"' in answer.text
    assert 'value="wrong"' not in answer.text
    assert visitor.post("login", {"password": PASSWORD}).status == 303, "the form is still good"


def test_a_browser_without_cookies_is_told_so(server: KegnetServer) -> None:
    answer = request(f"{server.page_url}login", form={"password": PASSWORD})
    assert answer.status == 400
    assert "allow cookies" in answer.text


def test_saved_is_reported_once(visitor: Visitor) -> None:
    visitor.log_in()
    visitor.post("settings", {"day_begins_hour": "4"})
    assert visitor.get("settings").text.count("Saved.") == 1
    assert "Saved." not in visitor.get("settings").text
