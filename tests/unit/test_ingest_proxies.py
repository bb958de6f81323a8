"""Whose word on a request's sender is believed."""

from __future__ import annotations

from typing import Any

import pytest
from kegnet.server.proxies import Proxies


def seen(peer: tuple[str, int] | None, *headers: tuple[str, str], proxies: tuple[str, ...] = ("10.0.0.5",)) -> tuple[str | None, str]:
    """The address and the scheme that the server sees."""
    scope: dict[str, Any] = {
        "client": peer, "scheme": "http", "headers": [(name.encode(), value.encode()) for name, value in headers]
    }  # fmt: skip
    Proxies(proxies).apply(scope)
    return scope["client"][0] if scope["client"] else None, scope["scheme"]


FOR, PROTO = "x-forwarded-for", "x-forwarded-proto"
PROXY = ("10.0.0.5", 4711)


def test_the_proxys_word_is_believed() -> None:
    assert seen(PROXY, (FOR, "192.0.2.7"), (PROTO, "https")) == ("192.0.2.7", "https")


def test_nobody_elses_word_is_believed() -> None:
    assert seen(("10.0.0.6", 1), (FOR, "192.0.2.7"), (PROTO, "https")) == ("10.0.0.6", "http")
    assert seen(("10.0.0.6", 1), (FOR, "192.0.2.7"), proxies=()) == ("10.0.0.6", "http")


def test_what_the_sender_wrote_before_the_proxy_is_not_believed() -> None:
    assert seen(PROXY, (FOR, "192.0.2.99, 192.0.2.7"))[0] == "192.0.2.7"
    assert seen(PROXY, (FOR, "192.0.2.99"), (FOR, "192.0.2.7"))[0] == "192.0.2.7"
    assert seen(PROXY, (FOR, "192.0.2.99, 192.0.2.7, 10.0.0.5"))[0] == "192.0.2.7"


def test_a_chain_of_proxies_is_followed_to_the_sender() -> None:
    assert seen(PROXY, (FOR, "192.0.2.7, 10.0.0.4"), proxies=("10.0.0.4", "10.0.0.5"))[0] == "192.0.2.7"


def test_a_proxy_that_asks_for_itself_is_the_sender() -> None:
    assert seen(PROXY) == ("10.0.0.5", "http")
    assert seen(PROXY, (FOR, "10.0.0.5"))[0] == "10.0.0.5"
    assert seen(PROXY, (FOR, " , "))[0] == "10.0.0.5"


@pytest.mark.parametrize("scheme", ["gopher", "", "https://x", "HTTPS"])
def test_a_scheme_that_is_none_of_http_is_ignored(scheme: str) -> None:
    assert seen(PROXY, (FOR, "192.0.2.7"), (PROTO, scheme))[1] == "http"


def test_a_proxy_that_names_no_sender_is_not_believed_on_the_scheme() -> None:
    assert seen(PROXY, (PROTO, "https")) == ("10.0.0.5", "http")
    assert seen(PROXY, (FOR, " , "), (PROTO, "https")) == ("10.0.0.5", "http")
    assert seen(PROXY, (FOR, "10.0.0.5"), (PROTO, "https")) == ("10.0.0.5", "https"), "it asks for itself"


def test_the_peers_of_a_unix_socket_are_believed_only_if_they_are_named() -> None:
    assert seen(None, (FOR, "192.0.2.7"), proxies=("unix",))[0] == "192.0.2.7"
    assert seen(None, (FOR, "192.0.2.7"))[0] is None


def test_an_ipv4_peer_of_an_ipv6_socket_is_known_by_its_ipv4_address() -> None:
    assert seen(("::ffff:10.0.0.5", 1), (FOR, "192.0.2.7"))[0] == "192.0.2.7"
    assert seen(("::ffff:10.0.0.6", 1), (FOR, "192.0.2.7"))[0] == "10.0.0.6"
