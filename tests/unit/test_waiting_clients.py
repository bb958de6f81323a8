"""Which clients that are not known are listed: a flood of invented ids displaces only itself."""

from __future__ import annotations

import uuid
from dataclasses import replace

from kegnet.server.model.waiting import FORGET_MS, SILENT_MS, Waiting, displaced, forgotten

NOW = 1_796_000_000_000


def client(network: str, first_ms: int = NOW, last_ms: int = NOW, *, local: bool = False) -> Waiting:
    return Waiting(str(uuid.uuid4()), network, network, local, first_ms, last_ms)


def test_a_network_that_has_all_places_gives_its_last_one_away() -> None:
    flood = [client("203.0.113.1", NOW - number) for number in range(20)]
    assert displaced(flood, client("198.51.100.7"), NOW) == flood[0]


def test_a_flood_does_not_displace_the_clients_that_were_there() -> None:
    ours = [client("198.51.100.7", NOW - 1000), client("198.51.100.8", NOW - 1000)]
    flood = [client("203.0.113.1", NOW - number) for number in range(18)]
    for _ in range(100):
        newcomer = client("203.0.113.1")
        assert displaced([*ours, *flood], newcomer, NOW) is None, "its own network has the most places"
        assert displaced([*ours, *flood], client("203.0.113.2"), NOW) in flood


def test_networks_with_as_many_places_do_not_displace_each_other() -> None:
    one_each = [client(f"203.0.113.{number}") for number in range(20)]
    assert displaced(one_each, client("198.51.100.7"), NOW) is None
    two_each = [client(f"203.0.113.{number // 2}", NOW - number) for number in range(20)]
    assert displaced(two_each, client("203.0.113.3"), NOW) is None
    assert displaced(two_each, client("198.51.100.7"), NOW) is not None, "each has one then"


def test_the_local_network_comes_before_the_internet() -> None:
    remote = [client(f"203.0.113.{number}") for number in range(20)]
    assert displaced(remote, client("192.168.1.7", local=True), NOW) in remote
    local = [client("192.168.1.7", NOW - number, local=True) for number in range(20)]
    assert displaced(local, client("203.0.113.1"), NOW) is None
    assert displaced(local, client("192.168.1.8", local=True), NOW) == local[0]


def test_who_has_been_silent_for_an_hour_gives_its_place_away() -> None:
    listed = [client(f"203.0.113.{number}") for number in range(19)]
    silent = client("192.168.1.7", NOW - SILENT_MS - 1, NOW - SILENT_MS - 1, local=True)
    assert displaced([*listed, silent], client("198.51.100.7"), NOW) == silent
    asked = replace(silent, last_ms=NOW - SILENT_MS)
    assert displaced([*listed, asked], client("198.51.100.7"), NOW) is None


def test_after_a_day_of_silence_it_is_forgotten_but_not_that_it_was_declined() -> None:
    gone, declined = client("192.168.1.7", 0, NOW - FORGET_MS - 1), replace(client("192.168.1.8", 0, 0), declined=True)
    assert forgotten([gone, declined, client("192.168.1.9", 0, NOW - FORGET_MS)], NOW) == [gone]
