"""TLS between asyncio and uvicorn's protocol, over real sockets, with small limits."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from kegnet.server import tls, wire
from kegnet.server.listening import bind
from kegnet.server.tls import Tls, server_context
from kegnet.server.wire import Connections
from support.pki import Certificate
from uvicorn.protocols.http.h11_impl import H11Protocol

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
PIECE = b"x" * 10_000


class Application:
    """Answers with `pieces` pieces, after `begin` is set."""

    def __init__(self, pieces: int) -> None:
        self.pieces = pieces
        self.sent = 0
        self.begin = asyncio.Event()
        self.begin.set()
        self.scheme = ""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        connection = wire.current()
        self.scheme, self.sent = scope["scheme"], 0
        while (await receive()).get("more_body"):
            pass
        connection.received()
        await self.begin.wait()
        length = str(self.pieces * len(PIECE)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        while self.sent < self.pieces:
            self.sent += 1
            await send({"type": "http.response.body", "body": PIECE, "more_body": self.sent < self.pieces})
        connection.answered()


@contextlib.asynccontextmanager
async def serving(certificate: Certificate, app: Any, at_most: int = 100) -> AsyncIterator[tuple[int, Connections]]:
    with bind("127.0.0.1:0")[0] as sock:
        connections = Connections(H11Protocol, at_most)
        made: Any = Tls(connections, server_context(certificate.certificate, certificate.key))
        config = uvicorn.Config(app, http=made, loop="asyncio", ws="none", lifespan="off", log_config=None, log_level="critical")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[sock]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield sock.getsockname()[1], connections
        server.should_exit = True
        connections.abort_all()
        await task


@pytest.fixture(autouse=True)
def _short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "REQUEST_S", 60.0)
    monkeypatch.setattr(wire, "SWEEP_S", 0.1)


class Client:
    """A client that decides when TLS reads and writes. Made over a socket that is connected."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing)
        self._reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, port: int) -> Client:
        """A client after its handshake."""
        sock = socket.socket()
        # With small buffers of the kernel, the server notices a slow reader early.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        client = cls(*await asyncio.open_connection(sock=sock))
        while client._tls.version() is None or client._outgoing.pending:
            try:
                client._tls.do_handshake()
                client._flush()
            except ssl.SSLWantReadError:
                await client._exchange()
        return client

    def send(self, data: bytes, *, a_byte_each: bool = False) -> None:
        """Sends it, in one record, or byte by byte of what is encrypted."""
        self._tls.write(data)
        if a_byte_each:
            for byte in self._outgoing.read():
                self.writer.write(bytes([byte]))
        self._flush()

    def end(self) -> None:
        """Ends its side of TLS, and of TCP."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._flush()
        self.writer.write_eof()

    async def received(self, length: int = 10**9) -> bytes:
        """So many bytes, or all until the server ends its side; fails after a minute."""
        whole = b""
        async with asyncio.timeout(60):
            while len(whole) < length:
                try:
                    part = self._tls.read(65536)
                    if not part:
                        break
                    whole += part
                except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                    break
                except ssl.SSLWantReadError:
                    await self._exchange()
        return whole

    def _flush(self) -> None:
        if self._outgoing.pending:
            self.writer.write(self._outgoing.read())

    async def _exchange(self) -> None:
        self._flush()
        if part := await self._reader.read(65536):
            self._incoming.write(part)
        else:
            self._incoming.write_eof()


async def until_closed(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(30):
            while await reader.read(65536):
                pass


def test_an_answer_is_encrypted_and_the_connection_is_used_again(certificate: Certificate) -> None:
    async def run() -> None:
        app = Application(1)
        async with serving(certificate, app) as (port, connections):
            client = await Client.connect(port)
            for a_byte_each in (False, True):
                client.send(GET, a_byte_each=a_byte_each)
                assert (await client.received(len(PIECE))).endswith(PIECE)
            assert app.scheme == "https"
            assert len(connections) == 1
            client.writer.close()

    asyncio.run(run())


def test_the_application_waits_for_a_client_that_reads_slowly(certificate: Certificate) -> None:
    async def run() -> None:
        app = Application(1000)
        async with serving(certificate, app) as (port, _):
            client = await Client.connect(port)
            client.send(GET)
            while not app.sent:
                await asyncio.sleep(0.01)
            before = -1
            while app.sent != before:
                before = app.sent
                await asyncio.sleep(0.5)
            # What the kernel and asyncio buffer.
            assert app.sent < 700
            answer = await client.received(1000 * len(PIECE))
            assert answer.endswith(PIECE)
            assert answer.count(b"x") >= 1000 * len(PIECE)
            client.writer.close()

    asyncio.run(run())


def test_a_client_that_ends_its_side_still_gets_the_answer(certificate: Certificate) -> None:
    async def run() -> None:
        app = Application(10)
        app.begin.clear()
        async with serving(certificate, app) as (port, connections):
            client = await Client.connect(port)
            client.send(GET)
            client.end()
            await asyncio.sleep(0.2)
            app.begin.set()
            assert (await client.received()).count(b"x") >= 10 * len(PIECE)
            while connections:
                await asyncio.sleep(0.01)
            client.writer.close()

    asyncio.run(run())


def test_a_client_that_ends_tcp_without_the_end_of_tls_still_gets_the_answer(certificate: Certificate) -> None:
    async def run() -> None:
        app = Application(10)
        app.begin.clear()
        async with serving(certificate, app) as (port, connections):
            client = await Client.connect(port)
            client.send(GET)
            client.writer.write_eof()
            await asyncio.sleep(0.2)
            app.begin.set()
            assert (await client.received()).count(b"x") >= 10 * len(PIECE)
            while connections:
                await asyncio.sleep(0.01)
            client.writer.close()

    asyncio.run(run())


def test_an_idle_connection_that_the_client_ends_is_closed(certificate: Certificate) -> None:
    async def run() -> None:
        async with serving(certificate, Application(1)) as (port, connections):
            client = await Client.connect(port)
            client.end()
            assert await client.received() == b""
            while connections:
                await asyncio.sleep(0.01)
            client.writer.close()

    asyncio.run(run())


@pytest.mark.parametrize("part", [b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 32])
def test_a_handshake_that_stalls_is_dropped(certificate: Certificate, monkeypatch: pytest.MonkeyPatch, part: bytes) -> None:
    monkeypatch.setattr(wire, "REQUEST_S", 1.0)

    async def run() -> None:
        async with serving(certificate, Application(1)) as (port, connections):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(part)
            await until_closed(reader)
            assert len(connections) == 0
            writer.close()

    asyncio.run(run())


def test_a_handshake_that_stalls_gives_way_to_a_new_connection(certificate: Certificate) -> None:
    async def run() -> None:
        async with serving(certificate, Application(1), at_most=1) as (port, connections):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.sleep(0.1)
            client = await Client.connect(port)
            await until_closed(reader)
            client.send(GET)
            assert (await client.received(len(PIECE))).endswith(PIECE)
            assert len(connections) == 1
            writer.close()
            client.writer.close()

    asyncio.run(run())


def test_a_client_that_has_tls_answer_without_an_end_is_dropped(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    # Room for the handshake and some changes of keys.
    monkeypatch.setattr(tls, "OWN_BYTES_AT_MOST", 4000)

    async def run() -> None:
        async with serving(certificate, Application(1)) as (port, connections):
            pipe = asyncio.subprocess.PIPE
            openssl = await asyncio.create_subprocess_exec(
                "openssl",
                "s_client",
                "-connect",
                f"127.0.0.1:{port}",
                "-tls1_3",
                stdin=pipe,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=pipe,
            )
            assert openssl.stdin is not None
            while not connections:
                await asyncio.sleep(0.01)
            changes = 0
            async with asyncio.timeout(60):
                while connections:
                    # Its command for a change of the keys of both sides.
                    openssl.stdin.write(b"K\n")
                    changes += 1
                    await asyncio.sleep(0.005)
            assert changes > 20
            with contextlib.suppress(ProcessLookupError):
                openssl.kill()
            await openssl.communicate()

    asyncio.run(run())
