"""The stand-in KegNet's application, asked over WSGI."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from kegnet.server.app import create_app
from kegnet.server.store import Store
from support.pki import openssl, signature

CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
POUR = {"id": CLIENT, "pin": "0", "pulses": "586", "et": "8213", "ts": "1372686435017"}


@pytest.fixture
def server(tmp_path: Path, key: Path) -> Iterator[FlaskClient]:
    store = Store(f"sqlite:///{tmp_path}/kegnet.sqlite")
    store.set_client(CLIENT, public_key=openssl("rsa", "-in", key, "-pubout").decode())
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
