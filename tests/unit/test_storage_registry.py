"""The registered clients, the settings of the household and the counts of refusals: what is stored, and who hears of it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from kegnet.server.storage import Change, Connection, Database, StorageError, clients, open_database, refusals, settings

CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
NOW = 1_796_000_000_000


def announced(database: Database, work: Callable[[Connection], object]) -> list[Change]:
    """What other processes hear of a transaction."""
    assert database.file is not None
    heard: list[str] = []
    database.file.listeners.add(heard.append)
    with database.writing() as connection:
        work(connection)
    database.file.listeners.discard(heard.append)
    return [Change.parse(payload) for payload in heard]


def of_client(*uuids: str) -> list[Change]:
    return [Change(frozenset(uuids), frozenset({"client"}))]


def test_every_change_of_a_client_is_announced_and_nothing_else(database: Database) -> None:
    added = announced(database, lambda c: clients.set_client(c, CLIENT.upper(), now_ms=NOW))
    renamed = announced(database, lambda c: clients.set_client(c, CLIENT, now_ms=NOW, name="Garage"))
    with database.reading() as c:
        client = clients.find_client(c, CLIENT)
    assert client is not None
    limited = announced(database, lambda c: clients.set_limits(c, client.key, 1, 2))
    unknown = announced(database, lambda c: clients.set_limits(c, client.key + 1, 1, 2))
    removed = announced(database, lambda c: clients.remove_client(c, CLIENT.upper(), NOW))
    again = announced(database, lambda c: clients.remove_client(c, CLIENT, NOW))
    assert (added, renamed, limited, removed) == (of_client(CLIENT),) * 4
    assert unknown == again == []


def test_a_new_client_has_the_start_of_its_uuid_as_its_name_and_no_limits(database: Database) -> None:
    with database.writing() as c:
        client = clients.set_client(c, CLIENT, now_ms=NOW)
        assert (client.name, client.kind, client.public_key, client.added_ms) == ("6c0e6c2e", "kegnet", "", NOW)
        assert (client.coldest, client.warmest) == (None, None)
        # What is not given stays.
        clients.set_client(c, CLIENT, now_ms=NOW + 1, public_key="PEM")
        clients.set_client(c, CLIENT, now_ms=NOW + 1, name="Garage")
        changed = clients.find_client(c, CLIENT)
    assert changed is not None
    assert (changed.name, changed.public_key, changed.added_ms) == ("Garage", "PEM", NOW)


def test_limits_are_those_of_one_client(database: Database) -> None:
    with database.writing() as c:
        first, second = (clients.set_client(c, str(uuid.UUID(int=number)), now_ms=NOW) for number in range(2))
        clients.set_limits(c, first.key, -1000, None)
        found = [(client.coldest, client.warmest) for client in clients.clients_by_uuid(c, [first.uuid, second.uuid])]
    assert sorted(found, key=str) == [(-1000, None), (None, None)]


def test_a_removed_client_is_in_no_list(database: Database) -> None:
    uuids = [str(uuid.UUID(int=number)) for number in range(3)]
    with database.writing() as c:
        for each in uuids:
            clients.set_client(c, each, now_ms=NOW, name=each)
        assert clients.remove_client(c, uuids[1], NOW)
        assert [client.uuid for client in clients.clients(c)] == [uuids[0], uuids[2]]
        assert [client.uuid for client in clients.clients_by_uuid(c, uuids)] == [uuids[0], uuids[2]]
        assert clients.count_clients(c) == 2


def test_clients_of_one_name_have_an_order(database: Database) -> None:
    uuids = [str(uuid.UUID(int=number)) for number in (2, 0, 1)]
    with database.writing() as c:
        for each in uuids:
            clients.set_client(c, each, now_ms=NOW, name="Same")
        assert [client.uuid for client in clients.clients(c)] == sorted(uuids)
        assert [client.uuid for client in clients.clients_by_uuid(c, uuids)] == sorted(uuids)
        assert [client.uuid for client in clients.clients(c, offset=1)] == sorted(uuids)[1:]
        assert [client.uuid for client in clients.clients(c, limit=2)] == sorted(uuids)[:2]


def test_more_clients_than_one_query_takes_are_all_found(database: Database) -> None:
    uuids = [str(uuid.UUID(int=number)) for number in range(1001)]
    with database.writing() as c:
        for each in uuids:
            clients.set_client(c, each, now_ms=NOW)
        assert [client.uuid for client in clients.clients_by_uuid(c, [*uuids, uuids[0].upper()])] == uuids


def test_settings_of_the_household_have_bounds(database: Database) -> None:
    with database.writing() as c:
        for good in ({"day_begins_hour": 0}, {"day_begins_hour": 23}, {"retention_days": 1}, {"retention_days": 36_500}):
            settings.set_household(c, **good)
        for bad in ({"day_begins_hour": -1}, {"day_begins_hour": 24}, {"retention_days": 0}, {"retention_days": 36_501}):
            with pytest.raises(StorageError):
                settings.set_household(c, **bad)
        found = settings.household(c)
    assert (found.day_begins_hour, found.retention_days) == (23, 36_500)


def test_a_setting_is_what_was_set_or_nothing(database: Database) -> None:
    with database.writing() as c:
        assert settings.get_setting(c, "a") is None
        settings.set_setting(c, "a", "1")
        settings.set_setting(c, "b", "2")
        settings.set_setting(c, "a", "3")
        assert [settings.get_setting(c, name) for name in "ab"] == ["3", "2"]
        settings.set_setting(c, "a", None)
        assert [settings.get_setting(c, name) for name in "ab"] == [None, "2"]
        fresh = settings.household(c)
    assert (fresh.day_begins_hour, fresh.retention_days) == (0, None)


def test_settings_are_announced_to_all(database: Database) -> None:
    everyone = [Change(frozenset(), frozenset({"setting"}))]
    for value in ("1", "2", None):
        assert announced(database, lambda c, value=value: settings.set_setting(c, "a", value)) == everyone  # type: ignore[misc]


@pytest.mark.parametrize(
    ("link", "zone"),
    [
        ("/usr/share/zoneinfo/Europe/Berlin", "Europe/Berlin"),
        ("../usr/share/zoneinfo/UTC", "UTC"),
        ("/usr/share/zoneinfo/Mars", "UTC"),
        ("/etc/Europe/Berlin", "UTC"),
        (None, "UTC"),
    ],
)
def test_the_usual_time_zone_is_that_of_the_system(
    link: str | None, zone: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def readlink(path: str) -> str:
        assert path == "/etc/localtime"
        if link is None:
            raise FileNotFoundError(path)
        return link

    with monkeypatch.context() as patched:
        patched.setattr(os, "readlink", readlink)
        with database.reading() as c:
            assert settings.household(c).time_zone == zone
    with database.writing() as c:
        settings.set_household(c, time_zone="America/Santiago")
        assert settings.household(c).time_zone == "America/Santiago"


def test_an_installation_has_an_id_that_stays(database: Database, tmp_path: Path) -> None:
    with database.reading() as c:
        first = settings.household(c).installation
    assert len(first) >= 16
    again = open_database(f"sqlite:///{tmp_path / 'kegnet.sqlite'}")
    other = open_database(f"sqlite:///{tmp_path / 'other.sqlite'}")
    with again.reading() as c:
        assert settings.household(c).installation == first
    with other.reading() as c:
        assert settings.household(c).installation != first
    again.close()
    other.close()


def test_refusals_of_one_subject_and_minute_do_not_count_for_others(database: Database) -> None:
    with database.writing() as c:
        for subject, minute in (("a", 1), ("a", 1), ("b", 1), ("a", 2)):
            refusals.count_refusal(c, subject, minute)
        assert [refusals.refusals(c, subject, minute) for subject, minute in (("a", 1), ("b", 1), ("a", 2), ("b", 2))] == [2, 1, 1, 0]
        refusals.forget_refusals(c, 2)
        assert [refusals.refusals(c, "a", minute) for minute in (1, 2)] == [0, 1]


def test_a_long_subject_is_cut_to_what_the_table_takes(database: Database) -> None:
    with database.writing() as c:
        assert refusals.count_refusal(c, "x" * 120 + "y", 1) == 1
        assert refusals.count_refusal(c, "x" * 120 + "z", 1) == 2
        assert refusals.count_refusal(c, "x" * 119 + "z", 1) == 1
        assert refusals.count_refusal(c, "\0" + "x" * 120, 1) == 3
