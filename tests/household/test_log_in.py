"""The log-in: sessions, the tokens of forms, and who may read."""

from __future__ import annotations

import hashlib
import os
import re
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http.cookiejar import Cookie
from pathlib import Path

import pytest
import sqlalchemy as sa
from kegnet.server.storage.settings import household
from kegnet.server.web.access import OPEN, WALL
from kegnet.server.web.app import PAGES
from kegnet.server.web.password import set_password, set_readers_password, store_password
from kegnet.server.web.wall_link import new_wall_token, remove_wall_token
from support.kegnet_server import KegnetServer
from support.pki import Certificate
from support.wait import wait_for
from support.web_requests import PASSWORD, Visitor, request

COOKIE = "kegnet_session"
READERS = "guests welcome"
ID = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
BROWSER = {"Accept": "text/html,*/*;q=0.8"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[KegnetServer]:
    with KegnetServer(tmp_path / "server") as made:
        made.set_password(PASSWORD)
        yield made


@pytest.fixture
def private(server: KegnetServer) -> KegnetServer:
    """A server where reading needs a password."""
    with server.writing() as connection:
        set_readers_password(connection, READERS)
    return server


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
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "http://["}, {"Sec-Fetch-Site": "cross-site"}):
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
    assert visitor.get("settings").text.count("The settings are saved.") == 1
    assert "The settings are saved." not in visitor.get("settings").text


@pytest.mark.parametrize(
    ("other", "headers"),
    [
        ("favicon.ico", {}), ("beers/1/picture", {}), ("beers", {}), ("beers/2", {}), ("login", {}),
        ("settings", {"Accept": "*/*"}), ("settings", {"Accept": "image/webp,*/*"}),
    ],
)  # fmt: skip
def test_another_request_of_the_browser_leaves_the_report_to_its_page(visitor: Visitor, other: str, headers: dict[str, str]) -> None:
    visitor.log_in()
    visitor.post("settings", {"day_begins_hour": "4"})
    assert "The settings are saved." not in visitor.get(other, headers).text
    page = visitor.get("settings?from=elsewhere", {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}).text
    assert "The settings are saved." in page
    assert '<button class="plain">Undo</button>' in page


def test_a_report_of_a_part_of_a_page_is_shown_by_that_page(visitor: Visitor) -> None:
    visitor.log_in()
    assert visitor.post("settings/wall", {"action": "new"}).headers["Location"] == "/settings#wall"
    assert "The wall has a new link." in visitor.get("settings").text


def all_paths(server: KegnetServer) -> list[str]:
    """A path of each page and each part of the API, so that none can be forgotten."""
    described = request(f"{server.page_url}api/openapi.json", password=PASSWORD).json()["paths"]
    paths = [re.sub(r"{[^}]*uuid}|{client[^}]*}", ID, path) for path in (*described, *(route.path for route in PAGES))]
    known = {re.sub(r"{[^}]*}", "1", path).removeprefix("/") for path in paths if not path.startswith("/rest/")}
    return sorted(known | {"api/openapi.json", "no/such/page"})


def test_where_reading_needs_a_password_no_route_is_forgotten(private: KegnetServer) -> None:
    paths = all_paths(private)
    assert len(paths) > 12
    assert {"", "kegs", "events", "settings", f"csv/{ID}/pours.csv", "api/beers"} <= set(paths)
    for path in paths:
        page, fetched = (request(f"{private.page_url}{path}", headers=headers) for headers in (BROWSER, {"Accept": "*/*"}))
        if f"/{path}" in OPEN:
            assert page.status in (200, 303, 404, 405), path
            assert "/login" not in page.headers.get("Location", ""), path
        else:
            assert (page.status, page.headers["Location"]) == (303, f"/login?next=/{path}"), path
            assert fetched.status == (401 if path.startswith(("api/", "csv/")) else 403), path
            assert private.page_url not in fetched.text
        changing = request(f"{private.page_url}{path}", form={})
        assert changing.status == 403 or (f"/{path}" in OPEN and changing.status in (303, 400, 404, 405)), path


def test_both_passwords_read_and_only_the_administrators_changes(private: KegnetServer, visitor: Visitor) -> None:
    visitor.get("login")
    assert visitor.post("login", {"password": READERS}).headers["Location"] == "/"
    assert visitor.get("").status == 200
    assert visitor.get("api/beers").status == 200
    assert visitor.get("settings", BROWSER).headers["Location"] == "/login?next=/settings"
    asked = visitor.get("login?next=/settings")
    assert "administrator" in asked.text
    assert visitor.post("settings", {"day_begins_hour": "4"}).status == 403
    assert visitor.post("login", {"password": PASSWORD, "next": "/settings"}).headers["Location"] == "/settings"
    assert visitor.get("settings").status == 200
    for password, status in ((READERS, 200), (PASSWORD, 200), ("wrong", 401)):
        assert request(f"{private.page_url}api/beers", password=password).status == status
    assert request(f"{private.page_url}settings", form={"day_begins_hour": "4"}, password=READERS).status == 403
    assert request(f"{private.page_url}metrics").status == 200, "Prometheus has no password"


def test_a_new_readers_password_logs_readers_out_and_without_one_everybody_reads(private: KegnetServer, visitor: Visitor) -> None:
    visitor.get("login")
    visitor.post("login", {"password": READERS})
    administrator = Visitor(private.page_url).log_in()
    with private.writing() as connection:
        set_readers_password(connection, "other guests")
    assert visitor.get("", BROWSER).status == 303
    assert administrator.get("").status == 200
    with private.writing() as connection:
        set_readers_password(connection, None)
    assert visitor.get("").status == 200


WAITING = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
"""How many transactions of PostgreSQL wait for another one."""


