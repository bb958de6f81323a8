"""Time limits on connections, with short ones: uvicorn's protocol in the wrapping of the server, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from kegnet.server import wire
from kegnet.server.listening import bind
from kegnet.server.wire import Connections
from uvicorn.protocols.http.h11_impl import H11Protocol

STREAM = b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
LARGE = 20 * 2**20
"""So many bytes that the kernel's buffers do not contain them."""
Test = Callable[[str, int, Connections], Awaitable[None]]


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers a request that is complete."""
    connection = wire.current()
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            connection.answered()
            return
        body += message["body"]
        if not message["more_body"]:
            break
    connection.received()
    if scope["path"] == "/stream":
        await stream(receive, send)
        connection.answered()
        return
    if scope["path"] == "/late":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
        # As after a file that is closed in a thread.
        await asyncio.sleep(1)
        connection.answered()
        return
    connection.hold()
    answer = b"x" * LARGE if scope["path"] == "/large" else b"ok"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]})
    await send({"type": "http.response.body", "body": answer})
    connection.answered()


async def stream(receive: Any, send: Any) -> None:
    """Answers until the client leaves."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


@contextlib.asynccontextmanager
async def serving(at_most: int = 100) -> AsyncIterator[tuple[int, Connections]]:
    with bind("127.0.0.1:0")[0] as sock:
        connections = Connections(H11Protocol, at_most)
        made: Any = connections
        app: Any = application
        config = uvicorn.Config(
            app, http=made, loop="asyncio", ws="none", lifespan="off", log_config=None, log_level="critical", timeout_keep_alive=60
        )
        server = uvicorn.Server(config)
        # In the main thread uvicorn takes the signals; it gives them back at the end.
        task = asyncio.create_task(server.serve(sockets=[sock]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield sock.getsockname()[1], connections
        server.should_exit = True
        connections.abort_all()
        await task


@pytest.fixture(autouse=True)
def _short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "REQUEST_S", 0.5)
    monkeypatch.setattr(wire, "SWEEP_S", 0.1)


async def closed(reader: asyncio.StreamReader) -> bytes:
    """All until the server closes the connection; fails after 30 s."""
    received = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(30):
            while part := await reader.read(1000):
                received += part
    return received


@pytest.mark.parametrize("part", [b"", b"POST / HT", REQUEST, REQUEST + b"a"])
def test_a_request_that_stays_incomplete_is_dropped(part: bytes) -> None:
    async def run() -> None:
        async with serving() as (port, connections):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(part)
            assert await closed(reader) == b""
            assert len(connections) == 0
            writer.close()

    asyncio.run(run())


def test_a_client_that_drips_is_dropped_too() -> None:
    async def run() -> None:
        async with serving() as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for byte in (REQUEST + b"a")[:40]:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.02)
            assert await closed(reader) == b""
            writer.close()

    asyncio.run(run())


def test_a_connection_that_is_answered_may_be_idle_and_is_used_again() -> None:
    async def run() -> None:
        async with serving() as (port, connections):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(2):
                writer.write(REQUEST + b"ab")
                assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200 OK")
                await asyncio.sleep(1.0)
                assert len(connections) == 1
            writer.write(REQUEST)
            assert await closed(reader) == b""
            writer.close()

    asyncio.run(run())


