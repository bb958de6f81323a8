"""Slow work for senders that nobody knows yet: one at a time, and a bounded number wait, fair to each network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

WAITING_AT_MOST = 20
WAITING_OF_A_NETWORK = 2


class BusyError(Exception):
    """Too many wait already: of this network, or in all."""


@dataclass(eq=False)
class _Place:
    """Of one that waits. `turn` is done when it is its turn, or has an error when it lost its place."""

    sender: str
    local: bool
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Turns:
    """Private addresses come first: a flood from the internet does not delay the local network. For the event loop's thread."""

    def __init__(self) -> None:
        self._is_taken = False
        self._waiting: list[_Place] = []

    @asynccontextmanager
    async def turn(self, sender: str, *, local: bool) -> AsyncIterator[None]:
        """Waits until no other work runs. `sender` is a network, `local` if it is a private one. Raises BusyError."""
        if self._is_taken:
            await self._wait(_Place(sender, local))
        self._is_taken = True
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, place: _Place) -> None:
        self._make_room(place)
        self._waiting.append(place)
        try:
            await place.turn
        except asyncio.CancelledError:
            if place.turn.done() and not place.turn.cancelled():
                # It was cancelled between its turn and its waking up.
                self._pass_on()
            raise
        finally:
            self._leave(place)

    def _make_room(self, newcomer: _Place) -> None:
        if sum(place.sender == newcomer.sender for place in self._waiting) >= WAITING_OF_A_NETWORK:
            raise BusyError
        if len(self._waiting) < WAITING_AT_MOST:
            return
        last_remote = next((place for place in reversed(self._waiting) if not place.local), None)
        if last_remote is None or not newcomer.local:
            raise BusyError
        self._leave(last_remote)
        if not last_remote.turn.done():
            last_remote.turn.set_exception(BusyError())

    def _pass_on(self) -> None:
        """Gives the turn to the first private address, else to the first one."""
        self._waiting = [place for place in self._waiting if not place.turn.done()]
        self._is_taken = bool(self._waiting)
        if self._waiting:
            following = next((place for place in self._waiting if place.local), self._waiting[0])
            self._leave(following)
            following.turn.set_result(None)

    def _leave(self, place: _Place) -> None:
        if place in self._waiting:
            self._waiting.remove(place)