def sessions(server: KegnetServer) -> int:
    with server.database.reading() as connection:
        return int(connection.execute(sa.text("SELECT count(*) FROM login")).scalar_one())


def log_in_later(server: KegnetServer, threads: ThreadPoolExecutor) -> Future[int]:
    """The status of a log-in with the password, which runs meanwhile."""
    visitor = Visitor(server.page_url)
    visitor.get("login")
    return threads.submit(lambda: visitor.post("login", {"password": PASSWORD}).status)


def cpu_s(server: KegnetServer) -> float:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_old_password_gives_no_session_while_it_is_changed(server: KegnetServer) -> None:
    slow = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"XlIwduwXdW3pVJz2", 3_000_000).hex()
    with server.writing() as connection:
        store_password(connection, f"pbkdf2:sha256:3000000$XlIwduwXdW3pVJz2${slow}")
    visitor = Visitor(server.page_url)
    visitor.get("login")
    with ThreadPoolExecutor(1) as threads:
        # The log-in checks the old password until this ends, or waits for this with its session.
        with server.writing() as connection:
            set_password(connection, "better sesame")
            before = cpu_s(server)
            answer = threads.submit(lambda: visitor.post("login", {"password": PASSWORD}).status)
            wait_for(lambda: answer.done() or cpu_s(server) > before + 0.3)
        assert answer.result() == 401
    assert sessions(server) == 0


def test_a_log_in_waits_for_the_change_of_its_password_on_postgresql(tmp_path: Path, new_url: Callable[[str], str]) -> None:
    with KegnetServer(tmp_path / "server", url=new_url("postgresql")) as server, ThreadPoolExecutor(1) as threads:
        server.set_password(PASSWORD)
        with server.writing() as connection:
            set_password(connection, "better sesame")
            answer = log_in_later(server, threads)
            wait_for(lambda: answer.done() or connection.execute(WAITING).scalar())
        assert answer.result() == 401
        assert sessions(server) == 0


def test_a_readers_password_ends_the_open_streams(server: KegnetServer) -> None:
    with urllib.request.urlopen(f"{server.page_url}events", timeout=30) as stream:
        assert stream.readline() == b"retry: 5000\n"
        with server.writing() as connection:
            set_readers_password(connection, READERS)
        assert b'"setting"' in stream.read().splitlines()[-2], "it has ended"
    assert request(f"{server.page_url}events", headers=BROWSER, method="HEAD").status == 303


def test_the_walls_link_opens_the_wall_and_nothing_else(private: KegnetServer) -> None:
    with private.writing() as connection:
        token = new_wall_token(connection)
    opened = []
    for path in all_paths(private):
        url = f"{private.page_url}{path}?token={token}"
        answer = request(url, headers=BROWSER, method="HEAD" if path == "events" else "GET")
        if answer.status not in (303, 403) and f"/{path}" not in OPEN:
            opened.append(path)
            assert WALL.fullmatch(f"/{path}"), path
        assert f"/{path}" in OPEN or request(url, form={}).status == 403, path
        assert request(f"{url}x", headers=BROWSER).status != 200 or f"/{path}" in OPEN, path
    assert "events" in opened
    assert request(f"{private.page_url}static/base.css").status == 200
    with private.writing() as connection:
        remove_wall_token(connection)
    for query in (f"?token={token}", "?token=", "?token=None"):
        assert request(f"{private.page_url}events{query}", headers=BROWSER, method="HEAD").status == 303


def test_a_name_that_another_site_can_have_changes_and_reads_nothing_private(server: KegnetServer, visitor: Visitor) -> None:
    evil = {"Host": "evil.example"}
    assert request(server.page_url, headers=evil).status == 200, "everybody may read this"
    for answer in (
        request(f"{server.page_url}settings", headers=evil, password=PASSWORD),
        request(f"{server.page_url}settings", form={"day_begins_hour": "4"}, headers=evil, password=PASSWORD),
        request(f"{server.page_url}login", headers=evil),
        request(f"{server.page_url}login", form={"password": PASSWORD}, headers=evil),
    ):
        assert answer.status == 421
        assert "evil.example is not a known name of this server; add it to names in /etc/kegnet-server.conf" in answer.text
    for host in ("kegs.local", "kegs", "192.168.1.7:8080"):
        assert request(f"{server.page_url}settings", form={"day_begins_hour": "4"}, headers={"Host": host}, password=PASSWORD).status == 303
    with server.writing() as connection:
        set_readers_password(connection, READERS)
    assert request(server.page_url, headers=evil, password=READERS).status == 421


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200), ({"Host": "kegs.local:8080"}, 200), ({"Host": "192.168.1.7"}, 200), ({"Host": "evil.example"}, 421),
        ({"Host": "192.168.1.7.evil.example"}, 421), ({"Host": "evil.example", "X-Forwarded-Proto": "https"}, 421),
    ],
)  # fmt: skip
def test_metrics_need_no_password_but_a_name_of_this_server(private: KegnetServer, headers: dict[str, str], status: int) -> None:
    answer = request(f"{private.page_url}metrics", headers=headers)
    assert answer.status == status
    assert ("kegnet_" in answer.text) is (status == 200)


def test_a_name_of_the_configuration_and_every_name_of_a_certificate_is_known(tmp_path: Path, certificate: Certificate) -> None:
    with KegnetServer(tmp_path / "a", None, "--names", "kegs.example") as named, KegnetServer(tmp_path / "b", certificate) as encrypted:
        for server in (named, encrypted):
            server.set_password(PASSWORD)
            visitor = Visitor(server.page_url)
            visitor.get("login", {"Host": "kegs.example"})
            assert visitor.post("login", {"password": PASSWORD}, {"Host": "kegs.example"}).status == 303
