"""A TCP proxy that can cut one side of its connections only, as a router does that forgets them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from types import TracebackType

from .ports import free_port

_Pair = tuple[asyncio.StreamWriter, asyncio.StreamWriter, "asyncio.Task[None]"]


class CutProxy:
    """Listens at `port` and forwards to `target`. After `cut()` the near side is closed; the far side is open until `close_far()`.

    It waits for `pause_s` before each 64 KiB, so a target that sends more meets a slow reader.
    """

    def __init__(self, target: int, pause_s: float = 0.0) -> None:
        self._pause_s = pause_s
        self.port = free_port()
        self._target = target
        self._pairs: list[_Pair] = []
        self._far: list[asyncio.StreamWriter] = []
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(60)

    def cut(self) -> None:
        """Ends the connections for those who connected; the target does not notice."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(60)

    def close_far(self) -> None:
        """The target notices at last."""
        asyncio.run_coroutine_threadsafe(self._close_far(), self._loop).result(60)

    def _run(self, ready: threading.Event) -> None:
        async def listen() -> None:
            self._stop = asyncio.Event()
            async with await asyncio.start_server(self._connected, "127.0.0.1", self.port):
                ready.set()
                await self._stop.wait()
                await self._cut()
                await self._close_far()

        self._loop.run_until_complete(listen())
        self._loop.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        pumps = asyncio.gather(_pump(reader, far_writer, self._pause_s), _pump(far_reader, writer, self._pause_s))
        task = asyncio.ensure_future(_ended(pumps))
        self._pairs.append((writer, far_writer, task))

    async def _cut(self) -> None:
        for near, far, task in self._pairs:
            task.cancel()
            near.transport.abort()
            self._far.append(far)
        self._pairs.clear()

    async def _close_far(self) -> None:
        for far in self._far:
            far.transport.abort()
        self._far.clear()
        await asyncio.sleep(0)

    def __enter__(self) -> CutProxy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pause_s: float) -> None:
    while data := await reader.read(65536):
        await asyncio.sleep(pause_s)
        writer.write(data)
        await writer.drain()
    writer.close()


async def _ended(pumps: asyncio.Future[tuple[None, None]]) -> None:
    with contextlib.suppress(ConnectionError, asyncio.CancelledError):
        await pumps
