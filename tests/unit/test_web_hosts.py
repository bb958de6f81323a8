"""The names under which a browser may change something."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from kegnet.server.options import ServeOptions
from kegnet.server.web.hosts import Hosts, is_host, search_domains

HOSTS = Hosts(ServeOptions("", url="https://Kegs.example:8443/kegs", names=("beer.example.",)))


@pytest.mark.parametrize(
    "header",
    [
        "localhost:8080", "127.0.0.1:8080", "192.168.1.7", "[::1]:8080", "[fe80::1]", "kegs", "KEGS:80", "kegs.local", "kegs.local.",
        "kegs.lan:8080", "kegs.home.arpa", "kegs.fritz.box", "a.b.internal", "kegs.example", "KEGS.EXAMPLE:8080", "beer.example",
        "2130706433",
        socket.gethostname(),
    ],
)  # fmt: skip
def test_what_only_this_network_calls_a_server_is_its_name(header: str) -> None:
    assert HOSTS.is_own(header)


@pytest.mark.parametrize(
    "header",
    [
        "evil.example", "a.kegs.example", "kegs.example.evil.example", "local.evil.example", "evillocal.example", "fritz.box.evil.example",
        "127.0.0.1.evil.example", "127.0.0.1.nip.io", f"{socket.gethostname()}.evil.example", "", "[::1", "kegs.local@evil.example", ":80",
    ],
)  # fmt: skip
def test_a_name_that_another_site_can_have_is_none(header: str) -> None:
    assert not HOSTS.is_own(header)


def test_the_domain_of_the_network_is_in_the_resolvers_file(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("# search no.example\nnameserver 192.168.1.1\nsearch Home.example.  speedport.ip .\ndomain other.example\nsearch\n")
    assert search_domains(file) == {"home.example", "speedport.ip", "other.example"}
    assert search_domains(tmp_path / "missing") == frozenset()


@pytest.mark.parametrize("header", ["", "x", "x:", "x:80", "[::1]:8080", "192.168.1.7:8080", "my_kegs.local", "kegs.example."])
def test_a_name_or_an_address_with_or_without_a_port_is_a_host(header: str) -> None:
    assert is_host(header)


@pytest.mark.parametrize("header", ["[", "[::1", "::1]", "x:y", "x:99999", "x/y", "x?y", "x#y"])
def test_what_no_url_can_have_is_no_host(header: str) -> None:
    assert not is_host(header)
