"""The stand-in KegNet's application, asked over WSGI."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from kegnet.server.app import create_app
from kegnet.server.password import set_password
from kegnet.server.store import Store
from support.pki import openssl, signature

CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
POUR = {"id": CLIENT, "pin": "0", "pulses": "586", "et": "8213", "ts": "1372686435017"}


@pytest.fixture
def server(tmp_path: Path, key: Path) -> Iterator[FlaskClient]:
    store = Store(f"sqlite:///{tmp_path}/kegnet.sqlite")
    store.set_client(CLIENT, public_key=openssl("rsa", "-in", key, "-pubout").decode())
    set_password(store, "open sesame")
    yield create_app(store).test_client()
    store.close()


def signed(fields: dict[str, str], key: Path) -> dict[str, str]:
    return {**fields, "sig": signature(key, ",".join(fields.values()))}


def kept(folder: Path) -> int:
    with sqlite3.connect(folder / "kegnet.sqlite") as database:
        number = database.execute("SELECT (SELECT count(*) FROM ping) + (SELECT count(*) FROM pour)").fetchone()[0]
    database.close()
    return int(number)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_signed_message_is_kept_once_however_often_it_comes(server: FlaskClient, key: Path, tmp_path: Path, version: str) -> None:
    answers = [server.post(f"/rest/{version}/pour", data=signed(POUR, key)) for _ in range(3)]
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "accepted\n")] + [(200, "accepted before\n")] * 2
    assert kept(tmp_path) == 1


def test_a_ping_is_kept(server: FlaskClient, key: Path, tmp_path: Path) -> None:
    ping = {"id": CLIENT, "temp": "-3250", "ts": "1372686435017"}
    assert server.post("/rest/v2/ping", data=signed(ping, key)).status_code == 200
    assert kept(tmp_path) == 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"pulses": "587"}, 403),
        ({"sig": "AAAA"}, 403),
        ({"sig": "not base64!"}, 403),
        ({"id": CLIENT.replace("6", "7")}, 401),
        ({"id": "../../etc/passwd"}, 401),
        ({"id": "é"}, 400),
        ({"pulses": "many"}, 400),
        ({"pulses": "9" * 30}, 400),
        ({"ts": ""}, 400),
    ],
)
def test_what_is_forged_unknown_or_invalid_is_refused_and_not_kept(
    server: FlaskClient, key: Path, tmp_path: Path, change: dict[str, str], status: int
) -> None:
    assert server.post("/rest/v2/pour", data={**signed(POUR, key), **change}).status_code == status
    assert kept(tmp_path) == 0


def test_a_missing_a_repeated_and_an_oversized_field_are_refused(server: FlaskClient, key: Path, tmp_path: Path) -> None:
    whole = signed(POUR, key)
    for name in whole:
        assert server.post("/rest/v2/pour", data={field: value for field, value in whole.items() if field != name}).status_code == 400
        assert server.post("/rest/v2/pour", data={**whole, name: [whole[name], whole[name]]}).status_code == 400
    assert server.post("/rest/v2/pour", data={**whole, "more": "x" * 9000}).status_code == 413
    assert kept(tmp_path) == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/rest/v2/pour", 405), ("POST", "/rest/v3/pour", 404), ("POST", "/", 405), ("GET", "/nothing", 404)],
)
def test_other_methods_and_paths_are_no_part_of_the_api(server: FlaskClient, method: str, path: str, status: int) -> None:
    assert server.open(path, method=method).status_code == status


@pytest.mark.parametrize(
    ("endpoint", "change"),
    [
        ("ping", {"temp": "-55001"}),
        ("ping", {"temp": "125001"}),
        ("ping", {"ts": "-1"}),
        ("ping", {"ts": "253402300800000"}),
        ("pour", {"pin": "1001"}),
        ("pour", {"pulses": "-1"}),
        ("pour", {"et": "10000000001"}),
    ],
)
def test_what_no_probe_or_meter_can_say_is_refused_though_it_is_signed(
    server: FlaskClient, key: Path, tmp_path: Path, endpoint: str, change: dict[str, str]
) -> None:
    message = POUR if endpoint == "pour" else {"id": CLIENT, "temp": "4187", "ts": "1372686435017"}
    answer = server.post(f"/rest/v2/{endpoint}", data=signed({**message, **change}, key))
    assert (answer.status_code, answer.text) == (400, f"out of range: {next(iter(change))}\n")
    assert kept(tmp_path) == 0


def test_who_is_refused_again_and_again_is_told_to_wait_and_who_is_not_never(server: FlaskClient, key: Path) -> None:
    forged = {**signed(POUR, key), "pulses": "1"}
    statuses = [server.post("/rest/v2/pour", data=forged).status_code for _ in range(70)]
    assert statuses == [403] * 60 + [429] * 10
    assert server.post("/rest/v2/pour", data=forged).headers["Retry-After"] == "60"
    others = [server.post("/rest/v2/pour", data=signed(POUR, key), environ_base={"REMOTE_ADDR": "127.0.0.9"}) for _ in range(100)]
    assert {answer.status_code for answer in others} == {200}


def shown(server: FlaskClient) -> tuple[str, list[str]]:
    """The name of the only client, and those of its taps."""
    ((client,),) = [server.get("/api/clients").json or []]
    return client["name"], [tap["name"] for tap in client["taps"]]


CHANGES = ({"name": "x"}, f"/settings/{CLIENT}"), ({"name": "x", "pulses_per_litre": "5600"}, f"/settings/{CLIENT}/0")


@pytest.mark.parametrize(("form", "path"), CHANGES)
def test_a_change_wants_the_password_and_a_page_of_ours(server: FlaskClient, form: dict[str, str], path: str) -> None:
    right, wrong = ("anybody", "open sesame"), ("anybody", "open")
    assert server.post(path, data=form).status_code == 401
    assert server.post(path, data=form, auth=wrong).status_code == 401
    assert server.post(path, data=form, auth=right, headers={"Origin": "https://elsewhere.example"}).status_code == 403
    assert server.post(path, data=form, auth=right, headers={"Origin": "null"}).status_code == 403
    assert shown(server) == (CLIENT[:8], [])
    assert server.post(path, data=form, auth=right, headers={"Origin": "http://localhost"}).status_code == 303
    assert shown(server) in (("x", []), (CLIENT[:8], ["x"]))


@pytest.mark.parametrize("number", ["nan", "inf", "-1", "0", "1e9", "", "many", "\x00"])
def test_a_wrong_number_changes_nothing(server: FlaskClient, number: str) -> None:
    form = {"name": "x", "pulses_per_litre": number}
    assert server.post(f"/settings/{CLIENT}/0", data=form, auth=("a", "open sesame")).status_code == 400
    assert shown(server) == (CLIENT[:8], [])


def test_a_name_is_text_on_the_page_and_no_part_of_it(server: FlaskClient) -> None:
    server.post(f"/settings/{CLIENT}", data={"name": "<script>alert(1)</script>"}, auth=("a", "open sesame"))
    assert "<script>alert" not in server.get("/").text
    assert "&lt;script&gt;alert" in server.get("/").text


@pytest.mark.parametrize("behind_proxy", [True, False])
def test_the_proxys_word_on_who_asks_is_taken_only_if_there_is_one(tmp_path: Path, behind_proxy: bool) -> None:
    store = Store(f"sqlite:///{tmp_path}/kegnet.sqlite")
    server = create_app(store, behind_proxy=behind_proxy).test_client()
    strangers = [
        server.post("/rest/v2/pour", data={}, headers={"X-Forwarded-For": f"192.0.2.{number}"}).status_code for number in range(70)
    ]
    store.close()
    assert strangers == ([400] * 70 if behind_proxy else [400] * 60 + [429] * 10)


@pytest.mark.parametrize(("over", "label"), [("24h", r">(00|06|12|18):00<"), ("7d", r">\d\d\.\d\d\.<")])
def test_a_course_is_a_picture_with_times_below_it(server: FlaskClient, key: Path, over: str, label: str) -> None:
    now_ms = time.time_ns() // 10**6
    for hour in range(24):
        server.post("/rest/v2/ping", data=signed({"id": CLIENT, "temp": "4187", "ts": str(now_ms - hour * 3_600_000)}, key))
    answer = server.get(f"/courses/{CLIENT}/{over}.svg")
    assert answer.mimetype == "image/svg+xml"
    assert re.search(label, answer.text), answer.text
    assert "<script" not in answer.text.replace('<script type="text/javascript">window.pygal', "")
