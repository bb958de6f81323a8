"""The listening address."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from kegnet.server.listening import BindError, ListenError, base_url, bind
from support.ports import free_port


@pytest.mark.parametrize(
    "listen", ["", "8443", "localhost", "localhost:port", "1.2.3.4:65536", "::1:80", "[::1]", "unix:relative", "http://x:1", "a b:1:2"]
)
def test_what_is_no_address_is_refused_with_what_would_be_right(listen: str) -> None:
    with pytest.raises(ListenError, match=r"is no address; fix: use HOST:PORT, \[IPV6\]:PORT or unix:/path"):
        bind(listen)


def test_an_address_gives_the_url_of_the_server(tmp_path: Path) -> None:
    port = free_port()
    with bind(f"127.0.0.1:{port}")[0] as sock:
        assert base_url(sock, encrypted=True) == f"https://127.0.0.1:{port}"
    with bind("[::1]:0")[0] as sock:
        assert base_url(sock, encrypted=False) == f"http://[::1]:{sock.getsockname()[1]}"
    with bind(f"unix:{tmp_path}/socket")[0] as sock:
        assert base_url(sock, encrypted=False) == f"http://unix:{tmp_path}/socket:"


def test_a_port_in_use_is_named() -> None:
    with bind("127.0.0.1:0")[0] as sock, pytest.raises(BindError, match="Address already in use; fix: stop the other program"):
        bind(f"127.0.0.1:{sock.getsockname()[1]}")


def test_a_unix_socket_replaces_one_that_was_left_and_no_other_file(tmp_path: Path) -> None:
    bind(f"unix:{tmp_path}/socket")[0].close()
    bind(f"unix:{tmp_path}/socket")[0].close()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BindError):
        bind(f"unix:{tmp_path}/file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_reader_who_has_vanished_is_noticed() -> None:
    with bind("127.0.0.1:0")[0] as sock, socket.create_connection(sock.getsockname()):
        accepted = sock.accept()[0]
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 120_000


def test_several_processes_share_an_address_that_nobody_else_can_take() -> None:
    first, second = bind("127.0.0.1:0", 2)
    with first, second:
        address = "{}:{}".format(*first.getsockname())
        assert second.getsockname() == first.getsockname()
        for count in (1, 2):
            with pytest.raises(BindError, match="Address already in use"):
                bind(address, count)
