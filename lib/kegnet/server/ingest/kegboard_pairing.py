"""How a Kegboard gets its token: section 8 of the Kegboard Event Protocol, see `kegboard.py`."""

from __future__ import annotations

import asyncio
import logging
import time

from kegnet.core.syslog_handler import escape_name

from ..limits import is_private, network
from ..storage import Database
from ..storage.boards import Board, awaits_token, find_board, hand_out_token, remember_board
from ..storage.records import Client
from .row_budget import RowBudget

log = logging.getLogger(__name__)


class Pairing:
    """Answers boards without a valid token."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._budget = RowBudget()

    async def answer(self, client: Client | None, device: str, address: str) -> dict[str, str]:
        """The content of `pairing` in the answer. `client` is the board's if it was ever accepted. Raises UnavailableError."""
        now_ms = time.time_ns() // 10**6
        if client is not None and not client.public_key:
            token = await asyncio.to_thread(_hand_out, self._database, client, network(address), now_ms)
            if token is not None:
                log.info("the Kegboard %s got its token", escape_name(device))
                return {"state": "allowed", "token": token}
        if await asyncio.to_thread(_is_denied, self._database, device):
            return {"state": "denied"}
        board = asking(device, address, now_ms)
        if self._budget.may_write(device, board.network, local=board.local) and await asyncio.to_thread(_remember, self._database, board):
            log.info("the Kegboard %s asks to be accepted; do that on the page or by: kegnet-server boards", escape_name(device))
        return {"state": "pending"}


def asking(device: str, address: str, now_ms: int) -> Board:
    """A board that asks from an address."""
    return Board(device, address, now_ms, now_ms, network=network(address), local=is_private(address))


def _is_denied(database: Database, device: str) -> bool:
    with database.reading() as c:
        board = find_board(c, device)
    return board is not None and board.denied


def _hand_out(database: Database, client: Client, sender: str, now_ms: int) -> str | None:
    with database.reading() as c:
        if not awaits_token(c, client, sender):
            return None
    with database.writing() as c:
        return hand_out_token(c, client, sender, now_ms)


def _remember(database: Database, board: Board) -> bool:
    with database.writing() as c:
        return remember_board(c, board)