def test_a_new_connection_takes_the_place_of_an_idle_one_and_of_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "REQUEST_S", 60.0)

    async def run() -> None:
        async with serving(at_most=2) as (port, connections):
            busy = await asyncio.open_connection("127.0.0.1", port)
            busy[1].write(REQUEST)
            await asyncio.sleep(0.1)
            idle = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.sleep(0.1)
            new = await asyncio.open_connection("127.0.0.1", port)
            assert await closed(idle[0]) == b""
            busy[1].write(b"ab")
            new[1].write(REQUEST)
            assert (await busy[0].readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK")
            new[1].write(b"ab")
            assert (await new[0].readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK")
            assert len(connections) == 2
            for _, writer in (busy, idle, new):
                writer.close()

    asyncio.run(run())


def test_a_new_connection_takes_the_place_of_the_oldest_unfinished_request_where_none_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "REQUEST_S", 60.0)

    async def run() -> None:
        async with serving(at_most=2) as (port, connections):
            unfinished = []
            for _ in range(2):
                unfinished.append(await asyncio.open_connection("127.0.0.1", port))
                unfinished[-1][1].write(REQUEST)
                await asyncio.sleep(0.1)
            new = await asyncio.open_connection("127.0.0.1", port)
            new[1].write(REQUEST + b"ab")
            assert (await new[0].readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK")
            assert await closed(unfinished[0][0]) == b""
            unfinished[1][1].write(b"ab")
            assert (await unfinished[1][0].readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK")
            assert len(connections) == 2
            for _, writer in (*unfinished, new):
                writer.close()

    asyncio.run(run())


def test_a_connection_is_refused_where_all_are_answered() -> None:
    async def run() -> None:
        async with serving(at_most=1) as (port, _):
            busy = await asyncio.open_connection("127.0.0.1", port)
            busy[1].write(STREAM)
            await busy[0].readuntil(b"begun")
            refused = await asyncio.open_connection("127.0.0.1", port)
            assert await closed(refused[0]) == b""
            assert not busy[0].at_eof()
            for _, writer in (busy, refused):
                writer.close()

    asyncio.run(run())


@pytest.mark.parametrize("part", [b"GET / HTTP/1.1\r\nHost: x\r\nx: " + b"y" * 15_000, STREAM + b"x" * 60_000])
def test_the_oldest_that_hold_too_much_together_are_closed(part: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "REQUEST_S", 60.0)
    monkeypatch.setattr(wire, "HELD_BYTES", 40_000)
    monkeypatch.setattr(wire, "BEHIND_BYTES", 16_000)

    async def run() -> None:
        async with serving() as (port, connections):
            opened = []
            for _ in range(4):
                opened.append(await asyncio.open_connection("127.0.0.1", port))
                opened[-1][1].write(part)
                await asyncio.sleep(0.1)
            for reader, _ in opened[:2]:
                await closed(reader)
            assert len(connections) == 2
            new = await asyncio.open_connection("127.0.0.1", port)
            new[1].write(REQUEST + b"ab")
            assert (await new[0].readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK")
            for _, writer in (*opened, new):
                writer.close()

    asyncio.run(run())


def test_a_request_that_comes_before_the_last_one_has_ended_is_not_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "REQUEST_S", 60.0)
    monkeypatch.setattr(wire, "HELD_BYTES", wire.BEHIND_BYTES - 1)

    async def run() -> None:
        async with serving() as (port, connections):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(STREAM.replace(b"/stream", b"/late"))
            await reader.readuntil(b"\r\n\r\nok")
            writer.write(STREAM)
            await reader.readuntil(b"begun")
            await asyncio.sleep(1.5)
            assert len(connections) == 1
            # What it reads is limited again: this is behind the stream.
            writer.write(b"x" * 60_000)
            await closed(reader)
            assert len(connections) == 0
            writer.close()

    asyncio.run(run())


def test_many_requests_at_once_are_all_answered() -> None:
    async def run() -> None:
        async with serving() as (port, connections):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write((REQUEST + b"ab") * 10_000)
            for _ in range(10_000):
                assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200 OK")
            # After all of them, it is idle.
            await asyncio.sleep(1.0)
            assert len(connections) == 1
            writer.close()

    asyncio.run(run())


def test_the_begin_of_a_request_that_came_with_another_is_dropped_too() -> None:
    async def run() -> None:
        async with serving() as (port, connections):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for part in (REQUEST + b"abG", b"E"):
                writer.write(part)
                await asyncio.sleep(0.1)
            assert (await closed(reader)).endswith(b"\r\n\r\nok")
            assert len(connections) == 0
            writer.close()

    asyncio.run(run())


def test_a_client_that_has_read_a_large_answer_has_a_time_limit_for_the_next_request() -> None:
    async def run() -> None:
        async with serving() as (port, connections):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
            writer.write(REQUEST.replace(b"/", b"/large", 1) + b"ab")
            await reader.readuntil(b"\r\n\r\n")
            # The server has written all that it can, and the answer is complete.
            await asyncio.sleep(0.2)
            writer.write(b"G")
            await asyncio.sleep(0.1)
            async with asyncio.timeout(60):
                while await reader.read(2**20):
                    pass
            assert len(connections) == 0
            writer.close()

    asyncio.run(run())


def test_head_and_body_of_an_answer_come_together() -> None:
    async def run() -> None:
        async with serving() as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(REQUEST + b"ab")
            answer = await reader.read(1000)
            assert answer.startswith(b"HTTP/1.1 200 OK")
            assert answer.endswith(b"\r\n\r\nok")
            writer.close()

    asyncio.run(run())
