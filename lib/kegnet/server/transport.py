"""How a connection is read and written: in small parts, not beyond the request that is answered, and an answer by one system call."""

from __future__ import annotations

import asyncio
from typing import Any

PART_BYTES = 16 * 1024
_part = memoryview(bytearray(PART_BYTES))
"""One for all connections: what is in it is copied at once."""


class ReadInParts(asyncio.Protocol, asyncio.BufferedProtocol):
    """A protocol whose data_received() gets at most `PART_BYTES`. asyncio reads up to 256 KiB at once, even if nothing of it is used."""

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where asyncio writes what it reads."""
        return _part

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes were read."""
        self.data_received(bytes(_part[:nbytes]))


class HttpTransport(asyncio.Transport):
    """What uvicorn reads from and writes to.

    uvicorn pauses the reading if something follows the request, but lets it go on once or twice for each request. Here, nothing more is
    read until the answer is complete. The kernel then stops the client.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._held: list[bytes] | None = None
        self._paused = False
        self._answering = False
        self.behind = False
        """Whether a part of what was read may belong to a request after the one that is answered."""

    # What the connection reports.

    def hold(self) -> None:
        """Writes nothing until `release()`."""
        self._held = []

    def release(self) -> None:
        """Writes what was held back."""
        held, self._held = self._held, None
        if held:
            self._transport.write(b"".join(held))

    def part_received(self) -> None:
        """Something was read, which uvicorn gets next."""
        self.behind = self._paused or self._answering
        if self._answering:
            self._transport.pause_reading()

    def part_used(self) -> None:
        """It is used. If uvicorn goes on reading, it belongs to the request that is answered now, although the one before has not ended."""
        if not self._paused:
            self.behind = False
            self._transport.resume_reading()

    def request_complete(self) -> None:
        """The answer begins: what is read from now on is behind the request."""
        self._answering = True
        if self.behind:
            self._transport.pause_reading()

    def answer_complete(self) -> None:
        """The next request may be read, if uvicorn does not have it already."""
        self._answering = False
        self.behind = self._paused
        if not self._paused:
            self._transport.resume_reading()

    # What uvicorn does.

    def pause_reading(self) -> None:
        """Reads nothing more for now."""
        self._paused = self.behind = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Reads again, if it is not behind a request that is answered."""
        self._paused = False
        if not self._answering:
            self._transport.resume_reading()

    def write(self, data: Any) -> None:
        """Writes it, or holds it back."""
        if self._held is None:
            self._transport.write(data)
        else:
            self._held.append(bytes(data))

    def close(self) -> None:
        """Closes the connection after what is written."""
        self.release()
        self._transport.close()

    def abort(self) -> None:
        """Closes the connection at once."""
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether the connection is closed."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What asyncio's transport has."""
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Lets another protocol go on with the connection."""
        self._transport.set_protocol(protocol)
