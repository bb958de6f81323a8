"""Clients that are not known: the registration by a one-time code, and those that wait to be accepted. On both databases."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kegnet.server.ingest.strangers import Strangers
from kegnet.server.model.registration import VALID_MS, CodeState
from kegnet.server.model.waiting import Waiting
from kegnet.server.storage import open_database
from kegnet.server.storage.clients import find_client, remove_client
from kegnet.server.storage.codes import digest_of, last_code, new_code, try_code
from kegnet.server.storage.waiting import decline_waiting, declined_clients, find_waiting, remember_waiting, waiting_clients
from support import loop
from support.http import Answer, Signer, get, post
from support.kegnet_server import KegnetServer, now_ms
from support.pki import openssl
from support.services import PostgreSQL
from support.wait import wait_for

REGISTER = "/rest/v2/register"
PROXY = ("--proxy", "127.0.0.1")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KegnetServer]:
    """A server on each kind of database, for all tests here: each uses codes, ids and addresses of its own."""
    folder = tmp_path_factory.mktemp("registration")
    postgresql = PostgreSQL(folder / "postgresql") if request.param == "postgresql" else None
    with KegnetServer(folder / "server", None, *PROXY, url=postgresql.database() if postgresql else "") as made:
        yield made
    if postgresql:
        postgresql.stop()


@pytest.fixture(scope="module")
def sqlite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KegnetServer]:
    with KegnetServer(tmp_path_factory.mktemp("registration"), None, *PROXY) as made:
        yield made


@pytest.fixture(scope="session")
def other_key(run_folder: Path) -> Path:
    openssl("genrsa", "-out", run_folder / "other-key.pem", "2048")
    return run_folder / "other-key.pem"


def public(key: Path) -> str:
    return openssl("rsa", "-in", key, "-pubout").decode()


def code_of(server: KegnetServer) -> str:
    """A new code, as the page makes one."""
    with server.writing() as c:
        return new_code(c, now_ms())


def register(server: KegnetServer, sent: dict[str, str]) -> Answer:
    """The answer to a registration from an address of its own: the limit of an address is for one test."""
    return post(server, REGISTER, sent, f"X-Forwarded-For: 10.{'.'.join(str(random.randrange(256)) for _ in range(3))}")


def form(key: Path, code: str, client_id: str | None = None, **changes: str) -> dict[str, str]:
    """A registration, signed with `key`."""
    fields = {"id": client_id or str(uuid.uuid4()), "public_key": public(key), "code": code, "ts": str(now_ms()), **changes}
    text = f"register,{fields['id']},{fields['code'].replace('-', '')},{fields['ts']}"
    return {"sig": Signer(key).signed({"text": text})["sig"], **fields}


def key_stored(server: KegnetServer, client_id: str) -> str | None:
    with server.database.reading() as c:
        client = find_client(c, client_id)
    return client.public_key if client else None


def wrong(code: str) -> str:
    """Eight digits that are not the code."""
    return f"{(int(code) + 1) % 10**8:08d}"


# The code.


def test_a_client_with_the_code_is_registered_and_its_messages_are_accepted(server: KegnetServer, key: Path) -> None:
    code = code_of(server)
    sent = form(key, f"{code[:4]}-{code[4:]}", name="  Garage \t Pi ")
    signer = Signer(key, sent["id"])
    assert post(server, "/rest/v2/ping", signer.ping()).status == 401
    wait_for(lambda: sent["id"] in waiting(server))
    answer = register(server, sent)
    assert (answer.status, answer.text.split(";")[0]) == (200, "registered")
    assert post(server, "/rest/v2/ping", signer.ping()).status == 200
    with server.database.reading() as c:
        client = find_client(c, sent["id"])
    assert client is not None
    assert (client.name, client.public_key) == ("Garage Pi", public(key))
    assert sent["id"] not in waiting(server), "it waits no more"


def test_a_client_that_was_accepted_since_it_was_refused_does_not_wait(server: KegnetServer) -> None:
    accepted, unknown = (str(uuid.uuid4()) for _ in range(2))
    server.add_client(accepted, "x")

    async def refuse() -> None:
        strangers, before = Strangers(server.database), asyncio.all_tasks()
        for client in (accepted, unknown):
            strangers.refused(client, "192.0.2.1", wrong_key=False)
        await asyncio.wait(asyncio.all_tasks() - before)

    loop.run(refuse())
    assert waiting(server) == [unknown]


def test_a_code_can_be_used_once_but_the_same_client_may_repeat_itself(server: KegnetServer, key: Path, other_key: Path) -> None:
    code = code_of(server)
    sent = form(key, code)
    assert register(server, sent).status == 200
    assert register(server, form(other_key, code)).status == 401
    again = register(server, form(key, wrong(code), sent["id"]))
    assert (again.status, again.text) == (200, "registered before\n")
    stolen = register(server, form(other_key, code, sent["id"]))
    assert (stolen.status, stolen.text) == (401, "the code was used already\n")
    assert key_stored(server, sent["id"]) == public(key)


def test_a_code_expires_after_ten_minutes(server: KegnetServer, key: Path) -> None:
    with server.writing() as c:
        code = new_code(c, now_ms() - VALID_MS)
    answer = register(server, form(key, code))
    assert (answer.status, answer.text) == (401, "the code has expired\n")


def test_a_code_is_void_after_five_wrong_tries(server: KegnetServer, key: Path) -> None:
    code = code_of(server)
    answers = [register(server, form(key, wrong(code))) for _ in range(5)]
    assert {answer.status for answer in answers} == {401}
    assert [answer.text for answer in answers] == ["the code is wrong\n"] * 4 + ["the code is void after 5 wrong tries\n"]
    assert register(server, form(key, code)).status == 401
    assert register(server, form(key, code_of(server))).status == 200, "another code is not void"


def test_a_page_of_another_site_uses_no_tries_of_a_code_up(sqlite_server: KegnetServer, key: Path) -> None:
    code = code_of(sqlite_server)
    for header in ("Origin: https://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site") * 2:
        for path in (REGISTER, "/rest/v1/register", "/kegboard-event"):
            assert post(sqlite_server, path, form(key, wrong(code)), header).status == 403
    assert post(sqlite_server, REGISTER, form(key, code), "Sec-Fetch-Site: none").status == 200


def test_a_new_code_replaces_the_one_before(server: KegnetServer, key: Path) -> None:
    first, second = code_of(server), code_of(server)
    assert register(server, form(key, first)).status == (200 if first == second else 401)
    assert register(server, form(key, second)).status == 200


def test_of_many_at_the_same_time_one_gets_the_code(server: KegnetServer, key: Path) -> None:
    code = code_of(server)
    forms = [form(key, code) for _ in range(12)]
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda sent: register(server, sent), forms))
    assert sorted(answer.status for answer in answers) == [200] + [401] * 11
    (registered,) = [sent["id"] for sent in forms if key_stored(server, sent["id"])]
    with server.database.reading() as c:
        code_row = last_code(c)
    assert code_row is not None
    assert code_row.used_by == registered


def test_who_tries_while_another_registers_waits_for_its_end(server: KegnetServer) -> None:
    code, database = code_of(server), server.database
    with database.reading() as c:
        made = last_code(c)
    assert made is not None
    digest, began = digest_of(code, made.salt), threading.Event()

    def second() -> CodeState:
        began.set()
        with database.writing() as c:
            return try_code(c, made.salt, digest, "second", now_ms())

    def is_waiting() -> bool:
        if not database.postgresql:
            return True  # The second transaction cannot begin before the first one ends.
        with database.reading() as c:
            return bool(c.exec_driver_sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'").first())

    with ThreadPoolExecutor(1) as threads:
        with database.writing() as c:
            first = try_code(c, made.salt, digest, "first", now_ms())
            later = threads.submit(second)
            wait_for(lambda: began.is_set() and is_waiting())
        states = [first, later.result(60)]
    assert states == [CodeState.OPEN, CodeState.USED]


def test_two_processes_share_the_code_and_its_wrong_tries(url: str, tmp_path: Path, key: Path) -> None:
    with KegnetServer(tmp_path / "one", url=url) as one, KegnetServer(tmp_path / "two", url=url) as two:
        code = code_of(one)
        forms = [form(key, wrong(code)) for _ in range(8)]
        with ThreadPoolExecutor(8) as threads:
            statuses = list(threads.map(lambda each: register(each[0], each[1]).status, zip([one, two] * 4, forms, strict=True)))
        assert statuses == [401] * 8
        assert register(one, form(key, code)).text == "the code is void after 5 wrong tries\n"
        code = code_of(two)
        sent = form(key, code)
        assert register(one, sent).status == 200
        assert register(two, form(key, code)).status == 401


def test_no_digits_of_a_code_are_stored(sqlite_server: KegnetServer) -> None:
    code = code_of(sqlite_server)
    with sqlite_server.database.reading() as c:
        made = last_code(c)
    assert made is not None
    assert code not in json.dumps(dataclasses.asdict(made)).replace(str(made.made_ms), "")


def test_a_client_that_was_set_up_anew_replaces_its_key_and_keeps_its_name(sqlite_server: KegnetServer, key: Path, other_key: Path) -> None:
    sent = form(key, code_of(sqlite_server), name="Garage")
    assert register(sqlite_server, sent).status == 200
    answer = register(sqlite_server, form(other_key, code_of(sqlite_server), sent["id"], name="raspberrypi"))
    assert answer.text.startswith("registered with a new key; ")
    with sqlite_server.database.reading() as c:
        client = find_client(c, sent["id"])
    assert client is not None
    assert (client.name, client.public_key) == ("Garage", public(other_key))


def test_a_client_that_was_removed_needs_a_code_and_keeps_its_name(sqlite_server: KegnetServer, key: Path) -> None:
    sent = form(key, code_of(sqlite_server), name="Garage")
    assert register(sqlite_server, sent).status == 200
    with sqlite_server.writing() as c:
        remove_client(c, sent["id"], now_ms())
    assert register(sqlite_server, sent).status == 401
    assert register(sqlite_server, form(key, code_of(sqlite_server), sent["id"], name="raspberrypi")).status == 200
    with sqlite_server.database.reading() as c:
        client = find_client(c, sent["id"])
    assert client is not None
    assert client.name == "Garage"


def test_too_many_wrong_tries_from_an_address_are_refused_and_others_are_not(sqlite_server: KegnetServer, key: Path) -> None:
    sent = form(key, "00000000")
    answers = [post(sqlite_server, REGISTER, sent, "X-Forwarded-For: 203.0.113.1") for _ in range(41)]
    # The minute can end in between, and with it the count.
    limited = next(answer for answer in answers if answer.status == 429)
    assert int(limited.headers["retry-after"]) > 0
    assert post(sqlite_server, REGISTER, form(key, code_of(sqlite_server)), "X-Forwarded-For: 203.0.113.2").status == 200


def test_what_is_hostile_is_refused_and_uses_no_code_up(sqlite_server: KegnetServer, key: Path, other_key: Path) -> None:
    code = code_of(sqlite_server)
    short = openssl("rsa", "-in", "/dev/stdin", "-pubout", given=openssl("genrsa", "1024")).decode()
    elliptic = openssl("pkey", "-in", "/dev/stdin", "-pubout", given=openssl("genpkey", "-algorithm", "ed25519")).decode()
    good = form(key, code)
    bodies: list[dict[str, str]] = [
        {}, {"id": good["id"]}, {**good, "id": "x"}, {**good, "id": "../../etc/passwd"}, {**good, "code": "1234"},
        {**good, "code": "١٢٣٤٥٦٧٨"}, {**good, "ts": "-1"}, {**good, "ts": "9" * 15}, {**good, "ts": "1e3"}, {**good, "sig": ""},
        {**good, "sig": "AAAA"}, {**good, "sig": form(other_key, code)["sig"]}, {**good, "public_key": public(other_key)},
        {**good, "public_key": short}, {**good, "public_key": elliptic}, {**good, "public_key": key.read_text()},
        {**good, "public_key": "x" * 4000}, {**good, "public_key": "\0"}, {**good, "name": "x" * 81}, {**good, "name": "a\0b"},
        {**good, "name": "a\x1b[2Jb"}, {**good, "id": good["id"].upper()}, {**good, **{f"more{n}": "x" for n in range(30)}},
    ]  # fmt: skip
    answers = [register(sqlite_server, body) for body in bodies]
    # No key, or no proof of it: 403. Other fields: 400.
    assert [answer.status for answer in answers] == [400] * 9 + [403] * 9 + [400] * 3 + [403, 400]
    assert all(len(answer.text) < 300 for answer in answers)
    twice = post(sqlite_server, REGISTER, [*good.items(), ("id", str(uuid.uuid4()))])
    assert (twice.status, post(sqlite_server, REGISTER, {**good, "name": "x" * 8192}).status) == (400, 413)
    assert get(sqlite_server, REGISTER).status == 405
    assert post(sqlite_server, "/rest/v3/register", good).status == 404
    assert post(sqlite_server, REGISTER, good).status == 200, "no try was counted"
    assert "Traceback" not in sqlite_server.log()
    assert code not in sqlite_server.log()


# Clients that wait.


def waiting(server: KegnetServer) -> list[str]:
    with server.database.reading() as c:
        return [each.uuid for each in waiting_clients(c, now_ms())]


def find(server: KegnetServer, client_id: str) -> Waiting | None:
    with server.database.reading() as c:
        return find_waiting(c, client_id)


def send(server: KegnetServer, client_id: str, address: str, key: Path | None = None) -> Answer:
    """A ping of a client that is not known, from an address."""
    fields = {"id": client_id, "temp": "4187", "ts": str(now_ms()), "sig": "AAAA"}
    return post(server, "/rest/v2/ping", Signer(key, client_id).ping() if key else fields, f"X-Forwarded-For: {address}")


def test_a_client_that_is_not_known_is_listed_with_where_it_sends_from(server: KegnetServer, key: Path) -> None:
    before, stranger = now_ms(), Signer(key)
    assert send(server, stranger.client_id.upper(), "192.168.1.7", key).status == 401
    listed = wait_for(lambda: find(server, stranger.client_id))
    assert listed is not None
    assert (listed.uuid, listed.address, listed.wrong_key, listed.local) == (stranger.client_id, "192.168.1.7", False, True)
    assert before <= listed.first_ms <= listed.last_ms <= now_ms()
    server.add_client(stranger.client_id, public(key), "Garage")
    assert find(server, stranger.client_id) is None
    wait_for(lambda: send(server, stranger.client_id, "192.168.1.7", key).status == 200)


def test_a_known_client_with_another_key_is_listed_too(server: KegnetServer, key: Path, other_key: Path) -> None:
    signer = Signer(key).register(server)
    assert send(server, signer.client_id, "192.168.1.7", other_key).status == 403
    listed = wait_for(lambda: find(server, signer.client_id))
    assert listed is not None
    assert listed.wrong_key


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_flood_of_invented_ids_displaces_nobody(kind: str, new_url: Callable[[str], str], tmp_path: Path) -> None:
    with KegnetServer(tmp_path, None, *PROXY, url=new_url(kind)) as server:
        _flood(server)


def _flood(server: KegnetServer) -> None:
    ours = str(uuid.uuid4())
    send(server, ours, "192.168.1.7")
    wait_for(lambda: waiting(server) == [ours])
    with server.database.reading() as c:
        first_ms = waiting_clients(c, now_ms())[0].first_ms
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: send(server, str(uuid.uuid4()), f"8.8.8.{number % 9}"), range(800)))
    assert {answer.status for answer in answers} == {401}
    late = str(uuid.uuid4())
    assert send(server, late, "192.168.1.8").status == 401
    wait_for(lambda: late in waiting(server))
    assert ours in waiting(server)
    # A window of 30 s may have ended in between.
    assert len(waiting(server)) <= 20
    with server.database.reading() as c:
        assert waiting_clients(c, now_ms())[0].first_ms == first_ms


def test_many_are_bounded_and_a_declined_client_is_not_listed_again(new_url: Callable[[str], str], tmp_path: Path) -> None:
    database = open_database(new_url("sqlite"))
    ids = [str(uuid.uuid4()) for _ in range(60)]
    for number, client_id in enumerate(ids):
        with database.writing() as c:
            remember_waiting(c, Waiting(client_id, f"203.0.113.{number}", f"203.0.113.{number}", False, 1000 + number, 1000 + number))
    with database.writing() as c:
        assert [each.uuid for each in waiting_clients(c, 2000)] == ids[:20]
        for client_id in ids[:20]:
            assert decline_waiting(c, client_id, 3000)
            assert not remember_waiting(c, Waiting(client_id, "203.0.113.7", "203.0.113.7", False, 4000, 4000))
        assert waiting_clients(c, 4000) == []
        assert len(declined_clients(c)) == 20
        assert not decline_waiting(c, ids[40], 3000)
    database.close()
